"""Scores of packed sequences: what they depend on, and what not."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_memory import small_memory
from tiny_crossencoder import Kit, example, make_kit
from transformers import AutoModelForTokenClassification

from raybel.errors import ConfigError, DeviceError
from raybel.reporting import tally
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import pack
from raybel.rerank.parameters import CROSSTYPES

TOLERANCE = 1e-4
TEXT = "anemia and asthma run in families"
EXAMPLES = [
    example("anemia", ["Anemia", "aplastic anemia [MASK]", "asthma"], TEXT, 0),
    example("asthma", ["Asthma", "chronic [SEP] asthma"], TEXT, 11, aliases=["bronchial asthma", None]),
    example("xq", [], TEXT, 0),
    example("gout", ["Gout", "anemia", "gouty arthritis", "a"], "gout, a disease", 0, (1,)),
]


def scores(kit, crosstype, examples, **options):
    return kit.scorer(crosstype, options.pop("budget", 256)).logits(kit.tokens(examples), **options)


def same(one, other, tolerance=TOLERANCE):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance)


@pytest.mark.parametrize("crosstype", CROSSTYPES)
def test_the_batch_does_not_matter(kit, crosstype):
    one = scores(kit, crosstype, EXAMPLES)
    assert [len(each) for each in one] == [3, 2, 0, 4]
    assert all(np.isfinite(each).all() for each in one)
    same(one, scores(kit, crosstype, EXAMPLES, budget=1))
    same(one, scores(kit, crosstype, EXAMPLES, budget=100_000))
    others = [example("cystic", ["cystic fibrosis"] * 3, "a cystic case", 2, (7,))]
    same(one, scores(kit, crosstype, [*EXAMPLES, *others])[:4])
    assert len(np.unique(np.round(np.concatenate(one), 4))) > 5


@pytest.mark.parametrize("crosstype", ["base", "tree"])
def test_a_score_depends_on_its_own_pair_alone(kit, crosstype):
    whole = scores(kit, crosstype, EXAMPLES)
    for each, found in zip(EXAMPLES, whole, strict=True):
        same([found], scores(kit, crosstype, [each]))
        for place, name in enumerate(each.names):
            lone = example(each.mention, [name], each.context, each.start, each.group, [each.aliases[place]])
            lone.candidates["score"] = each.candidates["score"][place]
            same([found[place : place + 1]], scores(kit, crosstype, [lone]))


@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_the_order_of_candidates_does_not_matter_in_a_tree(kit, seed):
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(each.names)).tolist() for each in EXAMPLES]
    same(scores(kit, "tree", EXAMPLES), scores(kit, "tree", EXAMPLES, orders=orders))


def test_it_does_in_a_joint_type(kit):
    orders = [list(range(len(each.names)))[::-1] for each in EXAMPLES]
    one, other = scores(kit, "multi", EXAMPLES), scores(kit, "multi", EXAMPLES, orders=orders)
    assert max(np.abs(a - b).max() for a, b in zip(one, other, strict=True) if len(a)) > 1e-3


@pytest.mark.parametrize("budget", [1, 64, 4096])
def test_every_way_gives_the_same_scores(kit, budget):
    packed = scores(kit, "tree", EXAMPLES, attention="mask")
    for way in ("reuse", "branches"):
        same(packed, scores(kit, "tree", EXAMPLES, attention=way, budget=budget))


def test_sequences_longer_than_the_window(kit):
    """Branch by branch a tree's may be: its positions begin anew in each branch."""
    examples = [example(mention, [f"{mention} {n % 7}" for n in range(20)], TEXT, 0) for mention in ("anemia", "gout")]
    (whole,) = pack("tree", kit.tokens, kit.tokens(examples), length=4096)
    assert len(whole) > 2 * kit.tokens.length
    assert max(whole.positions) < kit.tokens.length
    same(
        scores(kit, "tree", examples, attention="branches", budget=4096),
        scores(kit, "tree", examples, attention="mask"),
    )


def test_a_context_longer_than_the_window(kit):
    """Narrowed around the mention; a mention's scores don't depend on those that share its context."""
    text = " ".join(f"w{number % 10}" for number in range(300)) + " anemia " + "and so on " * 30
    place = text.index("anemia")
    far = example("w1", ["Asthma", "gout"], text, text.index("w1"), (0,))
    near = example("anemia", ["Anemia", "gout"], text, place, (0,))
    made = kit.tokens([near])[0]
    assert len(made.context) == kit.tokens.max_context
    assert "".join(kit.tokenizer.convert_ids_to_tokens(made.context)).replace("##", "").count("anemia") == 1
    for crosstype in CROSSTYPES:
        found = scores(kit, crosstype, [far, near])
        assert all(np.isfinite(each).all() for each in found)
    same(scores(kit, "tree", [far, near])[1:], scores(kit, "tree", [near]))


def test_a_mention_and_a_name_longer_than_the_window(kit):
    long = example("anemia " * 100, ["asthma " * 100, "gout"])
    (made,) = kit.tokens([long])
    assert (len(made.mention), len(made.candidates[0])) == (kit.tokens.max_mention, kit.tokens.max_candidate - 2)
    assert made.truncated == 2
    for crosstype in CROSSTYPES:
        assert np.isfinite(scores(kit, crosstype, [long])[0]).all()


def test_a_document_of_many_passages(kit):
    text = "\n".join(f"passage {number} on anemia" for number in range(100))  # 2,300 tokens
    examples = [
        example("anemia", ["Anemia"], text, place, (0,))
        for place in range(len(text))
        if text.startswith("anemia", place)
    ]
    for crosstype in ("document", "tree"):
        found = scores(kit, crosstype, examples)
        assert len(found) == 100
        assert all(np.isfinite(each).all() for each in found)


def test_nothing_to_score(kit):
    for crosstype in CROSSTYPES:
        assert scores(kit, crosstype, []) == []
        assert [each.tolist() for each in scores(kit, crosstype, [EXAMPLES[2]])] == [[]]
        for way in ("mask", "branches", "reuse"):
            assert [each.tolist() for each in scores(kit, crosstype, [EXAMPLES[2]], attention=way)] == [[]]


def test_what_is_asked_of_model_and_parameters(encoder, kit):
    with pytest.raises(ConfigError, match="too short"):
        make_kit(encoder, max_length=16)
    kit.tokenizer.mask_token, held = None, kit.tokenizer.mask_token
    try:
        with pytest.raises(ConfigError, match="no mask token"):
            type(kit.tokens)(kit.tokenizer, 64, kit.tokens.parameters)
    finally:
        kit.tokenizer.mask_token = held


def test_a_score_token_says_what_the_first_stage_said(kit):
    one, other = (example("anemia", ["gout"]) for _ in range(2))
    other.candidates["score"] = 0.05
    assert abs(scores(kit, "tree", [one])[0] - scores(kit, "tree", [other])[0]).max() > 1e-3
    assert torch.is_inference_mode_enabled() is False


@pytest.mark.parametrize("crosstype", [each for each in CROSSTYPES if each != "tree"])
def test_plain_transformers_gives_the_same_logits(kit, crosstype, tmp_path):
    """A published type's directory is read at `[MASK]`, with nothing of ours."""
    kit.model.save_pretrained(tmp_path)
    plain = AutoModelForTokenClassification.from_pretrained(tmp_path).eval()
    ours = scores(kit, crosstype, EXAMPLES)
    seen = 0
    for each in pack(crosstype, kit.tokens, kit.tokens(EXAMPLES)):
        with torch.no_grad():
            found = plain(input_ids=torch.tensor([each.ids])).logits[0]
        places = [place for place, token in enumerate(each.ids) if token == kit.tokenizer.mask_token_id]
        assert places == each.slots
        wanted = [ours[row][candidate] for row, candidate in each.owners]
        np.testing.assert_allclose((found[places, 1] - found[places, 0]).numpy(), wanted, atol=TOLERANCE)
        seen += len(places)
    assert seen == 9


def test_in_half_precision_scores_differ_by_rounding_alone(kit):
    """By some of bf16's steps (1/256 each) in these weights, which are larger than a trained model's."""
    half = Kit(copy.deepcopy(kit.model).to(torch.bfloat16), kit.tokenizer, kit.tokens)
    exact = scores(kit, "tree", EXAMPLES)
    for way in ("mask", "branches", "reuse"):
        for budget in (1, 256):
            same(exact, scores(half, "tree", EXAMPLES, attention=way, budget=budget), 0.25)


@pytest.mark.parametrize(
    ("crosstype", "way"), [(each, "mask") for each in CROSSTYPES] + [("tree", "branches"), ("tree", "reuse")]
)
def test_a_batch_that_memory_is_too_small_for(kit, crosstype, way):
    """It is halved: nothing is lost."""
    examples = [*EXAMPLES, *(example("gout", ["Gout", "a"], f"gout and {n}", 0, (n,)) for n in range(2, 9))]
    whole = scores(kit, crosstype, examples, attention=way, budget=4096)
    with small_memory(kit.model, 170) as sizes:
        found = scores(kit, crosstype, examples, attention=way, budget=4096)
    assert max(sizes) > 170
    same(whole, found)
    with small_memory(kit.model, 5), pytest.raises(DeviceError, match=r"^cpu: CUDA out of memory"):
        scores(kit, crosstype, examples, attention=way, budget=4096)


def test_contexts_that_leave_no_memory_are_halved_too(kit, monkeypatch):
    """Their keys and values stay in memory while what shares them is scored."""
    examples = [example("gout", ["Gout", "a"], f"gout and {n}", 0, (n,)) for n in range(8)]
    whole = scores(kit, "tree", examples, attention="reuse")
    held = []
    below = CrossEncoder.logits_with_contexts

    def refuse(self, cache, batch, context_of):
        held.append(len(cache.present))
        if held[-1] > 2:
            raise torch.OutOfMemoryError("no room")
        return below(self, cache, batch, context_of)

    monkeypatch.setattr(CrossEncoder, "logits_with_contexts", refuse)
    same(whole, scores(kit, "tree", examples, attention="reuse"))
    assert (max(held), held[-1]) == (8, 2)


@pytest.mark.parametrize("crosstype", CROSSTYPES)
def test_pairs_and_tokens_are_counted_once_whatever_the_batches(kit, crosstype):
    examples = kit.tokens(EXAMPLES)
    for budget in (1, 256):
        length = max(kit.tokens.length, budget) if crosstype == "tree" else None
        tokens = sum(map(len, pack(crosstype, kit.tokens, examples, length=length)))
        tally.take()
        kit.scorer(crosstype, budget).logits(examples)
        assert tally.take() == {("tokens", "reranking"): tokens, ("pairs", ""): 9}


def test_a_context_that_is_reused_counts_once(kit):
    examples = kit.tokens(EXAMPLES)
    tally.take()
    kit.scorer("tree").logits(examples, attention="mask")
    whole = tally.take()["tokens", "reranking"]
    kit.scorer("tree").logits(examples, attention="reuse")
    alone = tally.take()["tokens", "reranking"]
    by_mention = list(pack("tree", kit.tokens, examples, together=False))
    contexts = {tuple(sequence.ids[: sequence.context]) for sequence in by_mention}
    assert len(contexts) == 2
    assert alone == sum(map(len, contexts)) + sum(len(sequence) - sequence.context for sequence in by_mention)
    assert alone <= whole

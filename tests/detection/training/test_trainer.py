import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raybel.detection.annotated import AnnotatedDocument, GoldMention
from raybel.detection.base import Detection, at_least
from raybel.detection.training.epochs import Epochs
from raybel.detection.training.examples import NO_TARGET
from raybel.detection.training.parameters import DetectorParameters
from raybel.detection.training.scores import count_spans, fit_least_scores, score_table
from raybel.detection.training.trainer import loss_sum, steps
from raybel.errors import RaybelError

#: The tokens of the tiny model are characters: words that begin differently are easy to tell apart.
WORDS = ("gout", "lupus", "zinc", "mice", "cats", "dogs")


def documents(corpus, kind, wanted, count=24, seed=0):
    """Documents of words of which some are mentions."""
    rng, made = np.random.default_rng(seed), []
    for _ in range(count):
        chosen = [WORDS[n] for n in rng.integers(0, len(WORDS), 5)]
        text = f"{' '.join(chosen)}."
        gold, at = [], 0
        for word in chosen:
            if word in wanted:
                gold.append(GoldMention(0, at, at + len(word), kind))
            at += len(word) + 1
        made.append(AnnotatedDocument((text,), tuple(gold), (((0, len(text)),),), corpus))
    return made


def epochs(encoder, train, validation, types, **changed):
    parameters = {"learning_rate": 1e-2, "max_epochs": 5, "batch_tokens": 128, "context_tokens": 0, "dropout": 0.0}
    parameters |= changed
    settings = {"base": str(encoder), "types": types, "precision": "fp32", "seed": 0, "threads": 1}
    return Epochs({**settings, "parameters": vars(DetectorParameters(**parameters))}, train, validation)


def test_it_learns_and_keeps_the_best_epoch(encoder):
    train, validation = documents(0, "A", {"gout", "lupus"}, 120), documents(0, "A", {"gout", "lupus"}, seed=1)
    run = epochs(encoder, train, validation, {"train": [["A"]], "val": [["A"]]})
    assert run.case
    while not run.ended:
        run.train_next()
    losses = [record["loss"] for record in run.records]
    assert losses[-1] < losses[0] / 3
    best = [record for record in run.records if record["best"]][-1]
    assert best["value"] == max(record["value"] for record in run.records)
    assert best["scores"]["A"]["F1"] > 0.9
    assert set(run.best_weights) == set(run.trainer.model.state_dict())


def test_the_same_again_gives_the_same(encoder):
    train = documents(0, "A", {"gout"})
    losses = []
    for _ in range(2):
        run = epochs(encoder, train, [], {"train": [["A"]]})
        losses.append(run.train_next()["loss"])
    assert losses[0] == losses[1]


def test_two_corpora_with_a_type_each(encoder):
    """A word that only the other corpus calls a mention isn't learned to be none."""
    train = [*documents(0, "A", {"gout"}, 100), *documents(1, "B", {"zinc"}, 100, 1)]
    run = epochs(encoder, train, documents(0, "A", {"gout"}, seed=2), {"train": [["A"], ["B"]], "val": [["A"]]})
    while not run.ended:
        run.train_next()
    ((found,),) = run.trainer.detector().detect([["cats zinc dogs gout."]])
    assert [(each.start, each.end, each.type) for each in found] == [(5, 9, "B"), (15, 19, "A")]
    assert run.records[-1]["scores"].keys() == {"A", "all"}  # what was found of B doesn't count there


def test_patience(encoder):
    train = documents(0, "A", {"gout"})
    run = epochs(encoder, train, train, {"train": [["A"]], "val": [["A"]]}, patience=2)
    run.records = [{"best": best, "value": value} for best, value in ((True, 0.5), (False, 0.4), (False, 0.3))]
    assert run.ended
    run.records = run.records[:2]
    assert not run.ended


def test_a_loss_that_is_no_number(encoder):
    run = epochs(encoder, documents(0, "A", {"gout"}), [], {"train": [["A"]]})
    with torch.no_grad():
        run.trainer.model.classifier.weight[0, 0] = torch.nan
    with pytest.raises(RaybelError, match=r"the loss is nan in epoch 1, at 0 % of it: lower the learning rate"):
        run.train_next()


def test_loss():
    logits = torch.tensor([[2.0, 0.0, 0.0], [0.0, 1.0, 3.0], [5.0, 5.0, 5.0]])
    allowed = torch.tensor([[True, False, False], [False, True, True]])
    probabilities = logits.softmax(1)
    expected = -probabilities[0, 0].log() - (probabilities[1, 1] + probabilities[1, 2]).log()
    assert loss_sum(logits, torch.tensor([0, 1, NO_TARGET]), allowed).item() == pytest.approx(expected.item(), abs=1e-6)


def test_no_gradient_between_labels_that_may_both_be_right():
    """Where O and a type's labels are allowed, it isn't learned which: their logits move together."""
    logits = torch.tensor([[0.3, -0.2, 0.9]], requires_grad=True)
    loss_sum(logits, torch.tensor([0]), torch.tensor([[True, True, True]])).backward()
    assert logits.grad.abs().max() < 1e-6


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=80), st.integers(1, 100), st.integers(1, 3), st.integers(0, 99)
)
def test_steps(sizes, budget, workers, seed):
    made = list(steps(sizes, budget, workers, np.random.default_rng(seed)))
    assert sorted(row for rows, _ in made for row in rows) == list(range(len(sizes)))
    assert all(len(rows) == 1 or sum(sizes[row] for row in rows) <= budget * workers for rows, _ in made)
    shares = [done for _, done in made]
    assert shares[0] == 0
    assert shares == sorted(shares)


def test_strict_scores():
    gold = AnnotatedDocument(
        ("x" * 30, "y"), (GoldMention(0, 0, 4, "A"), GoldMention(0, 5, 9, "A"), GoldMention(0, 5, 9, "B"))
    )

    def found(*spans):
        return [[Detection(*span, 0.9, "d") for span in spans], []]

    (counts,) = count_spans([gold], [found((0, 4, "A"), (5, 8, "A"), (5, 9, "C"))], [("A", "B")])
    scores = score_table([counts])
    assert scores["A"] == {"precision": 0.5, "recall": 0.5, "F1": 0.5}
    assert scores["B"] == {"precision": 0.0, "recall": 0.0, "F1": 0.0}
    assert scores["all"] == {"precision": 0.5, "recall": 1 / 3, "F1": 0.4}  # C doesn't count: the corpus lacks it


def test_larger_models_learn_at_a_lower_rate():
    assert [DetectorParameters().peak_rate(units) for units in (384, 768)] == [2e-4, 5e-5]
    assert DetectorParameters(learning_rate=1e-3).peak_rate(768) == 1e-3


def test_masking_hides_some_tokens_and_no_special_one(encoder):
    train = documents(0, "A", {"gout"}, 60)
    hiding, plain = (epochs(encoder, train, [], {"train": [["A"]]}, mask=share).trainer for share in (0.3, 0.0))
    ids, whole = (trainer._tensors(trainer.examples.windows)[0] for trainer in (hiding, plain))
    changed = ids != whole
    assert (ids[changed] == hiding.tokenizer.mask_token_id).all()
    assert not np.isin(whole[changed].numpy(), hiding.special).any()
    assert 0.2 < changed.sum() / (~np.isin(whole.numpy(), hiding.special)).sum() < 0.4


def test_least_scores():
    gold = AnnotatedDocument(("x" * 90,), tuple(GoldMention(0, n, n + 1, "A") for n in range(0, 40, 2)))
    right = [Detection(n, n + 1, "A", 0.9 if n > 8 else 0.65, "d") for n in range(0, 40, 2)]
    wrong = [Detection(n, n + 1, "A", 0.55, "d") for n in range(41, 61, 2)]
    found = [[right + wrong]]
    assert fit_least_scores([gold], found, [("A",)]) == {"A": 0.6}
    assert at_least(found, {"A": 0.6}) == [[right]]
    assert fit_least_scores([gold], [[right]], [("A", "B")]) == {"A": 0.5, "B": 0.5}  # the first one stays

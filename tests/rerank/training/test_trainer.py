"""Training without Ray: what is learned, what is the same for one worker and for several."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_crossencoder import example, make_kit

from raybel.errors import ConfigError, RaybelError
from raybel.rerank.parameters import CROSSTYPES
from raybel.rerank.tokens import TokenisedExample
from raybel.rerank.training import trainer as trainer_module
from raybel.rerank.training.features import TrainingMention
from raybel.rerank.training.steps import loss_sum, steps, with_prior, with_sibling_margin
from raybel.rerank.training.trainer import Trainer
from raybel.rerank.training.validation import macro_f1, ranks_of_gold

NAMES = ["anemia", "asthma", "gout", "cystic fibrosis", "lupus"]


def mentions(kit, documents=6, seed=0, first=None):
    """Mentions whose right candidate has their own name; it stands at a random place, or at a given one."""
    rng = np.random.default_rng(seed)
    made = []
    for number in range(documents):
        some = []
        for place, name in enumerate(rng.permutation(NAMES)[:3].tolist()):
            others = [each for each in rng.permutation(NAMES).tolist() if each != name][:3]
            gold = int(rng.integers(0, 4)) if first is None else first
            others.insert(gold, name)
            text = f"a case of {name}"
            some.append(example(name, others, text, 10, (number, place), gold=gold))
            some[-1].candidates["score"] = 0.3
        made.append([TrainingMention(each, each) for each in kit.tokens(some)])
    return made


def trainer(kit, crosstype="tree", seed=0, **changed):
    parameters = kit.tokens.parameters.changed({"learning_rate": 5e-3, "batch_tokens": 300, **changed})
    return Trainer(copy.deepcopy(kit.model), crosstype, kit.tokens, parameters, seed=seed)


def numbered(made):
    return range(len(made)), lambda number: made[number]


@pytest.mark.parametrize(("crosstype", "loss"), [("base", "binary"), ("multi", "listwise"), ("tree", "listwise")])
def test_it_learns(kit, crosstype, loss):
    made = mentions(kit, 10)
    examples = [mention.cross_fitted for some in made for mention in some]
    train = trainer(kit, crosstype, loss=loss, max_epochs=9, calibrate=False)
    losses = [train.epoch(*numbered(made), number) for number in range(9)]
    assert losses[-1] < losses[0]
    assert train.validate(examples).scores["Acc@1"] > 0.4  # 0.25 by chance


def test_the_same_seed_gives_the_same_weights(kit):
    made = mentions(kit)
    weights = []
    for seed in (0, 0, 1):
        train = trainer(kit, seed=seed)
        train.epoch(*numbered(made), 0)
        weights.append(torch.cat([each.flatten() for each in train.model.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_averaged_weights_count(kit):
    """They are what is validated and kept; the steps themselves are the same."""
    made = mentions(kit)
    examples = [mention.cross_fitted for some in made for mention in some]
    plain, averaged = (trainer(kit, averaging=share, max_epochs=2) for share in (0.0, 0.9))
    assert plain.epoch(*numbered(made), 0) == averaged.epoch(*numbered(made), 0)
    for one, other in zip(plain.model.parameters(), averaged.model.parameters(), strict=True):
        assert torch.equal(one, other)
    assert averaged.result is not averaged.model
    assert not torch.equal(averaged.result.classifier.weight, averaged.model.classifier.weight)
    one, other = plain.score(examples), averaged.score(examples)
    assert not all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
    plain.model.load_state_dict(averaged.result.state_dict())
    assert all(np.array_equal(a, b) for a, b in zip(plain.score(examples), other, strict=True))


@pytest.mark.parametrize("crosstype", CROSSTYPES)
@given(workers=st.integers(1, 3), seed=st.integers(0, 5))
@settings(max_examples=10)
def test_steps_hold_every_pair_once_whatever_the_workers(kit, crosstype, workers, seed):
    made = mentions(kit, 8)
    doubled = kit.tokens.parameters.changed({"batch_tokens": 150 * workers})
    single = kit.tokens.parameters.changed({"batch_tokens": 150})
    one = list(steps(*numbered(made), crosstype, kit.tokens, doubled, [seed], 1))
    many = list(steps(*numbered(made), crosstype, kit.tokens, single, [seed], workers))
    assert [each.pairs for each in one] == [each.pairs for each in many]
    pairs = 0
    for step in many:
        shares = [step.share(worker, workers) for worker in range(workers)]
        owners = [owner for share in shares for each in share for owner in each.owners]
        assert len(owners) == len(set(owners)) == step.pairs
        for share, others in ((shares[i], shares[:i] + shares[i + 1 :]) for i in range(workers)):
            rows = {owner[0] for each in share for owner in each.owners}
            assert not rows & {owner[0] for other in others for each in other for owner in each.owners}
        pairs += step.pairs
    assert pairs == sum(len(mention.cross_fitted.candidates) for some in made for mention in some)


def test_two_workers_and_one_with_the_doubled_batch(kit):
    """The same losses: sums over workers, each part weighted by the whole step."""
    made = mentions(kit)
    one = trainer(kit, batch_tokens=300)
    curve = [one.epoch(*numbered(made), number) for number in range(2)]
    barrier, held = threading.Barrier(2), [None, None]

    def run(worker):
        def all_reduce(value):
            held[worker] = value.detach().clone()
            barrier.wait()
            total = held[0] + held[1]
            barrier.wait()
            value.detach().copy_(total)

        train = trainer(kit, batch_tokens=150)
        train.worker, train.workers, train.all_reduce = worker, 2, all_reduce
        return [train.epoch(*numbered(made), number) for number in range(2)]

    with ThreadPoolExecutor(2) as pool:
        for found in pool.map(run, range(2)):
            np.testing.assert_allclose(found, curve, rtol=1e-3)


def test_a_joint_type_that_isnt_shuffled_learns_the_place(kit):
    """All right candidates stand first: `multi` without shuffling takes the first wherever the right one stands."""
    made, other = mentions(kit, 14, first=0), mentions(kit, 14, seed=1)
    examples = [mention.cross_fitted for some in other for mention in some]
    train = trainer(kit, "multi", shuffle=False, max_epochs=10, calibrate=False)
    for number in range(10):
        train.epoch(*numbered(made), number)
    share = train.validate(examples).scores["first_share"]
    assert share > 0.6


def test_a_loss_that_is_no_number(kit):
    made = mentions(kit)
    train = trainer(kit)
    with torch.no_grad():
        next(iter(train.model.parameters())).fill_(torch.nan)
    with pytest.raises(RaybelError, match="the loss is nan in epoch 1"):
        train.epoch(*numbered(made), 0)


def test_nothing_to_learn(kit):
    assert trainer(kit).epoch([], lambda number: [], 0) is None
    empty = [[TrainingMention(each, each) for each in kit.tokens([example("anemia", [])])]]
    assert trainer(kit).epoch(*numbered(empty), 0) is None
    scores = trainer(kit).validate([]).scores
    assert set(scores.values()) == {None}


def test_sets_of_candidates_are_mixed_by_their_share(kit):
    cross_fitted, names = kit.tokens([example("anemia", ["gout"]), example("anemia", ["gout", "asthma"])])
    made = [[TrainingMention(cross_fitted, names)] for _ in range(200)]
    counts = []
    for share in (0.0, 0.3, 1.0):
        parameters = kit.tokens.parameters.changed({"dictionary_share": share})
        counts.append(sum(step.pairs for step in steps(*numbered(made), "tree", kit.tokens, parameters, [1])) - 200)
    assert (counts[0], counts[2]) == (0, 200)
    assert 35 < counts[1] < 85


def test_sure_mentions_are_left_out_but_for_a_share(kit):
    sure, unsure, without = kit.tokens([example("anemia", NAMES[:2]), example("gout", NAMES[:1]), example("x", [])])
    sure.sure = without.sure = True
    made = [[TrainingMention(each, each) for each in (sure, unsure, without)] for _ in range(200)]
    counts = []
    for share in (0.0, 0.3, 1.0):
        parameters = kit.tokens.parameters.changed({"sure_share": share})
        counts.append(sum(step.pairs for step in steps(*numbered(made), "tree", kit.tokens, parameters, [1])) - 200)
    assert (counts[0], counts[2]) == (0, 400)
    assert 70 < counts[1] < 170


def test_a_margin_between_siblings():
    """The right candidate must be better than its siblings by the margin, than others only better."""
    of_first = TokenisedExample([], (0,), [], [[1]] * 3, np.ones(3), 1, siblings=[True, False, False])
    none, no_gold = replace(of_first, siblings=[]), replace(of_first, gold=-1)
    margin = torch.zeros(9)
    owners = [(row, candidate) for row in range(3) for candidate in range(3)]
    more = with_sibling_margin(margin, owners, [of_first, none, no_gold], 2.0)
    assert more.tolist() == [2, 0, 0, 0, 0, 0, 0, 0, 0]
    loss = loss_sum(more, owners, [1, 1, -1], "listwise")
    assert float(loss) == pytest.approx(np.log(3 + np.exp(2)) + 2 * np.log(4), abs=1e-5)


def test_a_prior_is_added_to_logits():
    known = TokenisedExample([], (0,), [], [[1]] * 2, np.ones(2), 1, prior=np.array([0.5, -2], np.float32))
    unknown = replace(known, prior=None)
    owners = [(row, candidate) for row in range(2) for candidate in range(2)]
    assert with_prior(torch.ones(4), owners, [known, unknown]).tolist() == [1.5, -1, 1, 1]
    assert with_prior(torch.ones(2), owners[:2], [unknown]).tolist() == [1, 1]


def test_the_loss_is_that_of_logits_and_prior(kit):
    made = mentions(kit, 2)
    losses = []
    for told in (0.0, 20.0):
        for some in made:
            for mention in some:
                right = mention.cross_fitted.gold
                mention.cross_fitted.prior = np.array([told * (place == right) for place in range(4)], np.float32)
        losses.append(trainer(kit, dictionary_share=0.0).epoch(*numbered(made), 0))
    assert losses[1] < 0.01 < losses[0]


def test_training_knows_siblings(kit):
    made = mentions(kit, 2)
    for some in made:
        for mention in some:
            right = mention.cross_fitted.gold
            mention.cross_fitted.siblings = [place != right for place in range(4)]
    first = [trainer(kit, sibling_margin=more).epoch(*numbered(made), 0) for more in (0.0, 3.0)]
    assert first[1] > first[0] + 1
    with pytest.raises(ConfigError, match="sibling_margin is one of the listwise loss"):
        kit.tokens.parameters.changed({"sibling_margin": 1.0, "loss": "binary"}).of_type("tree")


def test_losses_by_hand():
    margin = torch.tensor([1.0, -2.0, 0.5])
    owners = [(0, 0), (0, 1), (1, 0)]
    listwise = loss_sum(margin, owners, [0, -1], "listwise")
    exact = -np.log(np.e / (1 + np.e + np.exp(-2))) - np.log(1 / (1 + np.exp(0.5)))
    assert float(listwise) == pytest.approx(exact, abs=1e-5)
    binary = loss_sum(margin, owners, [0, -1], "binary")
    assert float(binary) == pytest.approx(np.log1p(np.exp(-1)) + np.log1p(np.exp(-2)) + np.log1p(np.exp(0.5)), abs=1e-5)


def test_ranks_and_f1():
    values = [np.array([0.1, 0.9]), np.array([0.5, 0.5, 0.5]), np.zeros(0), np.array([1.0])]
    assert ranks_of_gold(values, [0, 1, -1, -1]).tolist() == [1, 1, -1, -1]
    assert macro_f1(np.array([True, False]), np.array([True, False])) == 1
    assert macro_f1(np.array([True, True]), np.array([True, False])) == pytest.approx(1 / 3)
    assert macro_f1(np.array([False]), np.array([False])) == 0.5


def test_a_dropout_of_ones_own(encoder):
    assert make_kit(encoder).model.config.hidden_dropout_prob == 0


def test_weights_that_are_no_numbers_after_the_last_step(kit):
    """The loss is that before the step, so that it says nothing of an epoch's last one."""
    made = mentions(kit, 1)
    train = trainer(kit, learning_rate=1e39, warm_up=None, batch_tokens=10**6)
    with pytest.raises(RaybelError, match=r"a weight isn't a number \(NaN or infinite\) after epoch 1"):
        train.epoch(*numbered(made), 0)


def test_logits_that_are_no_numbers(kit):
    examples = [mention.cross_fitted for some in mentions(kit, 1) for mention in some]
    train = trainer(kit)
    with torch.no_grad():
        train.model.classifier.bias.fill_(torch.nan)
    with pytest.raises(RaybelError, match="a score of the validation corpus isn't a number"):
        train.validate(examples)


@pytest.mark.parametrize(("loss", "pieces"), [("binary", 4), ("listwise", 1)])
def test_a_step_in_pieces_learns_the_same(kit, monkeypatch, loss, pieces):
    """Gradients are accumulated over pieces; a mention is cut only where each pair has a loss of its own."""
    made = mentions(kit, 1)[0][:1]
    losses, sizes = [], []
    for most in (10_000, 1):
        monkeypatch.setattr(trainer_module, "MICRO_BATCH_TOKENS", most)
        train = trainer(kit, "base", loss=loss, batch_tokens=10_000, max_epochs=3)
        seen = []
        real = train.encoder.logits
        train.encoder.logits = lambda batch, seen=seen, real=real: (seen.append(len(batch.owners)), real(batch))[1]
        losses.append([train.epoch(range(1), lambda number: made, number) for number in range(3)])
        sizes.append(len(seen) // 3)
    assert sizes == [1, pieces]
    np.testing.assert_allclose(*losses, rtol=1e-4)

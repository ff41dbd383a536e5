import copy

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raybel.encoders.training import StepTrainer, random_state, rising_and_falling
from raybel.errors import DeviceError


class Line(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.slope = torch.nn.Parameter(torch.zeros(()))

    def set_attn_implementation(self, name):
        self.attention = name


class LineTrainer(StepTrainer[float]):
    """Draws the slope of a line towards what each step says."""

    def learning_rate(self, done):
        return 0.1

    def backward(self, step, weight):
        loss = (self.model.slope - step) ** 2
        (loss / weight).backward()
        return loss.detach()


def trainer(averaging):
    return LineTrainer(Line(), 0.0, "fp32", "cpu", 0, 0, 1, None, averaging)


def test_the_average_of_the_steps_weights():
    plain, averaged = trainer(0.0), trainer(0.4)
    assert plain.result is plain.model
    expected = None
    for step, towards in enumerate([3.0, -1.0, 2.0, 2.0, 5.0]):
        for each in (plain, averaged):
            each.take(0, 1, [(towards, 1, 0.0)])
        slope = float(plain.model.slope.detach())
        assert float(averaged.model.slope.detach()) == slope
        stays = min(0.4, (1 + step) / (10 + step))
        expected = slope if expected is None else stays * expected + (1 - stays) * slope
        assert float(averaged.result.slope.detach()) == pytest.approx(expected, abs=1e-6)


def test_the_mean_loss_of_an_epoch():
    seen = []
    loss = trainer(0.0).take(2, 3, [(1.0, 2, 0.0), (1.0, 2, 0.5)], lambda done, mean: seen.append((done, mean)))
    assert loss == pytest.approx((1 + (1 - 0.1) ** 2) / 4, abs=1e-3)
    assert seen[0] == (0.0, 0.5)
    assert trainer(0.0).take(0, 1, []) is None


class NoisyTrainer(LineTrainer):
    def backward(self, step, weight):
        return super().backward(step + float(torch.rand(())), weight)


def noisy():
    return NoisyTrainer(Line(), 0.0, "fp32", "cpu", 3, 0, 1, None, 0.4)


@given(st.lists(st.tuples(st.floats(-3, 3), st.integers(1, 4)), min_size=1, max_size=8), st.data())
def test_an_epoch_that_goes_on_within_is_that_of_before(towards, data):
    cut = data.draw(st.integers(1, len(towards)))
    steps = [(step, weight, number / len(towards)) for number, (step, weight) in enumerate(towards)]
    saved = []

    def save(at):
        if at.steps == cut:
            states = (whole.model, whole.optimiser, whole.averaged)
            saved.append((at, random_state("cpu"), [copy.deepcopy(each.state_dict()) for each in states]))

    whole, resumed = noisy(), noisy()
    whole.between = save
    loss = whole.take(1, 2, steps)
    [(at, random, states)] = saved
    for part, state in zip((resumed.model, resumed.optimiser, resumed.averaged), states, strict=True):
        part.load_state_dict(state)
    resumed.go_on_from(at, random)
    assert resumed.seconds_before == at.seconds
    watched = []
    assert resumed.take(1, 2, steps, lambda done, _: watched.append(done)) == loss
    assert watched == [done for _, _, done in steps[cut:]]
    for ours, theirs in ((resumed.model, whole.model), (resumed.result, whole.result)):
        assert float(ours.slope.detach()) == float(theirs.slope.detach())
    assert resumed.seconds_before == 0
    assert resumed.take(0, 2, steps) == whole.take(0, 2, steps)  # the next one begins at its beginning


def test_a_step_that_the_gpu_has_no_memory_for(monkeypatch):
    def backward(step, weight):
        raise torch.OutOfMemoryError("no room")

    trained = trainer(0.0)
    monkeypatch.setattr(trained, "backward", backward)
    with pytest.raises(DeviceError, match="cpu: no room"):
        trained.take(0, 1, [(1.0, 1, 0.0)])


@given(st.floats(0, 1), st.just(0.0) | st.floats(0.01, 0.9))
def test_the_learning_rate_rises_and_falls(done, warm_up):
    shares = [rising_and_falling(each, warm_up) for each in np.linspace(0, 1, 50)]
    assert all(0 <= share <= 1 for share in shares)
    assert 0 <= rising_and_falling(done, warm_up) <= 1
    peak = int(np.argmax(shares))
    assert shares[: peak + 1] == sorted(shares[: peak + 1])
    assert shares[peak:] == sorted(shares[peak:], reverse=True)
    assert shares[-1] == pytest.approx(0)

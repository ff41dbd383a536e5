"""Training of a token classifier by one worker, which may be one of several; without Ray."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch

from raybel.detection.model import Settings
from raybel.detection.token_classifier import TokenClassifier
from raybel.detection.training.examples import NO_TARGET, Example, Examples
from raybel.detection.training.parameters import DetectorParameters
from raybel.encoders.precision import PRECISIONS
from raybel.encoders.training import StepTrainer, WatchEpoch, rising_and_falling

#: Windows are sorted by length within pools of this many steps, so that those of a step are of similar length.
STEPS_AT_ONCE = 16
_MASKING = "masking"


def steps(
    sizes: Sequence[int], budget: int, workers: int, rng: np.random.Generator
) -> Iterator[tuple[list[int], float]]:
    """Yield the windows of each step, and the share of the epoch that is done before it.

    Args:
        sizes: Tokens of each window.
        budget: The most tokens of a step for each worker, padding left aside; a longer window is a step of its own.
        workers: How many share a step.
        rng: Decides which windows share a step, and the order of steps.
    """
    order = rng.permutation(len(sizes)).tolist()
    made: list[list[int]] = []
    size_of_pool = STEPS_AT_ONCE * budget * workers
    pool: list[int] = []
    size = 0
    for place, row in enumerate(order):
        pool.append(row)
        size += sizes[row]
        if size >= size_of_pool or place + 1 == len(order):
            within = 0
            made.append([])
            for each in sorted(pool, key=lambda row: (sizes[row], row)):
                if made[-1] and within + sizes[each] > budget * workers:
                    made.append([])
                    within = 0
                made[-1].append(each)
                within += sizes[each]
            pool, size = [], 0
    for place, number in enumerate(rng.permutation(len(made)).tolist()):
        yield made[number], place / len(made)


def loss_sum(logits: torch.Tensor, targets: torch.Tensor, allowed: torch.Tensor) -> torch.Tensor:
    """Return the summed negative log-probability that each token has one of the labels that it may have.

    With one label that is cross-entropy; with several, their probabilities are summed, so that nothing is learned about
    which of them it is.

    Args:
        logits: float32 (tokens, labels).
        targets: A row of `allowed` for each token, int64 (tokens,); `NO_TARGET` for no matter.
        allowed: Labels that each target allows, bool (targets, labels), at least one each.
    """
    counted = targets != NO_TARGET
    scores = logits[counted]
    right = scores.masked_fill(~allowed[targets[counted]], -torch.inf)
    return (torch.logsumexp(scores, 1) - torch.logsumexp(right, 1)).sum()


class Trainer(StepTrainer[list[int]]):
    """Trains a token classifier to find mentions; a step's weight is its words.

    Args:
        model: A token classifier, float32.
        tokenizer: The model's.
        examples: What is learned from.
        parameters: Hyper-parameters.
        case: Whether the model is told how words are written.
        precision: What is computed in: `fp32` or `bf16`.
        device: Where to compute: `cpu` or a CUDA device.
        seed: That of everything random.
        worker: Number of the worker.
        workers: How many there are.
        all_reduce: Sums a tensor over the workers, in place; None for one worker.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any,
        examples: Examples,
        parameters: DetectorParameters,
        case: bool,
        precision: str = "fp32",
        device: str = "cpu",
        seed: int = 0,
        worker: int = 0,
        workers: int = 1,
        all_reduce: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        decay, averaging = parameters.weight_decay, parameters.averaging
        super().__init__(model, decay, precision, device, seed, worker, workers, all_reduce, averaging)
        self.tokenizer, self.examples, self.parameters, self.case = tokenizer, examples, parameters, case
        self.allowed = torch.from_numpy(examples.allowed).to(device)
        self.pad = int(tokenizer.pad_token_id or 0)
        self.mask = tokenizer.mask_token_id if parameters.mask else None
        self.special = np.array(tokenizer.all_special_ids, np.int64)
        self.masking = np.random.default_rng([seed])

    def epoch(self, number: int, watch: WatchEpoch | None = None) -> float:
        """Train on all windows; return the mean loss of a word.

        Args:
            number: Number of the epoch, from 0.
            watch: Called after each step.

        Raises:
            RaybelError: The loss or a weight isn't a number (NaN or infinite).
        """
        windows = self.examples.windows
        self.masking = np.random.default_rng([self.seed, number, self.worker])
        rng = np.random.default_rng([self.seed, number])
        made = steps([len(window.ids) for window in windows], self.parameters.batch_tokens, self.workers, rng)
        weighed = (
            (rows, max(1, sum(int((windows[row].targets != NO_TARGET).sum()) for row in rows)), done)
            for rows, done in made
        )
        return self.take(number, self.parameters.max_epochs, weighed, watch) or 0.0

    def random_state(self) -> dict[str, torch.Tensor]:
        """Return the state of all that is random in a step: of the masking, too."""
        masking = json.dumps(self.masking.bit_generator.state).encode()
        return {**super().random_state(), _MASKING: torch.frombuffer(bytearray(masking), dtype=torch.uint8)}

    def set_random_state(self, states: Mapping[str, torch.Tensor]) -> None:
        """Put back what `random_state` returned."""
        super().set_random_state(states)
        self.masking.bit_generator.state = json.loads(states[_MASKING].numpy().tobytes())

    def learning_rate(self, done: float) -> float:
        """Return the learning rate where a share of the training is done."""
        peak = self.parameters.peak_rate(int(self.model.config.hidden_size))
        return peak * rising_and_falling(done, self.parameters.warm_up)

    def backward(self, step: list[int], weight: int) -> torch.Tensor:
        """Add the gradients of the windows of a step that are this worker's; return their summed loss, a scalar."""
        rows = step[self.worker :: self.workers]
        if not rows:
            return torch.zeros((), device=self.device)
        ids, cases, mask, targets = self._tensors([self.examples.windows[row] for row in rows])
        more = {"token_type_ids": cases} if self.case else {}
        with torch.autocast(self.device.split(":")[0], PRECISIONS[self.precision], self.precision != "fp32"):
            logits = self.model(input_ids=ids, attention_mask=mask, **more).logits
        loss = loss_sum(logits.float().flatten(0, 1), targets.flatten(), self.allowed)
        (loss / weight).backward()
        return loss.detach()

    def _tensors(self, windows: Sequence[Example]) -> list[torch.Tensor]:
        """Return token ids, cases, attention mask and targets, each int64 (windows, tokens), padded at the right.

        Some tokens are masked, as the hyper-parameter `mask` says.
        """
        shape = (len(windows), max(len(window.ids) for window in windows))
        arrays = [np.full(shape, fill, np.int64) for fill in (self.pad, 0, 0, NO_TARGET)]
        for row, window in enumerate(windows):
            size = len(window.ids)
            columns = (window.ids, window.cases, np.ones(size, np.int64), window.targets)
            for array, values in zip(arrays, columns, strict=True):
                array[row, :size] = values
        if self.mask is not None:
            hidden = self.masking.random(shape) < self.parameters.mask
            arrays[0][hidden & ~np.isin(arrays[0], self.special)] = self.mask
        return [torch.from_numpy(array).to(self.device) for array in arrays]

    def detector(self) -> TokenClassifier:
        """Return the model as it is as a detector, with the weights in this precision."""
        frozen = copy.deepcopy(self.result).eval()
        frozen.set_attn_implementation("sdpa")
        settings = Settings(self.parameters.context_tokens, self.case)
        return TokenClassifier(frozen, self.tokenizer, settings, self.precision, self.device)

"""Training of a cross-encoder, on one worker or as one of several; knows nothing of Ray."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from raybel.encoders.precision import PRECISIONS
from raybel.errors import RaybelError
from raybel.rerank.batching import collate
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.model import CrossEncoder
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import Tokenised, Tokens
from raybel.rerank.training.steps import Lesson, Step, loss_sum, steps
from raybel.rerank.training.validation import Validated, validate

#: Tokens that go forward and backward together; a longer step is done in pieces, between mentions.
PIECE = 4_096


class Trainer:
    """A model, its optimiser, and an epoch over lessons.

    Args:
        model: A token classifier with two labels, float32.
        crosstype: One of `CROSSTYPES`.
        tokens: Makes token ids.
        parameters: Hyper-parameters.
        precision: That is computed in: `fp32`, `bf16`.
        device: Where to.
        seed: Of everything random.
        worker: This one's number.
        workers: How many there are.
        add_up: Adds up a tensor over the workers, in place.
    """

    def __init__(
        self,
        model: Any,
        crosstype: str,
        tokens: Tokens,
        parameters: CrossEncoderParameters,
        precision: str = "fp32",
        device: str = "cpu",
        seed: int = 0,
        worker: int = 0,
        workers: int = 1,
        add_up: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        self.model = model.to(device)
        if device == "cpu":  # faster there forward and backward in a profile of one batch; forward alone, sdpa is
            self.model.set_attn_implementation("eager")
        self.encoder = CrossEncoder(self.model, crosstype, tokens.pad)
        self.crosstype, self.tokens, self.parameters = crosstype, tokens, parameters
        self.precision, self.device, self.seed = precision, device, seed
        self.worker, self.workers, self.add_up = worker, workers, add_up
        self.epochs = 0
        self.optimiser = torch.optim.AdamW(self.model.parameters(), weight_decay=parameters.weight_decay, fused=True)

    def epoch(
        self,
        documents: Sequence[int],
        lessons: Callable[[int], list[Lesson]],
        number: int,
        watch: Callable[[float, float], None] | None = None,
    ) -> float | None:
        """Train on all documents; return the mean loss (per mention, or per pair where it is binary), None without any.

        Args:
            documents: Their numbers.
            lessons: Gives a document's lessons.
            number: Of the epoch, from 0.
            watch: Called after each step with the share of the epoch that is done and the step's loss.

        Raises:
            RaybelError: The loss or the weights are no numbers.
        """
        torch.manual_seed(self.seed * 1_000_003 + number * self.workers + self.worker)
        self.model.train()
        total, count = 0.0, 0
        every = steps(
            documents, lessons, self.crosstype, self.tokens, self.parameters, [self.seed, number], self.workers
        )
        for step in every:
            weight = step.pairs if self.parameters.loss == "binary" else step.mentions
            for group in self.optimiser.param_groups:
                group["lr"] = self._rate((number + step.done) / self.parameters.max_epochs)
            loss = self._step(step, weight)
            if not math.isfinite(loss):
                raise RaybelError(
                    f"the loss is {loss} in epoch {number + 1}, at {100 * step.done:.0f} % of it: lower the learning "
                    "rate, and look whether the base model's weights are whole"
                )
            total, count = total + loss, count + weight
            if watch:
                watch(step.done, loss / weight)
        self.model.eval()
        self.epochs = number + 1
        if not all(bool(torch.isfinite(value).all()) for value in self.model.parameters()):
            raise RaybelError(f"the weights are no numbers after epoch {number + 1}: lower the learning rate")
        return total / count if count else None

    def _rate(self, done: float) -> float:
        parameters = self.parameters
        if parameters.warm_up is None:
            return parameters.learning_rate
        rising = min(1.0, (done + 1e-3) / parameters.warm_up) if parameters.warm_up else 1.0
        falling = (1 - done) / max(1 - parameters.warm_up, 1e-9)
        return parameters.learning_rate * min(rising, falling)

    def _step(self, step: Step, weight: int) -> float:
        """Take one step; return the summed loss of all workers."""
        own = step.share(self.worker, self.workers)
        self.optimiser.zero_grad(set_to_none=False)
        loss = torch.zeros((), device=self.device)
        golds = [each.gold for each in step.examples]
        for piece in _pieces(own, self.parameters.loss == "listwise"):
            batch = collate(piece, self.encoder.pad).to(self.device)
            with torch.autocast(self.device.split(":")[0], PRECISIONS[self.precision], self.precision != "fp32"):
                logits = self.encoder.logits(batch)
            part = loss_sum(logits[:, 1] - logits[:, 0], batch.owners, golds, self.parameters.loss)
            (part / weight).backward()
            loss += part.detach()
        if self.add_up is not None:
            self.add_up(loss)
            for value in self.model.parameters():
                if value.requires_grad:
                    value.grad = torch.zeros_like(value) if value.grad is None else value.grad
                    self.add_up(value.grad)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        return float(loss)

    def score(self, examples: Sequence[Tokenised], shuffle: bool = False) -> list[np.ndarray]:
        """Return logits as the link job would compute them: in this precision's weights."""
        frozen = copy.deepcopy(self.model).to(PRECISIONS[self.precision]).eval()
        frozen.set_attn_implementation("sdpa")
        scorer = Scorer(CrossEncoder(frozen, self.crosstype, self.tokens.pad), self.crosstype, self.tokens, self.device)
        if not shuffle:
            return scorer.logits(examples)
        rng = np.random.default_rng(self.seed)
        return scorer.logits(examples, [rng.permutation(len(each.candidates)).tolist() for each in examples])

    def validate(self, examples: Sequence[Tokenised]) -> Validated:
        """Return the scores of the model as it is, on one worker.

        Raises:
            RaybelError: A logit is no number.
        """
        logits = self.score(examples)
        if not all(np.isfinite(each).all() for each in logits):
            told = f"the scores of the validation corpus are no numbers after epoch {self.epochs}"
            raise RaybelError(f"{told}: lower the learning rate")
        shuffled = self.score(examples, shuffle=True) if LAYOUTS[self.crosstype].order_matters else logits
        return validate(examples, logits, shuffled, self.parameters.loss, self.parameters.calibrate)


def _pieces(sequences: list[Any], whole: bool) -> list[list[Any]]:
    """Cut a worker's sequences into pieces that memory holds; a mention stays `whole` where the loss needs it."""
    made: list[list[Any]] = []
    size = 0
    for each in sequences:
        joined = whole and made and made[-1][-1].owners[-1][0] == each.owners[0][0]
        if not made or (size + len(each) > PIECE and not joined):
            made.append([])
            size = 0
        made[-1].append(each)
        size += len(each)
    return made

"""Training of a cross-encoder by one worker, which may be one of several; without Ray."""

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
from raybel.rerank.packing import PackedSequence
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import TokenisedExample, Tokens
from raybel.rerank.training.steps import Step, TrainingMention, loss_sum, steps
from raybel.rerank.training.validation import ValidationResult, validate

#: Tokens that go forward and backward together; gradients of a larger step are accumulated over micro-batches.
MICRO_BATCH_TOKENS = 4_096


class Trainer:
    """Trains a model, and validates it.

    Args:
        model: A token classifier with two labels, float32.
        crosstype: One of `CROSSTYPES`.
        tokens: Makes token ids.
        parameters: Hyper-parameters.
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
        crosstype: str,
        tokens: Tokens,
        parameters: CrossEncoderParameters,
        precision: str = "fp32",
        device: str = "cpu",
        seed: int = 0,
        worker: int = 0,
        workers: int = 1,
        all_reduce: Callable[[torch.Tensor], None] | None = None,
    ) -> None:
        self.model = model.to(device)
        if device == "cpu":  # for forward and backward eager is faster there; for forward alone sdpa is
            self.model.set_attn_implementation("eager")
        self.encoder = CrossEncoder(self.model, crosstype, tokens.pad)
        self.crosstype, self.tokens, self.parameters = crosstype, tokens, parameters
        self.precision, self.device, self.seed = precision, device, seed
        self.worker, self.workers, self.all_reduce = worker, workers, all_reduce
        self.epochs = 0
        self.optimiser = torch.optim.AdamW(self.model.parameters(), weight_decay=parameters.weight_decay, fused=True)

    def epoch(
        self,
        documents: Sequence[int],
        mentions_of: Callable[[int], list[TrainingMention]],
        number: int,
        watch: Callable[[float, float], None] | None = None,
    ) -> float | None:
        """Train on all documents; return the mean loss, None where there is nothing to learn.

        The mean is over mentions, or over pairs where the loss is binary.

        Args:
            documents: Numbers of all documents.
            mentions_of: Gives a document's mentions by the document's number.
            number: Number of the epoch, from 0.
            watch: Called after each step with the share of the epoch that is done, and the step's mean loss.

        Raises:
            RaybelError: The loss or a weight isn't a number (NaN or infinite).
        """
        torch.manual_seed(self.seed * 1_000_003 + number * self.workers + self.worker)
        self.model.train()
        total, count = 0.0, 0
        seed = [self.seed, number]
        for step in steps(documents, mentions_of, self.crosstype, self.tokens, self.parameters, seed, self.workers):
            weight = step.pairs if self.parameters.loss == "binary" else step.mentions
            for group in self.optimiser.param_groups:
                group["lr"] = self._learning_rate((number + step.done) / self.parameters.max_epochs)
            loss = self._step(step, weight)
            if not math.isfinite(loss):
                raise RaybelError(
                    f"the loss is {loss} in epoch {number + 1}, at {100 * step.done:.0f} % of it: lower the learning "
                    "rate, and check that the base model's weights aren't damaged"
                )
            total, count = total + loss, count + weight
            if watch:
                watch(step.done, loss / weight)
        self.model.eval()
        self.epochs = number + 1
        if not all(bool(torch.isfinite(value).all()) for value in self.model.parameters()):
            raise RaybelError(
                f"a weight isn't a number (NaN or infinite) after epoch {number + 1}: lower the learning rate"
            )
        return total / count if count else None

    def _learning_rate(self, done: float) -> float:
        """Return the learning rate where a share of the training is done."""
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
        golds = [example.gold for example in step.examples]
        for sequences in _micro_batches(own, self.parameters.loss == "listwise"):
            batch = collate(sequences, self.encoder.pad).to(self.device)
            with torch.autocast(self.device.split(":")[0], PRECISIONS[self.precision], self.precision != "fp32"):
                logits = self.encoder.logits(batch)
            of_batch = loss_sum(logits[:, 1] - logits[:, 0], batch.owners, golds, self.parameters.loss)
            (of_batch / weight).backward()
            loss += of_batch.detach()
        if self.all_reduce is not None:
            self.all_reduce(loss)
            for value in self.model.parameters():
                if value.requires_grad:
                    value.grad = torch.zeros_like(value) if value.grad is None else value.grad
                    self.all_reduce(value.grad)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        self.optimiser.step()
        return float(loss)

    def score(self, examples: Sequence[TokenisedExample], shuffle: bool = False) -> list[np.ndarray]:
        """Return logits as the link job computes them: with the weights in this precision.

        Args:
            examples: Mentions.
            shuffle: Whether each mention's candidates come in random order in the sequences.
        """
        frozen = copy.deepcopy(self.model).to(PRECISIONS[self.precision]).eval()
        frozen.set_attn_implementation("sdpa")
        scorer = Scorer(CrossEncoder(frozen, self.crosstype, self.tokens.pad), self.crosstype, self.tokens, self.device)
        if not shuffle:
            return scorer.logits(examples)
        rng = np.random.default_rng(self.seed)
        return scorer.logits(examples, [rng.permutation(len(example.candidates)).tolist() for example in examples])

    def validate(self, examples: Sequence[TokenisedExample]) -> ValidationResult:
        """Return the scores of the model as it is, on one worker.

        Raises:
            RaybelError: A logit isn't a number (NaN or infinite).
        """
        logits = self.score(examples)
        if not all(np.isfinite(of_mention).all() for of_mention in logits):
            raise RaybelError(
                f"a score of the validation corpus isn't a number (NaN or infinite) after epoch {self.epochs}: lower "
                "the learning rate"
            )
        shuffled = self.score(examples, shuffle=True) if LAYOUTS[self.crosstype].order_matters else logits
        return validate(examples, logits, shuffled, self.parameters.loss, self.parameters.calibrate)


def _micro_batches(sequences: list[PackedSequence], whole_mentions: bool) -> list[list[PackedSequence]]:
    """Return a worker's sequences in micro-batches; `whole_mentions` says that the loss needs all of a mention."""
    micro_batches: list[list[PackedSequence]] = []
    size = 0
    for sequence in sequences:
        last = micro_batches[-1][-1] if micro_batches else None
        joined = whole_mentions and last is not None and last.owners[-1][0] == sequence.owners[0][0]
        if last is None or (size + len(sequence) > MICRO_BATCH_TOKENS and not joined):
            micro_batches.append([])
            size = 0
        micro_batches[-1].append(sequence)
        size += len(sequence)
    return micro_batches

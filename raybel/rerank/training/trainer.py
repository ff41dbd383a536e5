"""Training of a cross-encoder by one worker, which may be one of several; without Ray."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from raybel.encoders.precision import PRECISIONS
from raybel.encoders.training import StepTrainer, WatchEpoch, rising_and_falling
from raybel.errors import RaybelError
from raybel.rerank.batching import collate
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import PackedSequence
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.scoring import Scorer
from raybel.rerank.tokens import TokenisedExample, Tokens
from raybel.rerank.training.features import TrainingMention
from raybel.rerank.training.steps import Step, loss_sum, steps, with_prior, with_sibling_margin
from raybel.rerank.training.validation import ValidationResult, validate

#: Tokens that go forward and backward together; gradients of a larger step are accumulated over micro-batches.
MICRO_BATCH_TOKENS = 4_096


class Trainer(StepTrainer[Step]):
    """Trains a cross-encoder, and validates it; a step's weight is its mentions, or pairs where the loss is binary.

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
        decay, averaging = parameters.weight_decay, parameters.averaging
        super().__init__(model, decay, precision, device, seed, worker, workers, all_reduce, averaging)
        self.encoder = CrossEncoder(self.model, crosstype, tokens.pad)
        self.crosstype, self.tokens, self.parameters = crosstype, tokens, parameters
        self.epochs = 0

    def epoch(
        self,
        documents: Sequence[int],
        mentions_of: Callable[[int], list[TrainingMention]],
        number: int,
        watch: WatchEpoch | None = None,
        epochs: int | None = None,
    ) -> float | None:
        """Train on all documents; return the mean loss, None where there is nothing to learn.

        Args:
            documents: Numbers of all documents.
            mentions_of: Gives a document's mentions by the document's number.
            number: Number of the epoch, from 0.
            watch: Called after each step.
            epochs: How many there are, over which the learning rate rises and falls; None for `max_epochs`.

        Raises:
            RaybelError: The loss or a weight isn't a number (NaN or infinite).
        """
        parameters, seed = self.parameters, [self.seed, number]
        made = steps(documents, mentions_of, self.crosstype, self.tokens, parameters, seed, self.workers)
        weighed = ((step, step.pairs if parameters.loss == "binary" else step.mentions, step.done) for step in made)
        loss = self.take(number, epochs or parameters.max_epochs, weighed, watch)
        self.epochs = number + 1
        return loss

    def learning_rate(self, done: float) -> float:
        """Return the learning rate where a share of the training is done."""
        parameters = self.parameters
        if parameters.warm_up is None:
            return parameters.learning_rate
        return parameters.learning_rate * rising_and_falling(done, parameters.warm_up)

    def backward(self, step: Step, weight: int) -> torch.Tensor:
        """Add the gradients of the sequences of a step that are this worker's; return their summed loss, a scalar."""
        loss = torch.zeros((), device=self.device)
        golds = [example.gold for example in step.examples]
        for sequences in _micro_batches(step.share(self.worker, self.workers), self.parameters.loss == "listwise"):
            batch = collate(sequences, self.encoder.pad).to(self.device)
            with torch.autocast(self.device.split(":")[0], PRECISIONS[self.precision], self.precision != "fp32"):
                logits = self.encoder.logits(batch)
            margin = with_prior(logits[:, 1] - logits[:, 0], batch.owners, step.examples)
            if more := self.parameters.sibling_margin:
                margin = with_sibling_margin(margin, batch.owners, step.examples, more)
            of_batch = loss_sum(margin, batch.owners, golds, self.parameters.loss)
            (of_batch / weight).backward()
            loss += of_batch.detach()
        return loss

    def score(self, examples: Sequence[TokenisedExample], shuffle: bool = False) -> list[np.ndarray]:
        """Return logits as the link job computes them: of the model that counts, with the weights in this precision.

        Args:
            examples: Mentions.
            shuffle: Whether each mention's candidates come in random order in the sequences.
        """
        frozen = copy.deepcopy(self.result).to(PRECISIONS[self.precision]).eval()
        frozen.set_attn_implementation("sdpa")
        scorer = Scorer(CrossEncoder(frozen, self.crosstype, self.tokens.pad), self.crosstype, self.tokens, self.device)
        if not shuffle:
            return scorer.logits(examples)
        rng = np.random.default_rng(self.seed)
        return scorer.logits(examples, [rng.permutation(len(example.candidates)).tolist() for example in examples])

    def validate(
        self, examples: Sequence[TokenisedExample], shown: Sequence[TokenisedExample] | None = None
    ) -> ValidationResult:
        """Return the scores of the model as it is, on one worker.

        Args:
            examples: Mentions.
            shown: The same as the model sees them, where it sees other first-stage scores (`sources.Sources`).

        Raises:
            RaybelError: A logit isn't a number (NaN or infinite).
        """
        shown = examples if shown is None else shown
        logits = self.score(shown)
        if not all(np.isfinite(of_mention).all() for of_mention in logits):
            raise RaybelError(
                f"a score of the validation corpus isn't a number (NaN or infinite) after epoch {self.epochs}: lower "
                "the learning rate"
            )
        shuffled = self.score(shown, shuffle=True) if LAYOUTS[self.crosstype].order_matters else logits
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

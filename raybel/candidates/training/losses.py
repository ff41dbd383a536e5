"""Batches of an encoder's training, and the losses over them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner


@dataclass
class Group:
    """Strings that are trained on together, with their concepts.

    The first two have the same concept: two synonyms, or a mention and its right string. The others are wrong.
    """

    strings: list[str]
    concepts: list[int]


def batches(groups: list[Group], size: int, rank: int, workers: int) -> Iterator[list[Group]]:
    """Yield a worker's batches of groups; every worker gets equally many, since they wait for each other.

    Groups that fill no batch at the end are left out (the next epoch has them in another order). Where there are fewer
    groups than a batch for each worker, every worker gets some, if need be the same.

    Args:
        groups: Those of all workers.
        size: Groups per batch.
        rank: Number of the worker.
        workers: How many there are.
    """
    if not groups:
        return
    if len(groups) < size * workers:
        size = -(-len(groups) // workers)
        groups = groups * workers
        yield groups[rank * size : (rank + 1) * size]
        return
    for number in range(len(groups) // (size * workers)):
        start = (number * workers + rank) * size
        yield groups[start : start + size]


class SynonymLoss:
    """Multi-similarity loss over the strings of a batch, on the pairs that its miner finds hard."""

    def __init__(self) -> None:
        self.loss, self.miner = MultiSimilarityLoss(alpha=2, beta=50, base=0.5), MultiSimilarityMiner(epsilon=0.1)

    def strings(self, batch: list[Group]) -> list[tuple[str, int]]:
        """Return the distinct strings of a batch with their concepts."""
        return list(dict.fromkeys(pair for group in batch for pair in zip(group.strings, group.concepts, strict=True)))

    def __call__(self, vectors: torch.Tensor, batch: list[Group]) -> torch.Tensor:
        """Return the loss.

        Args:
            vectors: Those of `strings(batch)`, float32 of shape (strings, width), of unit length.
            batch: Groups.
        """
        labels = torch.tensor([concept for _, concept in self.strings(batch)], device=vectors.device)
        loss: torch.Tensor = self.loss(vectors, labels, self.miner(vectors, labels))
        return loss


class MentionLoss:
    """Cross-entropy of a mention's right string among its own candidates and those of the batch's other mentions."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def strings(self, batch: list[Group]) -> list[tuple[str, int]]:
        """Return a batch's mentions, then all their candidates, with their concepts."""
        mentions = [(group.strings[0], group.concepts[0]) for group in batch]
        candidates = [pair for group in batch for pair in zip(group.strings[1:], group.concepts[1:], strict=True)]
        return mentions + candidates

    def __call__(self, vectors: torch.Tensor, batch: list[Group]) -> torch.Tensor:
        """Return the loss.

        Args:
            vectors: Those of `strings(batch)`, float32 of shape (strings, width), of unit length.
            batch: Groups.
        """
        pairs = self.strings(batch)
        count = len(batch)
        owner = torch.tensor([number for number, group in enumerate(batch) for _ in group.strings[1:]])
        concepts = torch.tensor([concept for _, concept in pairs])
        own = owner[None] == torch.arange(count)[:, None]
        same = concepts[None, count:] == concepts[:count, None]
        itself = torch.tensor([[string == mention for string, _ in pairs[count:]] for mention, _ in pairs[:count]])
        scores = vectors[:count] @ vectors[count:].T / self.temperature
        # Another mention's candidates count where they are surely wrong.
        every = scores.masked_fill(~(own | (~same & ~itself)).to(scores.device), -1e4)
        right = scores.masked_fill(~(own & same).to(scores.device), -1e4)
        return (torch.logsumexp(every, 1) - torch.logsumexp(right, 1)).mean()

"""What an encoder's training puts together in a batch, and the losses over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from pytorch_metric_learning.losses import MultiSimilarityLoss
from pytorch_metric_learning.miners import MultiSimilarityMiner


@dataclass
class Group:
    """What is trained on together: strings with their concepts; of a mention, first itself, then its right string."""

    strings: list[str]
    concepts: list[int]


def batches(groups: list[Group], size: int, rank: int, workers: int) -> Iterator[list[Group]]:
    """Yield this worker's batches of groups; every worker gets equally many, since they wait for each other.

    The groups that are left over at the end are left out (they are in another order next time); fewer groups than one
    batch each are dealt out so that every worker has some, if need be the same.
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
    """Multi-similarity loss over all strings of a batch, on the pairs that its miner finds hard."""

    def __init__(self) -> None:
        self.loss, self.miner = MultiSimilarityLoss(alpha=2, beta=50, base=0.5), MultiSimilarityMiner(epsilon=0.1)

    def strings(self, batch: list[Group]) -> list[tuple[str, int]]:
        """Return the distinct strings of a batch with their concepts."""
        return list(dict.fromkeys(pair for g in batch for pair in zip(g.strings, g.concepts, strict=True)))

    def __call__(self, vectors: torch.Tensor, batch: list[Group]) -> torch.Tensor:
        """Return the loss of the vectors of `strings(batch)`."""
        labels = torch.tensor([concept for _, concept in self.strings(batch)], device=vectors.device)
        loss: torch.Tensor = self.loss(vectors, labels, self.miner(vectors, labels))
        return loss


class MentionLoss:
    """Softmax of the right string among a mention's own candidates and the other mentions' of the batch."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature

    def strings(self, batch: list[Group]) -> list[tuple[str, int]]:
        """Return the mentions, then all candidates, with their concepts."""
        mentions = [(g.strings[0], g.concepts[0]) for g in batch]
        return mentions + [pair for g in batch for pair in zip(g.strings[1:], g.concepts[1:], strict=True)]

    def __call__(self, vectors: torch.Tensor, batch: list[Group]) -> torch.Tensor:
        """Return the loss of the vectors of `strings(batch)`."""
        pairs = self.strings(batch)
        count = len(batch)
        owner = torch.tensor([i for i, g in enumerate(batch) for _ in g.strings[1:]])
        concept = torch.tensor([each for _, each in pairs])
        own = owner[None] == torch.arange(count)[:, None]
        same = concept[None, count:] == concept[:count, None]
        itself = torch.tensor([[string == mention for string, _ in pairs[count:]] for mention, _ in pairs[:count]])
        scores = vectors[:count] @ vectors[count:].T / self.temperature
        # Of another mention's candidates those count that are surely wrong.
        every = scores.masked_fill(~(own | (~same & ~itself)).to(scores.device), -1e4)
        right = scores.masked_fill(~(own & same).to(scores.device), -1e4)
        return (torch.logsumexp(every, 1) - torch.logsumexp(right, 1)).mean()

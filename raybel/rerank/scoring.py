"""Mentions in, a logit for each of their candidates out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from raybel.rerank.batching import batches, collate
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import Packed, pack
from raybel.rerank.tokens import Tokenised, Tokens

#: Tokens in a batch. More cost cache on a CPU.
CPU_TOKENS, GPU_TOKENS = 1_024, 32_768
#: Contexts from this many tokens on go through a tree's model by themselves, where the device isn't a CPU.
REUSE_FROM = 128
#: A tree with a mask over whole sequences, branch by branch, or with contexts that go through the model once each.
Way = Literal["mask", "branches", "reuse"]


class Scorer:
    """Packs mentions, sends them through a model batch by batch, and puts the scores back in place.

    Args:
        encoder: The model.
        crosstype: One of `CROSSTYPES`.
        tokens: Makes token ids.
        device: Where the model is.
        budget: Tokens in a batch, padding included; None for what suits the device.
    """

    def __init__(
        self, encoder: CrossEncoder, crosstype: str, tokens: Tokens, device: str = "cpu", budget: int | None = None
    ) -> None:
        self.encoder, self.crosstype, self.tokens, self.device = encoder, crosstype, tokens, device
        self.budget = budget or (CPU_TOKENS if device == "cpu" else GPU_TOKENS)

    @torch.inference_mode()
    def logits(
        self,
        examples: Sequence[Tokenised],
        orders: Sequence[Sequence[int]] | None = None,
        way: Way | None = None,
    ) -> list[np.ndarray]:
        """Return for each mention its candidates' logits (right against wrong): float32, in the candidates' own order.

        A mention without candidates has an empty array.

        Args:
            examples: Mentions.
            orders: In which order candidates stand in the sequences; None for their own.
            way: How a tree is computed; None for the fastest. Other types, and models with narrow layers, have `mask`.
        """
        found = [np.full(len(each.candidates), np.nan, np.float32) for each in examples]
        way = self._way(examples, way)
        if way == "reuse":
            self._by_context(examples, found)
            return found
        length = max(self.tokens.length, self.budget) if way == "branches" else None
        sequences = list(pack(self.crosstype, self.tokens, examples, orders, length=length))
        for rows in batches([len(each) for each in sequences], self.budget):
            some = [sequences[row] for row in rows]
            batch = collate(some, self.encoder.pad).to(self.device)
            logits = self.encoder.by_branches(some, batch) if way == "branches" else self.encoder.logits(batch)
            self._put(found, batch.owners, logits)
        return found

    def _way(self, examples: Sequence[Tokenised], way: Way | None) -> Way:
        if not self.encoder.tree or self.encoder.sliding is not None:
            return "mask"
        if way is not None:
            return way
        if self.device == "cpu":
            return "branches"
        contexts = {each.group: len(each.context) for each in examples}
        return "reuse" if contexts and float(np.mean(list(contexts.values()))) >= REUSE_FROM else "mask"

    def _by_context(self, examples: Sequence[Tokenised], found: list[np.ndarray]) -> None:
        sequences = list(pack(self.crosstype, self.tokens, examples, together=False))
        groups: dict[tuple[int, ...], list[Packed]] = {}
        for each in sequences:
            groups.setdefault(examples[each.owners[0][0]].group, []).append(each)
        held = list(groups.values())
        for places in batches([each[0].context for each in held], self.budget):
            contexts = self.encoder.contexts([held[place][0] for place in places], self.device)
            mine = [(number, each) for number, place in enumerate(places) for each in held[place]]
            for rows in batches([len(each) - each.context for _, each in mine], self.budget):
                batch = collate([mine[row][1] for row in rows], self.encoder.pad, skip_context=True).to(self.device)
                of = torch.tensor([mine[row][0] for row in rows], device=self.device)
                self._put(found, batch.owners, self.encoder.with_context(contexts, batch, of))

    @staticmethod
    def _put(found: list[np.ndarray], owners: list[tuple[int, int]], logits: torch.Tensor) -> None:
        margin = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        for (row, candidate), value in zip(owners, margin.tolist(), strict=True):
            found[row][candidate] = value

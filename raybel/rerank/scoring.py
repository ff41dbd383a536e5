"""Mentions in, a logit for each of their candidates out."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from raybel.rerank.batching import batches, collate
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import Packed, pack
from raybel.rerank.tokens import Tokenised, Tokens

#: Tokens in a batch. More cost cache on a CPU.
CPU_TOKENS, GPU_TOKENS = 1_024, 32_768
#: Contexts from this many tokens on go through a tree's model by themselves.
REUSE_FROM = 128


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
        reuse: bool | None = None,
    ) -> list[np.ndarray]:
        """Return for each mention its candidates' logits (right against wrong): float32, in the candidates' own order.

        A mention without candidates has an empty array.

        Args:
            examples: Mentions.
            orders: In which order candidates stand in the sequences; None for their own.
            reuse: Whether a tree's contexts go through the model once each; None where they are long enough.
        """
        found = [np.full(len(each.candidates), np.nan, np.float32) for each in examples]
        contexts = {each.group: len(each.context) for each in examples}
        if reuse is None:
            reuse = bool(contexts) and float(np.mean(list(contexts.values()))) >= REUSE_FROM
        if self.encoder.tree and reuse and self.encoder.sliding is None:
            self._by_context(examples, found)
            return found
        sequences = list(pack(self.crosstype, self.tokens, examples, orders))
        for rows in batches([len(each) for each in sequences], self.budget):
            batch = collate([sequences[row] for row in rows], self.encoder.pad).to(self.device)
            self._put(found, batch.owners, self.encoder.logits(batch))
        return found

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

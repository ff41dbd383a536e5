"""Scores the candidates of mentions: packs them, sends them through the model in batches, gathers the logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch

from raybel.encoders.device_errors import device_errors, in_halves
from raybel.reporting import tally
from raybel.rerank.batching import batches, collate
from raybel.rerank.model import CrossEncoder
from raybel.rerank.packing import PackedSequence, pack
from raybel.rerank.tokens import TokenisedExample, Tokens

#: Tokens per batch. On a CPU more of them cost cache.
CPU_TOKENS, GPU_TOKENS = 1_024, 32_768
#: Mean length of contexts, in tokens, from which on a GPU sends a tree's contexts through the model once (`reuse`).
REUSE_FROM = 128
#: How a tree's attention is computed: with a mask over whole sequences, branch by branch, or with contexts that go
#: through the model once each.
TreeAttention = Literal["mask", "branches", "reuse"]


class Scorer:
    """Scores the candidates of mentions.

    Args:
        encoder: The model.
        crosstype: One of `CROSSTYPES`.
        tokens: Makes token ids.
        device: Where the model is: `cpu` or a CUDA device.
        budget: Tokens per batch, padding included; None for what suits the device.
    """

    def __init__(
        self, encoder: CrossEncoder, crosstype: str, tokens: Tokens, device: str = "cpu", budget: int | None = None
    ) -> None:
        self.encoder, self.crosstype, self.tokens, self.device = encoder, crosstype, tokens, device
        self.budget = budget or (CPU_TOKENS if device == "cpu" else GPU_TOKENS)

    @torch.inference_mode()
    def logits(
        self,
        examples: Sequence[TokenisedExample],
        orders: Sequence[Sequence[int]] | None = None,
        attention: TreeAttention | None = None,
    ) -> list[np.ndarray]:
        """Return for each mention its candidates' logits (right against wrong): float32, in the candidates' own order.

        A mention without candidates has an empty array.

        Args:
            examples: Mentions.
            orders: The order of each mention's candidates in the sequences; None for their own.
            attention: How a tree's attention is computed; None for the fastest way. Other types, and models with narrow
                layers, always have `mask`.

        Raises:
            DeviceError: The GPU fails, or has too little memory for a single sequence.
        """
        margins = [np.full(len(example.candidates), np.nan, np.float32) for example in examples]
        attention = self._attention(examples, attention)
        with device_errors(self.device):
            if attention == "reuse":
                self._score_with_contexts(examples, margins)
            else:
                self._score_whole(examples, orders, attention == "branches", margins)
        tally.add("pairs", sum(map(len, margins)))
        return margins

    def _attention(self, examples: Sequence[TokenisedExample], wanted: TreeAttention | None) -> TreeAttention:
        if not self.encoder.tree or self.encoder.sliding_reach is not None:
            return "mask"
        if wanted is not None:
            return wanted
        if self.device == "cpu":
            return "branches"
        lengths = {example.group: len(example.context) for example in examples}
        return "reuse" if lengths and float(np.mean(list(lengths.values()))) >= REUSE_FROM else "mask"

    def _score_whole(
        self,
        examples: Sequence[TokenisedExample],
        orders: Sequence[Sequence[int]] | None,
        by_branches: bool,
        margins: list[np.ndarray],
    ) -> None:
        """Fill in the logits, whole sequences going through the model."""
        length = max(self.tokens.length, self.budget) if by_branches else None
        sequences = list(pack(self.crosstype, self.tokens, examples, orders, length=length))

        tally.add("tokens", sum(map(len, sequences)), "reranking")

        def score(rows: Sequence[int]) -> None:
            of_batch = [sequences[row] for row in rows]
            batch = collate(of_batch, self.encoder.pad).to(self.device)
            logits = self.encoder.logits_by_branches(of_batch, batch) if by_branches else self.encoder.logits(batch)
            self._fill_in(margins, batch.owners, logits)

        for rows in batches([len(sequence) for sequence in sequences], self.budget):
            in_halves(rows, score, self.device)

    def _score_with_contexts(self, examples: Sequence[TokenisedExample], margins: list[np.ndarray]) -> None:
        """Fill in the logits, each context going through the model once."""
        groups: dict[tuple[int, ...], list[PackedSequence]] = {}
        for sequence in pack(self.crosstype, self.tokens, examples, together=False):
            groups.setdefault(examples[sequence.owners[0][0]].group, []).append(sequence)
        by_context = list(groups.values())
        contexts = sum(of_context[0].context for of_context in by_context)
        below = sum(len(sequence) - sequence.context for of_context in by_context for sequence in of_context)
        tally.add("tokens", contexts + below, "reranking")

        def score(places: Sequence[int]) -> None:
            cache = self.encoder.encode_contexts([by_context[place][0] for place in places], self.device)
            numbered = [(number, sequence) for number, place in enumerate(places) for sequence in by_context[place]]

            def score_below(rows: Sequence[int]) -> None:
                of_batch = [numbered[row][1] for row in rows]
                batch = collate(of_batch, self.encoder.pad, skip_context=True).to(self.device)
                context_of = torch.tensor([numbered[row][0] for row in rows], device=self.device)
                self._fill_in(margins, batch.owners, self.encoder.logits_with_contexts(cache, batch, context_of))

            for rows in batches([len(sequence) - sequence.context for _, sequence in numbered], self.budget):
                in_halves(rows, score_below, self.device)

        for places in batches([sequences[0].context for sequences in by_context], self.budget):
            in_halves(places, score, self.device)

    @staticmethod
    def _fill_in(margins: list[np.ndarray], owners: list[tuple[int, int]], logits: torch.Tensor) -> None:
        right_against_wrong = (logits[:, 1] - logits[:, 0]).cpu().numpy()
        for (row, candidate), margin in zip(owners, right_against_wrong.tolist(), strict=True):
            margins[row][candidate] = margin

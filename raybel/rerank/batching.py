"""Sequences as padded tensors, in batches of similar lengths within a budget of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from raybel.rerank.packing import PackedSequence

#: Block number of padding, which sees only itself, and which nothing else sees.
PADDING = -2


@dataclass
class Batch:
    """Sequences side by side, padded at the right.

    Args:
        owners: The pair of each slot: (example, candidate).
        ids: Token ids, int64 (sequences, tokens).
        positions: Positions, int64 (sequences, tokens).
        mention_of: The mention whose block a token belongs to, int32 (sequences, tokens); -1: context, -2: padding.
        candidate_of: The candidate whose block it belongs to, int32 (sequences, tokens); -1: none.
        row: The sequence of each slot, int64 (slots,).
        column: The place of each slot in its sequence, int64 (slots,).
    """

    owners: list[tuple[int, int]]
    ids: torch.Tensor
    positions: torch.Tensor
    mention_of: torch.Tensor
    candidate_of: torch.Tensor
    row: torch.Tensor
    column: torch.Tensor

    def to(self, device: str | torch.device) -> Batch:
        """Return the batch on a device."""
        tensors = (self.ids, self.positions, self.mention_of, self.candidate_of, self.row, self.column)
        return Batch(self.owners, *(tensor.to(device, non_blocking=True) for tensor in tensors))


def collate(sequences: Sequence[PackedSequence], pad: int, skip_context: bool = False) -> Batch:
    """Return sequences as a batch.

    Args:
        sequences: At least one.
        pad: Token id of padding.
        skip_context: Whether the tokens of their contexts, at the beginning, are left out.
    """
    starts = [sequence.context if skip_context else 0 for sequence in sequences]
    width = max(len(sequence) - start for sequence, start in zip(sequences, starts, strict=True))
    shape = (len(sequences), width)
    ids, positions = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    mention_of, candidate_of = np.full(shape, PADDING, np.int32), np.full(shape, -1, np.int32)
    rows, columns, owners = [], [], []
    for number, (sequence, start) in enumerate(zip(sequences, starts, strict=True)):
        size = len(sequence) - start
        ids[number, :size] = sequence.ids[start:]
        positions[number, :size] = sequence.positions[start:]
        mention_of[number, :size] = sequence.mention_of[start:]
        candidate_of[number, :size] = sequence.candidate_of[start:]
        rows += [number] * len(sequence.slots)
        columns += [slot - start for slot in sequence.slots]
        owners += sequence.owners
    arrays = (ids, positions, mention_of, candidate_of, np.array(rows, np.int64), np.array(columns, np.int64))
    return Batch(owners, *map(torch.from_numpy, arrays))


def visible(batch: Batch) -> torch.Tensor:
    """Return which token of a tree sees which: bool (sequences, 1, tokens, tokens).

    A token sees the context, its mention's block, and its own block; padding sees padding.
    """
    mention, candidate = batch.mention_of, batch.candidate_of
    own = mention[:, :, None] == mention[:, None, :]
    block = (candidate[:, None, :] == -1) | (candidate[:, :, None] == candidate[:, None, :])
    context = (mention[:, None, :] == -1) & (mention[:, :, None] != PADDING)
    return (context | (own & block)).unsqueeze(1)


def batches(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Return batches of rows, of similar sizes; the largest come first, so that too little memory shows at once.

    Args:
        sizes: Tokens of each row.
        budget: The most tokens in a batch, padding included; a row with more is a batch of its own.
    """
    order = sorted(range(len(sizes)), key=lambda row: (-sizes[row], row))
    rows_of_batches: list[list[int]] = []
    for row in order:
        if rows_of_batches and (len(rows_of_batches[-1]) + 1) * sizes[rows_of_batches[-1][0]] <= budget:
            rows_of_batches[-1].append(row)
        else:
            rows_of_batches.append([row])
    return rows_of_batches

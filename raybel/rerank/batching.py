"""Sequences as tensors, in batches of about equal length that keep to a number of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from raybel.rerank.packing import Packed

#: Block number of padding: it sees itself only, and nothing sees it.
PADDING = -2


@dataclass
class Batch:
    """Sequences side by side, padded at the right.

    Args:
        owners: The pair of each slot.
        ids: int64 (sequences, tokens).
        positions: The same shape.
        mention_of: int32, the same shape; -1 for context, -2 for padding.
        candidate_of: The same.
        row: Sequence of each slot, int64 (slots,).
        column: Place of each slot in it.
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
        moved = (self.ids, self.positions, self.mention_of, self.candidate_of, self.row, self.column)
        return Batch(self.owners, *(each.to(device, non_blocking=True) for each in moved))


def collate(sequences: Sequence[Packed], pad: int, skip_context: bool = False) -> Batch:
    """Return sequences as a batch; `skip_context` leaves out their contexts' tokens."""
    starts = [each.context if skip_context else 0 for each in sequences]
    width = max(len(each) - start for each, start in zip(sequences, starts, strict=True))
    shape = (len(sequences), width)
    ids, positions = np.full(shape, pad, np.int64), np.zeros(shape, np.int64)
    mention_of, candidate_of = np.full(shape, PADDING, np.int32), np.full(shape, -1, np.int32)
    rows, columns, owners = [], [], []
    for number, (each, start) in enumerate(zip(sequences, starts, strict=True)):
        size = len(each) - start
        ids[number, :size] = each.ids[start:]
        positions[number, :size] = each.positions[start:]
        mention_of[number, :size] = each.mention_of[start:]
        candidate_of[number, :size] = each.candidate_of[start:]
        rows += [number] * len(each.slots)
        columns += [slot - start for slot in each.slots]
        owners += each.owners
    arrays = (ids, positions, mention_of, candidate_of, np.array(rows, np.int64), np.array(columns, np.int64))
    return Batch(owners, *map(torch.from_numpy, arrays))


def visible(batch: Batch) -> torch.Tensor:
    """Return which token sees which: bool (sequences, 1, tokens, tokens).

    A token sees the context, its mention's block, and its own block; padding sees padding.
    """
    mention, candidate = batch.mention_of, batch.candidate_of
    own = mention[:, :, None] == mention[:, None, :]
    block = (candidate[:, None, :] == -1) | (candidate[:, :, None] == candidate[:, None, :])
    context = (mention[:, None, :] == -1) & (mention[:, :, None] != PADDING)
    return (context | (own & block)).unsqueeze(1)


def batches(sizes: Sequence[int], budget: int) -> list[list[int]]:
    """Cut rows, sorted by size, into batches of at most `budget` tokens with padding; a longer row is one of its own.

    The longest come first, so that a batch which memory can't hold fails at once.
    """
    order = sorted(range(len(sizes)), key=lambda row: (-sizes[row], row))
    made: list[list[int]] = []
    for row in order:
        if made and (len(made[-1]) + 1) * sizes[made[-1][0]] <= budget:
            made[-1].append(row)
        else:
            made.append([row])
    return made

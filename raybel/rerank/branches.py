"""A tree's attention on a CPU, branch by branch: a branch is a mention's block with those of its candidates.

A branch sees its sequence's context and itself. Masked attention over whole sequences computes what other branches
would see, too, and forgets it; here nothing is computed that the mask would hide but a branch's candidates among each
other. Its cost grows with a sequence's length instead of that length's square, so sequences may be longer than the
model's window: positions begin anew in each branch. Products are in float32, whatever the weights are in: small
matrices gain nothing from less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from raybel.rerank.packing import Packed

NAME = "raybel_branches"
#: What is added to scores of what isn't seen.
_HIDDEN = -30_000.0


@dataclass
class Branches:
    """How a sequence is cut.

    Args:
        context: Tokens of the context's block, at the beginning.
        spans: For each branch its first token, the one after its last, and what is added to its scores: float32
            (tokens, context tokens + tokens).
    """

    context: int
    spans: list[tuple[int, int, torch.Tensor]]

    @classmethod
    def of(cls, sequence: Packed) -> Branches:
        """Cut a tree's sequence."""
        context, spans = sequence.context, []
        mention, candidate = np.asarray(sequence.mention_of), np.asarray(sequence.candidate_of)
        cuts = (np.flatnonzero(np.diff(mention[context:])) + context + 1).tolist()
        for start, end in zip([context, *cuts], [*cuts, len(sequence)], strict=True):
            own = candidate[start:end]
            added = np.zeros((end - start, context + end - start), np.float32)
            added[:, context:][(own[None, :] != -1) & (own[None, :] != own[:, None])] = _HIDDEN
            spans.append((start, end, torch.from_numpy(added)))
        return cls(context, spans)


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    branches: Sequence[Branches] = (),
    **_options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sequence of a batch; what comes out for padding is 0."""
    rows, heads, tokens, width = query.shape
    scale = width**-0.5 if scaling is None else scaling
    out = query.new_zeros(rows, tokens, heads, width)
    with torch.autocast(query.device.type, enabled=False):
        for row, cut in enumerate(branches):
            _sequence(out[row], query[row].float(), key[row].float(), value[row].float(), cut, scale)
    return out, None


def _sequence(
    out: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cut: Branches, scale: float
) -> None:
    """Fill in what comes out for a sequence, (tokens, heads, width); the others are (heads, tokens, width)."""
    size = cut.context
    shares = torch.softmax(torch.bmm(query[:, :size], key[:, :size].transpose(1, 2)).mul_(scale), -1)
    out[:size] = torch.bmm(shares, value[:, :size]).transpose(0, 1)
    for start, end, added in cut.spans:
        if start == size:
            seen, given = key[:, :end], value[:, :end]
        else:
            seen, given = (torch.cat([each[:, :size], each[:, start:end]], 1) for each in (key, value))
        scores = torch.baddbmm(added, query[:, start:end], seen.transpose(1, 2), alpha=scale)
        out[start:end] = torch.bmm(torch.softmax(scores, -1), given).transpose(0, 1)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

"""A tree's attention on a CPU, branch by branch: a branch is a mention's block with those of its candidates.

A branch sees its sequence's context and itself. Masked attention over whole sequences also computes what a branch would
see of the others, and throws it away; here nothing is computed that the mask would hide, but for a branch's candidates
among each other. The cost grows with a sequence's length instead of its square, so that sequences may be longer than
the model's window: positions begin anew in each branch. Products are in float32, whatever the weights are in, since
small matrices gain nothing from less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from raybel.rerank.packing import PackedSequence

#: The name that the attention function is registered under.
NAME = "raybel_branches"
#: Added to the attention scores of what isn't seen.
_HIDDEN = -30_000.0


@dataclass
class Branches:
    """The branches of a sequence.

    Args:
        context: Number of tokens in the context's block, at the beginning.
        spans: For each branch its first token, the one after its last, and what is added to its attention scores:
            float32 (tokens of the branch, tokens of context and branch).
    """

    context: int
    spans: list[tuple[int, int, torch.Tensor]]

    @classmethod
    def of(cls, sequence: PackedSequence) -> Branches:
        """Return the branches of a tree's sequence."""
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
    """Attend within each sequence of a batch, as transformers calls it; padding's output is 0."""
    rows, heads, tokens, width = query.shape
    scale = width**-0.5 if scaling is None else scaling
    out = query.new_zeros(rows, tokens, heads, width)
    with torch.autocast(query.device.type, enabled=False):
        for row, of_sequence in enumerate(branches):
            _attend_within(out[row], query[row].float(), key[row].float(), value[row].float(), of_sequence, scale)
    return out, None


def _attend_within(
    out: torch.Tensor, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, branches: Branches, scale: float
) -> None:
    """Fill in a sequence's output.

    Args:
        out: Where to: (tokens, heads, width).
        query: float32 (heads, tokens, width), as are `key` and `value`.
        key: See `query`.
        value: See `query`.
        branches: The sequence's.
        scale: What products are multiplied by.
    """
    size = branches.context
    shares = torch.softmax(torch.bmm(query[:, :size], key[:, :size].transpose(1, 2)).mul_(scale), -1)
    out[:size] = torch.bmm(shares, value[:, :size]).transpose(0, 1)
    for start, end, added in branches.spans:
        if start == size:
            keys, values = key[:, :end], value[:, :end]
        else:
            keys, values = (torch.cat([tensor[:, :size], tensor[:, start:end]], 1) for tensor in (key, value))
        scores = torch.baddbmm(added, query[:, start:end], keys.transpose(1, 2), alpha=scale)
        out[start:end] = torch.bmm(torch.softmax(scores, -1), values).transpose(0, 1)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

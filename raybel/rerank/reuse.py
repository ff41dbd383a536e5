"""Contexts that go through a model once, for all sequences that share them: their keys and values are kept.

In a tree a context's tokens see nothing but each other, so what a layer makes of them doesn't depend on the mentions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from raybel.rerank.batching import PADDING, Batch
from raybel.rerank.packing import Packed

NAME = "raybel_reuse"


@dataclass
class Held:
    """Keys and values of contexts, layer by layer, in the order in which a model's layers attend.

    Args:
        real: Which of the contexts' tokens aren't padding, bool (contexts, tokens).
        layers: (keys, values), each (contexts, heads, tokens, width). By order, since some models (ALBERT) have one
            module for all of them.
        rows: Which context each sequence has; None while contexts go through.
        turn: How many layers attended since.
    """

    real: torch.Tensor
    layers: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    rows: torch.Tensor | None = None
    turn: int = 0

    @classmethod
    def of(cls, model: PreTrainedModel, contexts: Sequence[Packed], pad: int, device: torch.device, shift: int) -> Held:
        """Send contexts through a model."""
        width = max(each.context for each in contexts)
        ids = np.full((len(contexts), width), pad, np.int64)
        real = np.zeros(ids.shape, bool)
        for row, each in enumerate(contexts):
            ids[row, : each.context] = each.ids[: each.context]
            real[row, : each.context] = True
        mask = torch.from_numpy(real).to(device)
        held = cls(mask)
        sees = (mask[:, None, None, :] == mask[:, None, :, None]).expand(-1, 1, width, width)
        positions = torch.arange(width, device=device).expand(len(contexts), -1) + shift
        tokens = torch.from_numpy(ids).to(device)
        model(input_ids=tokens, attention_mask=sees, position_ids=positions, held=held)
        return held

    def visible(self, rows: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return which context tokens each of a batch's tokens sees: bool (sequences, 1, tokens, context tokens)."""
        own = (batch.mention_of != PADDING)[:, None, :, None]
        return self.real[rows][:, None, None, :] & own


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    held: Held | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    if held is not None:
        if held.rows is None:
            held.layers.append((key, value))
        else:
            keys, values = held.layers[held.turn]
            held.turn += 1
            key = torch.cat([keys[held.rows], key], dim=2)
            value = torch.cat([values[held.rows], value], dim=2)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

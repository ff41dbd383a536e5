"""Contexts that go through a model once, for all sequences that share them: a cache of their keys and values.

In a tree a context's tokens see nothing but each other, so that their keys and values don't depend on the mentions.
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
from raybel.rerank.packing import PackedSequence

#: The name that the attention function is registered under.
NAME = "raybel_reuse"


@dataclass
class ContextCache:
    """Keys and values of contexts, layer by layer, in the order in which a model's layers attend.

    Args:
        present: Which of the contexts' tokens aren't padding, bool (contexts, tokens).
        layers: (keys, values) of each layer, both (contexts, heads, tokens, width). By order, since some models
            (ALBERT) have one module for all layers.
        context_of: The context of each sequence that goes through the model, int64; None while contexts do.
        next_layer: The layer that attends next.
    """

    present: torch.Tensor
    layers: list[tuple[torch.Tensor, torch.Tensor]] = field(default_factory=list)
    context_of: torch.Tensor | None = None
    next_layer: int = 0

    @classmethod
    def of(
        cls,
        model: PreTrainedModel,
        contexts: Sequence[PackedSequence],
        pad: int,
        device: torch.device,
        position_offset: int,
    ) -> ContextCache:
        """Send contexts through a model and return their keys and values.

        Args:
            model: Attends by the function that is registered here.
            contexts: A tree's sequences, whose contexts count.
            pad: Token id of padding.
            device: Where the model is.
            position_offset: The model's first position.
        """
        width = max(sequence.context for sequence in contexts)
        ids = np.full((len(contexts), width), pad, np.int64)
        present = np.zeros(ids.shape, bool)
        for row, sequence in enumerate(contexts):
            ids[row, : sequence.context] = sequence.ids[: sequence.context]
            present[row, : sequence.context] = True
        mask = torch.from_numpy(present).to(device)
        cache = cls(mask)
        sees = (mask[:, None, None, :] == mask[:, None, :, None]).expand(-1, 1, width, width)
        positions = torch.arange(width, device=device).expand(len(contexts), -1) + position_offset
        tokens = torch.from_numpy(ids).to(device)
        model(input_ids=tokens, attention_mask=sees, position_ids=positions, context_cache=cache)
        return cache

    def visible(self, context_of: torch.Tensor, batch: Batch) -> torch.Tensor:
        """Return which context tokens each token of a batch sees: bool (sequences, 1, tokens, context tokens).

        Args:
            context_of: The context of each sequence, int64 (sequences,).
            batch: Sequences without their contexts.
        """
        not_padding = (batch.mention_of != PADDING)[:, None, :, None]
        return self.present[context_of][:, None, None, :] & not_padding


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    context_cache: ContextCache | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers' sdpa does; fill the cache, or see its keys and values too."""
    if context_cache is not None:
        if context_cache.context_of is None:
            context_cache.layers.append((key, value))
        else:
            keys, values = context_cache.layers[context_cache.next_layer]
            context_cache.next_layer += 1
            key = torch.cat([keys[context_cache.context_of], key], dim=2)
            value = torch.cat([values[context_cache.context_of], value], dim=2)
    return sdpa_attention_forward(module, query, key, value, attention_mask, **options)


AttentionInterface.register(NAME, _attend)
AttentionMaskInterface.register(NAME, sdpa_mask)

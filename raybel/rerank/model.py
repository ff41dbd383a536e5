"""The model of all types of cross-encoder: a token classifier with two labels, read at `[MASK]`."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedModel

from raybel.encoders import token_models
from raybel.encoders.token_models import position_offset, window
from raybel.errors import ConfigError
from raybel.rerank import branches, reuse, slots
from raybel.rerank.batching import Batch, visible
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.packing import PackedSequence

__all__ = ["CrossEncoder", "load", "position_offset", "using_attention", "window"]


def load(
    directory: str | Path, head: bool, dropout: float | None = None, layers: int | None = None
) -> tuple[PreTrainedModel, Any]:
    """Load a model with two labels in float32, and its tokenizer; see `token_models.load`."""
    return token_models.load(directory, head, dropout, 2, layers)


@contextlib.contextmanager
def using_attention(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Have a model attend by the function that is registered under a name, while the context lasts."""
    before = model.config._attn_implementation
    model.set_attn_implementation(name)
    try:
        yield
    finally:
        model.set_attn_implementation(before)


class CrossEncoder:
    """Scores packed sequences.

    Args:
        model: A token classifier with two labels.
        crosstype: One of `CROSSTYPES`.
        pad: Token id of padding.

    Raises:
        ConfigError: The type is `tree`, and the model takes no position ids.
    """

    def __init__(self, model: PreTrainedModel, crosstype: str, pad: int) -> None:
        self.model, self.tree, self.pad = model, LAYOUTS[crosstype].tree, pad
        self.position_offset = position_offset(model)
        self.sliding_reach = _sliding_reach(model.config)
        self.last_output = slots.last_attention_output(model)
        if self.tree and "position_ids" not in inspect.signature(model.forward).parameters:
            raise ConfigError(
                f"{model.config.model_type} models take no position ids, which the type tree needs: take another "
                "--crosstype, or another model"
            )

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return both labels' logits at each slot: float32 (slots, 2)."""
        return self._at_slots(batch, **self._mask_and_positions(batch))

    def logits_by_branches(self, sequences: Sequence[PackedSequence], batch: Batch) -> torch.Tensor:
        """Return what `logits` does for a tree's sequences, attending branch by branch.

        Args:
            sequences: The batch's.
            batch: The same as tensors.
        """
        of_sequences = [branches.Branches.of(sequence) for sequence in sequences]
        with using_attention(self.model, branches.NAME):
            positions = batch.positions + self.position_offset
            return self._at_slots(batch, attention_mask=None, position_ids=positions, branches=of_sequences)

    def encode_contexts(self, sequences: Sequence[PackedSequence], device: str) -> reuse.ContextCache:
        """Send the contexts of a tree's sequences through the model, for `logits_with_contexts`."""
        with using_attention(self.model, reuse.NAME):
            return reuse.ContextCache.of(self.model, sequences, self.pad, torch.device(device), self.position_offset)

    def logits_with_contexts(self, cache: reuse.ContextCache, batch: Batch, context_of: torch.Tensor) -> torch.Tensor:
        """Return what `logits` does for a tree's sequences whose contexts went through the model before.

        Args:
            cache: The contexts, as `encode_contexts` returns them.
            batch: The sequences without their contexts.
            context_of: The context of each sequence, int64 (sequences,).
        """
        mask = torch.cat([cache.visible(context_of, batch), visible(batch)], dim=3)
        cache.context_of, cache.next_layer = context_of, 0
        with using_attention(self.model, reuse.NAME):
            positions = batch.positions + self.position_offset
            return self._at_slots(batch, attention_mask=mask, position_ids=positions, context_cache=cache)

    def _mask_and_positions(self, batch: Batch) -> dict[str, Any]:
        if not self.tree:
            return {"attention_mask": (batch.mention_of >= -1).long()}
        mask: Any = visible(batch)
        if self.sliding_reach is not None:  # ModernBERT has layers with a narrow view
            place = batch.positions
            near = (place[:, None, :, None] - place[:, None, None, :]).abs() <= self.sliding_reach
            mask = {"full_attention": mask, "sliding_attention": mask & near}
        if self.model.config._attn_implementation == "eager":  # it adds the mask to the scores
            if isinstance(mask, dict):
                mask = {layers: _additive(of_layers) for layers, of_layers in mask.items()}
            else:
                mask = _additive(mask)
        return {"attention_mask": mask, "position_ids": batch.positions + self.position_offset}

    def _at_slots(self, batch: Batch, **options: Any) -> torch.Tensor:
        if self.last_output is None:
            logits: torch.Tensor = self.model(input_ids=batch.ids, **options).logits
            return logits[batch.row, batch.column].float()
        with slots.last_layer_at_slots(self.last_output, batch):
            logits = self.model(input_ids=batch.ids, **options).logits
        return logits[0].float()


def _additive(mask: torch.Tensor) -> torch.Tensor:
    """Return a mask (True: is seen) as numbers that are added to attention scores."""
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.finfo(torch.bfloat16).min / 2)


def _sliding_reach(config: Any) -> int | None:
    """Return how many tokens to either side narrow layers see; None for models without such layers."""
    if "sliding_attention" not in (getattr(config, "layer_types", None) or ()):
        return None
    return int(getattr(config, "sliding_window", None) or config.local_attention // 2)

"""The model of all types of cross-encoder: a token classifier with two labels, read at `[MASK]`."""

from __future__ import annotations

import contextlib
import inspect
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

import torch
from transformers import (
    AutoModelForTokenClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from raybel.encoders.pretrained import check_files
from raybel.errors import ConfigError, DeviceError, InputError
from raybel.rerank import branches, reuse, slots
from raybel.rerank.batching import Batch, visible
from raybel.rerank.layouts import LAYOUTS
from raybel.rerank.packing import PackedSequence

#: Parts that a pretrained encoder may lack: the head, which is trained here, and a pooler, which isn't used.
_OPTIONAL = ("classifier", "score", "pooler", "head")
#: Under which names configurations have the number of positions.
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length")


def load(directory: str | Path, head: bool, dropout: float | None = None) -> tuple[PreTrainedModel, Any]:
    """Load a model with two labels in float32, and its tokenizer; no code of the model's own is run, no pickle read.

    Args:
        directory: A Hugging Face directory.
        head: Whether the directory must hold the classifier; else a new one is drawn from torch's random generator.
        dropout: The dropout of all layers; None for the model's own.

    Raises:
        InputError: Files are missing or damaged, or aren't those of a model that classifies tokens.
    """
    check_files(str(directory))
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    dropouts = {} if dropout is None else dict.fromkeys(_dropouts(directory), dropout)
    try:
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(directory, use_fast=True, **options)
        model, report = AutoModelForTokenClassification.from_pretrained(
            directory,
            num_labels=2,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=not head,
            attn_implementation="sdpa",
            **dropouts,
            **options,
        )
    except Exception as error:  # transformers raises errors of many kinds for a damaged file
        reason = f"{type(error).__name__}: {error}"
        if "scaled_dot_product_attention" in reason:  # transformers advises an option that we don't have
            reason = "transformers has no sdpa attention for it; take BERT, RoBERTa, ModernBERT or one of their kin"
        raise InputError(
            f"isn't a usable Hugging Face model that classifies tokens: {reason}", path=str(directory)
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    missing = sorted(name for name in report["missing_keys"] if head or not any(part in name for part in _OPTIONAL))
    if missing:
        raise InputError(
            f"its weights aren't those of the model that config.json describes: {len(missing)} are missing, such as "
            f"{missing[0]}",
            path=str(directory),
        )
    return model, tokenizer


def _dropouts(directory: str | Path) -> list[str]:
    """Return the names that a model's configuration has for its dropouts."""
    config, _ = PretrainedConfig.get_config_dict(directory)
    names = [name for name, value in config.items() if "dropout" in name and isinstance(value, int | float)]
    return names or ["hidden_dropout_prob", "attention_probs_dropout_prob"]


def position_offset(model: PreTrainedModel) -> int:
    """Return a model's first position: 0, but RoBERTa and its kin count from the padding's."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def window(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many positions a model has for a sequence."""
    stated = [getattr(model.config, name, None) for name in _POSITIONS]
    sizes = [int(size) - position_offset(model) for size in stated if size]
    return min([*sizes, int(tokenizer.model_max_length)])


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
        """Return both labels' logits at each slot: float32 (slots, 2).

        Raises:
            DeviceError: The GPU fails, or has too little memory.
        """
        try:
            return self._at_slots(batch, **self._mask_and_positions(batch))
        except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
            raise DeviceError(f"{batch.ids.device}: {str(error).splitlines()[0]}") from error

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

"""The model: a token classifier with two labels, read at `[MASK]`; the same for all types."""

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
from raybel.rerank.packing import Packed

#: What a pretrained encoder may lack: the head that is trained here, and a pooler, which isn't used.
_OWN = ("classifier", "score", "pooler", "head")
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length")


def load(directory: str | Path, head: bool, dropout: float | None = None) -> tuple[PreTrainedModel, Any]:
    """Load a model with two labels in float32, and its tokenizer; no code of the model's own is run, no pickle read.

    Args:
        directory: A Hugging Face directory.
        head: Whether the classifier must be there; else it may be new (drawn from torch's generator).
        dropout: None for the model's own.

    Raises:
        InputError: Files are missing or damaged, or aren't those of a model that classifies tokens.
    """
    check_files(str(directory))
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    changed = {} if dropout is None else dict.fromkeys(_dropouts(directory), dropout)
    try:
        safe: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        tokenizer = AutoTokenizer.from_pretrained(directory, use_fast=True, **safe)
        model, told = AutoModelForTokenClassification.from_pretrained(
            directory,
            num_labels=2,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=not head,
            attn_implementation="sdpa",
            **changed,
            **safe,
        )
    except Exception as error:  # what transformers raises for a damaged file is of many kinds
        told = f"{type(error).__name__}: {error}"
        if "scaled_dot_product_attention" in told:  # its advice is an option that we don't have
            told = "transformers has no sdpa attention for it; take BERT, RoBERTa, ModernBERT or one of their kin"
        raise InputError(
            f"isn't a usable Hugging Face model that classifies tokens: {told}", path=str(directory)
        ) from error
    finally:
        transformers_logging.set_verbosity(verbosity)
    missing = sorted(name for name in told["missing_keys"] if head or not any(own in name for own in _OWN))
    if missing:
        raise InputError(
            f"its weights aren't those of the model that config.json describes: {len(missing)} are missing, such as "
            f"{missing[0]}",
            path=str(directory),
        )
    return model, tokenizer


def _dropouts(directory: str | Path) -> list[str]:
    config, _ = PretrainedConfig.get_config_dict(directory)
    usual = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    found = [name for name, value in config.items() if "dropout" in name and isinstance(value, int | float)]
    return found or list(usual)


def shift(model: PreTrainedModel) -> int:
    """Return the model's first position: RoBERTa and its kin count from the padding's."""
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            return 0 if module.padding_idx is None else module.padding_idx + 1
    return 0


def window(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Return how many positions a model has."""
    held = [getattr(model.config, name, None) for name in _POSITIONS]
    sizes = [int(size) - shift(model) for size in held if size]
    return min([*sizes, int(tokenizer.model_max_length)])


@contextlib.contextmanager
def attending(model: PreTrainedModel, name: str) -> Iterator[None]:
    """Have a model attend by the registered function of a name while the context lasts."""
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
    """

    def __init__(self, model: PreTrainedModel, crosstype: str, pad: int) -> None:
        self.model, self.tree, self.pad = model, LAYOUTS[crosstype].tree, pad
        self.shift = shift(model)
        self.sliding = _sliding(model.config)
        self.last = slots.last_output(model)
        if self.tree and "position_ids" not in inspect.signature(model.forward).parameters:
            raise ConfigError(
                f"{model.config.model_type} models take no position ids, which the type tree needs: take another "
                "--crosstype, or another model"
            )

    def logits(self, batch: Batch) -> torch.Tensor:
        """Return both labels' logits at each slot: float32 (slots, 2)."""
        try:
            return self._at_slots(batch, **self._layout(batch))
        except (torch.OutOfMemoryError, torch.AcceleratorError) as error:
            raise DeviceError(f"{batch.ids.device}: {str(error).splitlines()[0]}") from error

    def by_branches(self, sequences: Sequence[Packed], batch: Batch) -> torch.Tensor:
        """Return what `logits` does for a batch of a tree's sequences, attending branch by branch."""
        cuts = [branches.Branches.of(each) for each in sequences]
        with attending(self.model, branches.NAME):
            positions = batch.positions + self.shift
            return self._at_slots(batch, attention_mask=None, position_ids=positions, branches=cuts)

    def contexts(self, sequences: Sequence[Packed], device: str) -> reuse.Held:
        """Send the contexts of a tree's sequences through the model; keys and values are kept for `with_context`."""
        with attending(self.model, reuse.NAME):
            return reuse.Held.of(self.model, sequences, self.pad, torch.device(device), self.shift)

    def with_context(self, held: reuse.Held, sequences: Batch, of: torch.Tensor) -> torch.Tensor:
        """Return what `logits` does, for a tree's sequences whose contexts went through the model before.

        Args:
            held: The contexts.
            sequences: Without their contexts.
            of: Which context each sequence belongs to, int64.
        """
        mask = torch.cat([held.visible(of, sequences), visible(sequences)], dim=3)
        held.rows, held.turn = of, 0
        with attending(self.model, reuse.NAME):
            positions = sequences.positions + self.shift
            return self._at_slots(sequences, attention_mask=mask, position_ids=positions, held=held)

    def _layout(self, batch: Batch) -> dict[str, Any]:
        if not self.tree:
            return {"attention_mask": (batch.mention_of >= -1).long()}
        mask: Any = visible(batch)
        if self.sliding is not None:  # ModernBERT has layers with a narrow view
            place = batch.positions
            near = (place[:, None, :, None] - place[:, None, None, :]).abs() <= self.sliding
            mask = {"full_attention": mask, "sliding_attention": mask & near}
        if self.model.config._attn_implementation == "eager":  # it adds the mask to the scores
            mask = {name: _added(each) for name, each in mask.items()} if isinstance(mask, dict) else _added(mask)
        return {"attention_mask": mask, "position_ids": batch.positions + self.shift}

    def _at_slots(self, batch: Batch, **options: Any) -> torch.Tensor:
        if self.last is None:
            found: torch.Tensor = self.model(input_ids=batch.ids, **options).logits
            return found[batch.row, batch.column].float()
        with slots.only(self.last, batch):
            found = self.model(input_ids=batch.ids, **options).logits
        return found[0].float()


def _added(mask: torch.Tensor) -> torch.Tensor:
    return torch.zeros(mask.shape, device=mask.device).masked_fill(~mask, torch.finfo(torch.bfloat16).min / 2)


def _sliding(config: Any) -> int | None:
    """Tokens to either side that narrow layers see; None for models without such layers."""
    if "sliding_attention" not in (getattr(config, "layer_types", None) or ()):
        return None
    return int(getattr(config, "sliding_window", None) or config.local_attention // 2)

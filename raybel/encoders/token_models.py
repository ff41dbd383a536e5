"""Models that give each token a label, from Hugging Face directories: those of detectors and of re-rankers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# oneDNN and PyTorch's layer above it cache what they prepare for each shape of input, 4 MB a shape; these models see
# thousands of shapes. They read these variables when they are first used.
os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

import torch
from transformers import (
    AutoConfig,
    AutoModelForTokenClassification,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from raybel.encoders.pretrained import check_files
from raybel.errors import ConfigError, InputError

#: Parts that a pretrained encoder may lack: the head, which is trained here, and a pooler, which isn't used.
_OPTIONAL = ("classifier", "score", "pooler", "head")
#: Under which names configurations have the number of positions.
_POSITIONS = ("max_position_embeddings", "n_positions", "max_sequence_length")


def load(
    directory: str | Path,
    head: bool,
    dropout: float | None = None,
    labels: int | Sequence[str] | None = None,
    layers: int | None = None,
) -> tuple[PreTrainedModel, Any]:
    """Load a model in float32, and its tokenizer; no code of the model's own is run, no pickle read.

    Args:
        directory: A Hugging Face directory.
        head: Whether the directory must hold the classifier; else a new one is drawn from torch's random generator.
        dropout: The dropout of all layers; None for the model's own.
        labels: How many labels, or their names; None for the directory's own.
        layers: How many layers are kept, from the embeddings on; None for all.

    Raises:
        InputError: Files are missing or damaged, or aren't those of a model that classifies tokens.
        ConfigError: It has fewer layers.
    """
    check_files(str(directory))
    transformers_logging.disable_progress_bar()
    verbosity = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()
    changes: dict[str, Any] = {} if dropout is None else dict.fromkeys(_dropouts(directory), dropout)
    if isinstance(labels, int):
        changes["num_labels"] = labels
    elif labels is not None:
        changes["id2label"] = dict(enumerate(labels))
        changes["label2id"] = {name: number for number, name in enumerate(labels)}
    try:
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        if layers is not None:
            changes |= _with_layers(AutoConfig.from_pretrained(directory, **options), layers)
        tokenizer = AutoTokenizer.from_pretrained(directory, use_fast=True, **options)
        model, report = AutoModelForTokenClassification.from_pretrained(
            directory,
            use_safetensors=True,
            dtype=torch.float32,
            output_loading_info=True,
            ignore_mismatched_sizes=not head,
            attn_implementation="sdpa",
            **changes,
            **options,
        )
    except ConfigError:
        raise
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
    missing = [name for name in missing if "pooler" not in name]
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


def _with_layers(config: PretrainedConfig, layers: int) -> dict[str, Any]:
    """Return what a configuration says of a model with its first layers alone."""
    if config.num_hidden_layers < layers:
        raise ConfigError(f"the model has {config.num_hidden_layers} layers, not {layers}")
    of_each = getattr(config, "layer_types", None)  # ModernBERT's, whose layers differ
    return {"num_hidden_layers": layers} | ({"layer_types": of_each[:layers]} if of_each else {})


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

"""A text encoder: makes unit vectors of strings, as SapBERT (Liu et al., NAACL 2021) does.

Strings of the same number of tokens go through the model together, without padding: no work is wasted, and a string's
vector is the same to the bit whatever else is encoded with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raybel.encoders.precision import PRECISIONS, best_precision

# oneDNN and PyTorch's layer above it cache what they prepare for each shape of input, 4 MB a shape; an encoder sees
# thousands of shapes. They read these variables when they are first used.
os.environ.setdefault("LRU_CACHE_CAPACITY", "64")
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "64")

import numpy as np
import torch
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging as transformers_logging

from raybel.encoders.device_errors import device_errors, in_halves
from raybel.encoders.pretrained import check_files, pooling_of
from raybel.errors import ConfigError, InputError
from raybel.reporting import tally

#: Tokens per batch. On a CPU more of them only cost cache.
CPU_TOKENS, GPU_TOKENS = 4_096, 32_768
#: With fewer rows other kernels run, which round differently: a batch is filled up with copies of its last row.
MIN_ROWS = 16
#: Longer strings are truncated (and counted): names of that length are chemical formulas.
MAX_TOKENS = 128
#: Strings tokenised at once.
TOKENISER_BATCH = 16_384


class TextEncoder:
    """Encodes strings; made by `load`.

    Args:
        model: Any Hugging Face encoder.
        tokenizer: The model's.
        pooling: How a string's last hidden states become its vector: the first token's (`cls`) or the mean (`mean`).
        precision: What weights are in and the model computes in; pooling is in fp32.
        device: `cpu` or a CUDA device.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        pooling: str = "cls",
        precision: str = "fp32",
        device: str = "cpu",
    ) -> None:
        if pooling not in ("cls", "mean"):
            raise ConfigError(f"pooling must be cls or mean, not {pooling!r}")
        if precision not in PRECISIONS:
            raise ConfigError(f"precision must be one of {', '.join(PRECISIONS)}, not {precision!r}")
        if device == "cpu" and precision == "fp16":
            precision = "bf16"  # CPUs have no fp16 matrix instructions to speak of; an index may come from a GPU
        self.model = model.to(device=device, dtype=PRECISIONS[precision]).eval()  # type: ignore[call-arg]
        self.tokenizer, self.pooling, self.precision, self.device = tokenizer, pooling, precision, device
        self.batch_tokens = CPU_TOKENS if device == "cpu" else GPU_TOKENS
        positions = getattr(model.config, "max_position_embeddings", None) or MAX_TOKENS
        self.max_tokens = min(MAX_TOKENS, int(positions))

    @classmethod
    def load(
        cls, directory: str | Path, pooling: str | None = None, precision: str | None = None, device: str = "cpu"
    ) -> TextEncoder:
        """Load a Hugging Face directory (safetensors only; no code of the model's own is run).

        Args:
            directory: Local.
            pooling: `cls` or `mean`; None for what the directory says (sentence-transformers' `1_Pooling`).
            precision: `fp32`, `bf16` or `fp16`; None for `best_precision`.
            device: `cpu` or a CUDA device.

        Raises:
            InputError: Files are missing or damaged.
            ConfigError: There is no such pooling or precision.
        """
        check_files(str(directory))
        transformers_logging.disable_progress_bar()
        verbosity = transformers_logging.get_verbosity()
        transformers_logging.set_verbosity_error()
        try:
            options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
            tokenizer = AutoTokenizer.from_pretrained(directory, use_fast=True, **options)
            model, report = AutoModel.from_pretrained(
                directory, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **options
            )
        except Exception as error:  # transformers raises errors of many kinds for a damaged file
            raise InputError(
                f"isn't a usable Hugging Face model: {type(error).__name__}: {error}", path=str(directory)
            ) from error
        finally:
            transformers_logging.set_verbosity(verbosity)
        # transformers fills in random weights for missing ones; a pooler is often missing, and not used here.
        missing = sorted(name for name in report["missing_keys"] if "pooler" not in name)
        if missing:
            raise InputError(
                f"its weights aren't those of the model that config.json describes: {len(missing)} are missing, such "
                f"as {missing[0]}",
                path=str(directory),
            )
        return cls(model, tokenizer, pooling or pooling_of(str(directory)), precision or best_precision(device), device)

    @property
    def width(self) -> int:
        """Number of components of a vector."""
        return int(self.model.config.hidden_size)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each string, special ones included, at most `max_tokens`."""
        sequences: list[list[int]] = []
        for start in range(0, len(texts), TOKENISER_BATCH):
            batch = list(texts[start : start + TOKENISER_BATCH])
            sequences += self.tokenizer(batch, truncation=True, max_length=self.max_tokens)["input_ids"]
        return sequences

    def count_truncated(self, texts: Sequence[str]) -> int:
        """Return how many strings have more than `max_tokens` tokens, so that their ends don't count."""
        full = [text for text, ids in zip(texts, self.token_ids(texts), strict=True) if len(ids) == self.max_tokens]
        return sum(len(ids) > self.max_tokens for ids in self.tokenizer(full)["input_ids"]) if full else 0

    def encode(self, texts: Sequence[str]) -> np.ndarray:
        """Return one vector of unit length per string, float32 of shape (strings, width).

        Strings with the same tokens have the same vector, to the bit. Without strings the shape is (0, width). A string
        in which the tokenizer finds nothing (the empty one) has the vector of its special tokens.

        Raises:
            InputError: A vector is NaN or infinite: the model's weights are damaged, or overflow the precision.
            DeviceError: The GPU fails, or has too little memory for a single string.
        """
        if not texts:
            return np.empty((0, self.width), np.float32)
        rows_of: dict[tuple[int, ...], int] = {}
        row_of = np.array([rows_of.setdefault(tuple(ids), len(rows_of)) for ids in self.token_ids(texts)])
        tally.add("tokens", sum(map(len, rows_of)), "candidates")
        vectors = np.empty((len(rows_of), self.width), np.float32)
        for rows, batch in self._batches(list(rows_of)):
            vectors[rows] = self._forward(batch)[: len(rows)]
        if not np.isfinite(vectors).all():
            raise InputError(
                f"the encoder gives NaN or infinite vectors in {self.precision}: are its weights damaged? "
                "Try --precision fp32",
                path=str(self.model.config._name_or_path),
            )
        return vectors[row_of]

    def _batches(self, sequences: list[tuple[int, ...]]) -> Iterator[tuple[list[int], torch.Tensor]]:
        """Yield the rows of sequences of one length, and their token ids: int64 (at least as many rows, tokens)."""
        by_length: dict[int, list[int]] = {}
        for row, ids in enumerate(sequences):
            by_length.setdefault(len(ids), []).append(row)
        for length in sorted(by_length):
            rows = by_length[length]
            size = max(MIN_ROWS, self.batch_tokens // max(length, 1))
            for start in range(0, len(rows), size):
                batch = rows[start : start + size]
                # A GPU runs another kernel for every number of rows.
                least = MIN_ROWS if self.device == "cpu" else size
                filled = batch + batch[-1:] * (least - len(batch))
                yield batch, torch.tensor([sequences[row] for row in filled], device=self.device)

    @torch.inference_mode()
    def _forward(self, ids: torch.Tensor) -> np.ndarray:
        with device_errors(self.device):
            parts = in_halves(range(len(ids)), lambda rows: self._pooled(ids[rows[0] : rows[-1] + 1]), self.device)
        return np.concatenate(parts)

    def _pooled(self, ids: torch.Tensor) -> np.ndarray:
        hidden = self.model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.float()
        pooled = hidden[:, 0] if self.pooling == "cls" else hidden.mean(1)
        unit: np.ndarray = torch.nn.functional.normalize(pooled, dim=1).cpu().numpy()
        return unit

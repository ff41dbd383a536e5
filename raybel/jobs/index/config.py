"""What the index job is told, and what it tells."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

from raybel.candidates import faiss_index
from raybel.config import Resources, one_or_more
from raybel.errors import ConfigError


@dataclass(frozen=True)
class IndexDenseConfig:
    """The index job.

    Args:
        ontology: What to link to.
        out_index: The index directory.
        model_name: The encoder: `minilm`, a directory, or a name on the Hugging Face hub.
        pooling: `cls` or `mean`; None for what the model says.
        precision: `fp32`, `bf16` or `fp16`; None for the fastest that the machine has instructions for.
        train_corpus: BioC files whose mentions become aliases.
        val_corpus: BioC files to measure recall on.
        index_type: `auto` (by size), `flat`, `ivf` or `hnsw`.
        vectors: Given vectors (.npy, one row per name and alias in the ontology's order) in place of embedding.
        out_vectors: Where to write such a file.
        expand_abbreviations: Put long forms in the place of short forms in the corpora.
        top_k: Candidates for "recall@all".
        chunk_strings: Strings in a chunk, the unit of work and of retry.
        overwrite: Delete what another configuration left in the directory.
        metric_file: Where to write counts, times and scores (JSON).
        resources: What the job takes of the cluster.
    """

    ontology: str
    out_index: str
    model_name: str = "cambridgeltl/SapBERT-from-PubMedBERT-fulltext"
    pooling: str | None = None
    precision: str | None = None
    train_corpus: tuple[str, ...] = ()
    val_corpus: tuple[str, ...] = ()
    index_type: str = "auto"
    vectors: str | None = None
    out_vectors: str | None = None
    expand_abbreviations: bool = True
    top_k: int = 50
    chunk_strings: int = 8_192
    overwrite: bool = False
    metric_file: str | None = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")
        faiss_index.choose_type(self.index_type, 0)
        if self.chunk_strings < 1 or self.top_k < 1:
            raise ConfigError("chunk_strings and top_k must be at least 1")
        if self.pooling not in (None, "cls", "mean"):
            raise ConfigError(f"pooling must be cls or mean, not {self.pooling!r}")
        if self.precision not in (None, "fp32", "bf16", "fp16"):
            raise ConfigError(f"precision must be fp32, bf16 or fp16, not {self.precision!r}")


@dataclass
class Embedding:
    """How far the embedding is; times in seconds."""

    chunks_total: int
    chunks_before: int = 0
    chunks: int = 0
    strings: int = 0
    cut: int = 0
    started: float = field(default_factory=time.time)


@dataclass
class Indexed:
    """What the index job made.

    Args:
        fingerprint: Of the index.
        parameters: As the index keeps them: model, pooling, precision, width, type ...
        strings: Distinct strings.
        embedding: What was embedded now; `cut` counts strings whose end was too long for the encoder.
        seconds: For embedding and for building, by name.
        scores: Recall per split.
        mentions: Mentions that count, per split.
        training_aliases: (string, concept) pairs that training mentions have.
    """

    fingerprint: str
    parameters: dict[str, Any]
    strings: int
    embedding: Embedding
    seconds: dict[str, float]
    scores: dict[str, dict[str, float | None]]
    mentions: dict[str, int]
    training_aliases: int

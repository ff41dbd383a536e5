"""What the index job is asked to do, how far it is, and what it made."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from raybel.candidates.calibration import FittedCalibration
from raybel.config import (
    Count,
    FilePath,
    FilePaths,
    MentionOptions,
    MetricFile,
    OntologyPath,
    Option,
    Overwrite,
    Precision,
    Resources,
    configuration,
)


@configuration
class IndexDenseConfig:
    """The index job."""

    ontology: OntologyPath
    out_index: Annotated[FilePath, Option("The index; the same command again resumes.", "DIR")]
    model_name: Annotated[
        str,
        Option("The encoder: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.", "NAME"),
    ] = "cambridgeltl/SapBERT-from-PubMedBERT-fulltext"
    pooling: Annotated[
        Literal["cls", "mean"] | None, Option("How tokens' vectors become a string's.", default="what the model says")
    ] = None
    precision: Annotated[
        Precision | None, Option("Number format that the encoder computes in.", default="the fastest")
    ] = None
    train_corpus: Annotated[FilePaths, Option("BioC files whose mentions become aliases. Repeatable.", "PATH")] = ()
    val_corpus: Annotated[FilePaths, Option("BioC files to measure recall on. Repeatable.", "PATH")] = ()
    index_type: Annotated[
        Literal["auto", "flat", "ivf", "hnsw"], Option("Type of the FAISS index; auto chooses by size.")
    ] = "auto"
    vectors: Annotated[
        FilePath | None, Option("Given vectors (.npy, a row for each name and alias) in place of embedding.", "FILE")
    ] = None
    out_vectors: Annotated[FilePath | None, Option("Write the vectors here (.npy, float32).", "FILE")] = None
    mentions: MentionOptions = field(default_factory=MentionOptions)
    top_k: Annotated[Count, Option("Candidates for recall@all.")] = 50
    chunk_strings: Annotated[Count, Option("Strings in a chunk, the unit of work and of retry.")] = 8_192
    overwrite: Overwrite = False
    metric_file: MetricFile = None
    resources: Resources = field(default_factory=Resources)


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
class IndexResult:
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
        calibration: What its scores are worth; None where nothing says so.
    """

    fingerprint: str
    parameters: dict[str, Any]
    strings: int
    embedding: Embedding
    seconds: dict[str, float]
    scores: dict[str, dict[str, float | None]]
    mentions: dict[str, int]
    training_aliases: int
    calibration: FittedCalibration | None = None

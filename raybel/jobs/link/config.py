"""What the link job is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from raybel.config import RESULT, GeneratorPaths, Resources, one_or_more
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError


@dataclass(frozen=True)
class LinkConfig:
    """The link job. Fields marked as results decide the bytes that it writes; the others don't.

    Args:
        in_corpus: Files, directories, globs; BioC XML or JSON, plain or gzipped.
        out_corpus: The run directory.
        ontology: The ontology that the generator was made from.
        ngrams_model: Model directory of the n-gram generator.
        dense_index: Index directory of the dense generator; with an n-gram model, both are fused.
        candidates_lookup: A stored lookup in their place (directory of `raybel lookup`, or a published `.json.gz`).
        reranker_model: Directory of a cross-encoder that ranks the candidates; None for the first stage's order.
        crosstype: Type that the cross-encoder must have; None for whichever it has.
        any_ontology: Use a cross-encoder that was trained for another ontology.
        precision: That the cross-encoder computes in; None for the fastest that the hardware has.
        top_k: Candidates of a mention.
        threshold: Candidates with a lower score are left out of the links.
        expand_abbreviations: Put the long form in the place of a short form that the document defines.
        chunk_documents: Documents in a chunk, the unit of work and of retry.
        max_document_mb: A document with a larger serialisation makes its file unreadable.
        max_bad_fraction: The job fails when a larger share of its documents goes to the quarantine.
        overwrite: Delete what a run with another configuration left in the run directory.
        metric_file: Where to copy the metrics table to.
        resources: What the job takes of the cluster.
    """

    in_corpus: tuple[str, ...]
    out_corpus: str
    ontology: str
    ngrams_model: str | None = None
    dense_index: str | None = None
    candidates_lookup: str | None = None
    reranker_model: str | None = None
    crosstype: str | None = None
    any_ontology: bool = False
    precision: str | None = field(default=None, metadata=RESULT)
    top_k: int = field(default=10, metadata=RESULT)
    threshold: float | None = field(default=None, metadata=RESULT)
    expand_abbreviations: bool = field(default=True, metadata=RESULT)
    chunk_documents: int = field(default=500, metadata=RESULT)
    max_document_mb: int = field(default=256, metadata=RESULT)
    max_bad_fraction: float = 0.01
    overwrite: bool = False
    metric_file: str | None = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        one_or_more(self, "in_corpus")
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        self.generator.check()
        for name, low in (("top_k", 1), ("chunk_documents", 1), ("max_document_mb", 1)):
            if getattr(self, name) < low:
                raise ConfigError(f"{name} must be at least {low}, not {getattr(self, name)}")
        if not 0 <= self.max_bad_fraction <= 1:
            raise ConfigError(f"max_bad_fraction must lie in 0..1, not {self.max_bad_fraction}")
        if self.reranker_model is None and (self.crosstype, self.precision, self.any_ontology) != (None, None, False):
            raise ConfigError("crosstype, precision and any_ontology are a cross-encoder's: give --reranker-model")
        if self.precision not in (None, "fp32", "bf16", "fp16"):
            raise ConfigError(f"precision must be fp32, bf16 or fp16, not {self.precision!r}")

    @property
    def generator(self) -> GeneratorPaths:
        """Where the candidates come from."""
        return GeneratorPaths(self.ngrams_model, self.dense_index, self.candidates_lookup)

    @property
    def read_options(self) -> ReadOptions:
        """How the job reads documents."""
        return ReadOptions(
            expand_abbreviations=self.expand_abbreviations,
            chunk_documents=self.chunk_documents,
            max_document_bytes=self.max_document_mb << 20,
        )

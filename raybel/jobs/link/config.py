"""What the link job is asked to do."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from raybel.config import (
    Count,
    FilePath,
    FilePaths,
    GeneratorPaths,
    MentionOptions,
    OntologyPath,
    Option,
    Precision,
    Resources,
    Share,
    TablePath,
    configuration,
)
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError
from raybel.rerank.parameters import Crosstype


@configuration
class LinkConfig:
    """The link job."""

    in_corpus: Annotated[FilePaths, Option("BioC files, a directory or a glob. Repeatable.", "PATH")]
    out_corpus: Annotated[FilePath, Option("The run directory; the same command again resumes a killed run.", "DIR")]
    ontology: OntologyPath
    generator: GeneratorPaths
    reranker_model: Annotated[
        FilePath | None,
        Option("A cross-encoder that ranks the candidates.", "DIR", made_by="raybel train crossencoder"),
    ] = None
    crosstype: Annotated[
        Crosstype | None, Option("Type that the cross-encoder must have.", default="whichever it has")
    ] = None
    any_ontology: Annotated[bool, Option("Use a cross-encoder that was trained for another ontology.")] = False
    precision: Annotated[
        Precision | None,
        Option("Number format that the cross-encoder computes in.", default="the fastest", result=True),
    ] = None
    top_k: Annotated[Count, Option("Candidates of a mention.", result=True)] = 10
    threshold: Annotated[
        float | None,
        Option("Leave out candidates with a lower score (NIL if none is left).", default="none", result=True),
    ] = None
    mentions: MentionOptions = field(default_factory=MentionOptions)
    chunk_documents: Annotated[Count, Option("Documents in a chunk, the unit of work and of retry.", result=True)] = 500
    shard_documents: Annotated[Count, Option("Documents in a shard of an archive.", result=True)] = 10_000
    group_files: Annotated[
        bool | None,
        Option(
            "Read small files in groups, and write the documents of many into a shard.",
            default="where there are more than 1,000",
            result=True,
        ),
    ] = None
    max_document_mb: Annotated[Count, Option("A larger document makes its file unreadable.", result=True)] = 256
    max_bad_fraction: Annotated[Share, Option("Fail when more of the documents go to the quarantine.")] = 0.01
    overwrite: Annotated[bool, Option("Delete a run of another configuration first.")] = False
    metric_file: Annotated[
        TablePath | None, Option("Copy the table of counts here (.csv, .parquet or .json).", "FILE")
    ] = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        if self.reranker_model is None and (self.crosstype, self.precision, self.any_ontology) != (None, None, False):
            raise ConfigError("crosstype, precision and any_ontology are a cross-encoder's: give --reranker-model")

    @property
    def read_options(self) -> ReadOptions:
        """How the job reads documents."""
        return ReadOptions(
            mentions=self.mentions,
            chunk_documents=self.chunk_documents,
            shard_documents=self.shard_documents,
            max_document_bytes=self.max_document_mb << 20,
        )

"""The options that several jobs on run directories have: link, detect, and the pipeline of both."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from raybel.config import (
    Count,
    FilePath,
    FilePaths,
    MentionOptions,
    Option,
    Precision,
    Share,
    TablePath,
    configuration,
)
from raybel.corpus.documents import ReadOptions
from raybel.rerank.parameters import Rerank

InCorpus = Annotated[
    FilePaths, Option("Files of any corpus format, archives of them, a directory or a glob. Repeatable.", "PATH")
]
OutCorpus = Annotated[FilePath, Option("The run directory; the same command again resumes a killed run.", "DIR")]
MaxBadFraction = Annotated[Share, Option("Fail when more of the documents go to the quarantine.")]
OverwriteRun = Annotated[bool, Option("Delete a run of another configuration first.")]
CountsFile = Annotated[TablePath | None, Option("Copy the table of counts here (.csv, .parquet or .json).", "FILE")]
RerankerModel = Annotated[
    FilePath | None,
    Option("A cross-encoder that ranks the candidates.", "DIR", made_by="raybel train crossencoder"),
]
RerankedMentions = Annotated[
    Rerank,
    Option(
        "Which mentions the cross-encoder ranks: all, or those alone that the first stage leaves unsure.", result=True
    ),
]
RerankerPrecision = Annotated[
    Precision | None,
    Option("Number format that the cross-encoder computes in.", default="the fastest", result=True),
]
TopK = Annotated[Count, Option("Candidates of a mention.", result=True)]
Threshold = Annotated[
    float | None,
    Field(ge=0, le=1),
    Option("Leave out candidates with a lower score (NIL if none is left).", default="none", result=True),
]
RoutesFile = Annotated[
    FilePath | None,
    Option("Types of mentions and what each is linked to, in place of --ontology and its models (YAML).", "FILE"),
]


@configuration
class InputOptions:
    """How the input is cut into chunks and shards."""

    chunk_documents: Annotated[Count, Option("Documents in a chunk, the unit of work and of retry.", result=True)] = 500
    shard_documents: Annotated[Count, Option("Documents in a shard of an archive or a group.", result=True)] = 10_000
    group_files: Annotated[
        bool | None,
        Option(
            "Read small files in groups, and write the documents of many into a shard.",
            default="where there are more than 1,000",
            result=True,
        ),
    ] = None
    max_document_mb: Annotated[Count, Option("A larger document makes its file unreadable.", result=True)] = 256

    def read_options(self, mentions: MentionOptions) -> ReadOptions:
        """Return how documents are read.

        Args:
            mentions: How mentions are read out of annotations.
        """
        return ReadOptions(
            mentions=mentions,
            chunk_documents=self.chunk_documents,
            shard_documents=self.shard_documents,
            max_document_bytes=self.max_document_mb << 20,
        )

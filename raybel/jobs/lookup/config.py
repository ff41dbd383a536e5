"""What the lookup job is asked to do."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from raybel.config import (
    Count,
    FilePath,
    FilePaths,
    MentionOptions,
    MetricFile,
    ModelPaths,
    OntologyPath,
    Option,
    Resources,
    Share,
    configuration,
)
from raybel.errors import ConfigError


@configuration
class LookupConfig:
    """The lookup job."""

    in_corpus: Annotated[
        FilePaths,
        Option(
            "Files of any corpus format, archives, a directory or a glob, or a run directory. Repeatable.",
            "PATH",
            names=("--in-corpus", "--train-corpus", "--val-corpus"),
        ),
    ]
    output: Annotated[
        FilePath, Option("A directory, or a published .json.gz.", "PATH", names=("--output", "--output-file"))
    ]
    ontology: OntologyPath
    generator: ModelPaths | None = None
    top_k: Annotated[Count, Option("Candidates of a surface.")] = 10
    mentions: MentionOptions = field(default_factory=MentionOptions)
    frequent: Annotated[
        bool,
        Option("In place of a generator: the concepts that a surface's mentions have, the most frequent first."),
    ] = False
    confident: Annotated[
        Share | None,
        Option(
            "With --frequent, of a link run: take links with at least this probability.",
            "P",
            default="the gold ids of annotations",
        ),
    ] = None
    ranges: Annotated[
        Count, Option("Files of the lookup; each is held in memory whole while it is made (1 KB a surface).")
    ] = 32
    resources: Resources = field(default_factory=Resources)
    metric_file: MetricFile = None

    def __post_init__(self) -> None:
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        if self.frequent and self.generator is not None:
            raise ConfigError("--frequent takes the concepts that mentions have: leave out the generator")
        if not self.frequent and self.generator is None:
            ModelPaths()  # says what to give
        if self.confident is not None and not self.frequent:
            raise ConfigError("--confident says which links are counted: give --frequent")

"""What the sampling job is asked to do."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from raybel.config import (
    Count,
    FilePath,
    FilePaths,
    MentionOptions,
    MetricFile,
    Option,
    Overwrite,
    Resources,
    Seed,
    Share,
    configuration,
)
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError
from raybel.jobs.run_options import InputOptions


@configuration
class SampleConfig:
    """The sampling job."""

    in_corpus: Annotated[
        FilePaths,
        Option("Files of any corpus format, archives, a directory or a glob, or a run directory. Repeatable.", "PATH"),
    ]
    out_corpus: Annotated[
        FilePath, Option("Where the sample goes; the same command again resumes a killed job.", "DIR")
    ]
    per_surface: Annotated[Count, Option("The most mentions of a surface and type.", "N", result=True)]
    surfaces: Annotated[FilePath | None, Option("Surfaces to draw mentions of, one a line.", "FILE", default="all")] = (
        None
    )
    confident: Annotated[
        Share | None,
        Option(
            "Of a link run: draw only mentions whose link has at least this probability, and label them with it.",
            "P",
            default="all mentions, with the ids that they have",
            result=True,
        ),
    ] = None
    seed: Annotated[Seed, Option("Another seed draws other mentions.", result=True)] = 0
    mentions: MentionOptions = field(default_factory=MentionOptions)
    input: InputOptions = field(default_factory=InputOptions)
    ranges: Annotated[
        Count, Option("Pieces in which surfaces are merged; each is held in memory whole (150 bytes a mention).")
    ] = 32
    overwrite: Overwrite = False
    metric_file: MetricFile = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")

    @property
    def read_options(self) -> ReadOptions:
        """How the job reads documents."""
        return self.input.read_options(self.mentions)

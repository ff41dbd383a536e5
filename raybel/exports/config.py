"""What to export, and as what: the configuration of `export`."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Le

from raybel.config import Count, FilePath, Option, configuration
from raybel.errors import ConfigError

FormatName = Literal["pubtator", "belb", "jsonl", "spacy"]


@configuration
class ExportConfig:
    """What to export, and as what.

    Args:
        run: The directory of a link run, or of a pipeline.
    """

    run: FilePath
    format: Annotated[
        FormatName,
        Option(
            "pubtator: PubTator text; belb: the records of the benchmark BELB; jsonl: documents with their candidates; "
            "spacy: spaCy's DocBin.",
            result=True,
        ),
    ]
    out: Annotated[
        FilePath,
        Option(
            "A directory, which gets a file for each shard; or a file for all of them, by its ending: .pubtator or "
            ".pubtator.txt, .jsonl (of belb too), each with or without .gz, or .spacy.",
            "PATH",
        ),
    ]
    top_k: Annotated[
        Count | None, Option("Candidates of a mention in jsonl.", default="all that the run has", result=True)
    ] = None
    threshold: Annotated[
        float | None,
        Ge(0),
        Le(1),
        Option(
            "Leave out candidates with a lower score; a mention with none left has no link.",
            default="the run's",
            result=True,
        ),
    ] = None
    partial: Annotated[bool, Option("Export what is finished of a run that isn't.")] = False
    overwrite: Annotated[
        bool, Option("Replace the file that is there, or the files of another export in the directory.")
    ] = False

    def __post_init__(self) -> None:
        if self.out.rpartition("/")[2].strip() in ("", "-") and not self.out.endswith("/"):
            raise ConfigError(f"--out {self.out!r} names neither a file nor a directory: give a path or a URI")
        if self.top_k is not None and self.format != "jsonl":
            raise ConfigError(f"--top-k goes with --format jsonl: {self.format} has no candidates, only links")

"""The files that a preparation writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated

from pydantic import AfterValidator

from raybel.config import FilePath, Option, configuration
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.ontology import ONTOLOGY_SUFFIXES, Ontology
from raybel.prepare.common import SPLITS
from raybel.prepare.summary import counts_of

#: An option of every corpus.
DropUnlinkable = Annotated[
    bool, Option("Keep only mentions with one id that the ontology knows, as published systems do.")
]


def _named_as_ontology(path: str) -> str:
    if not storage.name_of(path).endswith(ONTOLOGY_SUFFIXES):
        raise ConfigError(f"{path}: an ontology's name must end in {', '.join(ONTOLOGY_SUFFIXES)}")
    return path


#: Where a command that makes one ontology writes it.
OntologyOut = Annotated[
    FilePath,
    AfterValidator(_named_as_ontology),
    Option("Where to write the ontology (.arrow, .parquet, .json.gz).", "FILE"),
]


def write_ontology(ontology: Ontology, out: str, say: Callable[[str], None]) -> dict[str, int]:
    """Write an ontology that was just prepared, saying so, and return `counts_of` it."""
    say(f"writing {out}")
    ontology.save(out)
    return counts_of(ontology)


@configuration
class Outputs:
    """Where to write each output; one that is None isn't written."""

    out_train: Annotated[FilePath | None, Option("Where to write this split (.xml or .xml.gz).", "FILE")] = None
    out_val: Annotated[FilePath | None, Option("As --out-train.", "FILE")] = None
    out_test: Annotated[FilePath | None, Option("As --out-train.", "FILE")] = None
    out_ontology: Annotated[
        FilePath | None,
        Option("Where to write the ontology (.arrow, .parquet, .json or .json.gz).", "FILE"),
    ] = None

    @classmethod
    def in_directory(cls, directory: str) -> Outputs:
        """Return the usual names in a directory: train, val and test `.bioc.xml.gz` and `ontology.arrow`."""
        corpora = {f"out_{name}": storage.join(directory, f"{name}.bioc.xml.gz") for name in SPLITS}
        return cls(**corpora, out_ontology=storage.join(directory, "ontology.arrow"))

    def check(self) -> None:
        """Refuse suffixes that aren't of a format that can be written, and two outputs in one file.

        Raises:
            ConfigError: An output is refused.
        """
        paths = [path for path in asdict(self).values() if path]
        for path in paths:
            if paths.count(path) > 1:
                raise ConfigError(f"{path}: two outputs can't go into one file")
            if path != self.out_ontology and not path.endswith((".xml", ".xml.gz")):
                raise ConfigError(f"{path}: a corpus is written as BioC XML; its name must end in .xml or .xml.gz")
        if self.out_ontology:
            _named_as_ontology(self.out_ontology)

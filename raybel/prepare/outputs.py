"""Where a preparation writes."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from raybel.errors import ConfigError
from raybel.files import storage
from raybel.ontology import SUFFIXES
from raybel.prepare.common import SPLITS


@dataclass(frozen=True)
class Outputs:
    """Where to write; what is None is not written.

    Args:
        train: BioC XML, `.xml` or `.xml.gz`.
        val: As `train`.
        test: As `train`.
        ontology: `.arrow`, `.parquet`, `.json` or `.json.gz`.
    """

    train: str | None = None
    val: str | None = None
    test: str | None = None
    ontology: str | None = None

    @classmethod
    def in_directory(cls, directory: str) -> Outputs:
        """Return the usual names in a directory: train, val and test `.bioc.xml.gz` and `ontology.arrow`."""
        corpora = {name: storage.join(directory, f"{name}.bioc.xml.gz") for name in SPLITS}
        return cls(**corpora, ontology=storage.join(directory, "ontology.arrow"))

    def check(self) -> None:
        """Refuse names whose suffix isn't a format of theirs, and two outputs in one file, before any work is done.

        Raises:
            ConfigError: With the path.
        """
        paths = [path for path in asdict(self).values() if path]
        for path in paths:
            if paths.count(path) > 1:
                raise ConfigError(f"{path}: two outputs can't go into one file")
            if path != self.ontology and not path.endswith((".xml", ".xml.gz")):
                raise ConfigError(f"{path}: a corpus is written as BioC XML; its name must end in .xml or .xml.gz")
        if self.ontology and not self.ontology.endswith(SUFFIXES):
            raise ConfigError(f"{self.ontology}: an ontology's name must end in {', '.join(SUFFIXES)}")

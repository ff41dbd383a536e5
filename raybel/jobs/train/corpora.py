"""The corpora that a cross-encoder learns from, each with its own ontology and generator."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from raybel.config import FilePaths, GeneratorPaths, MentionOptions, OntologyPath, Option, configuration
from raybel.config.named import read_named
from raybel.errors import ConfigError

#: The name of the corpus that the command's own options describe.
MAIN = "main"


@configuration
class TrainingCorpus:
    """A corpus to learn from, to judge epochs on, or both."""

    ontology: OntologyPath
    generator: GeneratorPaths
    train_corpus: Annotated[FilePaths, Option("BioC files to learn from.", "PATH")] = ()
    val_corpus: Annotated[FilePaths, Option("BioC files to judge epochs on.", "PATH")] = ()
    mentions: MentionOptions = field(default_factory=MentionOptions)

    def __post_init__(self) -> None:
        if not self.train_corpus and not self.val_corpus:
            raise ConfigError("give train_corpus, val_corpus or both")

    @property
    def splits(self) -> dict[str, tuple[str, ...]]:
        """What there is of `train` and `val`."""
        return {name: paths for name, paths in (("train", self.train_corpus), ("val", self.val_corpus)) if paths}


def read_corpora(path: str) -> dict[str, TrainingCorpus]:
    """Return the corpora in a YAML or JSON file, in its order: a mapping of names to options.

    Raises:
        ConfigError: An option is unknown, missing, or of a wrong type, or a corpus is called `main`.
        InputError: The file can't be read, or isn't a mapping.
    """
    corpora = read_named(path, TrainingCorpus, "corpus")
    if MAIN in corpora:
        raise ConfigError(f"{path}: {MAIN}: that is the corpus of --train-corpus: give it another name")
    return corpora


def label(name: str, split: str) -> str:
    """Return what a split of a corpus is called: of the main one `train` and `val` alone."""
    return split if name == MAIN else f"{name} {split}"

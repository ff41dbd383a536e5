"""What the calibration of finished models is asked to do."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from raybel.config import (
    FilePath,
    FilePaths,
    GeneratorPaths,
    MentionOptions,
    OntologyPath,
    Option,
    Precision,
    configuration,
)
from raybel.errors import ConfigError


@configuration
class CalibrateConfig:
    """The calibration of a generator, or of a cross-encoder on its candidates."""

    ontology: OntologyPath
    generator: GeneratorPaths
    val_corpus: Annotated[
        FilePaths, Option("Annotated BioC files that no model was trained on, to fit on. Repeatable.", "PATH")
    ]
    reranker_model: Annotated[
        FilePath | None,
        Option(
            "The cross-encoder to calibrate, in place of the generator.", "DIR", made_by="raybel train crossencoder"
        ),
    ] = None
    precision: Annotated[
        Precision | None, Option("Number format that the cross-encoder computes in.", default="the fastest")
    ] = None
    mentions: MentionOptions = field(default_factory=MentionOptions)

    def __post_init__(self) -> None:
        if not self.val_corpus:
            raise ConfigError("nothing to fit on: give --val-corpus")

"""What the pipeline from a dump to links is asked to do."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from pydantic import Field

from raybel.config import (
    Count,
    DetectionOptions,
    FilePath,
    MentionOptions,
    ModelPaths,
    Option,
    Precision,
    Resources,
    configuration,
)
from raybel.errors import ConfigError
from raybel.jobs.detect.config import DetectConfig
from raybel.jobs.run_options import InCorpus, InputOptions, MaxBadFraction
from raybel.rerank.parameters import Rerank


@configuration
class PubmedConfig:
    """The pipeline: find mentions, look their distinct surfaces up, link, count."""

    in_corpus: InCorpus
    out_dir: Annotated[FilePath, Option("Gets found/, lookups/, links/ and the tables of what was done.", "DIR")]
    ontology: Annotated[
        FilePath | None,
        Option("The ontology to link to (.arrow, .parquet, .json.gz).", "FILE", made_by="raybel prepare"),
    ] = None
    generator: ModelPaths | None = None
    reranker_model: Annotated[
        FilePath | None,
        Option("A cross-encoder that ranks the candidates.", "DIR", made_by="raybel train crossencoder"),
    ] = None
    rerank: Annotated[
        Rerank,
        Option("Which mentions the cross-encoder ranks: all, or those alone that the first stage leaves unsure."),
    ] = "unsure"
    precision: Annotated[
        Precision | None, Option("Number format that the cross-encoder computes in.", default="the fastest")
    ] = None
    top_k: Annotated[Count, Option("Candidates of a mention.")] = 10
    threshold: Annotated[
        float | None,
        Field(ge=0, le=1),
        Option("Leave out candidates with a lower score (NIL if none is left).", default="none"),
    ] = None
    routes: Annotated[
        FilePath | None,
        Option("Types of mentions and what each is linked to, in place of --ontology and its models (YAML).", "FILE"),
    ] = None
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    input: InputOptions = field(default_factory=InputOptions)
    max_bad_fraction: MaxBadFraction = 0.01
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        self.detect_config("found")  # says what is missing
        if self.routes is None and (self.ontology is None or self.generator is None):
            raise ConfigError("give --ontology and a generator (--ngrams-model or --dense-index), or --routes")
        if self.routes is not None and (self.ontology, self.generator) != (None, None):
            raise ConfigError("--routes says what each type is linked to: leave out --ontology and its models")

    def detect_config(self, out_corpus: str) -> DetectConfig:
        """Return the first step's configuration.

        Args:
            out_corpus: Its run directory.
        """
        return DetectConfig(
            self.in_corpus,
            out_corpus,
            self.detection,
            self.mentions,
            self.input,
            self.max_bad_fraction,
            resources=self.resources,
        )

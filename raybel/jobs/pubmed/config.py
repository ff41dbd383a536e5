"""What the pipeline from a dump to links is asked to do."""

from __future__ import annotations

from dataclasses import asdict, field
from functools import cached_property
from typing import Annotated

from raybel.config import (
    DetectionOptions,
    FilePath,
    GeneratorPaths,
    MentionOptions,
    ModelPaths,
    Option,
    OptionalOntologyPath,
    Resources,
    configuration,
)
from raybel.errors import ConfigError
from raybel.jobs.detect.config import DetectConfig
from raybel.jobs.link.routes import Route, read_routes
from raybel.jobs.run_options import (
    InCorpus,
    InputOptions,
    MaxBadFraction,
    RerankedMentions,
    RerankerModel,
    RerankerPrecision,
    RoutesFile,
    Threshold,
    TopK,
)


@configuration
class PubmedConfig:
    """The pipeline: find mentions, look their distinct surfaces up, link, count."""

    in_corpus: InCorpus
    out_dir: Annotated[FilePath, Option("Gets found/, lookups/, links/ and the tables of what was done.", "DIR")]
    ontology: OptionalOntologyPath = None
    generator: ModelPaths | None = None
    reranker_model: RerankerModel = None
    rerank: RerankedMentions = "unsure"
    precision: RerankerPrecision = None
    top_k: TopK = 10
    threshold: Threshold = None
    routes: RoutesFile = None
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    input: InputOptions = field(default_factory=InputOptions)
    max_bad_fraction: MaxBadFraction = 0.01
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        self.detect_config("found")  # says what is missing
        if self.routes is None and (self.ontology is None or self.generator is None):
            raise ConfigError("give --ontology and a generator (--ngrams-model or --dense-index), or --routes")
        of_one = (self.ontology, self.generator, self.reranker_model, self.threshold)
        if self.routes is not None and of_one != (None,) * len(of_one):
            raise ConfigError("--routes says what each type is linked to: leave out --ontology and its models")
        reranks = any(route.reranker_model for _, route in self.routes_of_types)
        if not reranks and (self.rerank, self.precision) != ("unsure", None):
            raise ConfigError("rerank and precision are a cross-encoder's: give --reranker-model")

    @cached_property
    def routes_of_types(self) -> list[tuple[tuple[str, ...], Route]]:
        """What mentions are linked to, with the types of each route; no types for all mentions.

        Raises:
            ConfigError: `routes` holds wrong options.
            InputError: It can't be read.
        """
        if self.routes is not None:
            return read_routes(self.routes)
        assert self.ontology is not None, "checked before"
        assert self.generator is not None, "checked before"
        generator = GeneratorPaths(**asdict(self.generator))
        return [((), Route(self.ontology, generator, self.reranker_model, self.threshold))]

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

"""What the link job is asked to do."""

from __future__ import annotations

from dataclasses import field, replace
from functools import cached_property
from typing import Annotated

from raybel.config import (
    DetectionOptions,
    GeneratorPaths,
    MentionOptions,
    Option,
    OptionalOntologyPath,
    Resources,
    configuration,
)
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError
from raybel.jobs.link.routes import Route, read_routes
from raybel.jobs.run_options import (
    CountsFile,
    InCorpus,
    InputOptions,
    MaxBadFraction,
    OutCorpus,
    OverwriteRun,
    RerankedMentions,
    RerankerModel,
    RerankerPrecision,
    RoutesFile,
    Threshold,
    TopK,
)
from raybel.rerank.parameters import Crosstype


@configuration
class LinkConfig:
    """The link job."""

    in_corpus: InCorpus
    out_corpus: OutCorpus
    ontology: OptionalOntologyPath = None
    generator: GeneratorPaths | None = None
    reranker_model: RerankerModel = None
    crosstype: Annotated[
        Crosstype | None, Option("Type that the cross-encoder must have.", default="whichever it has")
    ] = None
    any_ontology: Annotated[bool, Option("Use a cross-encoder that was trained for another ontology.")] = False
    rerank: RerankedMentions = "unsure"
    precision: RerankerPrecision = None
    top_k: TopK = 10
    threshold: Threshold = None
    split_composites: Annotated[
        bool,
        Option("Link each part of a coordinated name (breast and ovarian cancer) by itself.", result=True),
    ] = False
    routes: RoutesFile = None
    detection: DetectionOptions = field(default_factory=DetectionOptions)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    input: InputOptions = field(default_factory=InputOptions)
    max_bad_fraction: MaxBadFraction = 0.01
    overwrite: OverwriteRun = False
    metric_file: CountsFile = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        of_one = (self.ontology, self.generator, self.reranker_model, self.threshold)
        if self.routes and of_one != (None,) * len(of_one):
            raise ConfigError("--routes says what each type is linked to: leave out --ontology and its models")
        if not self.routes and self.ontology is None:
            raise ConfigError("give the ontology to link to: --ontology, or --routes for several")
        if not self.routes and self.generator is None:
            GeneratorPaths()  # says what to give
        if self.split_composites and any(route.generator.candidates_lookup for _, route in self.opened_routes):
            raise ConfigError(
                "a stored lookup holds no candidates of composites' parts: with --split-composites, give the generator "
                "that it was made with"
            )
        reranks = any(route.reranker_model for _, route in self.opened_routes)
        of_reranker = (self.crosstype, self.rerank, self.precision, self.any_ontology)
        if not reranks and of_reranker != (None, "unsure", None, False):
            raise ConfigError(
                "crosstype, rerank, precision and any_ontology are a cross-encoder's: give --reranker-model"
            )

    @cached_property
    def opened_routes(self) -> list[tuple[tuple[str, ...], Route]]:
        """The types of mentions (none for all), and what each is linked to."""
        if self.routes:
            return read_routes(self.routes)
        if self.ontology is None or self.generator is None:
            return []
        return [((), Route(self.ontology, self.generator, self.reranker_model, self.threshold))]

    @property
    def wanted_mentions(self) -> MentionOptions:
        """How mentions are read; with routes, of the types that have one, unless types are given."""
        types = tuple(sorted({name for types, _ in self.opened_routes for name in types}))
        return self.mentions if self.mentions.mention_types else replace(self.mentions, mention_types=types)

    @property
    def read_options(self) -> ReadOptions:
        """How the job reads documents."""
        sentences = any(route.reranker_model for _, route in self.opened_routes)
        return replace(
            self.input.read_options(self.wanted_mentions), sentences=sentences, source_only=self.detection.detects
        )

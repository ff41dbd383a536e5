"""What the lookup job is asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from raybel.config import GeneratorPaths, Resources, one_or_more
from raybel.errors import ConfigError


@dataclass(frozen=True)
class LookupConfig:
    """The lookup job.

    Args:
        in_corpus: Files, directories, globs of BioC.
        output: A directory, or a `.json.gz` in the published form (which holds no scores).
        ontology: The ontology that the generator was made from.
        ngrams_model: Model directory of the n-gram generator.
        dense_index: Index directory of the dense generator; with an n-gram model, both are fused.
        top_k: Candidates to store for a surface.
        expand_abbreviations: As the link job that will use the lookup.
        ranges: Files of the lookup; each is held in memory whole while it is made (1 KB a surface).
        resources: What the job takes of the cluster.
        metric_file: Where to write counts and seconds (JSON).
    """

    in_corpus: tuple[str, ...]
    output: str
    ontology: str
    ngrams_model: str | None = None
    dense_index: str | None = None
    top_k: int = 10
    expand_abbreviations: bool = True
    ranges: int = 32
    resources: Resources = field(default_factory=Resources)
    metric_file: str | None = None

    def __post_init__(self) -> None:
        one_or_more(self, "in_corpus")
        if not self.in_corpus:
            raise ConfigError("no input: give at least one --in-corpus")
        self.generator.check()
        if self.top_k < 1 or self.ranges < 1:
            raise ConfigError("top_k and ranges must be at least 1")

    @property
    def generator(self) -> GeneratorPaths:
        """Where the candidates come from."""
        return GeneratorPaths(self.ngrams_model, self.dense_index)

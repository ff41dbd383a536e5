"""What the tuning jobs are asked to do."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from raybel.candidates.parameters import NgramParameters
from raybel.config import (
    Count,
    FilePaths,
    GeneratorPaths,
    MentionOptions,
    OntologyPath,
    Option,
    Resources,
    TrainingPrecision,
    configuration,
)
from raybel.errors import ConfigError
from raybel.evaluation.metrics import METRICS
from raybel.rerank.parameters import EPOCH_METRICS, CrossEncoderParameters, Crosstype
from raybel.tuning.config import SweepConfig


@configuration
class TuneNgramsConfig:
    """A sweep over the n-gram generator; its metric is one of `METRICS`, `recall@10` by default."""

    ontology: OntologyPath
    val_corpus: Annotated[FilePaths, Option("BioC files to measure recall on. Repeatable.", "PATH")]
    sweep: SweepConfig
    train_corpus: Annotated[FilePaths, Option("BioC files whose mentions become aliases. Repeatable.", "PATH")] = ()
    parameters: NgramParameters = field(default_factory=NgramParameters)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    top_k: Annotated[Count, Option("Candidates for recall@all.")] = 50

    def __post_init__(self) -> None:
        check_metric(self.sweep, METRICS)
        if self.sweep.stop_early != "none":
            raise ConfigError("trials of the n-gram generator have no epochs after which they could stop early")
        if self.sweep.workers_per_trial > 1:
            raise ConfigError("a trial of the n-gram generator is one worker")


@configuration
class TuneCrossEncoderConfig:
    """A sweep over a cross-encoder; its metric is one of `EPOCH_METRICS`, that of `parameters` by default."""

    ontology: OntologyPath
    train_corpus: Annotated[FilePaths, Option("BioC files to learn from. Repeatable.", "PATH")]
    val_corpus: Annotated[FilePaths, Option("BioC files to judge epochs on. Repeatable.", "PATH")]
    generator: GeneratorPaths
    sweep: SweepConfig
    crosstype: Annotated[Crosstype, Option("What is scored together in a sequence.")] = "tree"
    model_name: Annotated[
        str,
        Option(
            "What to start from: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.", "NAME"
        ),
    ] = "answerdotai/ModernBERT-base"
    parameters: CrossEncoderParameters = field(default_factory=CrossEncoderParameters)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    precision: Annotated[TrainingPrecision | None, Option("Number format to compute in.", default="the fastest")] = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        check_metric(self.sweep, EPOCH_METRICS)
        over = {"metric": self.sweep.metric} if self.sweep.metric else {}
        object.__setattr__(self, "parameters", self.parameters.changed(over).of_type(self.crosstype))
        if not self.train_corpus or not self.val_corpus:
            raise ConfigError(
                "a sweep needs a corpus to learn from and one to compare on: --train-corpus, --val-corpus"
            )


def check_metric(sweep: SweepConfig, metrics: tuple[str, ...]) -> None:
    """Refuse a metric that a sweep's trials don't report.

    Raises:
        ConfigError: The sweep's metric isn't one of `metrics`.
    """
    if sweep.metric is not None and sweep.metric not in metrics:
        raise ConfigError(f"metric must be one of {', '.join(metrics)}, not {sweep.metric!r}")

"""What the tuning jobs are asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from raybel.candidates.parameters import NgramParameters
from raybel.config import GeneratorPaths, Resources, one_or_more
from raybel.errors import ConfigError
from raybel.evaluation.metrics import METRICS
from raybel.rerank.parameters import EPOCH_METRICS, CrossEncoderParameters
from raybel.tuning.config import SweepConfig


@dataclass(frozen=True)
class TuneNgramsConfig:
    """A sweep over the n-gram generator.

    Args:
        ontology: What to link to.
        train_corpus: BioC files whose mentions become aliases, where the values say so.
        val_corpus: BioC files to measure recall on.
        sweep: Of the sweep; its metric is one of `METRICS`, `recall@10` by default.
        parameters: Hyper-parameters that aren't searched.
        expand_abbreviations: Put long forms in the place of short forms.
        top_k: Candidates for "recall@all".
    """

    ontology: str
    train_corpus: tuple[str, ...]
    val_corpus: tuple[str, ...]
    sweep: SweepConfig
    parameters: NgramParameters = field(default_factory=NgramParameters)
    expand_abbreviations: bool = True
    top_k: int = 50

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")
        check_metric(self.sweep, METRICS)
        if self.sweep.stop_early != "none":
            raise ConfigError("trials of the n-gram generator have no epochs after which they could stop early")
        if self.sweep.workers_per_trial > 1:
            raise ConfigError("a trial of the n-gram generator is one worker")


@dataclass(frozen=True)
class TuneCrossEncoderConfig:
    """A sweep over a cross-encoder.

    Args:
        crosstype: One of `CROSSTYPES`.
        ontology: What to link to.
        train_corpus: BioC files to learn from.
        val_corpus: BioC files to judge epochs on.
        sweep: Of the sweep; its metric is one of `EPOCH_METRICS`, that of `parameters` by default.
        generator: Finds candidates, as for `train_crossencoder`.
        model_name: What to start from.
        parameters: Hyper-parameters that aren't searched.
        expand_abbreviations: Put long forms in the place of short forms.
        precision: That is computed in; None for the fastest that the hardware has.
        resources: What making candidates takes of the cluster.
    """

    crosstype: str
    ontology: str
    train_corpus: tuple[str, ...]
    val_corpus: tuple[str, ...]
    sweep: SweepConfig
    generator: GeneratorPaths = field(default_factory=GeneratorPaths)
    model_name: str = "answerdotai/ModernBERT-base"
    parameters: CrossEncoderParameters = field(default_factory=CrossEncoderParameters)
    expand_abbreviations: bool = True
    precision: str | None = None
    resources: Resources = field(default_factory=Resources)

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")
        self.generator.check()
        check_metric(self.sweep, EPOCH_METRICS)
        metric = self.sweep.metric or self.parameters.metric
        object.__setattr__(self, "parameters", replace(self.parameters, metric=metric).of_type(self.crosstype))
        if not self.train_corpus or not self.val_corpus:
            raise ConfigError(
                "a sweep needs a corpus to learn from and one to compare on: --train-corpus, --val-corpus"
            )


def check_metric(sweep: SweepConfig, metrics: tuple[str, ...]) -> None:
    """Refuse a metric that there isn't.

    Raises:
        ConfigError: So it is.
    """
    if sweep.metric is not None and sweep.metric not in metrics:
        raise ConfigError(f"metric must be one of {', '.join(metrics)}, not {sweep.metric!r}")

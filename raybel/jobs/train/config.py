"""What the training jobs are asked to do."""

from __future__ import annotations

from dataclasses import dataclass, field

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.training.parameters import AlignmentParameters
from raybel.config import GeneratorPaths, Resources, one_or_more
from raybel.errors import ConfigError
from raybel.rerank.parameters import CrossEncoderParameters


@dataclass(frozen=True)
class Workers:
    """Workers of Ray Train.

    Args:
        num_workers: None for one per GPU, or one.
        use_gpu: Whether each takes a GPU; None for where there are any.
        cpus_per_worker: CPUs, and threads, of each; None for as many as the nodes have for it.
        max_failures: Deaths of workers before the job fails; each goes on from the last epoch.
    """

    num_workers: int | None = None
    use_gpu: bool | None = None
    cpus_per_worker: int | None = None
    max_failures: int = 3

    def __post_init__(self) -> None:
        for name in ("num_workers", "cpus_per_worker"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} must be at least 1, not {value}")


@dataclass(frozen=True)
class TrainNgramsConfig:
    """Training of the n-gram generator.

    Args:
        ontology: What to link to.
        output_dir: The model directory.
        train_corpus: BioC files whose mentions become aliases, if the parameters say so.
        val_corpus: BioC files to measure recall on.
        parameters: Hyper-parameters.
        expand_abbreviations: Put long forms in the place of short forms, in the training aliases too.
        top_k: Candidates for "recall@all".
        metric_file: Where to write the scores and times (JSON).
    """

    ontology: str
    output_dir: str
    train_corpus: tuple[str, ...] = ()
    val_corpus: tuple[str, ...] = ()
    parameters: NgramParameters = field(default_factory=NgramParameters)
    expand_abbreviations: bool = True
    top_k: int = 50
    metric_file: str | None = None

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")


@dataclass(frozen=True)
class TrainSapbertConfig:
    """Training of the encoder.

    Args:
        ontology: Its synonyms are learned.
        output_dir: The model: a Hugging Face directory that `index dense` takes.
        base_model: What to start from: `minilm`, a directory, or a name on the Hugging Face hub.
        train_corpus: BioC files whose mentions are learned after the synonyms.
        val_corpus: BioC files to measure recall on, before every epoch and at the end.
        pooling: `cls` or `mean`; None for what the base model says.
        parameters: Hyper-parameters.
        expand_abbreviations: Put long forms in the place of short forms in the corpora.
        seed: Of everything random.
        workers: Of Ray Train.
        overwrite: Delete what another configuration left in the directory.
        metric_file: Where to write losses, scores and times (JSON).
    """

    ontology: str
    output_dir: str
    base_model: str = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext"
    train_corpus: tuple[str, ...] = ()
    val_corpus: tuple[str, ...] = ()
    pooling: str | None = None
    parameters: AlignmentParameters = field(default_factory=AlignmentParameters)
    expand_abbreviations: bool = True
    seed: int = 0
    workers: Workers = field(default_factory=Workers)
    overwrite: bool = False
    metric_file: str | None = None

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")
        if self.pooling not in (None, "cls", "mean"):
            raise ConfigError(f"pooling must be cls or mean, not {self.pooling!r}")
        if not self.train_corpus and not self.parameters.synonym_epochs:
            raise ConfigError("nothing to train: no --train-corpus, and synonym_epochs is 0")


@dataclass(frozen=True)
class TrainCrossEncoderConfig:
    """Training of a cross-encoder.

    Args:
        crosstype: One of `CROSSTYPES`.
        ontology: What to link to.
        output_dir: The model: a Hugging Face directory that `link` takes.
        train_corpus: BioC files to learn from.
        val_corpus: BioC files to choose the best epoch on, and to fit the probabilities on.
        generator: Finds candidates; with training mentions as aliases, they are those of `train_corpus`.
        model_name: What to start from: `minilm`, a directory, or a name on the Hugging Face hub.
        parameters: Hyper-parameters.
        expand_abbreviations: Put long forms in the place of short forms.
        precision: That is computed in; None for the fastest that the hardware has.
        seed: Of everything random.
        workers: Of Ray Train.
        resources: What making candidates takes of the cluster.
        overwrite: Delete what another configuration left in the directory.
        metric_file: Where to write losses, scores and times (JSON).
    """

    crosstype: str
    ontology: str
    output_dir: str
    train_corpus: tuple[str, ...]
    val_corpus: tuple[str, ...] = ()
    generator: GeneratorPaths = field(default_factory=GeneratorPaths)
    model_name: str = "answerdotai/ModernBERT-base"
    parameters: CrossEncoderParameters = field(default_factory=CrossEncoderParameters)
    expand_abbreviations: bool = True
    precision: str | None = None
    seed: int = 0
    workers: Workers = field(default_factory=Workers)
    resources: Resources = field(default_factory=Resources)
    overwrite: bool = False
    metric_file: str | None = None

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")
        object.__setattr__(self, "parameters", self.parameters.of_type(self.crosstype))
        self.generator.check()
        if not self.train_corpus:
            raise ConfigError("nothing to learn from: give --train-corpus")

"""What the training jobs are asked to do."""

from __future__ import annotations

from dataclasses import field
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.training.parameters import AlignmentParameters
from raybel.config import (
    Count,
    FilePath,
    FilePaths,
    GeneratorPaths,
    MentionOptions,
    MetricFile,
    OntologyPath,
    Option,
    OptionalOntologyPath,
    Overwrite,
    Resources,
    Seed,
    TrainingPrecision,
    Words,
    configuration,
)
from raybel.corpus.type_names import parse_type_names
from raybel.detection.parameters import DictionaryParameters
from raybel.detection.training.parameters import DetectorParameters
from raybel.errors import ConfigError
from raybel.jobs.train.corpora import MAIN, TrainingCorpus, read_corpora
from raybel.rerank.parameters import CrossEncoderParameters, Crosstype

Model = Annotated[FilePath, Option("The model; the same command again resumes.", "DIR")]
TypeNames = Annotated[
    Words,
    Option(
        "Other names for the corpora's types, such as SpecificDisease=Disease, with commas between; several old "
        "ones may get one new name. Repeatable.",
        "OLD=NEW,...",
    ),
]
RandomSeed = Annotated[Seed, Option("Seed of all that is random.")]
#: Candidates for recall@all, where an encoder in training is measured.
VALIDATION_TOP_K = 50


@configuration
class Workers:
    """Workers of Ray Train."""

    num_workers: Annotated[int | None, Field(ge=1), Option("Workers of Ray Train.", default="one per GPU, or one")] = (
        None
    )
    use_gpu: Annotated[bool | None, Option("A GPU for each worker.", default="where there are any")] = None
    cpus_per_worker: Annotated[
        int | None, Field(ge=1), Option("CPUs and threads of each worker.", default="all there are")
    ] = None
    max_failures: Annotated[
        int, Field(ge=0), Option("Deaths of workers before the job fails; each goes on from the last checkpoint.")
    ] = 3
    checkpoint_seconds: Annotated[
        float,
        Field(gt=0),
        Option("Seconds between two checkpoints within an epoch; there is one after each epoch, too."),
    ] = 300.0


@configuration
class TrainNgramsConfig:
    """Training of the n-gram generator."""

    ontology: OntologyPath
    output_dir: Annotated[FilePath, Option("The model directory.", "DIR")]
    train_corpus: Annotated[FilePaths, Option("BioC files whose mentions become aliases. Repeatable.", "PATH")] = ()
    val_corpus: Annotated[FilePaths, Option("BioC files to measure recall on. Repeatable.", "PATH")] = ()
    parameters: NgramParameters = field(default_factory=NgramParameters)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    top_k: Annotated[Count, Option("Candidates for recall@all.")] = 50
    metric_file: MetricFile = None


@configuration
class TrainDictionaryConfig:
    """Training of the dictionary."""

    ontology: OntologyPath
    output_dir: Annotated[FilePath, Option("The dictionary's directory.", "DIR")]
    train_corpus: Annotated[
        FilePaths, Option("BioC files whose mentions become names, and say which names are none. Repeatable.", "PATH")
    ] = ()
    val_corpus: Annotated[
        FilePaths,
        Option(
            "Annotated BioC files to score what it finds on; each time it is given, a corpus of its own. Repeatable.",
            "PATH",
        ),
    ] = ()
    type: Annotated[
        str | None, Option("The type of every mention.", "NAME", default="what training or else the ontology says")
    ] = None
    type_names: TypeNames = ()
    parameters: DictionaryParameters = field(default_factory=DictionaryParameters)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    metric_file: MetricFile = None

    def __post_init__(self) -> None:
        parse_type_names(self.type_names)


@configuration
class TrainSapbertConfig:
    """Training of the encoder of a dense index."""

    ontology: OntologyPath
    output_dir: Model
    base_model: Annotated[
        str,
        Option(
            "What to start from: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.", "NAME"
        ),
    ] = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext"
    train_corpus: Annotated[
        FilePaths, Option("BioC files whose mentions are learned after the synonyms. Repeatable.", "PATH")
    ] = ()
    val_corpus: Annotated[FilePaths, Option("BioC files to measure recall on, every epoch. Repeatable.", "PATH")] = ()
    pooling: Annotated[
        Literal["cls", "mean"] | None, Option("How tokens' vectors become a string's.", default="what the model says")
    ] = None
    parameters: AlignmentParameters = field(default_factory=AlignmentParameters)
    mentions: MentionOptions = field(default_factory=MentionOptions)
    seed: RandomSeed = 0
    workers: Workers = field(default_factory=Workers)
    overwrite: Overwrite = False
    metric_file: MetricFile = None

    def __post_init__(self) -> None:
        if not self.train_corpus and not self.parameters.synonym_epochs:
            raise ConfigError("nothing to train: no --train-corpus, and synonym_epochs is 0")


@configuration
class TrainCrossEncoderConfig:
    """Training of a cross-encoder: on a main corpus, on further ones, on ontologies' names before, or some of these.

    `ontology` and `generator` are None where there is no main corpus.
    """

    ontology: OptionalOntologyPath
    output_dir: Model
    train_corpus: Annotated[FilePaths, Option("BioC files to learn from. Repeatable.", "PATH")]
    generator: GeneratorPaths | None
    crosstype: Annotated[Crosstype, Option("What is scored together in a sequence: see above.")] = "tree"
    val_corpus: Annotated[
        FilePaths, Option("BioC files to choose the best epoch and fit probabilities on. Repeatable.", "PATH")
    ] = ()
    model_name: Annotated[
        str,
        Option(
            "What to start from: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.", "NAME"
        ),
    ] = "answerdotai/ModernBERT-base"
    parameters: CrossEncoderParameters = field(default_factory=CrossEncoderParameters)
    corpora: Annotated[
        FilePath | None,
        Option(
            "Further corpora, or all of them, each with its own ontology and generator (YAML): name -> options.", "FILE"
        ),
    ] = None
    pretrain: Annotated[
        FilePaths,
        Option("Learn this ontology's names first. Repeatable.", "FILE", made_by="raybel prepare"),
    ] = ()
    mentions: MentionOptions = field(default_factory=MentionOptions)
    precision: Annotated[TrainingPrecision | None, Option("Number format to compute in.", default="the fastest")] = None
    seed: RandomSeed = 0
    workers: Workers = field(default_factory=Workers)
    resources: Resources = field(default_factory=Resources)
    overwrite: Overwrite = False
    metric_file: MetricFile = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", self.parameters.of_type(self.crosstype))
        has_main = bool(self.train_corpus or self.val_corpus)
        if not has_main and (self.ontology is not None or self.generator is not None):
            raise ConfigError("nothing to learn from: give --train-corpus, whose --ontology and generator these are")
        if has_main and self.ontology is None:
            raise ConfigError("give the ontology of --train-corpus and --val-corpus: --ontology")
        if has_main and self.generator is None:
            GeneratorPaths()  # says what to give
        if not self.pretrain and not any(corpus.train_corpus for corpus in self.all_corpora.values()):
            raise ConfigError("nothing to learn from: give --train-corpus, --corpora or --pretrain")
        if self.parameters.train_on == "unsure":
            for name, corpus in self.all_corpora.items():
                if corpus.train_corpus and not corpus.val_corpus:
                    which = "--val-corpus" if name == MAIN else f"val_corpus to {name}"
                    raise ConfigError(f"train_on unsure: what is sure is fitted on a validation corpus: give {which}")
        if len(set(self.pretrain)) < len(self.pretrain):
            raise ConfigError("an ontology is named twice by --pretrain")

    @cached_property
    def all_corpora(self) -> dict[str, TrainingCorpus]:
        """The corpora by name, the main one first: that of the command's own options, else the file's first one."""
        own: dict[str, TrainingCorpus] = {}
        if self.ontology is not None and self.generator is not None:
            own[MAIN] = TrainingCorpus(self.ontology, self.generator, self.train_corpus, self.val_corpus, self.mentions)
        return own | (read_corpora(self.corpora) if self.corpora else {})


@configuration
class TrainDetectorConfig:
    """Training of a token classifier, which finds mentions."""

    output_dir: Model
    train_corpus: Annotated[
        FilePaths,
        Option("Annotated BioC files to learn from; each time it is given, a corpus of its own. Repeatable.", "PATH"),
    ]
    val_corpus: Annotated[
        FilePaths, Option("Annotated BioC files to choose the best epoch on. Repeatable.", "PATH")
    ] = ()
    model_name: Annotated[
        str,
        Option(
            "What to start from: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.", "NAME"
        ),
    ] = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext"
    mention_types: Annotated[
        Words, Option("Types of mentions to find, as --type-names calls them, with commas between.", "A,B,...", "all")
    ] = ()
    type_names: TypeNames = ()
    type_infon: Annotated[str, Option("The infon that holds a mention's type.", "NAME")] = "type"
    dictionary: Annotated[
        FilePath | None,
        Option(
            "Fit on --val-corpus how far this dictionary is trusted where both find mentions.",
            "DIR",
            made_by="raybel train dictionary",
        ),
    ] = None
    parameters: DetectorParameters = field(default_factory=DetectorParameters)
    precision: Annotated[TrainingPrecision | None, Option("Number format to compute in.", default="the fastest")] = None
    seed: RandomSeed = 0
    workers: Workers = field(default_factory=Workers)
    overwrite: Overwrite = False
    metric_file: MetricFile = None

    def __post_init__(self) -> None:
        if not self.train_corpus:
            raise ConfigError("nothing to learn from: give --train-corpus")
        if self.dictionary and not self.val_corpus:
            raise ConfigError("how far a dictionary is trusted is fitted on a validation corpus: give --val-corpus")
        parse_type_names(self.type_names)

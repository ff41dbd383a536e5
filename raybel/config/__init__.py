"""Configurations: a job's options, their types, defaults and help, in one place.

A configuration is a frozen pydantic dataclass. Each field that a person may set carries an `Option`; the command line
is made of these (`raybel.cli.options`), and so are `--config FILE` and the identity of what a job writes.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Annotated, Any, ClassVar, Literal, TypeVar, cast, dataclass_transform, get_args

import pydantic
from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, ConfigDict, ValidationError

from raybel.config.actors import Actors
from raybel.config.words import in_words
from raybel.errors import ConfigError
from raybel.files import storage, tables

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """How a field is offered on the command line.

    Args:
        help: What the field is, in a line.
        metavar: What stands for its value in `--help`; None for the type's name.
        default: What a default of None means, in words ("the fastest").
        names: Its spellings, the first one preferred; none for the field's name with dashes.
        made_by: The command that makes what the path names, which must be there already.
        result: Whether it decides the bytes that the job writes, and so belongs to their identity.
    """

    help: str
    metavar: str | None = None
    default: str | None = None
    names: tuple[str, ...] = ()
    made_by: str | None = None
    result: bool = False


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
def configuration(cls: type[T]) -> type[T]:
    """Make a class a frozen dataclass whose values are checked as its fields' types say, without conversions.

    Paths become absolute, since workers have other working directories. `__post_init__` checks what a single type
    can't. A value that doesn't fit raises a `ConfigError` that names the field.
    """
    settings = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)
    checked_class = cast("type[T]", pydantic.dataclasses.dataclass(frozen=True, config=settings)(cls))
    checked_init = checked_class.__init__

    @functools.wraps(checked_init)
    def __init__(self: Any, *values: Any, **named: Any) -> None:  # noqa: N807
        try:
            checked_init(self, *values, **named)
        except ValidationError as error:
            names = [item.name for item in fields(self)]
            raise ConfigError(in_words(error, names)) from None

    checked_class.__init__ = __init__  # type: ignore[method-assign]
    return checked_class


def _absolute(path: str) -> str:
    return storage.absolute(path) if path else path


def _as_tuple(value: Any) -> Any:
    """A single path counts as a sequence of one."""
    return (value,) if isinstance(value, str) else tuple(value) if isinstance(value, list) else value


def _split_words(value: Any) -> Any:
    """Texts may be given with commas between."""
    texts = (value,) if isinstance(value, str) else value
    return tuple(word.strip() for text in texts for word in text.split(",") if word.strip())


def _with_table_suffix(path: str) -> str:
    if not storage.name_of(path).endswith(tables.SUFFIXES):
        raise ValueError(f"{path}: a table's name must end in {', '.join(tables.SUFFIXES)}")
    return path


#: A path or URI; becomes absolute.
FilePath = Annotated[str, AfterValidator(_absolute)]
#: One or more files, directories or globs; a single one may be given as a string.
FilePaths = Annotated[tuple[FilePath, ...], BeforeValidator(_as_tuple)]
#: One or more words, also with commas between.
Words = Annotated[tuple[str, ...], BeforeValidator(_split_words)]
#: Where a table goes, in the format that its suffix says.
TablePath = Annotated[FilePath, AfterValidator(_with_table_suffix)]
Count = Annotated[int, Ge(1)]
Seed = Annotated[int, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
Positive = Annotated[float, Gt(0)]
Precision = Literal["fp32", "bf16", "fp16"]
#: Gradients underflow in fp16.
TrainingPrecision = Literal["fp32", "bf16"]

#: Options that mean the same in every job that has them.
_ONTOLOGY = Option("The ontology to link to (.arrow, .parquet, .json.gz).", "FILE", made_by="raybel prepare")
OntologyPath = Annotated[FilePath, _ONTOLOGY]
OptionalOntologyPath = Annotated[FilePath | None, _ONTOLOGY]
MetricFile = Annotated[
    TablePath | None, Option("Write counts, times and scores here (.csv, .parquet or .json).", "FILE")
]
Overwrite = Annotated[bool, Option("Delete what another configuration left in the directory first.")]


@configuration
class Resources:
    """What a job takes of the cluster.

    By default an actor and a task each take half a CPU, so that there are as many of either as there are CPUs:
    whichever stage is behind gets the cores.
    """

    actors: Annotated[
        Actors | None,
        Option(
            "Actors that hold the models: so many (4), or between bounds as nodes come and go (2:64).",
            "N|LEAST:MOST",
            default="one per CPU or GPU; fewer for a small input",
        ),
    ] = None
    cpus_per_actor: Annotated[Positive, Option("Logical CPUs of an actor.")] = 0.5
    cpus_per_task: Annotated[Positive, Option("Logical CPUs of a reading or writing task.")] = 0.5
    gpus_per_actor: Annotated[
        float | None,
        Ge(0),
        Option("GPUs (or the share of one) of an actor that runs an encoder.", default="1 where there are any"),
    ] = None
    max_restarts: Annotated[
        int, Ge(0), Option("Deaths in a row of an actor or reader that are borne; those with a lost node don't count.")
    ] = 10

    @property
    def bounds(self) -> tuple[int, int] | None:
        """The least and the most actors; twice the number that is given; None where none is."""
        return (self.actors, self.actors) if isinstance(self.actors, int) else self.actors


@configuration
class MentionOptions:
    """How mentions are read out of a corpus's annotations."""

    expand_abbreviations: Annotated[
        bool, Option("Put the long form in the place of a short form that the document defines.", result=True)
    ] = True
    gold_infon: Annotated[
        str, Option("The infon that holds a mention's gold ids (PubTator3's: identifier).", "NAME", result=True)
    ] = "concept_id"
    type_infon: Annotated[str, Option("The infon that holds a mention's type.", "NAME", result=True)] = "type"
    mention_types: Annotated[
        Words,
        Option(
            "Types of the mentions that count, with commas between; others are left alone.",
            "A,B,...",
            "all",
            result=True,
        ),
    ] = ()


@configuration
class ModelPaths:
    """Which generator a job searches with: n-grams, dense, or both fused."""

    ngrams_model: Annotated[
        FilePath | None, Option("Candidates from an n-gram generator.", "DIR", made_by="raybel train ngrams")
    ] = None
    dense_index: Annotated[
        FilePath | None,
        Option("Candidates from a dense index; with --ngrams-model, both fused.", "DIR", made_by="raybel index dense"),
    ] = None

    def __post_init__(self) -> None:
        if not any(getattr(self, item.name) for item in fields(self)):
            names = [item.name for item in fields(self)]
            raise ConfigError(f"give a generator: {' or '.join('--' + name.replace('_', '-') for name in names)}")


@configuration
class GeneratorPaths(ModelPaths):
    """Which generator a job uses: one that is searched, or a stored lookup of what such a one found."""

    candidates_lookup: Annotated[
        FilePath | None,
        Option("Candidates from a stored lookup (directory or .json.gz).", "PATH", made_by="raybel lookup"),
    ] = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.candidates_lookup and any(getattr(self, item.name) for item in fields(ModelPaths)):
            raise ConfigError("a stored lookup has its candidates already: give --candidates-lookup alone")


#: What becomes of annotations that documents have before mentions are detected.
ExistingAnnotations = Literal["keep", "replace", "merge"]


@configuration
class DetectionOptions:
    """Which detector finds a job's mentions: a token classifier, a dictionary, or both together."""

    detector: Annotated[
        str | None,
        Option("Find mentions with a token classifier: a directory, or a name on the Hugging Face hub.", "NAME"),
    ] = None
    dictionary: Annotated[
        FilePath | None,
        Option(
            "Find mentions with a dictionary; with --detector, both together.", "DIR", made_by="raybel train dictionary"
        ),
    ] = None
    existing_annotations: Annotated[
        ExistingAnnotations | None,
        Option(
            "Annotations that documents have before detection: keep (these aren't searched), replace, or merge.",
            default="refused",
            result=True,
        ),
    ] = None
    detector_precision: Annotated[
        Precision | None,
        Option("Number format that the token classifier computes in.", default="the fastest", result=True),
    ] = None

    def __post_init__(self) -> None:
        if self.existing_annotations and not self.detects:
            raise ConfigError("existing_annotations is a detector's: give --detector or --dictionary")
        if self.detector_precision and not self.detector:
            raise ConfigError("detector_precision is a token classifier's: give --detector")

    @property
    def detects(self) -> bool:
        """True if mentions are to be found."""
        return bool(self.detector or self.dictionary)


class HyperParameters:
    """What a model is trained with; a `params.json` holds its values under the model's key."""

    #: Whose they are, for errors ("n-gram").
    model: ClassVar[str]

    def changed(self: T, values: Mapping[str, Any]) -> T:
        """Return these with some values of a `params.json` in their place.

        Raises:
            ConfigError: A name that isn't a hyper-parameter, or a value that doesn't fit.
        """
        this = cast(Any, self)
        known = [item.name for item in fields(this)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ConfigError(f"unknown {this.model} parameters: {', '.join(unknown)}; there are {', '.join(known)}")
        return cast(T, replace(this, **values))


def option_of(kind: type, name: str) -> Option | None:
    """Return how a configuration's field is offered on the command line; None where it isn't."""
    info = cast(Any, kind).__pydantic_fields__[name]
    return next((mark for mark in info.metadata if isinstance(mark, Option)), None)


def group_of(kind: type, name: str) -> type | None:
    """Return the configuration that a field holds, whose options count as the whole's own; None for a plain value.

    A field may also hold None in its place (`Group | None`): where none of the group's options is given.
    """
    annotation = cast(Any, kind).__pydantic_fields__[name].annotation
    members = [member for member in get_args(annotation) or (annotation,) if member is not type(None)]
    return members[0] if len(members) == 1 and isinstance(members[0], type) and is_dataclass(members[0]) else None


def configured(kind: Callable[..., T], values: Mapping[str, Any], **given: Any) -> T:
    """Build a configuration from options by name, whichever of its groups they belong to.

    Args:
        kind: The configuration's class.
        values: Option -> value; those that aren't named have their defaults. Other names are ignored.
        given: Fields, or whole groups, as they are.

    Raises:
        ConfigError: A value doesn't fit, or a required one is missing.
    """
    chosen = dict(given)
    for item in fields(cast(Any, kind)):
        if item.name in chosen:
            continue
        group = group_of(cast(type, kind), item.name)
        if group is not None:
            optional = type(None) in get_args(cast(Any, kind).__pydantic_fields__[item.name].annotation)
            absent = optional and not any(inner.name in values for inner in fields(cast(Any, group)))
            chosen[item.name] = None if absent else configured(group, values)
        elif item.name in values:
            chosen[item.name] = values[item.name]
    return kind(**chosen)


def deciding_fields(config: Any) -> dict[str, Any]:
    """Return the fields of a configuration, and of its groups, that decide what its job writes, as JSON values."""
    deciding: dict[str, Any] = {}
    for item in fields(config):
        option = option_of(type(config), item.name)
        if option is not None and option.result:
            value = getattr(config, item.name)
            deciding[item.name] = list(value) if isinstance(value, tuple) else value
        elif group_of(type(config), item.name) is not None and getattr(config, item.name) is not None:
            deciding |= deciding_fields(getattr(config, item.name))
    return deciding

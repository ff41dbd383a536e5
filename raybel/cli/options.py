"""Command line options, made from the fields of a job's configuration, and `--config FILE` for all of them."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, Literal, get_args, get_origin

import click
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BeforeValidator

from raybel.config import group_of, option_of
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.files.mappings import read_mapping

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


#: Where the options that a `--config` file gives wait for the command.
_FROM_FILE = "raybel.options"


class FieldOption(click.Option):
    """An option that shows a field's default and leaves it, and whether it is required, to `options`.

    Args:
        spellings: As click takes them.
        shown: The default, in words; None for none.
        needed: Whether the help says that it is required.
        settings: Click's own.
    """

    def __init__(self, spellings: Sequence[str], shown: str | None, needed: bool, **settings: Any) -> None:
        super().__init__(spellings, **settings, default=None, show_default=False)
        self.shown, self.needed = shown, needed

    def get_help_extra(self, ctx: click.Context) -> Any:
        """Return what stands in brackets behind the help: the default, the range, whether it is required."""
        extra = super().get_help_extra(ctx)
        if self.shown is not None:
            extra["default"] = self.shown
        if self.needed:
            extra["required"] = "required"
        return extra


def options(
    kind: type, *, leave: Sequence[str] = (), optional: Sequence[str] = (), defaults: Mapping[str, Any] | None = None
) -> Decorator:
    """Add an option for each field of a configuration and of its groups, and `--config FILE`.

    The command gets what was given, by name, as the dictionary `values`, which `config.configured` takes. Defaults
    stay with the configuration.

    Args:
        kind: The configuration's class.
        leave: Fields that are left out.
        optional: Required fields that the command may take from elsewhere.
        defaults: Field -> this command's default, where it isn't the configuration's.
    """
    defaults = defaults or {}
    offers = {name: (owner, item) for name, owner, item in _fields_of(kind) if name not in leave}
    names = [name for name, _, _ in _fields_of(kind) if name not in leave]
    assert len(names) == len(set(names)), f"two fields of {kind.__name__} have one name"
    spellings = {name: _spellings(owner, name)[0] for name, (owner, _) in offers.items()}
    from_fields = [_option(owner, item, name in optional, defaults.get(name)) for name, (owner, item) in offers.items()]

    def add(command: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(command)
        def gathered(**given: Any) -> None:
            values = dict(defaults) | click.get_current_context().meta.get(_FROM_FILE, {})
            for name in offers:
                value = given.pop(name)
                if value not in (None, ()):
                    values[name] = value
            for name, (owner, item) in offers.items():
                if name in values:
                    _check_made(owner, name, values[name])
                elif item.default is MISSING and item.default_factory is MISSING and name not in optional:
                    raise click.UsageError(f"Missing option '{spellings[name]}'.")
            command(values=values, **given)

        # What click's own decorators keep on a function, the last option first.
        own = getattr(command, "__click_params__", [])
        gathered.__click_params__ = [_config_file(), *own, *reversed(from_fields)]  # type: ignore[attr-defined]
        return gathered

    return add


def _fields_of(kind: Any) -> Iterator[tuple[str, type, Field[Any]]]:
    """Yield the fields that are options, as (name, the configuration or group that has it, field)."""
    for item in fields(kind):
        group = group_of(kind, item.name)
        if group is not None:
            yield from _fields_of(group)
        elif option_of(kind, item.name) is not None:
            yield item.name, kind, item


def _check_made(kind: type, name: str, given: Any) -> None:
    """Refuse a path, or one of several, to what another command makes, and hasn't made.

    Raises:
        ConfigError: With the command.
    """
    option = option_of(kind, name)
    for path in given if isinstance(given, tuple | list) else (given,):
        if option is not None and option.made_by and not storage.exists(path):
            raise ConfigError(
                f"{_spellings(kind, name)[0]} {path}: no such file or directory; `{option.made_by}` makes one"
            )


def _spellings(kind: Any, name: str) -> list[str]:
    option = option_of(kind, name)
    return list(option.names if option is not None and option.names else ("--" + name.replace("_", "-"),))


def _option(kind: Any, item: Field[Any], optional: bool, own_default: Any) -> click.Option:
    name, option = item.name, option_of(kind, item.name)
    assert option is not None
    default = item.default if own_default is None else own_default
    info = kind.__pydantic_fields__[name]
    several = get_origin(info.annotation) is tuple
    plain = _without_none(info.annotation)
    spellings = [*_spellings(kind, name), name]
    shown = option.default
    if shown is None and default not in (None, MISSING, ()):
        shown = ", ".join(map(str, default)) if several else str(default)
    settings: dict[str, Any] = {
        "help": option.help,
        "needed": default is MISSING and item.default_factory is MISSING and not optional,
        "multiple": several,
    }
    if plain is bool and default is False:
        return FieldOption(spellings, is_flag=True, shown=None, **settings)
    if plain is bool:
        positive = spellings[0].removeprefix("--")
        spellings[0] += f"/--no-{positive}"
        return FieldOption(spellings, shown=positive if default else option.default, **settings)
    kind_of_value, metavar = _type(plain, info.metadata)
    return FieldOption(spellings, type=kind_of_value, metavar=option.metavar or metavar, shown=shown, **settings)


def _without_none(annotation: Any) -> Any:
    """The type of a value that is there; of several alternatives, the first."""
    members = [member for member in get_args(annotation) if member is not type(None)]
    is_union = type(None) in get_args(annotation)
    return members[0] if is_union and members else annotation


def _type(plain: Any, metadata: Sequence[Any]) -> tuple[click.ParamType, str | None]:
    """What click makes of a value, and what stands for it in the help."""
    marks = [*metadata, *getattr(plain, "__metadata__", ())]
    plain = getattr(plain, "__origin__", plain) if hasattr(plain, "__metadata__") else plain
    if get_origin(plain) is Literal:
        return click.Choice(get_args(plain)), None
    if any(isinstance(mark, BeforeValidator) for mark in marks):
        return click.STRING, None  # the configuration reads it
    bounds: dict[str, Any] = {}
    for mark in marks:
        for inner in (mark, *getattr(mark, "metadata", ())):
            if isinstance(inner, Ge):
                bounds["min"] = inner.ge
            elif isinstance(inner, Gt):
                bounds |= {"min": inner.gt, "min_open": True}
            elif isinstance(inner, Le):
                bounds["max"] = inner.le
            elif isinstance(inner, Lt):
                bounds |= {"max": inner.lt, "max_open": True}
    if plain is int:
        return (click.IntRange(**bounds) if bounds else click.INT), "INTEGER"
    if plain is float:
        return (click.FloatRange(**bounds) if bounds else click.FLOAT), "NUMBER"
    return click.STRING, None


def _config_file() -> click.Option:
    return click.Option(
        ["--config", "config_file"],
        metavar="FILE",
        is_eager=True,
        expose_value=False,
        callback=_take_defaults,
        help="Options by name (YAML or JSON); those on the command line come first.",
    )


def _take_defaults(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    """Take a file's options, which those on the command line come before.

    Raises:
        ConfigError: An option that the command doesn't have.
    """
    if path is None:
        return
    named = {
        spelling.lstrip("-").replace("-", "_"): param
        for param in ctx.command.params
        if isinstance(param, click.Option) and param.name not in ("config_file", "help")
        for spelling in param.opts
    }
    given = {name: value for name, value in read_mapping(path).items() if value is not None}
    if unknown := sorted(set(given) - set(named)):
        near = difflib.get_close_matches(unknown[0], named, 1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ConfigError(f"{path}: `{ctx.command_path}` has no option {', '.join(unknown)}{hint}")
    for name, value in given.items():
        option = named[name]
        if isinstance(option, FieldOption):  # the configuration checks it
            ctx.meta.setdefault(_FROM_FILE, {})[option.name] = value
        else:
            several = [value] if option.multiple and isinstance(value, str) else value
            ctx.default_map = {**(ctx.default_map or {}), str(option.name): several}


def params_option(key: str, kind: Any, further: str = "") -> Decorator:
    """Add `--params FILE`, with the names of the hyper-parameters in its help."""
    names = ", ".join(item.name for item in fields(kind))
    text = f"Hyper-parameters under the key `{key}`{further} (JSON or YAML): {names}"
    return click.option("--params", metavar="FILE", help=text)


def params_of(path: str | None, key: str) -> dict[str, Any]:
    """Return the hyper-parameters under a key of a `params.json`, none without a file.

    Raises:
        ConfigError: The file has no such key.
    """
    if path is None:
        return {}
    value = read_mapping(path).get(key)
    if not isinstance(value, dict):
        raise ConfigError(f"{path} has no key `{key}` with the hyper-parameters")
    return value

"""What every command shares: option spelling, error handling."""

from __future__ import annotations

import logging
import sys
from typing import Any

import click

from raybel.cli import endings
from raybel.errors import RaybelError
from raybel.reporting import logs

_LOG = logging.getLogger(__name__)
#: Exit statuses: 1 an error that stopped the command, 2 wrong usage, 3 finished but some input couldn't be used;
#: `endings` has those of a command that was stopped.
FAILED, USAGE, INCOMPLETE = 1, 2, 3


class Commands(click.Group):
    """A group whose errors are sentences, with a traceback under `--debug` only."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; raybel's own errors end it with exit status 1, one that is stopped as `endings` says."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            endings.stop()
        except click.ClickException as error:
            if not logs.is_json():
                raise
            _LOG.error(f"wrong usage: {error.format_message()}")
            sys.exit(error.exit_code)
        except RaybelError as error:
            if ctx.find_root().params.get("debug"):
                raise
            from raybel.cli import tables  # rich takes a tenth of a second

            tables.say(f"raybel: {error}", logging.ERROR)
            sys.exit(FAILED)


def dashed(name: str) -> str:
    """Return an option's name with dashes, so that `--in_corpus` is `--in-corpus`."""
    return name.replace("_", "-")


def gather_paths(values: dict[str, Any], more: tuple[str, ...], option: str = "in_corpus") -> None:
    """Put further paths beside those of an option.

    Args:
        values: Of options, by name; changed in place.
        more: Paths without an option before them.
        option: The option's name.

    Raises:
        click.UsageError: There is none at all.
    """
    named = values.get(option, ())  # a file may name a single one
    values[option] = (*([named] if isinstance(named, str) else named), *more)
    if not values[option]:
        raise click.UsageError(f"Missing option '--{dashed(option)}'.")


CONTEXT: dict[str, Any] = {
    "token_normalize_func": dashed,
    "help_option_names": ["-h", "--help"],
    "max_content_width": 100,
    "show_default": True,
}

"""The command line: one module for each group of commands."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import NoReturn

import click

from raybel.cli.common import CONTEXT, Commands

#: Command -> the module in this package that defines it, imported when it's used: `--help` stays fast.
COMMANDS = {
    "fetch": "fetch",
    "prepare": "prepare",
    "ontology": "ontology",
    "train": "train",
    "tune": "tune",
    "index": "index",
    "link": "link",
    "status": "status",
    "show": "show",
    "lookup": "lookup",
    "evaluate": "evaluate",
}


class Lazy(Commands):
    """The top-level group, which imports a command's module only to run it or to list its help."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the pipeline."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"raybel.cli.{COMMANDS[cmd_name]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Lazy, context_settings=CONTEXT)
@click.version_option(package_name="raybel")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def main(debug: bool) -> None:
    """Link biomedical text to ontologies, as one batch job on Ray.

    \b
    The pipeline on the NCBI Disease corpus:
      raybel prepare ncbi-disease --ncbidisease-dir D --ctd-medic-diseases F --out-dir data
      raybel train ngrams --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --output-dir models/ngrams
      raybel link --in-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow \\
          --ngrams-model models/ngrams --out-corpus runs/val
      raybel evaluate --gold-corpus data/val.bioc.xml.gz --pred-corpus runs/val
    """


def run(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process with its exit status.

    Ray's C++ core now and then aborts while the interpreter is torn down, after all is done and Ray is shut down (seen
    in 2 of about 60 runs): a scheduler would take the finished job for a failed one. So the process ends here.
    """
    status = 1
    try:
        main(args, prog_name="raybel")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        sys.excepthook(*sys.exc_info())
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

"""The command line: one module for each group of commands."""

from __future__ import annotations

import importlib
import logging
import os
import sys
from collections.abc import Sequence
from typing import NoReturn, get_args

import click

from raybel.cli import endings
from raybel.cli.common import CONTEXT, Commands
from raybel.reporting import logs
from raybel.reporting.logs import VARIABLE, LogFormat

#: Command -> the module in this package that defines it, and its line in `raybel --help`, in the pipeline's order.
#: The module is imported when the command is used: `--help` stays fast.
COMMANDS = {
    "fetch": ("fetch", "Fetch corpora, vocabularies and dumps from where they are distributed."),
    "prepare": ("prepare", "Make BioC files and an ontology from a corpus as it is distributed."),
    "ontology": ("ontology", "Show what is in an ontology, check it, convert it, or make one of others."),
    "train": ("train", "Train a candidate generator, the encoder of one, a cross-encoder, or what finds mentions."),
    "calibrate": (
        "calibrate",
        "Fit probabilities to a finished generator, or to a cross-encoder the rule of what is sure.",
    ),
    "tune": ("tune", "Search hyper-parameters: trials side by side on Ray Tune."),
    "index": ("index", "Embed an ontology, and index the vectors."),
    "lookup": ("lookup", "Find candidates for the distinct surfaces of a corpus, for `link --candidates-lookup`."),
    "detect": ("detect", "Find the mentions in a corpus's text, and annotate them."),
    "link": ("link", "Link every mention of a corpus to an ontology, or each type to an ontology of its own."),
    "pubmed": ("pubmed", "Make links of a whole dump: find mentions, look their distinct surfaces up, link, count."),
    "sample": ("sample", "Draw mentions of each surface from a corpus, or confidently linked ones from a run."),
    "status": (
        "status",
        "Say how far a run, array of runs, pipeline, sweep, training, index, lookup or sample is, from its directory.",
    ),
    "show": ("show", "Show linked documents of a run: their text with mentions marked, and what each was linked to."),
    "export": ("export", "Write a run as PubTator text, as BELB's records, as JSON Lines, or for spaCy."),
    "evaluate": (
        "evaluate",
        "Score links against gold annotations: Acc@1, recall@5, @10, @all and MRR, overall and by mention type.",
    ),
    "compare": (
        "compare",
        "Compare runs: with gold which is better, else how far they agree; in each case, which mentions changed.",
    ),
    "report": (
        "report",
        "Make a page of a run, a training or a sweep: one HTML file with charts, tables and linked text.",
    ),
}


class Pipeline(Commands):
    """The top-level group, which imports a command's module only to run it."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the commands in the order of the pipeline."""
        return list(COMMANDS)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find a command; a mistyped one gets a suggestion, though no command is loaded yet."""
        try:
            return super().resolve_command(ctx, args)
        except click.exceptions.NoSuchCommand as error:
            raise click.exceptions.NoSuchCommand(error.command_name, possibilities=COMMANDS, ctx=ctx) from None

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Return a command, None if there is none of that name."""
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"raybel.cli.{COMMANDS[cmd_name][0]}")
        command: click.Command = getattr(module, cmd_name)
        return command


@click.group(cls=Pipeline, context_settings=CONTEXT)
@click.version_option(package_name="raybel")
@click.option("--debug", is_flag=True, help="Show tracebacks, and what Ray says of its workers.")
@click.option(
    "--log-format",
    type=click.Choice(get_args(LogFormat)),
    default="text",
    envvar=VARIABLE,
    show_envvar=True,
    help="What standard error gets: text, or lines of JSON alone.",
)
def main(debug: bool, log_format: LogFormat) -> None:
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
    log = logging.getLogger("raybel")
    for handler in [handler for handler in log.handlers if isinstance(handler, _Notes)]:
        log.removeHandler(handler)
    logs.use(log_format, debug)  # with debug, Ray's own reports are shown too
    if log_format == "text":
        log.addHandler(_Notes())
        log.propagate = False


class _Notes(logging.Handler):
    """Prints what raybel's modules log, such as documents that were set aside; each message once in a command."""

    def __init__(self) -> None:
        super().__init__()
        self.printed: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record as a line."""
        from raybel.cli import tables

        message = record.getMessage()
        if message not in self.printed:
            self.printed.add(message)
            tables.say(message, logging.WARNING)


def run(args: Sequence[str] | None = None) -> NoReturn:
    """Run a command and end the process with its exit status.

    Ray's C++ core now and then aborts while the interpreter is torn down, after all is done and Ray is shut down (seen
    in 2 of about 60 runs): a scheduler would take the finished job for a failed one. So the process ends here.
    """
    status = 1
    try:
        endings.take_signals()
        main(args, prog_name="raybel")
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        if not endings.stopped():
            sys.excepthook(*sys.exc_info())
    if status and endings.stopped():  # whatever an import, or Ray, made of the KeyboardInterrupt
        status = endings.status()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

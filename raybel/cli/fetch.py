"""`raybel fetch`: corpora, vocabularies and dumps from where they are distributed."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.display import counted
from raybel.errors import ConfigError, InputError
from raybel.prepare.sources import DOWNLOADS, DUMPS, UMLS_INSTRUCTIONS

#: How the check of a file is told.
CHECKS = {"md5": "by the MD5 that the server gives", "size": "by size alone", "none": "not at all"}


@click.command(context_settings=CONTEXT)
@click.argument(
    "names", nargs=-1, required=True, type=click.Choice([*DOWNLOADS, *DUMPS, "umls", "all"]), metavar="NAME..."
)
@click.option("--out-dir", default="sources", metavar="DIR", help="Each NAME gets a directory in it.")
@click.option(
    "--files",
    multiple=True,
    metavar="N,N-M,N-",
    help="Which files of a dump, by the numbers in their names; N- goes to the last one. Repeatable.  [default: all]",
)
def fetch(names: tuple[str, ...], out_dir: str, files: tuple[str, ...]) -> None:
    """Fetch corpora, vocabularies and dumps from where they are distributed.

    NAME is one of {names}, or `all` of these. `umls` says how to get UMLS, which needs a licence.

    Dumps are large: {dumps}. Their files come one after the other, and each is checked by the MD5 that its server
    gives, or by its size where there is none.

    A download that was stopped resumes when the command is run again; what is there isn't fetched again.

    \b
    Examples:
      raybel fetch ncbi-disease ctd-medic --out-dir sources
      raybel fetch pubmed-baseline --files 1-20,1334
      raybel fetch pubmed-updates --files 1400-
      raybel fetch pubtator3 --files 0
    """
    ranges = tuple(part.strip() for text in files for part in text.split(",") if part.strip())
    dumps = tuple(dict.fromkeys(name for name in names if name in DUMPS))
    wanted = tuple(name for name in names if name != "umls" and name not in DUMPS)
    if files and (len(dumps) != 1 or wanted):
        raise ConfigError(f"--files chooses files of one dump: give it with one of {', '.join(DUMPS)} alone")
    failed = _fetch_downloads(wanted, out_dir, alone=not dumps) if wanted else []
    for name in dumps:
        failed += _fetch_dump(name, ranges, out_dir)
    if "umls" in names or "all" in names:
        tables.out.print()
        tables.out.print(UMLS_INSTRUCTIONS, markup=False, soft_wrap=True)
    if failed:
        shown = ", ".join(failed[:10]) + (f" and {len(failed) - 10:,} more" if len(failed) > 10 else "")
        raise InputError(f"{shown} couldn't be fetched, for the reasons above; the same command tries again")


fetch.help = (fetch.help or "").format(names=", ".join(DOWNLOADS), dumps=", ".join(DUMPS))


def _fetch_downloads(wanted: tuple[str, ...], out_dir: str, alone: bool) -> list[str]:
    """Fetch corpora and vocabularies; return the names of those that couldn't be had."""
    from raybel.cli.progress import show_progress
    from raybel.prepare.fetch import fetch as run

    failed: list[str] = []
    with show_progress(lambda state: _line(*state), "where the download was") as line:
        for result in run(wanted, out_dir, lambda *state: line(state), _say):
            line.close()
            if result.problem and alone and len(wanted) == 1 and wanted != ("all",):
                raise result.problem
            if result.problem:
                failed.append(result.name)
                _complain(result.name, result.problem)
            else:
                _show(result.name, str(result.directory), result.files, out_dir)
    return failed


def _fetch_dump(name: str, ranges: tuple[str, ...], out_dir: str) -> list[str]:
    """Fetch files of a dump; return the names of those that couldn't be had."""
    from raybel.cli.progress import show_progress
    from raybel.prepare.dumps import fetch_dump, plan_dump

    dump = DUMPS[name]
    directory = str(Path(out_dir) / name) if "://" not in out_dir else out_dir
    plan = plan_dump(dump, directory, ranges)
    size = "of unknown size" if plan.bytes is None else f"about {_amount(plan.bytes)}"
    _say(f"{name}: {counted(len(plan.files), 'file')}, {size}, to {directory}, one after the other")
    if plan.older:
        _say(f"{name}: {counted(plan.older, 'file')} of older releases left out")
    done, bytes_there, fetched = Counter[str](), 0, 0
    failed: list[str] = []
    stopped: InputError | None = None
    with show_progress(lambda state: _line(*state), "where the download was") as line:
        try:
            for file in fetch_dump(plan, lambda *state: line(state), _closing(line.close)):
                line.close()
                if file.problem:
                    failed.append(file.name)
                    _complain(file.name, file.problem)
                    continue
                done[file.check] += 1
                bytes_there += file.bytes
                fetched += file.fetched
        except InputError as error:
            stopped = error
    there = sum(done.values())
    rows: list[tuple[str, int]] = [("fetched", fetched), ("there already", there - fetched), ("failed", len(failed))]
    rows += [(f"checked {CHECKS[check]}", done[check]) for check in CHECKS if done[check]]
    notes = [f"licence: {dump.licence}", f"cite: {dump.citation}", f"next: {dump.next_command.format(dir=directory)}"]
    tables.table(f"{dump.title}: {directory}, {_amount(bytes_there)}", ["", "files"], rows, notes)
    if stopped:
        raise stopped
    return failed


def _closing(close: Callable[[], None]) -> Callable[[str], None]:
    """Say a line, on a terminal in the place of the one that shows progress."""

    def say(text: str) -> None:
        close()
        _say(text)

    return say


def _show(name: str, directory: str, files: Iterable[tuple[str, int]], out_dir: str) -> None:
    entry = DOWNLOADS[name]
    rows = [(file, f"{size / 1e6:,.1f} MB") for file, size in files]
    notes = [f"licence: {entry.licence}", f"cite: {entry.citation}"]
    notes += [f"next: {entry.prepare_command.format(dir=out_dir)}"] if entry.prepare_command else []
    tables.table(f"{entry.title}: {directory}", ["file", "size"], rows, notes)


def _amount(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 1e9 else f"{size / 1e6:,.1f} MB"


def _line(name: str, size: int, total: int | None) -> str:
    share = "" if total is None else f" of {total / 1e6:,.1f} MB, {100 * size / max(total, 1):.0f} %"
    return f"fetch: {name}, {size / 1e6:,.1f} MB{share}"


def _complain(name: str, problem: InputError) -> None:
    tables.say(f"{name}: {problem}", logging.ERROR)


def _say(line: str) -> None:
    tables.say(line)

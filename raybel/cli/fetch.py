"""`raybel fetch`: corpora and vocabularies from where they are distributed."""

from __future__ import annotations

from collections.abc import Iterable

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.errors import InputError
from raybel.prepare.sources import DOWNLOADS, UMLS_INSTRUCTIONS


@click.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, required=True, type=click.Choice([*DOWNLOADS, "umls", "all"]), metavar="NAME...")
@click.option("--out-dir", default="sources", metavar="DIR", help="Each NAME gets a directory in it.")
def fetch(names: tuple[str, ...], out_dir: str) -> None:
    """Fetch corpora and vocabularies from where they are distributed.

    NAME is one of {names}, or `all`. `umls` says how to get UMLS, which needs a licence.

    A download that was stopped resumes when the command is run again; what is there isn't fetched again.

    \b
    Example:
      raybel fetch ncbi-disease ctd-medic --out-dir sources
    """
    from raybel.cli.progress import show_progress
    from raybel.prepare.fetch import fetch as run

    wanted = tuple(name for name in names if name != "umls")
    failed: list[str] = []
    with show_progress(lambda state: _line(*state), "where the download was") as line:
        for result in run(wanted, out_dir, lambda *state: line(state), _say) if wanted else ():
            line.close()
            if result.problem and len(wanted) == 1 and wanted != ("all",):
                raise result.problem
            if result.problem:
                failed.append(result.name)
                tables.err.print(f"{result.name}: {result.problem}", style="red", markup=False, soft_wrap=True)
            else:
                _show(result.name, str(result.directory), result.files, out_dir)
    if "umls" in names or "all" in names:
        tables.out.print()
        tables.out.print(UMLS_INSTRUCTIONS, markup=False, soft_wrap=True)
    if failed:
        raise InputError(
            f"{', '.join(failed)} couldn't be fetched, for the reasons above; the same command tries again"
        )


fetch.help = (fetch.help or "").format(names=", ".join(DOWNLOADS))


def _show(name: str, directory: str, files: Iterable[tuple[str, int]], out_dir: str) -> None:
    entry = DOWNLOADS[name]
    rows = [(file, f"{size / 1e6:,.1f} MB") for file, size in files]
    notes = [f"licence: {entry.licence}", f"cite: {entry.citation}"]
    notes += [f"next: {entry.prepare_command.format(dir=out_dir)}"] if entry.prepare_command else []
    tables.table(f"{entry.title}: {directory}", ["file", "size"], rows, notes)


def _line(name: str, size: int, total: int | None) -> str:
    share = "" if total is None else f" of {total / 1e6:,.1f} MB, {100 * size / max(total, 1):.0f} %"
    return f"fetch: {name}, {size / 1e6:,.1f} MB{share}"


def _say(line: str) -> None:
    tables.err.print(line, style="dim", markup=False, soft_wrap=True)

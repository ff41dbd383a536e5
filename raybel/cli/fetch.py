"""`raybel fetch`: corpora and vocabularies from where they are distributed."""

from __future__ import annotations

from collections.abc import Iterable

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.errors import InputError
from raybel.prepare.sources import SOURCES, UMLS


@click.command(context_settings=CONTEXT)
@click.argument("names", nargs=-1, required=True, type=click.Choice([*SOURCES, "umls", "all"]), metavar="NAME...")
@click.option("--out-dir", default="sources", metavar="DIR", help="Each source gets a directory in it.")
def fetch(names: tuple[str, ...], out_dir: str) -> None:
    """Fetch corpora and vocabularies: ncbi-disease, bc5cdr, nlm-chem, medmentions-full, medmentions-st21pv, ctd-medic,
    mesh2015, mesh2021, or all of them. `umls` says how to get UMLS, which needs a licence.

    A download that was stopped goes on when the command is run again; what is there isn't fetched anew.

    \b
    Example:
      raybel fetch ncbi-disease ctd-medic --out-dir sources
    """
    from raybel.cli.progress import show_progress
    from raybel.prepare.fetch import fetch as run

    wanted = tuple(name for name in names if name != "umls")
    failed: list[str] = []
    with show_progress(lambda state: _line(*state), "where the download was") as line:
        for each in run(wanted, out_dir, lambda *state: line(state), _say) if wanted else ():
            line.close()
            if each.problem and len(wanted) == 1 and wanted != ("all",):
                raise each.problem
            if each.problem:
                failed.append(each.name)
                tables.err.print(f"{each.name}: {each.problem}", style="red", markup=False, soft_wrap=True)
            else:
                _show(each.name, str(each.directory), each.files, out_dir)
    if "umls" in names or "all" in names:
        tables.out.print()
        tables.out.print(UMLS, markup=False, soft_wrap=True)
    if failed:
        raise InputError(
            f"{', '.join(failed)} couldn't be fetched, for the reasons above; the same command tries again"
        )


def _show(name: str, directory: str, files: Iterable[tuple[str, int]], out_dir: str) -> None:
    source = SOURCES[name]
    rows = [(file, f"{size / 1e6:,.1f} MB") for file, size in files]
    notes = [f"licence: {source.licence}", f"cite: {source.citation}"]
    notes += [f"next: {source.then.format(dir=out_dir)}"] if source.then else []
    tables.table(f"{source.title}: {directory}", ["file", "size"], rows, notes)


def _line(name: str, done: int, total: int | None) -> str:
    of = "" if total is None else f" of {total / 1e6:,.1f} MB, {100 * done / max(total, 1):.0f} %"
    return f"fetch: {name}, {done / 1e6:,.1f} MB{of}"


def _say(line: str) -> None:
    tables.err.print(line, style="dim", markup=False, soft_wrap=True)

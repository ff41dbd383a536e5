"""`raybel fetch`: corpora and vocabularies from where they are distributed."""

from __future__ import annotations

import click

from raybel import report
from raybel.cli.common import CONTEXT
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
    from raybel.cli.progress import Line
    from raybel.prepare.fetch import fetch as run

    wanted = tuple(name for name in names if name != "umls")
    line = Line(lambda state: _line(*state))
    try:
        done = run(wanted, out_dir, lambda *state: line(state), _say) if wanted else []
    finally:
        line.close()
    for each in done:
        source = SOURCES[each.name]
        rows = [(name, f"{size / 1e6:,.1f} MB") for name, size in each.files]
        notes = [f"licence: {source.licence}", f"cite: {source.citation}"]
        notes += [f"next: {source.then.format(dir=out_dir)}"] if source.then else []
        report.table(f"{source.title}: {each.directory}", ["file", "size"], rows, notes)
    if "umls" in names or "all" in names:
        report.out.print()
        report.out.print(UMLS, markup=False, soft_wrap=True)


def _line(name: str, done: int, total: int | None) -> str:
    of = "" if total is None else f" of {total / 1e6:,.1f} MB, {100 * done / max(total, 1):.0f} %"
    return f"fetch: {name}, {done / 1e6:,.1f} MB{of}"


def _say(line: str) -> None:
    report.err.print(line, style="dim", markup=False, soft_wrap=True)

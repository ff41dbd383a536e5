"""`raybel ontology`: look into an ontology."""

from __future__ import annotations

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.ontology_sources import aliases_by_source, enrich, merge, select, strip
from raybel.display import counted
from raybel.errors import ConfigError
from raybel.ontology import Ontology
from raybel.ontology.check import check as find_suspicious


@click.group(cls=Commands, context_settings=CONTEXT)
def ontology() -> None:
    """Show what is in an ontology, check it, convert it, or make one of others."""


@ontology.command()
@click.argument("path")
def stats(path: str) -> None:
    """Count concepts, names, ambiguous names, definitions, alternative ids.

    \b
    Example:
      raybel ontology stats medic.arrow
    """
    opened = Ontology.open(path)
    tables.table(path, ["", "count"], opened.stats().items(), [f"fingerprint {opened.fingerprint}", *opened.notes])


@ontology.command()
@click.argument("path")
@click.argument("concept_id")
def show(path: str, concept_id: str) -> None:
    """Show the concept with an id or alternative id.

    \b
    Example:
      raybel ontology show medic.arrow D003924
    """
    opened = Ontology.open(path)
    row = opened.index(concept_id)
    if row is None:
        raise ConfigError(f"{path} has no concept {concept_id}")
    concept = opened.concept(row)
    tables.out.print(f"{concept.concept_id}  {concept.name}", style="bold", markup=False)
    for title, values in (
        *aliases_by_source(concept),
        ("types", concept.types),
        ("alternative ids", concept.alt_ids),
        ("parents", [f"{parent} {_name_of(opened, parent)}".rstrip() for parent in concept.parents]),
        ("tree numbers", concept.tree_numbers),
        ("definition", [concept.definition] if concept.definition else []),
    ):
        if values:
            tables.out.print(f"{title}: {'; '.join(values)}", markup=False)


def _name_of(opened: Ontology, concept_id: str) -> str:
    row = opened.index(concept_id)
    return "" if row is None else opened.concept(row).name


@ontology.command()
@click.argument("path")
def check(path: str) -> None:
    """Say what is suspicious: shared and odd names, ids that mislead, parents that aren't there.

    A finding isn't an error: the exit status is 0.

    \b
    Example:
      raybel ontology check medic.arrow
    """
    opened = Ontology.open(path)
    findings = find_suspicious(opened)
    found = [finding for finding in findings if finding.count]
    rows = [(finding.what, finding.count, "; ".join(finding.examples)) for finding in found]
    if not found:
        rows.append(("nothing suspicious", 0, ""))
    notes = [f"{counted(len(findings) - len(found), 'other check')} found nothing", *opened.notes]
    tables.table(path, ["", "count", "examples"], rows, notes)


@ontology.command()
@click.argument("path")
@click.argument("target")
def convert(path: str, target: str) -> None:
    """Write an ontology in another format, which TARGET's name says (.arrow, .parquet, .json.gz).

    \b
    Example:
      raybel ontology convert medic.arrow medic.json.gz
    """
    opened = Ontology.open(path)
    opened.save(target)
    tables.out.print(f"{target}: {counted(len(opened), 'concept')}", markup=False)


for _command in (select, enrich, strip, merge):
    ontology.add_command(_command)

"""`raybel ontology enrich`, `strip`, `merge` and `select`: ontologies made of others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import counted, relative
from raybel.ontology import Concept
from raybel.prepare.alias_sources import StripConfig, strip_aliases
from raybel.prepare.enrich import EnrichConfig, enrich_ontology
from raybel.prepare.merge import MergeConfig, merge_ontologies
from raybel.prepare.select import SelectConfig, select_concepts


def _say(line: str) -> None:
    tables.say(line)


def _table(title: str, counts: Mapping[str, int]) -> None:
    if rows := [(name, count) for name, count in counts.items() if count]:
        tables.table(title, ["", "count"], rows)


def _written(path: str, concepts: int) -> None:
    tables.out.print()
    tables.out.print(f"{relative(path)}: {counted(concepts, 'concept')}", markup=False, soft_wrap=True)


def aliases_by_source(concept: Concept) -> list[tuple[str, list[str]]]:
    """Return (title, aliases) for each source of a concept's aliases, the ontology itself first."""
    groups: dict[str, list[str]] = {"": []}
    for alias, source in zip(concept.aliases, concept.alias_sources or [""] * len(concept.aliases), strict=True):
        groups.setdefault(source, []).append(alias)
    return [(f"aliases from {source}" if source else "aliases", aliases) for source, aliases in groups.items()]


@click.command("enrich", context_settings=CONTEXT)
@options(EnrichConfig)
def enrich(values: dict[str, Any]) -> None:
    """Take over names from other ontologies through exact mappings.

    A name that another concept owns, or that several concepts would get, is left out. Each name keeps its source, by
    which `raybel ontology strip` leaves it out again.

    \b
    Example:
      raybel ontology enrich --ontology medic.arrow --with mondo.arrow \\
          --mapping mondo_exactmatch_mesh.sssom.tsv.gz --mapping mondo_exactmatch_omim.sssom.tsv.gz \\
          --out medic-plus.arrow
    """
    config = configured(EnrichConfig, values)
    summary = enrich_ontology(config, _say)
    _table("Exact mappings", summary.mappings)
    concepts = {"concepts": summary.concepts, "mapped": summary.mapped, "with further names": summary.grown}
    _table("Concepts", concepts)
    _table("Names of mapped concepts", summary.names)
    _table("Taken over from", dict(sorted(summary.sources.items())))
    _written(config.out, summary.concepts)


@click.command("strip", context_settings=CONTEXT)
@options(StripConfig)
def strip(values: dict[str, Any]) -> None:
    """Leave out the aliases that an ontology took over from a source.

    \b
    Example:
      raybel ontology strip --ontology medic-plus.arrow --sources mondo --out medic.arrow
    """
    config = configured(StripConfig, values)
    ontology, removed = strip_aliases(config)
    _table("Aliases left out", removed)
    _written(config.out, len(ontology))


@click.command("merge", context_settings=CONTEXT)
@click.argument("ontologies", nargs=-1, required=True, metavar="FILE FILE ...")
@options(MergeConfig, leave=["ontologies"])
def merge(values: dict[str, Any], ontologies: tuple[str, ...]) -> None:
    """Join ontologies: their concepts side by side, those of one id in one.

    With --mapping, concepts that are exactly mapped to each other, one to one, become one concept too: it has the first
    file's id and name, and the others' ids as alternative ids.

    \b
    Example:
      raybel ontology merge medic.arrow hp.arrow --out both.arrow
    """
    config = configured(MergeConfig, values, ontologies=ontologies)
    summary = merge_ontologies(config, _say)
    _table("Concepts", summary.counts)
    _written(config.out, summary.concepts)


@click.command("select", context_settings=CONTEXT)
@options(SelectConfig)
def select(values: dict[str, Any]) -> None:
    """Take branches of an ontology, and give their concepts a type.

    \b
    Examples:
      raybel ontology select --ontology mesh.arrow --branches C,F03 --type Disease --out diseases.arrow
      raybel ontology select --ontology mesh.arrow --branches D,supplementary --type Chemical --out chemicals.arrow
      raybel ontology select --ontology mondo.arrow --branches MONDO:0005070 --out tumours.arrow
    """
    config = configured(SelectConfig, values)
    summary = select_concepts(config, _say)
    _table("Concepts", summary.counts)
    tables.print_notes(summary.notes)
    _written(config.out, summary.concepts)

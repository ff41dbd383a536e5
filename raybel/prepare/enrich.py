"""Names taken over into an ontology from others, through exact mappings between their ids.

A name is taken over unless another concept of the ontology owns it, or several would get it: so no name belongs to more
concepts than before. Memory grows with the mappings and the names that are taken over, not with the ontologies.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from pydantic import AfterValidator

from raybel.config import FilePath, FilePaths, Option, Words, configuration
from raybel.corpus.text import surface
from raybel.errors import ConfigError
from raybel.ontology import BARE_PREFIXES, Ontology
from raybel.prepare.alias_sources import Names, labels_of, source_of, with_aliases
from raybel.prepare.id_rows import Links, batches, rows_of
from raybel.prepare.outputs import OntologyOut

MappingFiles = Annotated[
    FilePaths, Option("Exact mappings between their ids: SSSOM with tabs or commas, plain or gzipped.", "FILE")
]
BarePrefixes = Annotated[
    Words,
    AfterValidator(lambda names: tuple(name.lower().rstrip(":") for name in names)),
    Option("Prefixes that the ontologies' ids may lack, with commas between.", "PREFIX,..."),
]


@configuration
class EnrichConfig:
    """Which ontology takes over whose names, and through what."""

    ontology: Annotated[FilePath, Option("The ontology that takes over names.", "FILE", made_by="raybel prepare")]
    others: Annotated[
        FilePaths,
        Option("Ontologies whose names are taken over.", "FILE", names=("--with",), made_by="raybel prepare"),
    ]
    mapping: MappingFiles
    out: OntologyOut
    label: Annotated[
        Words, Option("What to call the source of the names, one for each --with.", "NAME", "the file's name")
    ] = ()
    bare_prefixes: BarePrefixes = BARE_PREFIXES

    def __post_init__(self) -> None:
        if not self.others or not self.mapping:
            raise ConfigError("give at least one ontology (--with) and one file of mappings (--mapping)")
        labels_of(self.others, self.label)


@dataclass
class EnrichSummary:
    """The outcome of an enrichment.

    Args:
        concepts: Concepts of the ontology.
        mappings: Pairs of ids, by which side knows them; the sum is that of all distinct pairs.
        names: Names of the mapped concepts, by what became of them.
        sources: Names taken over by the label of their source.
    """

    concepts: int = 0
    mapped: int = 0
    grown: int = 0
    mappings: dict[str, int] = field(default_factory=dict)
    names: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)


#: What becomes of a name, in the order in which it is shown.
TAKEN, KNOWN, OWNED, CONTESTED = (
    "taken over",
    "there already",
    "left out: another concept owns it",
    "left out: several concepts would get it",
)


def enrich_ontology(config: EnrichConfig, say: Callable[[str], None] = lambda line: None) -> EnrichSummary:
    """Write the ontology with the names of mapped concepts as further aliases; `say` gets a line for longer steps.

    Names are compared as mentions are looked up (`corpus.text.surface`). A concept takes the names of every concept
    that it is mapped to, by id or alternative id on either side; they follow its own aliases, in the order of the
    ontologies, with the label as their source (`mondo`, and `mondo:related` where they had a source there). Enriching
    again with the same files changes nothing.

    Raises:
        InputError: A file can't be read.
        ConfigError: No mapping is between concepts of the ontologies; the output can't be written.
    """
    enriched, summary = _enriched(config, say)  # what that takes is free before writing, which takes its own share
    say(f"writing {config.out}")
    enriched.save(config.out)
    return summary


def _enriched(config: EnrichConfig, say: Callable[[str], None]) -> tuple[Ontology, EnrichSummary]:
    labels = labels_of(config.others, config.label)
    ontology = Ontology.open(config.ontology)
    others = [Ontology.open(path) for path in config.others]
    say("reading the mappings")
    links = Links.read(config.mapping, config.bare_prefixes)
    own = rows_of(ontology, links.partners, config.bare_prefixes)
    theirs = [rows_of(other, links.partners, config.bare_prefixes) for other in others]
    summary = EnrichSummary(len(ontology), mappings=_known(links, own, theirs))
    targets = [_targets(links, own, rows) for rows in theirs]
    if not any(targets):
        raise ConfigError(
            f"none of the {links.pairs:,} exact mappings is between a concept of {config.ontology} and one of "
            f"{', '.join(config.others)}: are these the right files? (`--bare-prefixes` says what ids lack)"
        )
    summary.mapped = len(set().union(*(rows for mapped in targets for rows in mapped.values())))
    say("comparing names")
    wanted = _wanted(others, labels, targets)
    owners = _owners(ontology, {name for names in wanted.values() for name in names})
    additions = _additions(wanted, owners, summary)
    del links, own, theirs, targets, wanted, owners
    return with_aliases(ontology, additions), summary


def _known(links: Links, own: dict[str, int], theirs: list[dict[str, int]]) -> dict[str, int]:
    """Count the pairs of ids by which side knows them."""
    counts: Counter[str] = Counter()
    either = "between concepts of both"
    ours, others, neither = "id unknown to the other ontologies", "id unknown to the ontology", "both ids unknown"
    for first, partners in links.partners.items():
        for second in partners:
            if first > second:  # each pair is there in both directions
                continue
            mine = [key in own for key in (first, second)]
            known = [any(key in rows for rows in theirs) for key in (first, second)]
            if (mine[0] and known[1]) or (mine[1] and known[0]):
                counts[either] += 1
            elif any(mine):
                counts[ours] += 1
            elif any(known):
                counts[others] += 1
            else:
                counts[neither] += 1
    return {name: counts[name] for name in (either, ours, others, neither)}


def _targets(links: Links, own: dict[str, int], theirs: dict[str, int]) -> dict[int, list[int]]:
    """Return the rows of the ontology that each mapped row of another one means, sorted."""
    targets: dict[int, set[int]] = {}
    for key, row in theirs.items():
        for partner in links.partners[key]:
            if partner in own:
                targets.setdefault(row, set()).add(own[partner])
    return {row: sorted(targets[row]) for row in sorted(targets)}


def _names(ontology: Ontology, rows: Iterable[int] | None = None) -> Iterator[tuple[int, list[tuple[str, str]]]]:
    """Yield (row, its names and their sources), the preferred name first; None for every row."""
    chosen = None if rows is None else set(rows)
    for start, table in batches(ontology, ["name", "aliases", "alias_sources"]):
        columns = (column.to_pylist() for column in table.columns)
        for row, (name, aliases, sources) in enumerate(zip(*columns, strict=True), start):
            if chosen is None or row in chosen:
                yield row, [(name or "", ""), *zip(aliases, sources or [""] * len(aliases), strict=True)]


def _wanted(
    others: list[Ontology], labels: list[str], targets: list[dict[int, list[int]]]
) -> dict[int, dict[str, tuple[str, str]]]:
    """Return what each row of the ontology would get: surface -> (name, source), the first spelling of each."""
    wanted: dict[int, dict[str, tuple[str, str]]] = {}
    for other, label, mapped in zip(others, labels, targets, strict=True):
        for row, names in _names(other, mapped):
            for name, source in names:
                if folded := surface(name):
                    for target in mapped[row]:
                        wanted.setdefault(target, {}).setdefault(folded, (name.strip(), source_of(label, source)))
    return wanted


def _owners(ontology: Ontology, surfaces: set[str]) -> dict[str, set[int]]:
    """Return the rows that have each of some names already."""
    owners: dict[str, set[int]] = {}
    for row, names in _names(ontology):
        for name, _ in names:
            if (folded := surface(name)) in surfaces:
                owners.setdefault(folded, set()).add(row)
    return owners


def _additions(
    wanted: dict[int, dict[str, tuple[str, str]]], owners: dict[str, set[int]], summary: EnrichSummary
) -> dict[int, Names]:
    """Return the names that each row gets; `summary` counts what becomes of each."""
    summary.names.update(dict.fromkeys((TAKEN, KNOWN, OWNED, CONTESTED), 0))  # in this order
    would_get = Counter(
        folded for row, names in wanted.items() for folded in names if row not in owners.get(folded, ())
    )
    additions: dict[int, Names] = {}
    for row in sorted(wanted):
        aliases, sources = [], []
        for folded, (name, source) in wanted[row].items():
            owner = owners.get(folded, ())
            fate = KNOWN if row in owner else OWNED if owner else CONTESTED if would_get[folded] > 1 else TAKEN
            summary.names[fate] += 1
            if fate == TAKEN:
                aliases.append(name)
                sources.append(source)
        if aliases:
            additions[row] = (aliases, sources)
            summary.sources.update(sources)
    summary.grown = len(additions)
    return additions

"""Ontologies of different id spaces joined into one.

Concepts stand side by side, in the order of the files. Those that mean the same become one, but never two of one file,
which knows best what it distinguishes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated

from raybel.config import FilePaths, Option, Words, configuration
from raybel.corpus.text import surface
from raybel.errors import ConfigError
from raybel.ontology import BARE_PREFIXES, Concept, Ontology
from raybel.prepare.alias_sources import labels_of, source_of
from raybel.prepare.curies import id_key
from raybel.prepare.enrich import BarePrefixes, MappingFiles
from raybel.prepare.id_rows import Links, batches
from raybel.prepare.outputs import OntologyOut

#: A concept's place: the file's number, the row in it.
Place = tuple[int, int]


@configuration
class MergeConfig:
    """Which ontologies to join, and what makes two of their concepts one."""

    ontologies: FilePaths
    out: OntologyOut
    mapping: MappingFiles = ()
    label: Annotated[
        Words,
        Option(
            "What to call the source of the names of united concepts, one for each file.", "NAME", "the file's name"
        ),
    ] = ()
    bare_prefixes: BarePrefixes = BARE_PREFIXES

    def __post_init__(self) -> None:
        if len(self.ontologies) < 2:
            raise ConfigError("give at least two ontologies")
        labels_of(self.ontologies, self.label)


@dataclass
class MergeSummary:
    """The outcome of a merge.

    Args:
        concepts: Concepts of the result.
        counts: What is counted and its count, in the order in which they are shown.
    """

    concepts: int = 0
    counts: dict[str, int] = field(default_factory=dict)


def merge_ontologies(config: MergeConfig, say: Callable[[str], None] = lambda line: None) -> MergeSummary:
    """Write the joined ontology; `say` gets a line for longer steps.

    A concept is united with one of an earlier file that has its id (`curies.id_key`), or to which it is exactly mapped
    (`mapping`; by ids and alternative ids) one to one. The earlier one's id, name, definition and aliases come first;
    what else the later one has is added, its names with its file's label as their source, its id as an alternative id.
    Parents that were united are named by their new ids.

    Raises:
        InputError: A file can't be read.
        ConfigError: The output can't be written.
    """
    labels = labels_of(config.ontologies, config.label)
    ontologies = [Ontology.open(path) for path in config.ontologies]
    links = Links.read(config.mapping, config.bare_prefixes)
    say("comparing ids")
    plan = _Plan(links, tuple(config.bare_prefixes))
    for ontology in ontologies:
        plan.add(ontology)
    say(f"writing {config.out}")
    merged = Ontology.from_concepts(plan.concepts(labels), config.out)
    merged.save(config.out)
    summary = MergeSummary(len(merged))
    for path, ontology in zip(config.ontologies, ontologies, strict=True):
        summary.counts[f"in {path.rpartition('/')[2]}"] = len(ontology)
    for kind in (SAME_ID, MAPPED, SEVERAL):
        summary.counts[kind] = plan.counts[kind]
    return summary


#: What becomes of concepts that may mean the same as an earlier one.
SAME_ID, MAPPED, SEVERAL = "united: the same id", "united: mapped", "kept apart: mapped, but not one to one"


class _Plan:
    """Which concepts become one; ontologies are added in their order.

    Args:
        links: The exact mappings.
        bare_prefixes: See `curies.id_key`.
    """

    def __init__(self, links: Links, bare_prefixes: tuple[str, ...]) -> None:
        self.links, self.bare_prefixes = links, bare_prefixes
        self.ontologies: list[Ontology] = []
        self.counts: Counter[str] = Counter()
        self.later: dict[Place, list[Place]] = {}  # a concept's place -> those of what is united with it
        self.united: set[Place] = set()
        self.new_ids: dict[str, str] = {}  # an id that is given up -> the id that stands for it
        self._own: dict[str, Place] = {}  # key of each concept's id
        self._linked: dict[str, Place] = {}  # keys of ids and alternative ids that a mapping names

    def add(self, ontology: Ontology) -> None:
        """Find what an ontology has in common with the earlier ones."""
        number = len(self.ontologies)
        self.ontologies.append(ontology)
        own, named = self._keys(ontology)
        same = self._same_ids(own)
        mapped: dict[int, set[Place]] = {}
        for key, row in named.items():
            homes = (self._linked[partner] for partner in self.links.partners[key] if partner in self._linked)
            mapped.setdefault(row, set()).update(homes)
        chosen = self._one_to_one(same, mapped)
        for row, home in sorted(chosen.items()):
            self.later.setdefault(home, []).append((number, row))
            self.united.add((number, row))
            old, new = self._id((number, row)), self._id(home)
            if old != new:
                self.new_ids[old] = new
        for key, row in own.items():
            self._own.setdefault(key, chosen.get(row, (number, row)))
        for key, row in named.items():
            self._linked.setdefault(key, chosen.get(row, (number, row)))

    def _same_ids(self, own: dict[str, int]) -> dict[int, Place]:
        """Return the earlier concept that has each row's id; of several rows with one, only that of its very id.

        The others are mapped to it (how else would an id mean that concept), and counted there.
        """
        same: dict[int, Place] = {}
        rows: dict[Place, int] = {}
        for key, row in own.items():
            if (home := self._own.get(key)) is None:
                continue
            if (first := rows.setdefault(home, row)) != row:
                if id_key(self._id(home), None, self.bare_prefixes) != key:
                    continue
                del same[first]
                rows[home] = row
            same[row] = home
        return same

    def _keys(self, ontology: Ontology) -> tuple[dict[str, int], dict[str, int]]:
        """Return the rows of all concepts' ids, and those of ids and alternative ids that a mapping names."""
        own: dict[str, int] = {}
        alternative: dict[str, int] = {}
        for start, table in batches(ontology, ["concept_id", "alt_ids"]):
            columns = (column.to_pylist() for column in table.columns)
            for row, (concept_id, alt_ids) in enumerate(zip(*columns, strict=True), start):
                own.setdefault(id_key(concept_id, None, self.bare_prefixes), row)
                for alt_id in alt_ids or ():
                    if (key := id_key(alt_id, None, self.bare_prefixes)) in self.links.partners:
                        alternative.setdefault(key, row)
        return own, alternative | {key: row for key, row in own.items() if key in self.links.partners}

    def _one_to_one(self, same: dict[int, Place], mapped: dict[int, set[Place]]) -> dict[int, Place]:
        """Return the earlier concept that each row becomes one with."""
        chosen = dict(same)
        claims = Counter(home for row, homes in mapped.items() if row not in same for home in homes)
        claims.update(same.values())
        self.counts[SAME_ID] += len(same)
        for row, homes in mapped.items():
            if row in same or not homes:
                continue
            home = min(homes)
            fits = len(homes) == 1 and claims[home] == 1
            self.counts[MAPPED if fits else SEVERAL] += 1
            if fits:
                chosen[row] = home
        return chosen

    def _id(self, place: Place) -> str:
        return str(self.ontologies[place[0]].table["concept_id"][place[1]].as_py())

    def concepts(self, labels: list[str]) -> Iterator[Concept]:
        """Yield the joined ontology's concepts, those of the first file first."""
        for number, ontology in enumerate(self.ontologies):
            for start, table in batches(ontology, ontology.table.column_names):
                for row, values in enumerate(table.to_pylist(), start):
                    if (number, row) in self.united:
                        continue
                    concept = Concept(**values)
                    for other, other_row in self.later.get((number, row), ()):
                        _unite(concept, self.ontologies[other].concept(other_row), labels[other])
                    parents = dict.fromkeys(self.new_ids.get(parent, parent) for parent in concept.parents)
                    concept.parents = [parent for parent in parents if parent != concept.concept_id]
                    yield concept


def _unite(concept: Concept, other: Concept, label: str) -> None:
    """Add to a concept what another one that means the same has beside it."""
    known = {surface(name) for name in (concept.name, *concept.aliases)}
    concept.alias_sources = concept.alias_sources or [""] * len(concept.aliases)
    sources = other.alias_sources or [""] * len(other.aliases)
    for name, source in zip((other.name, *other.aliases), ("", *sources), strict=True):
        if (folded := surface(name)) and folded not in known:
            known.add(folded)
            concept.aliases.append(name)
            concept.alias_sources.append(source_of(label, source))
    concept.definition = concept.definition or other.definition
    alt_ids = dict.fromkeys([*concept.alt_ids, other.concept_id, *other.alt_ids])
    concept.alt_ids = [alt_id for alt_id in alt_ids if alt_id != concept.concept_id]
    for column in ("types", "parents", "tree_numbers"):
        setattr(concept, column, list(dict.fromkeys([*getattr(concept, column), *getattr(other, column)])))

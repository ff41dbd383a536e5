"""Where an ontology's aliases are from: labels of sources, aliases added, aliases of a source left out again.

A label names the ontology that an alias was taken from (`mondo`). An alias that had a source there keeps it behind a
colon: `mondo:related`. Only concepts that change become Python objects; the others' columns stay as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Annotated

import pyarrow as pa
import pyarrow.compute as pc

from raybel.config import FilePath, Option, Words, configuration
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.linking.matched_names import ALIAS, NAME, TRAINING
from raybel.ontology import ONTOLOGY_SUFFIXES, Ontology
from raybel.prepare.id_rows import BATCH
from raybel.prepare.outputs import OntologyOut

#: What the mentions table calls an ontology's own names and training mentions: no labels.
RESERVED = (NAME, ALIAS, TRAINING)
#: (aliases, their sources, "" for the ontology's own) of a concept.
Names = tuple[list[str], list[str]]


@configuration
class StripConfig:
    """Which aliases to leave out of an ontology."""

    ontology: Annotated[
        FilePath, Option("The ontology to leave aliases out of.", "FILE", made_by="raybel ontology enrich")
    ]
    sources: Annotated[
        Words,
        Option("Aliases from these (mondo; related; mondo:related) are left out, with commas between.", "NAME,..."),
    ]
    out: OntologyOut

    def __post_init__(self) -> None:
        if not self.sources:
            raise ConfigError("give at least one source, such as mondo")


def labels_of(paths: Collection[str], labels: tuple[str, ...]) -> list[str]:
    """Return the label of each ontology: what was given, or the file's name without its suffix.

    Raises:
        ConfigError: There are fewer or more labels than files, two are equal, or one can't be a label.
    """
    if labels and len(labels) != len(paths):
        raise ConfigError(f"give a label for each of the {len(paths)} ontologies, not {len(labels)}")
    chosen = list(labels) or [_stem(path) for path in paths]
    for label in chosen:
        if not label or label in RESERVED or set(label) & set(":,;|\t\n"):
            raise ConfigError(f"{label!r} can't be a source's name (nor can {', '.join(RESERVED)}); give --label")
        if chosen.count(label) > 1:
            raise ConfigError(f"two ontologies would be called {label}; give --label for each")
    return chosen


def _stem(path: str) -> str:
    name = storage.name_of(path).rpartition("/")[2]
    return name.removesuffix(next((suffix for suffix in reversed(ONTOLOGY_SUFFIXES) if name.endswith(suffix)), ""))


def source_of(label: str, source: str) -> str:
    """Return the source of an alias that is taken from the ontology `label`, where its source was `source`."""
    return label if source in ("", label) else f"{label}:{source.removeprefix(label + ':')}"


def with_aliases(ontology: Ontology, additions: Mapping[int, Names]) -> Ontology:
    """Return an ontology with further aliases at the end of some concepts' (row -> aliases and sources)."""

    def longer(row: int, names: Names) -> Names:
        aliases, sources = additions[row]
        return names[0] + aliases, names[1] + sources

    return _changed(ontology, set(additions), longer)


def strip_aliases(config: StripConfig) -> tuple[Ontology, dict[str, int]]:
    """Write an ontology without the aliases of some sources, and return it and how many each of them had.

    Raises:
        ConfigError: The ontology has no alias of one of the sources (those that it has are named).
    """
    ontology = Ontology.open(config.ontology)
    counts = sources_in(ontology)
    removed = {source: count for source, count in counts.items() if _is_of(source, config.sources)}
    if missing := [name for name in config.sources if not any(_is_of(source, (name,)) for source in removed)]:
        there = ", ".join(source for source in counts if source) or "none but its own"
        raise ConfigError(f"{config.ontology} has no aliases from {', '.join(missing)}; it has: {there}")

    def shorter(row: int, names: Names) -> Names:
        kept = [(alias, source) for alias, source in zip(*names, strict=True) if not _is_of(source, config.sources)]
        return [alias for alias, _ in kept], [source for _, source in kept]

    stripped = _changed(ontology, None, shorter)
    stripped.save(config.out)
    return stripped, removed


def sources_in(ontology: Ontology) -> dict[str, int]:
    """Return the number of aliases of each source that isn't the ontology itself, sorted by source."""
    counted = ontology.table["alias_sources"].combine_chunks().flatten().value_counts().to_pylist()
    return {item["values"]: item["counts"] for item in sorted(counted, key=lambda item: item["values"] or "")}


def _is_of(source: str | None, names: Collection[str]) -> bool:
    """Whether a source, or any part of it, is one of some names: `mondo:related` is of `mondo` and of `related`."""
    return bool(source) and (source in names or any(part in names for part in str(source).split(":")))


def _changed(ontology: Ontology, rows: set[int] | None, change: Callable[[int, Names], Names]) -> Ontology:
    """Return an ontology with some concepts' aliases changed; None: all that have sources."""
    pieces = []
    for start in range(0, len(ontology), BATCH):
        piece = ontology.table.slice(start, BATCH)
        inside = range(start, start + len(piece))
        if rows is None:
            counts = pc.fill_null(pc.list_value_length(piece["alias_sources"]), 0).to_pylist()
            chosen = [row for row, count in zip(inside, counts, strict=True) if count]
        else:
            chosen = [row for row in inside if row in rows]
        pieces.append(_with_names(piece, start, chosen, change) if chosen else piece)
    table = pa.concat_tables(pieces).combine_chunks() if pieces else ontology.table
    return Ontology(table, path=ontology.path)


def _with_names(piece: pa.Table, start: int, rows: list[int], change: Callable[[int, Names], Names]) -> pa.Table:
    """Return a piece of an ontology, whose first row is `start`, with the aliases of some rows changed."""
    aliases, sources = piece["aliases"].to_pylist(), piece["alias_sources"].to_pylist()
    for row in rows:
        place = row - start
        names = (aliases[place], sources[place] or [""] * len(aliases[place]))
        aliases[place], changed = change(row, names)
        sources[place] = changed if any(changed) else []
    for name, values in (("aliases", aliases), ("alias_sources", sources)):
        index = piece.schema.get_field_index(name)
        piece = piece.set_column(index, piece.schema.field(name), pa.array(values, pa.list_(pa.string())))
    return piece

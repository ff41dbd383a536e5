"""Any table of concepts as an ontology: OMOP's vocabularies, SKOS exports, tables of one's own.

A concept may have several rows, in one table or several, wherever they stand: the first name is its name, further ones
are aliases. OMOP's files: https://ohdsi.github.io/CommonDataModel/cdm54.html#vocabulary - CONCEPT.csv and
CONCEPT_SYNONYM.csv, tab-separated, without quoting. A million concepts with 2.2 million names in
two files take half a minute of a core and 1.5 GB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.config import FilePaths, Option, Words, configuration
from raybel.errors import ConfigError, InputError
from raybel.ontology import Concept, Ontology
from raybel.ontology.concept import NULLS
from raybel.prepare.cleaning import NameCleaner
from raybel.prepare.outputs import OntologyOut, write_ontology
from raybel.prepare.table_columns import HEADERS, Column, chosen, parsed
from raybel.prepare.table_rows import Layout, batches, layout_of, row_place

#: Values that become Python's own objects at once.
_BATCH = 262_144
_FIELDS = tuple(HEADERS)


@configuration
class TableConfig:
    """Which tables to read, what their columns hold, and where to write the ontology."""

    table: Annotated[
        FilePaths, Option("CSV, TSV or Parquet, plain or gzipped; give it again for further ones.", "FILE")
    ]
    out: OntologyOut
    columns: Annotated[
        Words,
        Option(
            f"What columns hold, with commas between: {', '.join(HEADERS)}.",
            "FIELD=HEADER,...",
            "by common headers, OMOP's and SKOS's among them",
        ),
    ] = ()
    separator: Annotated[
        str,
        Option("Between values of a list (aliases, types ...) in one cell; '' where each cell is one value.", "TEXT"),
    ] = "|"
    delimiter: Annotated[
        str | None, Option("Between the cells of a row.", "CHARACTER", "the first of tab , ; | in the header")
    ] = None
    quoted: Annotated[bool | None, Option("Cells may stand in double quotes.", default="yes, but not with tabs")] = None
    languages: Annotated[
        Words, Option("Languages of headers such as skos:prefLabel@en; headers without one are read.", "en,...")
    ] = ("en",)

    def __post_init__(self) -> None:
        if not self.table:
            raise ConfigError("give at least one --table")
        usable = self.delimiter is None or (len(_character(self.delimiter)) == 1 and self.delimiter.isascii())
        if not usable or self.delimiter in tuple('"\r\n'):
            raise ConfigError(f"the delimiter is one ASCII character, not {self.delimiter!r}")
        parsed(self.columns)


@dataclass
class TableSummary:
    """The outcome of a preparation.

    Args:
        ontology: `summary.counts_of` the ontology.
        tables: (path, rows, what its columns hold in words, headers that aren't read) of each table.
    """

    ontology: dict[str, int] = field(default_factory=dict)
    tables: list[tuple[str, int, str, list[str]]] = field(default_factory=list)


def prepare_table(config: TableConfig, say: Callable[[str], None] = lambda line: None) -> TableSummary:
    """Read tables and write the ontology; `say` gets a line when a longer step begins.

    Concepts are in the order in which their ids appear first. Of several definitions the first one counts. What stands
    for nothing (`NULLS`) is nothing. Memory grows with the ontology.

    Raises:
        InputError: A file is missing, cut off or no table, a row has another number of cells or no id; no rows.
        ConfigError: No column holds ids, a header that is asked for is in no table, or the output can't be written.
    """
    asked, summary, gathered = parsed(config.columns), TableSummary(), _Gathered(config.separator)
    delimiter = None if config.delimiter is None else _character(config.delimiter)
    layouts = {path: layout_of(path, delimiter, config.quoted) for path in dict.fromkeys(config.table)}
    everywhere = {header for layout in layouts.values() for header in layout.headers}
    if absent := [header for _, header in asked if header not in everywhere]:
        raise ConfigError(f"no table has the column {', '.join(absent)}; there are {', '.join(sorted(everywhere))}")
    columns_of = {path: chosen(layout.headers, asked, config.languages, path) for path, layout in layouts.items()}
    for path, layout in layouts.items():
        say(f"reading {path}")
        columns = columns_of[path]
        rows = gathered.add(path, layout, columns)
        read = {column.place for column in columns}
        holds = ", ".join(f"{column.field}={column.header}" for column in columns)
        summary.tables.append((path, rows, holds, [h for place, h in enumerate(layout.headers) if place not in read]))
    cleaner = NameCleaner()
    ontology = Ontology.from_concepts(cleaner.cleaned(gathered.concepts()), ", ".join(layouts))
    if not len(ontology):
        raise InputError("holds no concepts", path=", ".join(layouts))
    ontology = cleaner.finished(ontology)
    summary.ontology = write_ontology(ontology, config.out, say)
    return summary


def _character(delimiter: str) -> str:
    """A delimiter as it was typed; shells hand a tab over as `\\t`."""
    return "\t" if delimiter == r"\t" else delimiter


class _Gathered:
    """The values of all rows, each with its concept and field, as Arrow arrays; Python's own take ten times as much."""

    def __init__(self, separator: str) -> None:
        self.separator = separator
        self.numbers: dict[str, int] = {}
        #: Concept and field of each value in one number, which values are sorted by.
        self.keys: list[np.ndarray] = []
        self.values: list[pa.Array] = []

    def add(self, path: str, layout: Layout, columns: list[Column]) -> int:
        """Read a table and return its number of rows.

        Raises:
            InputError: See `table_rows.batches`; a row without an id (rows are counted from 1, without the header).
        """
        rows = 0
        (id_place,) = (place for place, column in enumerate(columns) if column.field == "id")
        for arrays in batches(path, layout, [column.place for column in columns]):
            ids = arrays[id_place]
            if pa.types.is_list(ids.type):
                raise InputError(f"the column {columns[id_place].header} holds lists, not ids", path=path)
            ids = pc.utf8_trim_whitespace(ids)
            missing = pc.or_kleene(pc.is_null(ids), pc.is_in(ids, value_set=pa.array(["", *sorted(NULLS)])))
            if pc.any(missing).as_py():
                number = rows + pc.index(missing, True).as_py() + 1
                raise InputError(f"{row_place(number)} has no id in the column {columns[id_place].header}", path=path)
            encoded = ids.dictionary_encode()
            own = [self.numbers.setdefault(each, len(self.numbers)) for each in encoded.dictionary.to_pylist()]
            concepts = np.array(own, np.int64)[np.asarray(encoded.indices)]
            for column, values in zip(columns, arrays, strict=True):
                if layout.quoted and column.field in ("id", "name", "aliases"):
                    _refuse_swallowed(values, str(layout.delimiter), rows, column.header, path)
                if column.field != "id":
                    self._add_column(column, concepts, values)
            rows += len(ids)
        return rows

    def _add_column(self, column: Column, concepts: np.ndarray, values: pa.Array) -> None:
        if not pa.types.is_list(values.type) and not column.is_single and self.separator:
            values = pc.split_pattern(values, self.separator)
        if pa.types.is_list(values.type):
            concepts = concepts[np.asarray(pc.list_parent_indices(values))]
            values = pc.list_flatten(values)
        values = pc.utf8_trim_whitespace(values)
        nothing = pc.or_kleene(pc.is_null(values), pc.equal(values, ""))
        if column.field not in ("name", "aliases"):  # those the cleaner counts
            nothing = pc.or_kleene(nothing, pc.is_in(values, value_set=pa.array(sorted(NULLS))))
        kept = np.asarray(pc.invert(pc.fill_null(nothing, True)))
        self.keys.append(concepts[kept] * len(_FIELDS) + _FIELDS.index(column.field))
        self.values.append(values.filter(pa.array(kept)))

    def concepts(self) -> Iterator[Concept]:
        """Yield the concepts, in the order of their ids' first appearance."""
        keys = np.concatenate([*self.keys, np.empty(0, np.int64)])
        order = np.argsort(keys, kind="stable")
        keys, values = keys[order], pa.chunked_array(self.values, pa.string())
        ids, number = iter(self.numbers), 0
        found: dict[str, Any] = {}
        for begin in range(0, len(keys), _BATCH):
            texts = values.take(pa.array(order[begin : begin + _BATCH])).to_pylist()
            for key, text in zip(keys[begin : begin + _BATCH].tolist(), texts, strict=True):
                concept, place = divmod(key, len(_FIELDS))
                while concept > number:  # those without any value too
                    yield _concept(next(ids), found)
                    number, found = number + 1, {}
                found.setdefault(_FIELDS[place], {})[text] = None
        for concept_id in ids:
            yield _concept(concept_id, found)
            found = {}


def _refuse_swallowed(values: pa.Array, delimiter: str, rows: int, header: str, path: str) -> None:
    """Refuse a name that goes on over the end of its line and holds a delimiter there: a row that a quote swallowed.

    Raises:
        InputError: There is one; rows before these are counted in `rows`.
    """
    found = pc.index(pc.match_substring_regex(values, rf"\n[^\n]*\x{ord(delimiter):02x}"), True).as_py()
    if found >= 0:
        raise InputError(
            f"{row_place(rows + found + 1)}: {values[found].as_py()[:60]!r} in the column {header} goes on in the next "
            "line: is a quotation mark not closed? (--no-quoted takes them as they are)",
            path=path,
        )


def _concept(concept_id: str, found: dict[str, dict[str, None]]) -> Concept:
    """A concept of the distinct values of each field."""
    names = [*found.get("name", ()), *found.get("aliases", ())] or [""]
    return Concept(
        concept_id,
        names[0],
        names[1:],
        next(iter(found.get("definition", ())), ""),
        list(found.get("types", ())),
        [each for each in found.get("alt_ids", ()) if each != concept_id],
        [],
        [each for each in found.get("parents", ()) if each != concept_id],
        list(found.get("tree_numbers", ())),
    )

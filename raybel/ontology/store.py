"""The ontology store: an Arrow table, memory-mapped, one row per concept.

Written as `.arrow` (Arrow IPC, the one that is memory-mapped), `.parquet`, or the `.json` / `.json.gz` of the published
system (a list of `{id, name, aliases, definition}`); read from each.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.errors import ConfigError, InputError
from raybel.files import kinds, storage, tables, things
from raybel.ontology import json_files, table_files
from raybel.ontology.concept import Concept, is_seen
from raybel.ontology.ids import respellings
from raybel.schemas import ONTOLOGY, conform

ONTOLOGY_SUFFIXES = (".arrow", ".parquet", ".json", ".json.gz")
_FINGERPRINT = b"raybel.fingerprint"
#: Concepts converted at once: bounds the memory for Python's own objects.
_BATCH = 65_536


class Ontology:
    """A table of concepts; a concept is referred to by its row (int32), the concept index.

    Args:
        table: A table of `schemas.ONTOLOGY`.
        fingerprint: The hash of its content, if that is known already.
        path: The file that it came from, for messages.

    Attributes:
        notes: What a person should know about the file: keys that weren't read.
        cleaned: What `raybel prepare` changed in the names and how often; empty for an ontology that was opened.
    """

    def __init__(self, table: pa.Table, fingerprint: str | None = None, path: str = "ontology") -> None:
        self.table = table
        self._fingerprint = fingerprint
        self.path = path
        self.notes: tuple[str, ...] = ()
        self.cleaned: dict[str, int] = {}

    @property
    def fingerprint(self) -> str:
        """The hash of its content (32 hex digits), whatever its chunking and file format."""
        if self._fingerprint is None:
            self._fingerprint = content_fingerprint(self.table)
        return self._fingerprint

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @classmethod
    def from_concepts(cls, concepts: Iterable[Concept], path: str = "ontology") -> Ontology:
        """Build an ontology; white space around ids and names is stripped, empty and repeated aliases are left out.

        A concept without a name takes its first alias; one with neither keeps the empty name and is never proposed.
        A name of zero-width characters alone is empty.

        Raises:
            InputError: An id is empty or appears twice, a text can't be written as UTF-8, or there are sources, but not
                one for each alias.
        """
        columns: dict[str, list[Any]] = {name: [] for name in ONTOLOGY.names}
        batches: list[pa.Table] = []  # Python's own strings and lists take ten times Arrow's memory
        seen: dict[str, int] = {}
        for row, concept in enumerate(concepts):
            concept_id = concept.concept_id.strip()
            if not is_seen(concept_id):
                raise InputError(f"concept {row} ({concept.name!a}) has no id", path=path)
            if concept_id in seen:
                first = seen[concept_id]
                raise InputError(
                    f"the id {concept_id} appears twice (concepts {first} and {row}): merge them",
                    path=path,
                )
            seen[concept_id] = row
            try:
                name, aliases, sources = concept.distinct_names()
            except ValueError as error:
                what = f"concept {row} ({concept_id}): not one alias source for each alias"
                raise InputError(what, path=path) from error
            names = {"concept_id": concept_id, "name": name, "aliases": aliases, "alias_sources": sources}
            row_values = vars(concept) | names
            for column, values in columns.items():
                values.append(row_values[column])
            if len(columns["name"]) == _BATCH:
                batches.append(_as_table(columns, path))
                columns = {name: [] for name in ONTOLOGY.names}
        batches.append(_as_table(columns, path))
        return cls(pa.concat_tables(batches).combine_chunks(), path=path)

    @classmethod
    def open(cls, uri: str) -> Ontology:
        """Open an ontology; `.arrow` is memory-mapped (an object store's copied to this machine first).

        The content decides, not the suffix: Arrow, Parquet and JSON are read under each of the suffixes.

        Raises:
            InputError: No such file, not an ontology (what it looks like is said), ids that are missing or repeat.
            ConfigError: The name has another suffix.
            MismatchError: A column is missing or has another type.
        """
        if storage.identity(uri) is None:
            things.expect(uri, "ontology")
            if storage.exists(uri):
                raise InputError("is a directory, not an ontology's file", path=uri)
            if not storage.name_of(uri).endswith(ONTOLOGY_SUFFIXES):
                raise ConfigError(f"{uri}: an ontology's name ends in {', '.join(ONTOLOGY_SUFFIXES)}")
            raise InputError("no such ontology; `raybel prepare` makes one", path=uri)
        kind = kinds.kind_of(uri)
        if kind and kind not in kinds.OF_ONTOLOGIES:
            raise kinds.misplaced(uri, kind, "an ontology")
        suffix = next((each for each in ONTOLOGY_SUFFIXES if storage.name_of(uri).endswith(each)), None)
        if suffix is None:
            looks = f"; it looks like {kind.name}: rename it" if kind else ""
            raise ConfigError(f"{uri}: an ontology's name ends in {', '.join(ONTOLOGY_SUFFIXES)}{looks}")
        if (kind or kinds.BY_SUFFIX[suffix]) == kinds.JSON_LIST:
            notes: list[str] = []
            opened = cls.from_concepts(json_files.read(uri, notes), uri)
            opened.notes = tuple(notes)
            return opened
        table = table_files.read(uri, parquet=(kind or kinds.BY_SUFFIX[suffix]) == kinds.PARQUET)
        stored = (table.schema.metadata or {}).get(_FINGERPRINT)
        table = conform(table_files.complete(table, uri), ONTOLOGY, uri)
        if stored is None and table_files.is_untidy(table):
            return cls.from_concepts(table_files.concepts(table, uri), uri)
        fingerprint, _, check_digits = (stored or b"").decode().partition(":")
        if check_digits and check_digits != _check_digits(table):  # pyarrow keeps metadata when rows are removed
            fingerprint = ""
        return cls(table, fingerprint or None, uri)

    def save(self, uri: str) -> None:
        """Write the ontology in the format of the name's suffix.

        Raises:
            ConfigError: The name has another suffix.
        """
        if not storage.name_of(uri).endswith(ONTOLOGY_SUFFIXES):
            raise ConfigError(f"{uri}: an ontology's name must end in {', '.join(ONTOLOGY_SUFFIXES)}")
        if storage.name_of(uri).endswith((".json", ".json.gz")):
            pieces = json_files.pieces(self.table)
            storage.publish(uri, json_files.gzipped(pieces) if storage.name_of(uri).endswith(".gz") else pieces)
            return
        table = self.table.replace_schema_metadata(
            {_FINGERPRINT: f"{self.fingerprint}:{_check_digits(self.table)}".encode()}
        )
        if storage.name_of(uri).endswith(".parquet"):
            storage.publish(uri, tables.parquet_bytes(table))
            return
        sink = io.BytesIO()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table.combine_chunks())
        storage.publish(uri, sink.getvalue())

    def concept(self, index: int) -> Concept:
        """Return the concept of a row."""
        return Concept(**self.table.slice(index, 1).to_pylist()[0])

    def indices(self, concept_ids: Sequence[str]) -> np.ndarray:
        """Return the row of each id or alternative id, int32, -1 for ids that the ontology doesn't know.

        An id that it knows in another spelling of its prefix only (`MESH:D003924` or `mesh:D003924` for `D003924`, and
        the other way round) has that row; a number without letters keeps its prefix, since it means something else
        behind another one.
        """
        rows = self._canonical(concept_ids)
        for position in np.flatnonzero(rows < 0).tolist():
            rows[position] = self.alternatives.get(concept_ids[position], -1)
        unknown = sorted({concept_ids[position] for position in np.flatnonzero(rows < 0).tolist()})
        if unknown:
            respelled = self._respelled(unknown)
            for position in np.flatnonzero(rows < 0).tolist():
                rows[position] = respelled.get(concept_ids[position], -1)
        return rows

    def _respelled(self, unknown: Sequence[str]) -> dict[str, int]:
        """Rows of ids whose prefix the ontology spells in another way; of several only where all are one concept's."""
        spellings = [(concept_id, other) for concept_id in unknown for other in respellings(concept_id, self._prefixes)]
        rows: dict[str, set[int]] = {}
        canonical = self._canonical([other for _, other in spellings]).tolist()
        for (concept_id, other), row in zip(spellings, canonical, strict=True):
            row = row if row >= 0 else self.alternatives.get(other, -1)
            if row >= 0:
                rows.setdefault(concept_id, set()).add(row)
        return {concept_id: found.pop() for concept_id, found in rows.items() if len(found) == 1}

    @cached_property
    def _prefixes(self) -> frozenset[str]:
        """Prefixes of its ids as they are written; "" where there are ids without one."""
        ids = pa.concat_arrays([self._ids, pc.list_flatten(self.table["alt_ids"].combine_chunks())])
        return frozenset(pc.unique(pc.replace_substring_regex(ids, r"^([^:]*):.*$|^.*$", r"\1")).to_pylist())

    def _canonical(self, concept_ids: Sequence[str]) -> np.ndarray:
        """Rows by concepts' own ids alone, -1 for others."""
        rows = pc.index_in(pa.array(concept_ids, pa.string()), value_set=self._ids)
        return np.array(pc.fill_null(rows, -1), dtype=np.int32)

    def index(self, concept_id: str) -> int | None:
        """Return the row of an id or of an alternative id, None if the ontology knows neither."""
        row = int(self.indices([concept_id])[0])
        return row if row >= 0 else None

    @cached_property
    def _ids(self) -> pa.Array:
        return self.table["concept_id"].combine_chunks()

    @cached_property
    def alternatives(self) -> dict[str, int]:
        """Rows by alternative id: the first concept's row where several share an id; concepts' own ids are left out."""
        lists = self.table["alt_ids"].combine_chunks()
        parents = np.asarray(pc.list_parent_indices(lists))
        alternative = pc.list_flatten(lists).to_pylist()
        canonical = self._canonical(alternative)
        rows: dict[str, int] = {}
        for alt_id, row, canonical_row in zip(alternative, parents.tolist(), canonical.tolist(), strict=True):
            if canonical_row < 0:
                rows.setdefault(alt_id, row)
        return rows

    def names(self) -> tuple[np.ndarray, list[str]]:
        """Return every name and alias with its concept: (int32 rows, strings), a concept's name before its aliases."""
        lists = self.table["aliases"].combine_chunks()
        parents = np.asarray(pc.list_parent_indices(lists), dtype=np.int32)
        rows = np.concatenate([np.arange(len(self), dtype=np.int32), parents])
        strings = self.table["name"].to_pylist() + pc.list_flatten(lists).to_pylist()
        order = np.argsort(rows, kind="stable")
        return rows[order], [strings[i] for i in order.tolist()]

    def stats(self) -> dict[str, int]:
        """Return what is counted and its count, in the order in which they are shown."""
        lists = self.table["aliases"].combine_chunks()
        strings = pa.concat_arrays([self.table["name"].combine_chunks(), pc.list_flatten(lists)])
        strings = pc.fill_null(strings, "")
        folded = pc.replace_substring_regex(pc.utf8_trim_whitespace(pc.utf8_lower(strings)), r"\s+", " ")
        encoded = pc.dictionary_encode(folded)
        if isinstance(encoded, pa.ChunkedArray):
            encoded = encoded.combine_chunks()
        rows = np.concatenate([np.arange(len(self)), np.asarray(pc.list_parent_indices(lists))])
        # A number for each pair of name and concept: Arrow's own grouping takes four times the memory.
        named = np.asarray(pc.not_equal(folded, ""))
        pairs = np.unique((np.asarray(encoded.indices)[named].astype(np.int64) << 32) | rows[named])
        concepts_of = np.bincount(pairs >> 32, minlength=len(encoded.dictionary))
        return {
            "concepts": len(self),
            "names and aliases": int(named.sum()),
            "distinct, lower-cased": int((concepts_of > 0).sum()),
            "shared by several concepts": int((concepts_of > 1).sum()),
            "concepts with a definition": pc.sum(pc.greater(pc.utf8_length(self.table["definition"]), 0)).as_py() or 0,
            "types": len(pc.unique(pc.list_flatten(self.table["types"]))),
            "alternative ids": len(pc.list_flatten(self.table["alt_ids"])),
            "parents": len(pc.list_flatten(self.table["parents"])),
            "tree numbers": len(pc.list_flatten(self.table["tree_numbers"])),
            "concepts without a name": pc.sum(pc.equal(pc.fill_null(self.table["name"], ""), "")).as_py() or 0,
        }


def _check_digits(table: pa.Table) -> str:
    """A quick hash of a table's ids, of 8 hex digits."""
    ids = table["concept_id"]
    sample = ids.take(pa.array(np.linspace(0, len(ids) - 1, min(len(ids), 1000)).astype(np.int64))).to_pylist()
    return hashlib.sha256(repr((len(ids), sample)).encode()).hexdigest()[:8]


def _as_table(columns: dict[str, list[Any]], path: str) -> pa.Table:
    """A batch of concepts as a table.

    Raises:
        InputError: A text holds half a character, which UTF-8 can't write.
    """
    try:
        return pa.table(columns, schema=ONTOLOGY)
    except UnicodeEncodeError as error:
        bad = next(number for number, row in enumerate(zip(*columns.values(), strict=True)) if not _is_utf8(row))
        concept_id = columns["concept_id"][bad]
        raise InputError(f"concept {concept_id!a} holds half a character (a lone surrogate)", path=path) from error


def _is_utf8(value: Any) -> bool:
    if isinstance(value, str):
        return not any("\ud800" <= character <= "\udfff" for character in value)
    return all(map(_is_utf8, value))


def content_fingerprint(table: pa.Table) -> str:
    """Return a hash (32 hex digits) of a table's content, whatever its chunking and file format."""
    digest = hashlib.sha256(str(table.num_rows).encode())
    for column in table.columns:
        values = column.combine_chunks()
        if isinstance(values, pa.ChunkedArray):  # an empty table's column has no chunk
            values = pa.concat_arrays(values.chunks) if values.num_chunks else pa.array([], column.type)
        if pa.types.is_list(values.type):
            digest.update(np.asarray(pc.fill_null(pc.list_value_length(values), 0)).tobytes())
            values = pc.list_flatten(values)
        values = pa.concat_arrays([pc.fill_null(values, "")])
        digest.update(np.asarray(pc.binary_length(values)).tobytes())
        for start in range(0, len(values), 65536):
            digest.update("".join(values.slice(start, 65536).to_pylist()).encode())
    return digest.hexdigest()[:32]

"""The mentions tables of runs, as other jobs read them: without parsing a document."""

from __future__ import annotations

import contextlib
import io
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raybel.config import MentionOptions
from raybel.corpus.typography import FOLDING
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.runs.run_directory import RunDirectory

#: Rows of a mentions table that are looked at together.
BATCH_ROWS = 65_536


def mentions_tables(run: RunDirectory, mentions: MentionOptions) -> dict[str, str]:
    """Return the path of the mentions table of each of a run's shards, by the shard's name.

    Args:
        run: The run.
        mentions: How mentions are to be read: the run's surfaces must be those that they would have.

    Raises:
        ConfigError: The run's surfaces were made in another way.
        InputError: It isn't a run.
    """
    identity = run.manifest().get("identity", {})
    for name, wanted in (("folding", FOLDING), ("expand_abbreviations", mentions.expand_abbreviations)):
        if identity.get(name) != wanted:
            raise ConfigError(
                f"{run.uri}: the run's surfaces were made with {name} {identity.get(name)}, and {wanted} is wanted: "
                f"give {run.uri}/shards to make them again"
            )
    return {name: run.mentions_file(name) for name in run.shard_names()}


def read_mentions_table(path: str, columns: Sequence[str], mention_types: Sequence[str]) -> pa.Table:
    """Return some columns of a run's mentions table; with types, of the mentions that have one of these.

    Args:
        path: Of the table.
        columns: Of `schemas.MENTIONS`.
        mention_types: None for all.
    """
    read = list(dict.fromkeys([*columns, "type"]))
    table = pq.read_table(io.BytesIO(storage.read_bytes(path)), columns=read)
    if mention_types:
        table = table.filter(pc.is_in(table["type"], value_set=pa.array(mention_types, pa.string())))
    return table.select(list(columns))


@dataclass(frozen=True)
class MentionGroup:
    """A row group of a shard's mentions table: the mentions of a chunk, whose documents are in no other one.

    Args:
        shard: The shard's name.
        path: Of the table.
        file: The table, open.
        number: The row group's place in it.
    """

    shard: str
    path: str
    file: pq.ParquetFile
    number: int

    def read(self, columns: Sequence[str]) -> pa.Table:
        """Return some of its columns.

        Raises:
            InputError: The table is damaged.
        """
        with _damage_as_sentence(self.path):
            return self.file.read_row_group(self.number, columns=list(columns))

    def documents(self) -> tuple[int, int]:
        """Return the numbers of the first and the last document that have a mention in it; (0, -1) for none."""
        known = self.file.metadata.row_group(self.number)
        if not known.num_rows:
            return 0, -1
        if (bounds := self.bounds("document")) is not None:
            return bounds
        numbers = self.read(["document"])["document"]
        return pc.min(numbers).as_py(), pc.max(numbers).as_py()

    def bounds(self, column: str) -> tuple[Any, Any] | None:
        """Return the least and the greatest value of a column that isn't nested, None where the table doesn't say."""
        leaves = (self.file.schema.column(place).path for place in range(len(self.file.schema)))
        statistics = self.file.metadata.row_group(self.number).column(list(leaves).index(column)).statistics
        if statistics is None or not statistics.has_min_max:
            return None
        return statistics.min, statistics.max


def mention_groups(run: RunDirectory, columns: Sequence[str], shards: Iterable[str] = ()) -> Iterator[MentionGroup]:
    """Yield the row groups of a run's mentions tables, in the order of shards and documents; each is read on demand.

    Memory: a row group; of a run on an object store, a shard's table.

    Args:
        run: The run.
        columns: Of `schemas.MENTIONS`, which every table must have.
        shards: Names of shards; none for all.

    Raises:
        InputError: A shard's table isn't there, can't be read, or lacks a column.
    """
    for name in shards or run.shard_names():
        path = run.mentions_file(name)
        with _opened(path, columns) as file:
            for number in range(file.num_row_groups):
                yield MentionGroup(name, path, file, number)


def mention_batches(run: RunDirectory, columns: Sequence[str], shards: Iterable[str] = ()) -> Iterator[pa.Table]:
    """Yield some columns of a run's mentions tables in their order, at most `BATCH_ROWS` rows at a time.

    Memory: a row group and a batch; of a run on an object store, a shard's table.

    Args:
        run: The run.
        columns: Of `schemas.MENTIONS`, which every table must have.
        shards: Names of shards; none for all.

    Raises:
        InputError: A shard's table isn't there, can't be read, or lacks a column.
    """
    for name in shards or run.shard_names():
        path = run.mentions_file(name)
        with _opened(path, columns) as file, _damage_as_sentence(path):
            batches = file.iter_batches(BATCH_ROWS, columns=list(columns))
            while (batch := next(batches, None)) is not None:
                yield pa.Table.from_batches([batch]).select(list(columns))


def mention_rows(
    run: RunDirectory, columns: Sequence[str], shard: str, documents: Collection[int]
) -> Iterator[dict[str, Any]]:
    """Yield the rows of some documents' mentions in their order; row groups without any of them aren't read.

    Args:
        run: The run.
        columns: Of `schemas.MENTIONS`, `document` among them.
        shard: The shard's name.
        documents: Their places in it.

    Raises:
        InputError: As `mention_groups`.
    """
    ordered = sorted(documents)
    values = pa.array(ordered, pa.int32())
    for group in mention_groups(run, columns, [shard]):
        first, last = group.documents()
        if bisect_left(ordered, first) < bisect_right(ordered, last):
            table = group.read(columns)
            yield from table.filter(pc.is_in(table["document"], value_set=values)).to_pylist()


def document_ids(run: RunDirectory, shard: str) -> pa.Table:
    """Return `document`, `doc_id` and `mentions` of a shard's documents, those without mentions too, in order.

    Raises:
        InputError: The shard's table isn't there, can't be read, or lacks a column.
    """
    columns = ["document", "doc_id", "mentions"]
    path = run.file("documents", shard)
    with _opened(path, columns) as file, _damage_as_sentence(path):
        table = file.read(columns=columns)
    return table.filter(pc.is_valid(table["document"]))


@contextlib.contextmanager
def _opened(path: str, columns: Sequence[str]) -> Iterator[pq.ParquetFile]:
    source = storage.localise(path) if storage.is_local(path) else io.BytesIO(storage.read_bytes(path))
    with _damage_as_sentence(path):
        opened = pq.ParquetFile(source)
    with opened as file:
        if missing := [name for name in columns if name not in file.schema_arrow.names]:
            raise InputError(
                f"has no column {', '.join(missing)}: another version of raybel made it; link again", path=path
            )
        yield file


@contextlib.contextmanager
def _damage_as_sentence(path: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowInvalid) as error:  # also a file that isn't there
        raise InputError(f"can't be read: {error}", path=path) from error

"""The mentions tables of runs, as other jobs read them: without parsing a document."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from raybel.config import MentionOptions
from raybel.corpus.typography import FOLDING
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.runs.run_directory import RunDirectory
from raybel.schemas import DOCUMENTS


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


def mention_batches(run: RunDirectory, columns: Sequence[str], shards: Iterable[str] = ()) -> Iterator[pa.Table]:
    """Yield some columns of a run's mentions, row group by row group, in the order of shards and documents.

    Memory: a row group, which is a chunk's mentions; of a run on an object store, a shard's table.

    Args:
        run: The run.
        columns: Of `schemas.MENTIONS`.
        shards: Names of shards; none for all.

    Raises:
        InputError: A shard's table isn't there, can't be read, or lacks a column.
    """
    for name in shards or run.shard_names():
        yield from _row_groups(run.mentions_file(name), columns)


def document_ids(run: RunDirectory, shard: str) -> pa.Table:
    """Return `document`, `doc_id` and `mentions` of a shard's documents, those without mentions too, in order.

    Raises:
        InputError: The shard's table isn't there, can't be read, or lacks a column.
    """
    schema = pa.schema([DOCUMENTS.field(name) for name in ("document", "doc_id", "mentions")])
    table = pa.concat_tables([schema.empty_table(), *_row_groups(run.file("documents", shard), schema.names)])
    return table.filter(pc.is_valid(table["document"]))


def _row_groups(path: str, columns: Sequence[str]) -> Iterator[pa.Table]:
    source = storage.localise(path) if storage.is_local(path) else io.BytesIO(storage.read_bytes(path))
    try:
        with pq.ParquetFile(source) as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise InputError(
                    f"has no column {', '.join(missing)}: another version of raybel made it; link again", path=path
                )
            for number in range(file.num_row_groups):
                yield file.read_row_group(number, columns=list(columns))
    except (OSError, pa.ArrowInvalid) as error:  # also a file that isn't there
        raise InputError(f"can't be read: {error}", path=path) from error

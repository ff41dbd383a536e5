"""BioC corpora as Ray Datasets. A row is a chunk of documents; see `schemas.CHUNK`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import Dataset, Datasource, ReadTask
from ray.data.block import BlockMetadata

from raybel.corpus.chunks import Finished, read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reader_deaths import ReaderRecord
from raybel.corpus.sources import Source, find_sources
from raybel.errors import InputError
from raybel.files import storage
from raybel.jobs import metrics
from raybel.jobs.nodes import is_lost, this_node
from raybel.jobs.runtime import data_context
from raybel.jobs.sessions import Session
from raybel.reporting import logs, tally
from raybel.schemas import CHUNK, MENTION


@dataclass(frozen=True)
class Input:
    """What is read in a task.

    Args:
        source: A file, an archive or a group.
        shard: Name of its shard; of the folder of a bundle's.
        finished: Called when it is read: what is wanted without its documents.
        record: Called then, too: where readers that die are recorded; None for nowhere.
        session: The start of a job that its metrics and logs are of; None for none.
    """

    source: Source
    shard: str
    finished: Callable[[], Finished] = Finished
    record: Callable[[], ReaderRecord] | None = None
    session: Session | None = None


def reader_record(path: str, session: str, max_restarts: int) -> ReaderRecord:
    """Return the record of an input's readers that die, as one of them, on this node, takes it up.

    Args:
        path: Its file.
        session: Identifies the start of the job.
        max_restarts: How often a reader that died is started again to read on.
    """
    return ReaderRecord(path, session, max_restarts, node=this_node(), is_lost=is_lost)


class BiocDatasource(Datasource):
    """Reads each input in a task of its own, as a stream: memory for one chunk.

    Args:
        inputs: What to read.
        options: How documents become rows.
        read: Called with an input and the options; yields its blocks. By default, its chunks (`schemas.CHUNK`).
    """

    def __init__(
        self, inputs: Sequence[Input], options: ReadOptions, read: Callable[..., Iterator[pa.Table]] | None = None
    ) -> None:
        super().__init__()
        self.inputs, self.options, self.read = list(inputs), options, read or _read_chunks

    def estimate_inmemory_data_size(self) -> int | None:
        """Unknown before reading."""
        return None

    def get_read_tasks(
        self, parallelism: int, per_task_row_limit: int | None = None, data_context: Any = None
    ) -> list[ReadTask]:
        """Return one task per input, whatever the parallelism that Ray would like."""
        return [
            ReadTask(
                partial(self.read, item, self.options),
                BlockMetadata(num_rows=None, size_bytes=None, input_files=(item.source.path,), exec_stats=None),
                schema=CHUNK if self.read is _read_chunks else None,
            )
            for item in self.inputs
        ]


def _read_chunks(item: Input, options: ReadOptions) -> Iterator[pa.Table]:
    """Yield an input's chunks; what reading each of them took is published before it goes on."""
    if item.session is not None:
        item.session.begin()
    chunks = read_chunks(item.source, item.shard, options, item.finished(), item.record and item.record())
    chunk: pa.Table | None = None
    while True:
        with logs.about(shard=item.shard), tally.seconds_of("reading"):
            chunk = next(chunks, None)
        if item.session is not None:
            taken = metrics.publish(item.session.run)
            chunk = chunk and _with_seconds(chunk, taken.get(("stage_seconds", "reading"), 0.0))
        if chunk is None:
            return
        yield chunk


def _with_seconds(chunk: pa.Table, seconds: float) -> pa.Table:
    place = CHUNK.get_field_index("read_seconds")
    return chunk.set_column(place, CHUNK.field(place), pa.array([seconds]))


def read_bioc(paths: str | Iterable[str], options: ReadOptions | None = None, num_cpus: float | None = None) -> Dataset:
    """Read corpora, in any format that is known, plain, gzipped or in archives, as a Dataset of chunks.

    A document that can't be linked has an `error`; a file that can't be read to its end has one in its last chunk.

    Args:
        paths: Files, directories, globs.
        options: How documents become rows.
        num_cpus: Logical CPUs of a reading task.

    Raises:
        ConfigError: A path matches nothing.
    """
    patterns = [paths] if isinstance(paths, str) else paths
    sources = find_sources([storage.absolute(pattern) for pattern in patterns])  # workers have other directories
    return read_files([Input(source, source.name) for source in sources], options or ReadOptions(), num_cpus)


def read_files(inputs: Sequence[Input], options: ReadOptions, num_cpus: float | None = None) -> Dataset:
    """Read the given inputs as a Dataset of chunks."""
    with data_context():
        return ray.data.read_datasource(
            BiocDatasource(inputs, options),
            override_num_blocks=max(1, len(inputs)),
            num_cpus=num_cpus,
        )


def read_mentions(
    paths: str | Iterable[str], options: ReadOptions | None = None, num_cpus: float | None = None
) -> Dataset:
    """Read BioC files as a Dataset of mentions: columns path, doc_id, and `MENTION`'s.

    Args:
        paths: Files, directories, globs.
        options: How documents become rows.
        num_cpus: Logical CPUs of a task.

    Raises:
        InputError: While the Dataset is consumed: a file can't be read, or a document's mentions can't be located.
    """
    with data_context():
        chunks = read_bioc(paths, options, num_cpus)
        return chunks.map_batches(mentions_of, batch_size=None, batch_format="pyarrow", num_cpus=num_cpus)


def mentions_of(chunks: pa.Table) -> pa.Table:
    """Flatten chunks into mentions.

    Raises:
        InputError: A chunk or document has an error.
    """
    tables = []
    for row in range(chunks.num_rows):
        chunk = chunks.slice(row, 1)
        path, reason = chunk["path"][0].as_py(), chunk["error"][0].as_py()
        if unreadable := chunk["unreadable"][0].as_py():
            raise InputError(unreadable[0])
        if reason:
            raise InputError(reason.removeprefix(f"{path}: "), path=path)
        documents = pc.list_flatten(chunk["docs"].combine_chunks())
        for error in pc.struct_field(documents, "error").to_pylist():
            if error:
                raise InputError(error, path=path)
        parents, columns = mention_columns(documents)
        paths = pa.repeat(pa.scalar(path), len(parents))
        tables.append(pa.table({"path": paths, **columns}))
    return pa.concat_tables(tables)


def mention_columns(documents: pa.StructArray) -> tuple[pa.Array, dict[str, pa.Array]]:
    """Return the mentions of documents, one after the other: the place of each one's document, and its columns.

    Args:
        documents: Of `schemas.DOCUMENT`.

    Returns:
        The places, and the columns `doc_id` and `schemas.MENTION`'s by their names.
    """
    lists = pc.struct_field(documents, "mentions")
    parents, mentions = pc.list_parent_indices(lists), pc.list_flatten(lists)
    columns = {item.name: pc.struct_field(mentions, item.name) for item in MENTION}
    return parents, {"doc_id": pc.struct_field(documents, "doc_id").take(parents), **columns}

"""The run directory: which shards are to do, parts of them, and their publication. No Ray here.

    RUN/manifest.json       what the run is: resolved configuration, identity, versions
    RUN/shards/NAME         linked documents, one file per input file
    RUN/mentions/NAME.parquet, RUN/documents/NAME.parquet
    RUN/quarantine/NAME.jsonl   documents that couldn't be linked, with reasons
    RUN/metrics.parquet     counts per shard
    RUN/state/NAME.json     marks a finished shard; written after all of the above but metrics
    RUN/parts/NAME/KEY/     finished chunks of unfinished shards
    RUN/logs/               progress and timings: the only files whose bytes differ between runs

A shard is finished when its state says so for the input file's identity and the run's fingerprint.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raybel.corpus.chunks import corpus_files
from raybel.corpus.formats.registry import format_of, shard_name
from raybel.errors import ConfigError, InputError
from raybel.files import artefacts, storage
from raybel.files.fingerprints import differences, fingerprint
from raybel.files.storage import join
from raybel.linking.render import Part
from raybel.schemas import DOCUMENTS, SHARD_COUNTS

OUTPUTS = ("shards", "mentions", "documents", "quarantine", "state", "parts")
COUNTS = ("documents", "mentions", "linked", "without_candidates", "repairs", "quarantined")


@dataclass(frozen=True)
class Shard:
    """An input file and its output.

    Args:
        path: The input file.
        name: Of the output file below `shards/`; see `shard_name`.
        size: Bytes of the input file.
        mtime_ns: Its time of change.
        key: Hash of the input's identity and the run's fingerprint; names its parts.
    """

    path: str
    name: str
    size: int
    mtime_ns: int
    key: str

    def part(self, run: str, chunk: int, suffix: str) -> str:
        """Return the path of a part's file; the `.json` one is written last."""
        return join(run, "parts", self.name, self.key, f"{chunk:06d}{suffix}")


def find_shards(patterns: Iterable[str], run_fingerprint: str) -> list[Shard]:
    """Return the shards of some input files, in order of their names.

    Raises:
        ConfigError: Nothing matches, or two input files would become one output file.
    """
    found: dict[str, Shard] = {}
    for path, relative in corpus_files(patterns):
        name = shard_name(relative, format_of(path))
        here = storage.identity(path) or storage.FileIdentity(0, 0)
        key = fingerprint({"input": asdict(here), "run": run_fingerprint})[:16]
        if name in found:
            raise ConfigError(
                f"{found[name].path} and {path} would both be written to {name}: give a directory above both, "
                "or link them in two runs"
            )
        found[name] = Shard(path, name, here.size, here.mtime_ns, key)
    return sorted(found.values(), key=lambda shard: shard.name)


def prepare_run(run: str, identity: dict[str, Any], manifest: dict[str, Any], overwrite: bool) -> None:
    """Make a directory a run directory, or check that it is one with the same identity.

    Args:
        run: The directory.
        identity: All that decides the output, as JSON values.
        manifest: What else `manifest.json` says.
        overwrite: Delete the outputs of another configuration in place of refusing.

    Raises:
        ConfigError: The directory holds something else, or a run of another configuration.
    """
    where = join(run, "manifest.json")
    if storage.identity(where) is not None:
        held = storage.read_json(where)
        differ = differences(held.get("identity", {}), identity)
        if differ and not overwrite:
            raise ConfigError(
                f"{run} holds a run of another configuration ({'; '.join(differ)}): choose another --out-corpus, "
                "or --overwrite to delete what it holds"
            )
        if overwrite:
            clear(run)
    elif any(not name.startswith((".lock", "logs/")) for name in storage.names(run)):
        raise ConfigError(f"{run} holds files and isn't a run directory: choose a new or empty --out-corpus")
    value = {"kind": "link run", "identity": identity, "fingerprint": fingerprint(identity), **manifest}
    storage.publish_json(where, value)


def clear(run: str) -> None:
    """Delete a run's outputs (not its logs)."""
    for name in (*OUTPUTS, "metrics.parquet"):
        storage.delete(join(run, name))


def state(run: str, shard: Shard) -> dict[str, Any] | None:
    """Return a finished shard's state, None for one that is to do (or whose input or configuration changed)."""
    where = join(run, "state", shard.name + ".json")
    if storage.identity(where) is None:
        return None
    held: dict[str, Any] = storage.read_json(where)
    return held if held["key"] == shard.key else None


def finished_parts(run: str, shard: Shard) -> frozenset[int]:
    """Return the numbers of a shard's chunks that are done."""
    names = storage.names(join(run, "parts", shard.name, shard.key))
    return frozenset(int(name[:6]) for name in names if name.endswith(".json"))


def write_part(run: str, shard: Shard, part: Part) -> dict[str, Any]:
    """Write a chunk's files, the summary last, and return the summary."""
    number = part.summary["chunk"]
    storage.publish(shard.part(run, number, ".gz"), part.data)
    storage.publish(shard.part(run, number, ".arrow"), artefacts.arrow_bytes(part.mentions))
    summary = {**part.summary, "quarantine": part.quarantine, "rows": part.documents}
    storage.publish(shard.part(run, number, ".json"), json.dumps(summary, ensure_ascii=False).encode())
    return part.summary


def read_summary(run: str, shard: Shard, chunk: int) -> dict[str, Any] | None:
    """Return the summary of a finished part, None for one that isn't there."""
    where = shard.part(run, chunk, ".json")
    return storage.read_json(where) if storage.identity(where) is not None else None


def assemble(run: str, shard: Shard, chunks: int) -> dict[str, Any]:
    """Publish a shard from its parts, then delete them; return its state.

    Publishing twice gives the same bytes; a second call after the parts are gone returns the state.

    Args:
        run: The run directory.
        shard: With all its chunks finished, none of them with a file error.
        chunks: How many.
    """
    done = state(run, shard)
    if done is not None:
        return done
    summaries = [storage.read_json(shard.part(run, chunk, ".json")) for chunk in range(chunks)]
    numbers = range(chunks)
    storage.publish(
        join(run, "shards", shard.name),
        (piece for chunk in numbers for piece in storage.copy_bytes(shard.part(run, chunk, ".gz"))),
    )
    storage.publish(join(run, "mentions", shard.name + ".parquet"), _joined_mentions(run, shard, summaries))
    storage.publish(join(run, "documents", shard.name + ".parquet"), _documents(shard, summaries))
    quarantine = "".join(_quarantine_lines(shard, summaries))
    if quarantine:
        storage.publish(join(run, "quarantine", shard.name + ".jsonl"), quarantine.encode())
    else:
        storage.delete(join(run, "quarantine", shard.name + ".jsonl"))
    counts = {name: sum(summary[name] for summary in summaries) for name in COUNTS}
    value = {"name": shard.name, "input": shard.path, "key": shard.key, **counts}
    storage.publish_json(join(run, "state", shard.name + ".json"), value)
    storage.delete(join(run, "parts", shard.name))
    return value


def _joined_mentions(run: str, shard: Shard, summaries: list[dict[str, Any]]) -> bytes:
    """Join the parts' tables, a row group each; document positions become those in the shard."""
    sink = io.BytesIO()
    writer, first = None, 0
    for chunk, summary in enumerate(summaries):
        table = pa.ipc.open_file(storage.read_bytes(shard.part(run, chunk, ".arrow"))).read_all()
        place = table.schema.get_field_index("document")
        moved = pa.array(table["document"].to_numpy() + first, pa.int32())
        table = table.set_column(place, table.schema.field("document"), moved)
        writer = writer or pq.ParquetWriter(sink, table.schema, compression="zstd")
        writer.write_table(table)
        first += summary["documents"]
    if writer is not None:
        writer.close()
    return sink.getvalue()


def _documents(shard: Shard, summaries: list[dict[str, Any]]) -> bytes:
    columns: dict[str, list[Any]] = {name: [] for name in DOCUMENTS.names}
    for summary in summaries:
        for name, values in summary["rows"].items():
            columns[name] += values
    size = len(columns["doc_id"])
    columns["shard"], columns["document"] = [shard.name] * size, list(range(size))
    return storage.parquet_bytes(pa.table(columns, schema=DOCUMENTS))


def _quarantine_lines(shard: Shard, summaries: list[dict[str, Any]]) -> Iterator[str]:
    first = 0
    for summary in summaries:
        for record in summary["quarantine"]:
            moved = {"path": shard.path, **record, "document": record["document"] + first}
            yield json.dumps(moved, ensure_ascii=False) + "\n"
        first += summary["documents"]


def quarantine_reasons(run: str, names: Iterable[str], most: int = 3) -> list[str]:
    """Return the first few reasons for which documents of finished shards are in the quarantine."""
    found = []
    for name in sorted(names):
        where = join(run, "quarantine", name + ".jsonl")
        if storage.identity(where) is not None:
            for line in storage.read_bytes(where).decode().splitlines():
                record = json.loads(line)
                found.append(f"{record['path']}: {record['reason']}")
                if len(found) == most:
                    return found
    return found


def set_aside(run: str, shard: Shard, reason: str) -> None:
    """Record that an input file can't be read; its shard isn't published, and the next run tries it again."""
    record = {"path": shard.path, "doc_id": None, "document": None, "stage": "read", "reason": reason}
    line = json.dumps(record, ensure_ascii=False) + "\n"
    storage.publish(join(run, "quarantine", shard.name + ".jsonl"), line.encode())
    # What was published while the file could be read.
    for folder, suffix in (("state", ".json"), ("shards", ""), ("mentions", ".parquet"), ("documents", ".parquet")):
        storage.delete(join(run, folder, shard.name + suffix))
    storage.delete(join(run, "parts", shard.name))


def metrics_table(states: Iterable[dict[str, Any]]) -> pa.Table:
    """Return finished shards' counts as a table of `schemas.SHARD_COUNTS`, in order of their names."""
    ordered = sorted(states, key=lambda each: str(each["name"]))
    columns = {"shard": [each["name"] for each in ordered]}
    return pa.table({**columns, **{name: [each[name] for each in ordered] for name in COUNTS}}, schema=SHARD_COUNTS)


def repeated_ids(run: str, names: Iterable[str]) -> tuple[int, list[str]]:
    """Return how many documents have an id that another document of the run has, and the first few such ids.

    Memory: 8 bytes a document while counting.
    """
    import numpy as np

    def hashes(name: str) -> tuple[np.ndarray, list[str]]:
        data = storage.read_bytes(join(run, "documents", name + ".parquet"))
        ids = pq.read_table(io.BytesIO(data), columns=["doc_id"])["doc_id"].to_pylist()
        digests = (hashlib.blake2b(one.encode(), digest_size=8).digest() for one in ids)
        return np.frombuffer(b"".join(digests), np.uint64), ids

    names = list(names)
    every = np.concatenate([np.zeros(0, np.uint64), *(hashes(name)[0] for name in names)])
    values, counts = np.unique(every, return_counts=True)
    repeated = values[counts > 1]
    total = int(counts[counts > 1].sum())
    examples: dict[str, None] = {}
    for name in names if total else ():
        digests, ids = hashes(name)
        examples.update(dict.fromkeys(ids[i] for i in np.flatnonzero(np.isin(digests, repeated))[:5].tolist()))
        if len(examples) >= 5:
            break
    return total, list(examples)[:5]


def read_manifest(run: str) -> dict[str, Any]:
    """Return a run's manifest.

    Raises:
        InputError: The directory isn't a run directory.
    """
    where = join(run, "manifest.json")
    if storage.identity(where) is None:
        raise InputError("isn't a run directory (no manifest.json)", path=run)
    manifest: dict[str, Any] = storage.read_json(where)
    return manifest

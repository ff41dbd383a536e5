"""The run directory: which shards are to do, parts of them, their publication, and how far all is. No Ray here.

    RUN/manifest.json       what the run is: resolved configuration, identity, versions
    RUN/shards/NAME         linked documents, one file per input file
    RUN/mentions/NAME.parquet, RUN/documents/NAME.parquet
    RUN/quarantine/NAME.jsonl   documents that couldn't be linked, with reasons
    RUN/counts.parquet      counts per shard
    RUN/state/NAME.json     marks a finished shard; written after all of the above but the counts
    RUN/parts/NAME/KEY/     finished chunks of unfinished shards
    RUN/logs/               plan, progress and timings: the only files whose bytes differ between runs

A shard is finished when its state says so for the input file's identity and the run's fingerprint.
"""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from raybel.corpus.chunks import corpus_files, file_format
from raybel.corpus.formats.registry import is_corpus_name, shard_name
from raybel.display import counted, rate
from raybel.errors import ConfigError, InputError
from raybel.files import artefacts, storage
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.files.work_directory import Status, WorkDirectory
from raybel.runs.parts import (
    Part,
    counts_table,
    join_documents,
    join_mentions,
    quarantine_lines,
    repeated_ids,
    sum_counts,
)

_MANIFEST, _PLAN, _PROGRESS = "manifest.json", "logs/plan.json", "logs/progress.json"
#: Folder -> what the names of its files add to their shard's.
_FILES = {"shards": "", "mentions": ".parquet", "documents": ".parquet", "quarantine": ".jsonl", "state": ".json"}


@dataclass(frozen=True)
class Shard:
    """An input file and its output.

    Args:
        path: The input file.
        name: Of the output file: the input's name relative to what was given, with `.gz`.
        size: Bytes of the input file.
        mtime_ns: Its time of change.
        key: Hash of the input's identity and the run's fingerprint; names its parts.
    """

    path: str
    name: str
    size: int
    mtime_ns: int
    key: str


def find_shards(patterns: Iterable[str], run_fingerprint: str) -> list[Shard]:
    """Return the shards of some input files, in order of their names.

    Raises:
        ConfigError: Nothing matches, or two input files would become one output file.
    """
    shards: dict[str, Shard] = {}
    for path, relative in corpus_files(patterns):
        name = shard_name(relative, file_format(path))
        file = storage.identity(path) or storage.FileIdentity(0, 0)
        key = fingerprint({"input": asdict(file), "run": run_fingerprint})[:16]
        if name in shards:
            raise ConfigError(
                f"{shards[name].path} and {path} would both be written to {name}: give a directory above both, "
                "or link them in two runs"
            )
        shards[name] = Shard(path, name, file.size, file.mtime_ns, key)
    return sorted(shards.values(), key=lambda shard: shard.name)


@dataclass(frozen=True)
class RunDirectory:
    """What a link run leaves, by its path or URI; the only place that knows which file lies where."""

    uri: str

    def _file(self, folder: str, name: str) -> str:
        return join(self.uri, folder, name + _FILES[folder])

    @property
    def _manifest(self) -> str:
        return join(self.uri, _MANIFEST)

    @property
    def counts_file(self) -> str:
        """Table of `schemas.SHARD_COUNTS`, written at the end."""
        return join(self.uri, "counts.parquet")

    @property
    def quarantine(self) -> str:
        """Directory of the documents that couldn't be linked."""
        return join(self.uri, "quarantine")

    @property
    def ontology_copy(self) -> str:
        """Where a run keeps its ontology in a form that workers memory-map, as long as it goes on."""
        return join(self.uri, "parts", "ontology.arrow")

    def shard_file(self, name: str) -> str:
        """Return the path of a shard's linked documents."""
        return self._file("shards", name)

    def mentions_file(self, name: str) -> str:
        """Return the path of a shard's table of `schemas.MENTIONS`."""
        return self._file("mentions", name)

    def part_file(self, shard: Shard, chunk: int, suffix: str) -> str:
        """Return the path of a part's file; the `.json` one is written last."""
        return join(self._parts(shard), f"{chunk:06d}{suffix}")

    def _parts(self, shard: Shard) -> str:
        return join(self.uri, "parts", shard.name, shard.key)

    def exists(self) -> bool:
        """True if there is a run: a manifest, or at least shards."""
        return storage.identity(self._manifest) is not None or storage.exists(join(self.uri, "shards"))

    def manifest(self) -> dict[str, Any]:
        """Return what the run is.

        Raises:
            InputError: The directory isn't a run directory.
        """
        manifest = self.work.read()
        if manifest is None:
            raise InputError(f"isn't a run directory (no {_MANIFEST})", path=self.uri)
        return manifest

    def ontology(self) -> str | None:
        """Return the path of the ontology that the run linked to, None where it doesn't say."""
        manifest = storage.read_json(self._manifest) if storage.exists(self._manifest) else None
        config = manifest.get("config") if isinstance(manifest, dict) else None
        ontology = config.get("ontology") if isinstance(config, dict) else None
        return ontology if isinstance(ontology, str) and ontology else None

    def shard_names(self) -> list[str]:
        """Return the names of the shards that are there, in order."""
        return [name for name in storage.names(join(self.uri, "shards")) if is_corpus_name(name)]

    @property
    def work(self) -> WorkDirectory:
        """The run directory as the directory of a job, which says whose it is."""
        outputs = (*_FILES, "parts", "counts.parquet")
        return WorkDirectory(self.uri, "link run", "a run", "--out-corpus", _MANIFEST, outputs)

    def open(self, identity: dict[str, Any], manifest: dict[str, Any], overwrite: bool) -> None:
        """Take the directory, while it is locked.

        Args:
            identity: All that decides the output, as JSON values.
            manifest: What else the manifest says.
            overwrite: Delete the outputs of another configuration in place of refusing.

        Raises:
            ConfigError: The directory holds something other, or a run of another configuration.
        """
        self.work.open(identity, overwrite)
        self.work.write_description(identity, fingerprint=fingerprint(identity), **manifest)

    def write_plan(self, shards: Sequence[Shard]) -> None:
        """Log which shards the run is to have."""
        plan = [{"name": shard.name, "path": shard.path, "size": shard.size} for shard in shards]
        storage.publish_json(join(self.uri, _PLAN), plan)

    def write_progress(self, progress: dict[str, Any]) -> None:
        """Log how far this start is: `counts`, `seconds`, `finished` and what else there is."""
        storage.publish_json(join(self.uri, _PROGRESS), {**progress, "time": time.time()})

    def state(self, shard: Shard) -> dict[str, Any] | None:
        """Return a finished shard's state, None for one that is to do (or whose input or configuration changed)."""
        path = self._file("state", shard.name)
        if storage.identity(path) is None:
            return None
        state: dict[str, Any] = storage.read_json(path)
        return state if state["key"] == shard.key else None

    def finished_parts(self, shard: Shard) -> frozenset[int]:
        """Return the numbers of a shard's chunks that are done."""
        return frozenset(int(name[:6]) for name in storage.names(self._parts(shard)) if name.endswith(".json"))

    def write_part(self, shard: Shard, part: Part) -> dict[str, Any]:
        """Write a chunk's files, the summary last, and return the summary."""
        number = part.summary["chunk"]
        storage.publish(self.part_file(shard, number, ".gz"), part.data)
        storage.publish(self.part_file(shard, number, ".arrow"), artefacts.arrow_bytes(part.mentions))
        storage.publish(self.part_file(shard, number, ".json"), part.to_json())
        return part.summary

    def read_summary(self, shard: Shard, chunk: int) -> dict[str, Any] | None:
        """Return the summary of a finished part, None for one that isn't there."""
        path = self.part_file(shard, chunk, ".json")
        return storage.read_json(path) if storage.identity(path) is not None else None

    def assemble(self, shard: Shard, chunks: int) -> dict[str, Any]:
        """Publish a shard from its parts, then delete them; return its state.

        Publishing twice gives the same bytes; a second call after the parts are gone returns the state.

        Args:
            shard: With all its chunks finished, none of them with a file error.
            chunks: How many.
        """
        done = self.state(shard)
        if done is not None:
            return done

        def files(suffix: str) -> list[str]:
            return [self.part_file(shard, chunk, suffix) for chunk in range(chunks)]

        summaries = [storage.read_json(path) for path in files(".json")]
        tables = (pa.ipc.open_file(storage.read_bytes(path)).read_all() for path in files(".arrow"))
        pieces = (piece for path in files(".gz") for piece in storage.copy_bytes(path))
        storage.publish(self.shard_file(shard.name), pieces)
        storage.publish(self.mentions_file(shard.name), join_mentions(tables, summaries))
        storage.publish(self._file("documents", shard.name), join_documents(shard.name, summaries))
        quarantine = "".join(quarantine_lines(shard.path, summaries))
        if quarantine:
            storage.publish(self._file("quarantine", shard.name), quarantine.encode())
        else:
            storage.delete(self._file("quarantine", shard.name))
        state = {"name": shard.name, "input": shard.path, "key": shard.key, **sum_counts(summaries)}
        storage.publish_json(self._file("state", shard.name), state)
        storage.delete(join(self.uri, "parts", shard.name))
        return state

    def set_aside(self, shard: Shard, reason: str) -> None:
        """Record that an input file can't be read; its shard isn't published, and the next run tries it again."""
        record = {"path": shard.path, "doc_id": None, "document": None, "stage": "read", "reason": reason}
        line = json.dumps(record, ensure_ascii=False) + "\n"
        storage.publish(self._file("quarantine", shard.name), line.encode())
        for folder in ("state", "shards", "mentions", "documents"):  # published while the file could be read
            storage.delete(self._file(folder, shard.name))
        storage.delete(join(self.uri, "parts", shard.name))

    def quarantine_reasons(self, names: Iterable[str], most: int = 3) -> list[str]:
        """Return the first few reasons for which documents of finished shards are in the quarantine."""
        reasons = []
        for name in sorted(names):
            path = self._file("quarantine", name)
            if storage.identity(path) is not None:
                # Not `splitlines`, which would also cut at a U+2028 in an id or a text.
                for line in filter(None, storage.read_bytes(path).decode().split("\n")):
                    record = json.loads(line)
                    reasons.append(f"{record['path']}: {record['reason']}")
                    if len(reasons) == most:
                        return reasons
        return reasons

    def repeated_ids(self, names: Iterable[str]) -> tuple[int, list[str]]:
        """Return how many documents have an id that another document of the run has, and the first few such ids."""
        return repeated_ids(list(names), self._document_ids)

    def _document_ids(self, name: str) -> list[str]:
        data = storage.read_bytes(self._file("documents", name))
        ids: list[str] = pq.read_table(io.BytesIO(data), columns=["doc_id"])["doc_id"].to_pylist()
        return ids

    def types_and_golds(self, names: Iterable[str], most: int) -> tuple[list[str], list[list[str] | None]]:
        """Return the type and the gold ids of the first `most` mentions of finished shards (or somewhat more)."""
        types: list[str] = []
        golds: list[list[str] | None] = []
        for name in sorted(names):
            if len(types) >= most:
                break
            file = pq.ParquetFile(io.BytesIO(storage.read_bytes(self.mentions_file(name))))
            for batch in file.iter_batches(most, columns=["type", "gold"]):
                types += batch["type"].to_pylist()
                golds += batch["gold"].to_pylist()
                break
        return types, golds

    def finish(self, states: Iterable[dict[str, Any]]) -> pa.Table:
        """Write the counts of finished shards and return them; delete what nobody needs any more."""
        counts = counts_table(states)
        storage.publish(self.counts_file, storage.parquet_bytes(counts))
        storage.delete(join(self.uri, "parts"))
        storage.delete_temporary(self.uri)  # of workers that outlived a killed driver
        return counts

    def status(self) -> Status:
        """Say how far the run is.

        Raises:
            InputError: The directory isn't a run directory.
        """
        manifest = self.manifest()
        logs = [join(self.uri, name) for name in (_PLAN, _PROGRESS)]
        plan, progress = (storage.read_json(path) if storage.exists(path) else None for path in logs)
        planned = [shard["name"] for shard in plan or ()]
        finished = {name.removesuffix(".json") for name in storage.names(join(self.uri, "state"))}
        unfinished = len([name for name in planned if name not in finished])
        figures: list[tuple[str, object]] = [("shards", f"{len(planned) - unfinished:,} of {len(planned):,}")]
        if progress:
            counts = progress["counts"]
            figures.append(("documents (this start)", counts["documents"]))
            figures.append(("documents/s", rate(counts["documents"], progress["seconds"])))
            figures.append(("documents in quarantine", counts["quarantined"]))
        failed = f"{counted(unfinished, 'input file')} couldn't be read"
        problem = failed if unfinished and progress and progress["finished"] else ""
        notes = (f"fingerprint {fingerprint(manifest.get('identity', {}))}",)
        return self.work.status(bool(plan) and not unfinished, figures, [_PROGRESS], problem, notes)

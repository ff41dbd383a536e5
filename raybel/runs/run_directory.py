"""The run directory: which shards are to do, parts of them, their publication, and how far all is. No Ray here.

    RUN/manifest.json       what the run is: resolved configuration, identity, versions
    RUN/shards/NAME         linked documents, one file per input file; NAME/00000.xml.gz ... of an archive or a group
    RUN/mentions/NAME.parquet, RUN/documents/NAME.parquet
    RUN/quarantine/NAME.jsonl   documents that couldn't be linked, with reasons
    RUN/counts.parquet      counts per shard
    RUN/state/NAME.json     marks a finished shard; written after all of the above but the counts
    RUN/parts/NAME/KEY/     finished chunks of unfinished shards
    RUN/logs/               plan and progress (`runs/logs.py`): the only files whose bytes differ between runs

A shard is finished when its state says so for the input file's identity and the run's fingerprint.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from raybel.corpus.chunks import Finished, FinishedChunk
from raybel.corpus.formats.registry import is_corpus_name
from raybel.corpus.reader_deaths import SUFFIX
from raybel.corpus.sources import is_group_name
from raybel.errors import InputError
from raybel.files import storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.leases import Lease
from raybel.files.storage import join
from raybel.files.work_directory import WorkDirectory
from raybel.runs.inputs import RunInput, Shard
from raybel.runs.parts import (
    Part,
    counts_table,
    join_documents,
    join_mentions,
    quarantine_lines,
    read_part,
    sum_counts,
)

_MANIFEST = "manifest.json"
#: Folder -> what the names of its files add to their shard's.
_FILES = {"shards": "", "mentions": ".parquet", "documents": ".parquet", "quarantine": ".jsonl", "state": ".json"}
#: (Types of mentions, none for all; path of the ontology that they are linked to) of each of a run's routes.
Routes = tuple[tuple[tuple[str, ...], str], ...]


@dataclass(frozen=True)
class RunDirectory:
    """What a link run leaves, by its path or URI; the only place that knows which file lies where.

    Args:
        uri: Path or URI.
        lease: Of the job that writes it, on an object store: asked before anything is published or deleted.
    """

    uri: str
    lease: Lease | None = None

    def file(self, folder: str, name: str) -> str:
        """Return the path of a shard's file in one of the folders above."""
        return join(self.uri, folder, name + _FILES[folder])

    def folder(self, name: str) -> str:
        """Return the path of one of the folders above."""
        return join(self.uri, name)

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

    def ontology_copy(self, number: int) -> str:
        """Return where a run keeps one of its ontologies in a form that workers memory-map, as long as it goes on."""
        return join(self.uri, "parts", f"ontology-{number}.arrow")

    def shard_file(self, name: str) -> str:
        """Return the path of a shard's linked documents."""
        return self.file("shards", name)

    def mentions_file(self, name: str) -> str:
        """Return the path of a shard's table of `schemas.MENTIONS`."""
        return self.file("mentions", name)

    def part_file(self, shard: Shard, chunk: int, suffix: str) -> str:
        """Return the path of a part's file; the `.arrow` one is written last."""
        return join(self._parts(shard), f"{chunk:06d}{suffix}")

    def reader_record(self, item: RunInput) -> str:
        """Return where it is recorded what the readers of an input died at; no input's name has such a beginning."""
        return join(self.uri, "parts", ".readers", item.name + SUFFIX)

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

    def routes(self) -> Routes:
        """Return what the run linked mentions to; () where it doesn't say."""
        manifest = storage.find_json(self._manifest)
        known = manifest if isinstance(manifest, dict) else {}
        listed = [each for each in known.get("routes") or [known.get("config")] if isinstance(each, dict)]
        paths = [(tuple(each.get("types", ())), each.get("ontology")) for each in listed]
        return tuple((types, path) for types, path in paths if isinstance(path, str) and path)

    def shard_names(self) -> list[str]:
        """Return the names of the shards that are there, in order."""
        return [name for name in storage.names(join(self.uri, "shards")) if is_corpus_name(name)]

    @contextlib.contextmanager
    def held(self) -> Iterator[RunDirectory]:
        """Hold the directory for one job, which writes by the one that this yields; else raise `LockedError`."""
        with self.work.lock() as lease:
            yield replace(self, lease=lease)

    def check(self, now: bool = False) -> None:
        """Raise `LockedError` if the job that writes the directory has lost it; of `now`, `Lease.check` tells."""
        if self.lease is not None:
            self.lease.check(now)

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

    def state(self, shard: Shard) -> dict[str, Any] | None:
        """Return a finished shard's state, None for one that is to do (or whose input or configuration changed)."""
        state: dict[str, Any] | None = storage.find_json(self.file("state", shard.name))
        return state if state is not None and state["key"] == shard.key else None

    def states(self) -> list[dict[str, Any]]:
        """Return the states of all shards that are there, in order of their names, also of an earlier content's."""
        folder = self.folder("state")
        return [storage.read_json(join(folder, name)) for name in storage.names(folder)]

    def finished_shards(self, item: RunInput) -> dict[str, dict[str, Any]]:
        """Return the states of an input's finished shards, by their names."""
        names = [item.name]
        if item.source.is_bundle:
            found = storage.names(join(self.uri, "state", item.name))
            names = [f"{item.name}/{name.removesuffix('.json')}" for name in found]
        states = ((name, self.state(item.shard(name))) for name in names)
        return {name: state for name, state in states if state is not None}

    def finished(self, item: RunInput, states: Mapping[str, dict[str, Any]]) -> Finished:
        """Return what of an unfinished input was linked before; called where it is read.

        A reader that dies is started again, and Ray counts on the same number of chunks. So shards that were published
        since the job's start aren't taken for finished: their documents are read once more, and passed over.

        Args:
            item: The input.
            states: Of a bundle's shards that were finished when the job started, by name.
        """
        shards = {item.number_of(name): _finished_chunk({**state, "last": True}) for name, state in states.items()}
        names = {item.name}
        if item.source.is_bundle:
            found = storage.names(join(self.uri, "parts", item.name))
            names = {f"{item.name}/{name.partition('/')[0]}" for name in found} - states.keys()
        chunks = {}
        for name in sorted(names):
            for chunk in sorted(self.finished_parts(item.shard(name))):
                summary = self.read_summary(item.shard(name), chunk)
                if summary is not None:  # else its shard was just published, and the part deleted
                    chunks[name, chunk] = _finished_chunk(summary)
        of_bundle = {item.number_of(name): name for name, _ in chunks} if item.source.is_bundle else {}
        return Finished(shards, chunks, of_bundle)

    def finished_parts(self, shard: Shard) -> frozenset[int]:
        """Return the numbers of a shard's chunks that are done."""
        return frozenset(int(name[:6]) for name in storage.names(self._parts(shard)) if name.endswith(".arrow"))

    def write_part(self, shard: Shard, part: Part) -> dict[str, Any]:
        """Write a chunk's files, the one with the summary last, and return the summary."""
        self.check()
        number = part.summary["chunk"]
        storage.publish(self.part_file(shard, number, ".gz"), part.data)
        storage.publish(self.part_file(shard, number, ".arrow"), part.table_bytes())
        return part.summary

    def read_summary(self, shard: Shard, chunk: int) -> dict[str, Any] | None:
        """Return the summary of a finished part, None for one that isn't there."""
        data = storage.find_bytes(self.part_file(shard, chunk, ".arrow"))
        return None if data is None else read_part(data)[1]

    def assemble(self, shard: Shard, chunks: int) -> dict[str, Any]:
        """Publish a shard from its parts, then delete them; return its state.

        Publishing twice gives the same bytes; a second call after the parts are gone returns the state.

        Args:
            shard: With all its chunks finished, none of them with a file error.
            chunks: How many.
        """
        self.check(now=True)
        done = self.state(shard)
        if done is not None:
            return done

        def files(suffix: str) -> list[str]:
            return [self.part_file(shard, chunk, suffix) for chunk in range(chunks)]

        summaries: list[dict[str, Any]] = []

        def tables() -> Iterator[pa.Table]:
            for table, summary in map(read_part, storage.read_all(files(".arrow"))):
                summaries.append(summary)  # before its table is asked for, and used with it
                yield table

        storage.publish(self.shard_file(shard.name), storage.read_all(files(".gz")))
        storage.publish(self.mentions_file(shard.name), join_mentions(tables(), summaries))
        storage.publish(self.file("documents", shard.name), join_documents(shard.name, summaries))
        if quarantine := "".join(quarantine_lines(shard.path, summaries)):
            storage.publish(self.file("quarantine", shard.name), quarantine.encode())
        else:
            storage.delete_file(self.file("quarantine", shard.name))
        of = {"name": shard.name, "input": shard.path, "source": shard.source, "key": shard.key}
        state = {**of, **sum_counts(summaries), "next": summaries[-1]["next"]}
        storage.publish_json(self.file("state", shard.name), state)
        self.check(now=True)
        storage.delete(join(self.uri, "parts", shard.name))
        return state

    def set_aside(self, shard: Shard, reason: str) -> None:
        """Record that an input file can't be read; its shard isn't published, and the next run tries it again."""
        record = {"path": shard.path, "doc_id": None, "document": None, "stage": "read", "reason": reason}
        storage.publish(self.file("quarantine", shard.name), f"{json.dumps(record, ensure_ascii=False)}\n".encode())
        for folder in ("state", "shards", "mentions", "documents"):  # published while the file could be read
            storage.delete(self.file(folder, shard.name))
        storage.delete(join(self.uri, "parts", shard.name))

    def delete_other_shards(self, bundles: Collection[str], present: Collection[str]) -> None:
        """Delete what earlier contents of bundles left: files of shards that their present contents don't have.

        Groups are numbered anew at every start: where there are any, those of other numbers are left over, too. What
        was published of a file that isn't in a bundle stays, whatever the folder is called that it lies in.

        Args:
            bundles: Names of the bundles.
            present: Names of all shards of the inputs, also of those that are set aside.
        """
        grouped = any(map(is_group_name, bundles))

        def left_over(shard: str) -> bool:
            bundle = shard.rpartition("/")[0]
            if shard in present or not (bundle in bundles or (grouped and is_group_name(bundle))):
                return False
            path = self.file("state", shard)
            return storage.identity(path) is None or storage.read_json(path).get("source", bundle) == bundle

        if bundles:
            self.delete_shards(left_over)

    def delete_shards(self, unwanted: Callable[[str], bool]) -> None:
        """Delete all files of some shards, published or not.

        Args:
            unwanted: Says of a shard's name whether it goes.
        """
        for folder, suffix in _FILES.items():
            for file in storage.names(join(self.uri, folder)):
                if unwanted(file.removesuffix(suffix)):
                    storage.delete(join(self.uri, folder, file))

    def finish(self, states: Iterable[dict[str, Any]]) -> pa.Table:
        """Write the counts of finished shards and return them; delete what nobody needs any more."""
        self.check(now=True)
        counts = counts_table(states)
        storage.publish(self.counts_file, tables.parquet_bytes(counts))
        storage.delete(join(self.uri, "parts"))
        storage.delete_temporary(self.uri)  # of workers that outlived a killed driver
        return counts


def _finished_chunk(summary: dict[str, Any]) -> FinishedChunk:
    ends = summary["next"]
    following = None if ends is None else (ends["file"], ends["document"])
    return FinishedChunk(following, summary["last"], summary["documents"] + summary["deleted"])

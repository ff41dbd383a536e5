"""The index job: an ontology's names and aliases embedded by actors, into files of vectors and a FAISS index.

Distinct strings are embedded once, in chunks; each chunk's vectors are a file, written whole. The same call again goes
on where a killed one stopped. Memory: an actor holds one chunk; the alias table is made on the driver.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import ray

from raybel.candidates import faiss_index
from raybel.candidates.aliases import AliasTable
from raybel.candidates.calibrating import calibrate, store
from raybel.candidates.dense import ENCODER, KIND, VERSION, DenseGenerator, block_name
from raybel.candidates.recall import read_splits, recall
from raybel.corpus.documents import reading_identity
from raybel.encoders import pretrained
from raybel.files import artefacts, storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.jobs.actors import on_actors
from raybel.jobs.index.config import Embedding, IndexDenseConfig, IndexResult
from raybel.jobs.index.directory import GIVEN_ROWS, index_directory
from raybel.jobs.index.stage import EmbedStage, build_index, given_vectors, precision_of, write_vectors
from raybel.jobs.runtime import Allocation, allocate_here, data_context, largest_node_cpus, ray_session
from raybel.ontology import Ontology

#: Threads for the building of the FAISS index, at most.
BUILD_THREADS = 16


def index_dense(config: IndexDenseConfig, watch: Callable[[Embedding], None] | None = None) -> IndexResult:
    """Embed an ontology; the same call again goes on where a killed one stopped, and embeds nothing twice.

    Args:
        config: What to do.
        watch: Called after each chunk.

    Raises:
        ConfigError: No such model, no names, or the directory holds something other.
        InputError: A file can't be read, or the encoder gives something other than numbers.
        LockedError: Another job works on the directory.
    """
    model = pretrained.resolve(config.model_name)
    pretrained.refuse_inside(model, config.out_index)
    ontology = Ontology.open(config.ontology)
    corpora = {"train": config.train_corpus, "val": config.val_corpus}
    splits = read_splits(corpora, ontology, config.mentions)
    aliases = AliasTable.build(ontology, splits["train"].mentions if "train" in splits else ())
    given = given_vectors(config.vectors, ontology) if config.vectors else None
    home = config.out_index
    with index_directory(home).lock():
        job = _Job(config, ontology, aliases, model, watch or (lambda state: None))
        job.prepare()
        indexed = job.go(given)
    generator = DenseGenerator.load(home)
    for name, read in splits.items():
        indexed.scores[name] = recall(generator, read.mentions, config.top_k)
        indexed.mentions[name] = len(read.mentions)
    if "val" in splits and (fitted := calibrate(generator, splits["val"].judged)) is not None:
        indexed.calibration = fitted
        store(home, generator.fingerprint, fitted)
    if config.out_vectors:
        write_vectors(generator, ontology, config.out_vectors)
    if config.metric_file:
        value = {"scores": indexed.scores, "mentions": indexed.mentions, "seconds": indexed.seconds}
        counts = {"strings": indexed.strings, "embedded": indexed.embedding.strings}
        tables.write_values(config.metric_file, {**value, **counts, "parameters": indexed.parameters})
    return indexed


class _Job:
    """One start of the job, while it holds the directory."""

    def __init__(
        self,
        config: IndexDenseConfig,
        ontology: Ontology,
        aliases: AliasTable,
        model: Path,
        watch: Callable[[Embedding], None],
    ) -> None:
        self.config, self.ontology, self.aliases, self.model, self.watch = config, ontology, aliases, model, watch
        self.home, self.work = config.out_index, index_directory(config.out_index)
        self.chunks = -(-len(aliases) // config.chunk_strings)
        self.state = Embedding(self.chunks)
        self.identity: dict[str, Any] = {}
        self.fresh = True
        self.alias_files: dict[str, bytes] = {}

    def prepare(self) -> None:
        """Look at what the directory holds; refuse another configuration's.

        Raises:
            ConfigError: It holds something other, or another configuration's index and not `overwrite`.
        """
        self.alias_files = self.aliases.files()
        weights = {
            name: storage.size_and_digest(str(path))[1] for name, path in pretrained.model_files(self.model).items()
        }
        identity = {
            "ontology": self.ontology.fingerprint,
            "aliases": hashlib.sha256(self.alias_files["aliases.arrow"]).hexdigest()[:32],
            "encoder": fingerprint(weights),
            "pooling": self.config.pooling or pretrained.pooling_of(str(self.model)),
            "chunk_strings": self.config.chunk_strings,
            "vectors": storage.size_and_digest(self.config.vectors)[1] if self.config.vectors else None,
        }
        before = (self.work.read() or {}).get("identity", {})
        identity["precision"] = self.config.precision or before.get("precision")
        self.fresh = self.work.check(identity, self.config.overwrite) is None
        # Of another configuration's index the precision says nothing.
        self.identity = {**identity, "precision": self.config.precision} if self.fresh else identity

    def finished(self, kind: str) -> IndexResult | None:
        """Return what an earlier start finished, None if something is left to do."""
        where = join(self.home, artefacts.CONFIG)
        if self.fresh or not storage.exists(where):
            return None
        config = storage.read_json(where)
        sizes = {name: getattr(storage.identity(join(self.home, name)), "size", None) for name in config["files"]}
        damaged = [name for name, size in config["files"].items() if sizes[name] != size]
        if damaged or config["version"] != VERSION:
            artefacts.unseal(self.home)
            for name in damaged:  # made anew
                storage.delete(join(self.home, name))
            return None
        if config["parameters"]["index_type"] != kind:
            return None
        self.state.chunks_before = self.chunks
        return self._result(config["fingerprint"], config["parameters"], {"embedding": 0.0, "building": 0.0})

    def _begin(self, given: np.ndarray | None) -> None:
        """Delete another configuration's files, and write what the actors read."""
        artefacts.unseal(self.home)
        self.work.open(self.identity, self.config.overwrite, chunks=self.chunks)
        for name, path in pretrained.model_files(self.model).items():
            if not storage.exists(join(self.home, ENCODER, name)):
                storage.publish(join(self.home, ENCODER, name), storage.copy_bytes(str(path)))
        for name, data in self.alias_files.items():
            if not storage.exists(join(self.home, name)):
                storage.publish(join(self.home, name), data)
        if given is not None:
            rows = self.aliases.rows_of_names(self.ontology)[::-1]
            first = np.full(len(self.aliases), -1, np.int64)
            first[rows[rows >= 0]] = np.arange(len(rows) - 1, -1, -1)[rows >= 0]  # of equal strings the first stays
            storage.publish(join(self.home, GIVEN_ROWS), artefacts.array_bytes(first))

    def go(self, given: np.ndarray | None) -> IndexResult:
        """Embed the chunks that aren't there, build the index, seal the directory."""
        kind = faiss_index.choose_type(self.config.index_type, len(self.aliases))
        if (earlier := self.finished(kind)) is not None:
            return earlier
        begun = time.perf_counter()
        with ray_session(), data_context():
            allocation = allocate_here(self.config.resources, encodes=True)
            if self.identity["precision"] is None:
                precision = ray.remote(num_cpus=allocation.cpus_per_task, num_gpus=allocation.gpus_per_actor)(
                    precision_of
                )
                self.identity["precision"] = ray.get(precision.remote(allocation.device))
            self._begin(given)
            present = set(storage.names(self.home))
            to_do = [number for number in range(self.chunks) if block_name(number) not in present]
            self.state.chunks_before, self.state.started = self.chunks - len(to_do), time.time()
            if to_do:
                self._embed(to_do, allocation)
            embedded = time.perf_counter()
            # It takes the CPUs that the actors had, but reserves few: a task that asks for all might never start.
            build = ray.remote(num_cpus=allocation.cpus_per_task)(build_index)
            width = ray.get(build.remote(self.home, self.chunks, kind, min(BUILD_THREADS, largest_node_cpus())))
        parameters = {
            "ontology_fingerprint": self.ontology.fingerprint,
            "model": self.config.model_name,
            "encoder_fingerprint": self.identity["encoder"],
            "pooling": self.identity["pooling"],
            "precision": self.identity["precision"],
            **reading_identity(self.config.mentions),
            "training_aliases": self.aliases.training_pairs,
            "index_type": kind,
            "width": width,
        }
        names = [name for name in storage.names(self.home) if self.work.owns(name.partition("/")[0])]
        names = [name for name in names if name != GIVEN_ROWS]
        written = {name: storage.size_and_digest(join(self.home, name)) for name in names}
        seconds = {"embedding": embedded - begun, "building": time.perf_counter() - embedded}
        return self._result(artefacts.seal(self.home, KIND, VERSION, parameters, written), parameters, seconds)

    def _embed(self, to_do: list[int], allocation: Allocation) -> None:
        rows = ray.data.from_items([{"number": number} for number in to_do], override_num_blocks=len(to_do))
        arguments = (self.home, self.config.chunk_strings, self.config.vectors, self.identity, allocation)
        counted = rows.map_batches(
            **on_actors(EmbedStage, arguments, allocation, self.config.resources.max_restarts, len(to_do)),
            batch_size=1,
            batch_format="pyarrow",
        )
        for batch in counted.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            for row in batch.to_pylist():
                self.state.chunks += 1
                self.state.strings += row["strings"]
                self.state.cut += row["cut"]
            self.watch(self.state)

    def _result(self, fingerprint: str, parameters: dict[str, Any], seconds: dict[str, float]) -> IndexResult:
        pairs = self.aliases.training_pairs
        return IndexResult(fingerprint, parameters, len(self.aliases), self.state, seconds, {}, {}, pairs)

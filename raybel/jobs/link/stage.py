"""What the link job maps over chunks: candidates, their re-ranking, then the chunk's part."""

from __future__ import annotations

import uuid
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from ray.data import ActorPoolStrategy, Dataset

from raybel.candidates.base import CandidateCache
from raybel.candidates.registry import open_generator
from raybel.errors import RaybelError
from raybel.jobs.datasets import InputFile, read_files
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.runtime import Allocation
from raybel.linking.candidates import add_candidates
from raybel.linking.matched_names import MatchedNames
from raybel.linking.poison import SUFFIX, CrashRecord
from raybel.linking.render import render
from raybel.ontology import Ontology
from raybel.rerank.examples import Describer
from raybel.runs.parts import COUNTS
from raybel.runs.run_directory import RunDirectory, Shard

if TYPE_CHECKING:
    from raybel.rerank.reranker import Reranker


def stream(config: LinkConfig, to_do: list[Shard], allocation: Allocation, ontology: str) -> Dataset:
    """Return the job's Dataset: consuming it writes the parts, and yields a row of counts for each chunk."""
    run, session = RunDirectory(config.out_corpus), uuid.uuid4().hex
    shards = {shard.name: shard for shard in to_do}
    options = replace(config.read_options, sentences=config.reranker_model is not None)
    files = [InputFile(shard.path, shard.name, partial(run.finished_parts, shard)) for shard in to_do]
    chunks = read_files(files, options, allocation.cpus_per_task)
    return chunks.map_batches(
        LinkStage,
        fn_constructor_args=(config, ontology, shards, session, allocation),
        batch_size=1,
        batch_format="pyarrow",
        zero_copy_batch=True,
        compute=ActorPoolStrategy(size=allocation.actors),
        num_cpus=allocation.cpus_per_actor,
        num_gpus=allocation.gpus_per_actor,
        max_restarts=config.resources.max_restarts,
        max_task_retries=config.resources.max_restarts,
    )


_COUNTS_SCHEMA = pa.schema(
    [
        ("shard", pa.string()),
        ("chunk", pa.int32()),
        ("last", pa.bool_()),
        ("error", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
    ]
)


class LinkStage:
    """Finds a chunk's candidates, re-ranks them, and writes the chunk's part; one per actor.

    The generator's model is memory-mapped, and the candidates of surfaces that were searched are cached. All in one
    actor: a chunk with its candidates needn't travel once more, and no worker starts for writing alone.
    """

    def __init__(
        self, config: LinkConfig, ontology: str, shards: dict[str, Shard], session: str, allocation: Allocation
    ) -> None:
        self.ontology = Ontology.open(ontology)
        generator = open_generator(self.ontology, config.generator, allocation.device, allocation.threads)
        self.name, self.generator = generator.name, CandidateCache(generator, config.top_k)
        self.run, self.shards, self.session = RunDirectory(config.out_corpus), shards, session
        self.describer = Describer(self.ontology, generator.alias_table)
        self.names = MatchedNames(self.ontology, generator.alias_table)
        self.config, self.allocation = config, allocation
        self._reranker: Reranker | None = None

    def __call__(self, chunk: pa.Table) -> pa.Table:
        """Write a chunk's part, if it isn't there from an earlier start, and return its counts."""
        shard, number = self.shards[chunk["shard"][0].as_py()], chunk["chunk"][0].as_py()
        if chunk["error"][0].as_py():
            return _counts({"error": chunk["error"][0].as_py(), "chunk": number, "last": True}, shard)
        summary = self.run.read_summary(shard, number)
        if summary is None:
            if chunk["done"][0].as_py():
                part = self.run.part_file(shard, number, "")
                raise RaybelError(f"{part} was there and is gone: run the same command again")
            crashes = CrashRecord(self.run.part_file(shard, number, SUFFIX), self.session)
            crashes.begin()
            linked = add_candidates(chunk, self.generator, self.name, crashes)
            if self.config.reranker_model is not None:
                linked = self._rerank(linked, self.config.reranker_model, crashes)
            summary = self.run.write_part(shard, render(linked, self.ontology, self.config.threshold, self.names))
        return _counts(summary, shard)

    def _rerank(self, linked: pa.Table, model: str, crashes: CrashRecord) -> pa.Table:
        """Re-rank a chunk's candidates.

        The model is loaded with the first chunk: an error in a constructor would look like a worker's death.
        """
        import torch

        from raybel.linking.reranking import rerank
        from raybel.rerank.reranker import Reranker

        if self._reranker is None:
            if self.allocation.device == "cpu":
                torch.set_num_threads(self.allocation.threads)
            self._reranker = Reranker.load(model, self.allocation.device, self.config.precision)
        return rerank(linked, self._reranker, self.describer, crashes)


def _counts(summary: dict[str, Any], shard: Shard) -> pa.Table:
    """Return a chunk's row of counts; one that couldn't be read counts nothing, whatever could be read of it."""
    row = {**dict.fromkeys(COUNTS, 0), **summary, "shard": shard.name}
    return pa.Table.from_pylist([{name: row[name] for name in _COUNTS_SCHEMA.names}], schema=_COUNTS_SCHEMA)

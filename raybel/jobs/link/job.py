"""The link job: read -> candidates -> re-rank -> write, as one stream of chunks over Ray Data; resumable."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial

from ray.data import Dataset

from raybel.candidates.base import UNKNOWN_GENERATOR
from raybel.candidates.registry import open_generator, uses_encoder
from raybel.config import deciding_fields
from raybel.files.fingerprints import fingerprint
from raybel.files.provenance import OUTPUT_FORMAT, git_hash, versions
from raybel.jobs.chunk_stage import map_chunks
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.link.stage import LinkStage
from raybel.jobs.runtime import Allocation
from raybel.jobs.shard_job import Progress, RunResult, ShardJob, refuse_output_among_input, refuse_output_as_input
from raybel.linking.corpus_notes import corpus_notes
from raybel.ontology import Ontology
from raybel.runs.inputs import RunInput, find_inputs
from raybel.runs.parts import sum_counts
from raybel.runs.run_directory import RunDirectory


def link(config: LinkConfig, watch: Callable[[Progress], None] | None = None) -> RunResult:
    """Link a corpus; the same call again goes on where a killed one stopped, and ends in the same bytes.

    Args:
        config: What to do.
        watch: Called after each chunk.

    Raises:
        ConfigError: The configuration can't be carried out, or the run directory holds something other.
        MismatchError: Model and ontology don't belong together.
        LockedError: Another job works on the run directory.
        BadFractionError: Too many documents went to the quarantine; what is finished stays.
        RaybelError: A worker died again and again, or the cluster made no progress.
    """
    refuse_output_among_input(config.in_corpus, config.out_corpus)
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    generator.check_usable(config.top_k, config.mentions.expand_abbreviations)
    reranker = None
    if config.reranker_model is not None:
        from raybel.rerank import reranker as second_stage  # imports torch

        reranker = second_stage.describe(
            config.reranker_model, None if config.any_ontology else ontology, config.crosstype
        )
    identity = {
        "format": OUTPUT_FORMAT,
        "ontology": ontology.fingerprint,
        "generator": f"{generator.name} {generator.fingerprint}",
        **({"reranker": reranker["fingerprint"]} if reranker else {}),
        **deciding_fields(config),
    }
    inputs = find_inputs(config.in_corpus, fingerprint(identity), config.group_files)
    refuse_output_as_input(config.out_corpus, inputs)
    run = RunDirectory(config.out_corpus)
    with run.work.lock():
        manifest = {"config": asdict(config), "versions": versions(), "git": git_hash()}
        run.open(identity, manifest, config.overwrite)
        job = ShardJob(run, inputs, config.max_bad_fraction, watch)
        if job.to_do:
            encodes = uses_encoder(config.generator) or config.reranker_model is not None
            job.go(partial(_stream, config, _shared_ontology(config, ontology)), config.resources, encodes)
        result = job.finish(config.metric_file)
        totals = sum_counts(list(job.finished.values()))
        result.notes += corpus_notes(
            run, job.finished, ontology, config.mentions, totals["documents"], totals["mentions"]
        )
        result.notes += ontology.notes
    if (
        reranker
        and reranker["generator"] != generator.name
        and UNKNOWN_GENERATOR not in (reranker["generator"], generator.name)
    ):
        result.notes.append(
            f"the re-ranker was trained on {reranker['generator']} candidates, these are {generator.name} ones: its "
            "probabilities were fitted to the others' scores"
        )
    return result


def _shared_ontology(config: LinkConfig, ontology: Ontology) -> str:
    """Return the path of an ontology that workers can memory-map: itself, or a copy in the run directory."""
    if config.ontology.endswith(".arrow"):
        return config.ontology
    copy = RunDirectory(config.out_corpus).ontology_copy
    ontology.save(copy)
    return copy


def _stream(config: LinkConfig, ontology: str, inputs: list[RunInput], allocation: Allocation) -> Dataset:
    """Return the job's Dataset: consuming it writes the parts, and yields a row of counts for each chunk."""
    options = replace(config.read_options, sentences=config.reranker_model is not None)
    arguments = (config, ontology, allocation)
    run, restarts = RunDirectory(config.out_corpus), config.resources.max_restarts
    return map_chunks(LinkStage, arguments, run, inputs, options, allocation, restarts)

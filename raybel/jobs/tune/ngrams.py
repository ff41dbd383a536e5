"""The tuning job of the n-gram generator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.recall import read_splits
from raybel.corpus.documents import reading_identity
from raybel.corpus.sources import corpus_digests
from raybel.display import counted, relative
from raybel.jobs.runtime import ray_session
from raybel.jobs.tune.config import TuneNgramsConfig
from raybel.jobs.tune.directory import sweep_directory
from raybel.jobs.tune.ngrams_trial import NgramTrialInputs, ngrams_trial
from raybel.jobs.tune.results import (
    SweepResult,
    Watch,
    check_sweep,
    close_sweep,
    listed,
    nothing_to_compare,
    open_sweep,
    publish,
    space_and_samples,
)
from raybel.jobs.tune.sweep import Target, allocate_trials, run_sweep
from raybel.ontology import Ontology
from raybel.tuning.space import NGRAMS


def tune_ngrams(config: TuneNgramsConfig, watch: Watch | None = None) -> SweepResult:
    """Search the n-gram generator's hyper-parameters; the same call again goes on and repeats no trial that ended.

    Args:
        config: What to do.
        watch: Called with the stage, then now and then with how far the trials are.

    Raises:
        ConfigError: A space, metric or trial that can't be, or the directory holds something other.
        InputError: A file can't be read, or the validation corpus has no mention to count.
        LockedError: Another job works on the directory.
    """
    watch = watch or (lambda state: None)
    sweep, given = config.sweep, asdict(config.parameters)
    metric = sweep.metric or "recall@10"
    space, samples = space_and_samples(sweep, "ngrams", NGRAMS, config.parameters.changed)
    fixed = given | space.fixed

    def complete(values: dict[str, Any]) -> dict[str, Any]:
        return asdict(NgramParameters().changed(fixed | values))

    ontology = Ontology.open(config.ontology)
    corpora = {"train": config.train_corpus, "val": config.val_corpus}
    identity: dict[str, Any] = {
        "target": "ngrams",
        "ontology": ontology.fingerprint,
        "corpora": corpus_digests(corpora),
        "parameters": given,
        **reading_identity(config.mentions),
        "top_k": config.top_k,
    }
    work = sweep_directory(sweep.output_dir)
    with work.lock():
        identity = check_sweep(work, sweep, identity, space, metric)
        watch({"stage": "reading"})
        splits = read_splits(corpora, ontology, config.mentions)
        training, validation = (splits[name].mentions if name in splits else [] for name in ("train", "val"))
        if not validation:
            raise nothing_to_compare(ontology, config.val_corpus)
        with ray_session():
            allocation = allocate_trials(sweep, computes=False)
            trackers = open_sweep(work, sweep, identity, samples)
            inputs = NgramTrialInputs(config.ontology, fixed, training, validation, metric, config.top_k)
            target = Target(ngrams_trial, inputs, metric, True, 1, given)
            outcome = run_sweep(sweep, space, target, allocation, samples, work.uri, trackers, watch)
        if metric == "recall@all":
            outcome.notes.append(f"recall@all is within {counted(config.top_k, 'candidate')}")
        about = {
            "train corpus": listed(config.train_corpus) or "none",
            "validation corpus": listed(config.val_corpus),
            "ontology": relative(config.ontology),
        }
        defaults = asdict(NgramParameters())
        result = publish(sweep, "ngrams", outcome, space, metric, complete, defaults, about)
        close_sweep(work, identity, samples, result)
        return result

"""The tuning job of the n-gram generator."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.recall import read_splits
from raybel.corpus.chunks import corpus_digests
from raybel.files.locks import lock
from raybel.jobs.runtime import started, told
from raybel.jobs.tune.config import TuneNgramsConfig
from raybel.jobs.tune.ngrams_trial import NgramNeeds, ngrams_trial
from raybel.jobs.tune.results import (
    Tuned,
    Watch,
    check_sweep,
    nothing_to_compare,
    open_sweep,
    publish,
    space_of,
)
from raybel.jobs.tune.sweep import Target, places, run
from raybel.ontology import Ontology
from raybel.tuning.space import NGRAMS


def tune_ngrams(config: TuneNgramsConfig, watch: Watch | None = None) -> Tuned:
    """Search the n-gram generator's hyper-parameters; the same call again goes on and repeats no trial that ended.

    Raises:
        ConfigError: A space, metric or trial that can't be, or the directory holds something else.
        InputError: A file can't be read, or the validation corpus has no mention to count.
        LockedError: Another job works on the directory.
    """
    watch = watch or (lambda state: None)
    sweep, fixed = config.sweep, asdict(config.parameters)
    metric = sweep.metric or "recall@10"
    space, samples = space_of(sweep, "ngrams", NGRAMS, lambda values: NgramParameters().changed(fixed | values))
    ontology = Ontology.open(config.ontology)
    corpora = {"train": config.train_corpus, "val": config.val_corpus}
    identity = {
        "target": "ngrams",
        "ontology": ontology.fingerprint,
        "corpora": corpus_digests(corpora),
        "parameters": fixed,
        "expand_abbreviations": config.expand_abbreviations,
        "top_k": config.top_k,
    }
    home = sweep.output_dir
    with lock(home):
        whole = check_sweep(home, sweep, identity, space, metric)
        with told(), started():
            fitted = places(sweep, computes=False)
            watch({"stage": "reading"})
            read = read_splits(corpora, ontology, config.expand_abbreviations)
            training = read["train"][0] if "train" in read else []
            validation = read["val"][0] if "val" in read else []
            if not validation:
                raise nothing_to_compare(ontology, config.val_corpus)
            trackers = open_sweep(home, sweep, whole)
            needs = NgramNeeds(config.ontology, fixed | space.fixed, training, validation, metric, config.top_k)
            target = Target(ngrams_trial, needs, metric, True, 1, fixed)
            outcome = run(sweep, space, target, fitted, samples, home, trackers, watch)

        def complete(values: dict[str, Any]) -> dict[str, Any]:
            return asdict(NgramParameters().changed(fixed | space.fixed | values))

        about = {
            "train corpus": ", ".join(config.train_corpus) or "none",
            "validation corpus": ", ".join(config.val_corpus),
            "ontology": config.ontology,
        }
        return publish(sweep, home, "ngrams", outcome, space, metric, complete, asdict(NgramParameters()), about)

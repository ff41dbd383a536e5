"""The tuning job of cross-encoders."""

from __future__ import annotations

from dataclasses import asdict, astuple
from typing import Any

from raybel.candidates.registry import open_generator
from raybel.corpus.chunks import digests
from raybel.encoders import pretrained
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.files.locks import lock
from raybel.files.storage import join
from raybel.jobs.runtime import started, told
from raybel.jobs.train import crossencoder_features
from raybel.jobs.train.crossencoder import check_counts, window
from raybel.jobs.train.crossencoder_worker import FEATURES
from raybel.jobs.train.run import BASE, base_fingerprint, forget, keep_base
from raybel.jobs.tune.config import TuneCrossEncoderConfig
from raybel.jobs.tune.crossencoder_trial import CrossEncoderNeeds, crossencoder_trial, feature_key
from raybel.jobs.tune.results import (
    KIND,
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
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.alias_scopes import alias_scopes, check_generator, generator_notes
from raybel.tuning.space import CROSSENCODER, Space
from raybel.tuning.trials import TRIALS

#: Feature sets that a sweep makes at most.
MOST_FEATURES = 24


def tune_crossencoder(config: TuneCrossEncoderConfig, watch: Watch | None = None) -> Tuned:
    """Search a cross-encoder's hyper-parameters; the same call again goes on and repeats no trial that ended.

    Candidates and token ids are made once and shared by all trials; a trial with fewer candidates takes the first ones.

    Raises:
        ConfigError: A space, metric or trial that can't be, no such model, or the directory holds something else.
        InputError: A file can't be read, or there is nothing to learn.
        LockedError: Another job works on the directory.
    """
    watch = watch or (lambda state: None)
    sweep, base = config.sweep, config.parameters
    key = f"{config.crosstype}crossencoder"
    space, samples = space_of(sweep, key, CROSSENCODER, base.changed)
    base = base.changed(space.fixed).of_type(config.crosstype)
    metric = base.metric
    if len(space.values("metric", metric)) > 1 or "metric" in space.searched or metric != config.parameters.metric:
        raise ConfigError("the metric isn't searched: give it as --metric")
    model = pretrained.resolve(config.model_name)
    pretrained.refuse_inside(model, sweep.output_dir)
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    check_generator(generator, max(space.values("top_k", base.top_k)), config.expand_abbreviations)
    scopes_by_share = tuple(alias_scopes(generator, share) for share in (0.0, 0.5, 1.0))
    share = base.dictionary_share
    scopes = scopes_by_share[1] if "dictionary_share" in space.searched else alias_scopes(generator, share)
    positions = window(str(model), config.crosstype, base)
    corpora = {"train": config.train_corpus, "val": config.val_corpus}
    identity = {
        "target": key,
        "ontology": ontology.fingerprint,
        "generator": f"{generator.name} {generator.fingerprint}",
        "base_model": base_fingerprint(model),
        "corpora": digests(corpora),
        "parameters": asdict(config.parameters),
        "expand_abbreviations": config.expand_abbreviations,
        "precision": config.precision,
        "workers": sweep.workers_per_trial,
    }
    by_top_k = generator.depends_on_top_k
    epochs = max(space.values("max_epochs", base.max_epochs))
    sets = _feature_sets(space, base, config.crosstype, by_top_k)
    home = sweep.output_dir
    with lock(home):
        whole = check_sweep(home, sweep, identity, space, metric)
        with told(), started():
            fitted = places(sweep, computes=True)
            trackers = open_sweep(home, sweep, whole)
            keep_base(home, model)
            try:
                for number, (name, parameters) in enumerate(sets.items()):
                    made = crossencoder_features.FeatureConfig(
                        join(home, FEATURES, name),
                        config.ontology,
                        config.generator,
                        join(home, BASE),
                        positions,
                        parameters,
                        config.expand_abbreviations,
                        config.resources,
                    )
                    for split, paths in corpora.items():
                        watch({"stage": f"candidates of the {split} corpus, set {number + 1} of {len(sets)}"})
                        absolute = tuple(map(storage.absolute, paths))
                        counts = crossencoder_features.make(
                            made, split, absolute, scopes if split == "train" else ("all",)
                        )
                        if split == "val" and not counts["mentions"]:
                            raise nothing_to_compare(ontology, paths)
                        check_counts(counts, paths, ontology, parameters.top_k)
            except InputError:  # the corrected command may have the directory, where no trial is in it
                if not any(name.startswith(f"{TRIALS}/") for name in storage.names(home)):
                    forget(home, KIND)
                raise
            needs = CrossEncoderNeeds(
                *(config.crosstype, base, join(home, BASE), join(home, FEATURES), by_top_k, scopes, scopes_by_share),
                *(positions, config.precision, sweep.seed, fitted),
            )
            target = Target(crossencoder_trial, needs, metric, metric != "loss", epochs, asdict(base))
            outcome = run(sweep, space, target, fitted, samples, home, trackers, watch)
            outcome.notes += generator_notes(generator)

        def complete(values: dict[str, Any]) -> dict[str, Any]:
            return asdict(base.changed(values).of_type(config.crosstype))

        about = {
            "train corpus": ", ".join(config.train_corpus),
            "validation corpus": ", ".join(config.val_corpus),
            "ontology": config.ontology,
            "generator": ", ".join(path for path in astuple(config.generator) if path),
            "base model": config.model_name,
        }
        usual = asdict(CrossEncoderParameters().of_type(config.crosstype))
        return publish(sweep, home, key, outcome, space, metric, complete, usual, about)


def _feature_sets(
    space: Space, base: CrossEncoderParameters, crosstype: str, by_top_k: bool
) -> dict[str, CrossEncoderParameters]:
    """Return hyper-parameters for each set of features that trials may need."""
    sets: dict[str, CrossEncoderParameters] = {}
    every = space.values("top_k", base.top_k)
    for context in space.values("context", base.context):
        for length in space.values("max_length", base.max_length):
            for alias in space.values("alias", base.alias):
                for top_k in every if by_top_k else (max(every),):
                    values = {"context": context, "max_length": length, "alias": alias, "top_k": top_k}
                    parameters = base.changed(values).of_type(crosstype)
                    sets[feature_key(parameters, by_top_k)] = parameters
    if len(sets) > MOST_FEATURES:
        raise ConfigError(
            f"the space needs {len(sets)} sets of candidates, more than {MOST_FEATURES}: give fewer values of top_k, "
            "context, max_length, alias"
        )
    return sets

"""The tuning job of cross-encoders."""

from __future__ import annotations

import itertools
from dataclasses import asdict, astuple
from typing import Any

from raybel.candidates.registry import open_generator
from raybel.corpus.documents import reading_identity
from raybel.corpus.sources import corpus_digests
from raybel.display import relative
from raybel.encoders import pretrained
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.runtime import ray_session
from raybel.jobs.train.crossencoder import checked_window
from raybel.jobs.train.crossencoder_features import FeatureConfig, Split, make_features, with_sure_rule
from raybel.jobs.train.crossencoder_sources import check_counts
from raybel.jobs.train.directory import BASE, FEATURES, base_fingerprint, copy_base
from raybel.jobs.tune.config import TuneCrossEncoderConfig
from raybel.jobs.tune.crossencoder_trial import (
    FEATURE_PARAMETERS,
    CrossEncoderTrialInputs,
    crossencoder_trial,
    feature_key,
)
from raybel.jobs.tune.directory import sweep_directory
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
from raybel.jobs.tune.sweep import Outcome, Target, TrialAllocation, allocate_trials, run_sweep
from raybel.ontology import Ontology
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.training.alias_scopes import alias_scopes, check_generator, generator_notes
from raybel.tuning.space import CROSSENCODER
from raybel.tuning.trials import TRIALS, maximised

#: Feature sets that a sweep makes at most.
MOST_FEATURES = 24


def tune_crossencoder(config: TuneCrossEncoderConfig, watch: Watch | None = None) -> SweepResult:
    """Search a cross-encoder's hyper-parameters; the same call again goes on and repeats no trial that ended.

    Candidates and token ids are made once and shared by all trials; a trial with fewer candidates takes the first ones.

    Args:
        config: What to do.
        watch: Called with the stage, then now and then with how far the trials are.

    Raises:
        ConfigError: A space, metric or trial that can't be, no such model, or the directory holds something other.
        InputError: A file can't be read, or there is nothing to learn.
        LockedError: Another job works on the directory.
    """
    job = _Job(config, watch or (lambda state: None))
    with job.work.lock():
        return job.tune()


class _Job:
    """One start of the job; whether it can be done at all is looked at before Ray starts."""

    def __init__(self, config: TuneCrossEncoderConfig, watch: Watch) -> None:
        self.config, self.sweep, self.watch = config, config.sweep, watch
        self.key = f"{config.crosstype}crossencoder"
        self.space, self.samples = space_and_samples(self.sweep, self.key, CROSSENCODER, config.parameters.changed)
        self.parameters = config.parameters.changed(self.space.fixed).of_type(config.crosstype)
        self.metric = self.parameters.metric
        if "metric" in self.space.searched or self.metric != config.parameters.metric:
            raise ConfigError("the metric isn't searched: give it as --metric")
        if unused := [name for name in self.space.searched if name.startswith("pretrain_")]:
            raise ConfigError(f"a sweep learns no ontology's names, so that {', '.join(unused)} can't be searched")
        self.model = pretrained.resolve(config.model_name)
        pretrained.refuse_inside(self.model, self.sweep.output_dir)
        self.ontology = Ontology.open(config.ontology)
        self.generator = open_generator(self.ontology, config.generator)
        most = max(self.space.values("top_k", self.parameters.top_k))
        check_generator(self.generator, most, config.mentions.expand_abbreviations)
        self.scopes_by_share = tuple(alias_scopes(self.generator, share) for share in (0.0, 0.5, 1.0))
        searched = "dictionary_share" in self.space.searched
        share = self.parameters.dictionary_share
        self.scopes_of_features = self.scopes_by_share[1] if searched else alias_scopes(self.generator, share)
        self.positions = checked_window(str(self.model), config.crosstype, self.parameters)
        self.feature_sets = self._feature_sets()
        self.corpora = {"train": config.train_corpus, "val": config.val_corpus}
        self.work = sweep_directory(self.sweep.output_dir)
        self.home = self.work.uri

    def tune(self) -> SweepResult:
        """Make the features that trials share, run the trials that are missing, and write what was found."""
        identity = check_sweep(self.work, self.sweep, self._identity(), self.space, self.metric)
        with ray_session():
            allocation = allocate_trials(self.sweep, computes=True)
            trackers = open_sweep(self.work, self.sweep, identity, self.samples)
            copy_base(self.home, self.model)
            self._features()
            target = self._target(allocation)
            outcome = run_sweep(
                self.sweep, self.space, target, allocation, self.samples, self.home, trackers, self.watch
            )
            outcome.notes += generator_notes(self.generator)
        result = self._publish(outcome)
        close_sweep(self.work, identity, self.samples, result)
        return result

    def _identity(self) -> dict[str, Any]:
        """Return what makes another sweep, beside what `check_sweep` adds."""
        return {
            "target": self.key,
            "ontology": self.ontology.fingerprint,
            "generator": f"{self.generator.name} {self.generator.fingerprint}",
            "base_model": base_fingerprint(self.model),
            "corpora": corpus_digests(self.corpora),
            "parameters": asdict(self.config.parameters),
            **reading_identity(self.config.mentions),
            "precision": self.config.precision,
            "workers": self.sweep.workers_per_trial,
        }

    def _feature_sets(self) -> dict[str, CrossEncoderParameters]:
        """Return hyper-parameters for each set of features that trials may need, by `feature_key`."""
        base, by_top_k = self.parameters, self.generator.depends_on_top_k
        top_ks = self.space.values("top_k", base.top_k)
        values = [self.space.values(name, getattr(base, name)) for name in FEATURE_PARAMETERS]
        points = itertools.product(*values, top_ks if by_top_k else (max(top_ks),))
        sets: dict[str, CrossEncoderParameters] = {}
        for point in points:
            named = dict(zip((*FEATURE_PARAMETERS, "top_k"), point, strict=True))
            parameters = base.changed(named).of_type(self.config.crosstype)
            sets[feature_key(parameters, by_top_k)] = parameters
        if len(sets) > MOST_FEATURES:
            raise ConfigError(
                f"the space needs {len(sets)} sets of candidates, more than {MOST_FEATURES}: give fewer values of "
                f"top_k, {', '.join(FEATURE_PARAMETERS)}"
            )
        return sets

    def _features(self) -> None:
        """Make the feature sets that aren't there.

        Raises:
            InputError: A file can't be read, or there is nothing to learn from or to compare on.
        """
        try:
            for number, (name, parameters) in enumerate(self.feature_sets.items()):
                features = FeatureConfig(
                    join(self.home, FEATURES, name),
                    self.config.ontology,
                    self.config.generator,
                    join(self.home, BASE),
                    self.positions,
                    parameters,
                    self.config.mentions,
                    self.config.resources,
                )
                of = f"set {number + 1} of {len(self.feature_sets)}"
                self.watch({"stage": f"candidates of the train and val corpus, {of}"})
                scopes = {"train": self.scopes_of_features, "val": ("all",)}
                splits = [Split(name, self.corpora[name], scopes[name]) for name in scopes]
                if parameters.train_on == "unsure":
                    splits = with_sure_rule(features, splits, self.ontology, self.corpora["val"])
                counts = make_features(features, splits)
                if not counts["val"]["mentions"]:
                    raise nothing_to_compare(self.ontology, self.corpora["val"])
                for split, figures in counts.items():
                    check_counts(figures, self.corpora[split], self.ontology, parameters.top_k)
        except InputError:  # the corrected command may have the directory, where no trial is in it
            if not any(name.startswith(f"{TRIALS}/") for name in storage.names(self.home)):
                self.work.clear()
            raise

    def _target(self, allocation: TrialAllocation) -> Target:
        inputs = CrossEncoderTrialInputs(
            self.config.crosstype,
            self.parameters,
            join(self.home, BASE),
            join(self.home, FEATURES),
            self.generator.depends_on_top_k,
            self.scopes_of_features,
            self.scopes_by_share,
            self.positions,
            self.config.precision,
            self.sweep.seed,
            allocation,
        )
        epochs = max(self.space.values("max_epochs", self.parameters.max_epochs))
        defaults = asdict(self.parameters)
        return Target(crossencoder_trial, inputs, self.metric, maximised(self.metric), epochs, defaults)

    def _publish(self, outcome: Outcome) -> SweepResult:
        config = self.config

        def complete(values: dict[str, Any]) -> dict[str, Any]:
            return asdict(self.parameters.changed(values).of_type(config.crosstype))

        about = {
            "train corpus": listed(config.train_corpus),
            "validation corpus": listed(config.val_corpus),
            "ontology": relative(config.ontology),
            "generator": listed(path for path in astuple(config.generator) if path),
            "base model": relative(config.model_name),
        }
        defaults = asdict(CrossEncoderParameters().of_type(config.crosstype))
        return publish(self.sweep, self.key, outcome, self.space, self.metric, complete, defaults, about)

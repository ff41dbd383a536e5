"""The training job of cross-encoders, on Ray Train."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from raybel.candidates.registry import open_generator
from raybel.corpus.typography import FOLDING
from raybel.encoders import pretrained
from raybel.errors import ConfigError, InputError
from raybel.files import storage, tables
from raybel.files.provenance import versions
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION
from raybel.jobs.runtime import ray_session
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.jobs.train.corpora import MAIN
from raybel.jobs.train.crossencoder_sources import FeatureMaker, OpenedCorpus, TrainingSources, shared_notes
from raybel.jobs.train.crossencoder_worker import train_worker
from raybel.jobs.train.directory import (
    BASE,
    FEATURES,
    TRAINING_FILES,
    base_fingerprint,
    copy_base,
    delete_training_files,
    training_directory,
)
from raybel.jobs.train.run import Watch, run_workers, workers_on_cluster
from raybel.rerank import model as models
from raybel.rerank.cascade import Cascade
from raybel.rerank.model import CrossEncoder
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import Reranker, device
from raybel.rerank.state import KIND, VERSION, WEIGHTS, cascades_of, describe, with_cascades
from raybel.rerank.tokens import Tokens
from raybel.rerank.training.cascading import fit_cascade, read_annotated
from raybel.rerank.training.model_card import model_card


@dataclass
class TrainedCrossEncoder:
    """What training gave.

    Args:
        output_dir: The model.
        epochs: A record for each: loss, seconds, validation scores, and whether it was the best so far.
        counts: Of each corpus's splits (`corpora.label`): documents, mentions, those left out, texts that were cut.
        seconds: Of this start.
        resumed: Epochs that an earlier start had done.
        notes: What a person should know.
        cascades: Which mentions of each corpus are sure; without those that nothing says so of.
        names: Of each ontology whose names were learned before: see `name_features.make_name_features`.
        main: The corpus that probabilities and what is sure were fitted to.
    """

    output_dir: str
    epochs: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]
    seconds: float
    resumed: int
    notes: list[str]
    cascades: dict[str, Cascade] = field(default_factory=dict)
    names: dict[str, dict[str, int]] = field(default_factory=dict)
    main: str = MAIN

    @property
    def best(self) -> dict[str, Any]:
        """The best epoch's record."""
        return [epoch for epoch in self.epochs if epoch["best"]][-1]


def train_crossencoder(config: TrainCrossEncoderConfig, watch: Watch | None = None) -> TrainedCrossEncoder:
    """Train a cross-encoder; the same call again goes on from the last checkpoint of a killed one.

    Args:
        config: What to do.
        watch: Called about once a second with the stage, then with the workers' progress.

    Raises:
        ConfigError: No such model, one that can't be such a cross-encoder, candidates that can't be cross-fitted,
            workers that don't fit, or the directory holds something other.
        InputError: A file can't be read, or a corpus has nothing to learn from or to judge by.
        LockedError: Another job works on the directory.
        MismatchError: Generator and ontology don't belong together.
        RaybelError: The loss, a weight or a score isn't a number (NaN or infinite), or workers died too often.
    """
    job = _Job(config, watch or (lambda state: None))
    with job.work.lock():
        earlier = job.work.check(job.identity, config.overwrite)
        trained = job.finished(earlier) if earlier and earlier.get("finished") else job.train()
    if config.metric_file:
        values = {"epochs": trained.epochs, "counts": trained.counts, "names": trained.names}
        further = {"seconds": trained.seconds, "parameters": asdict(config.parameters)}
        tables.write_values(config.metric_file, values | further)
    return trained


class _Job:
    """One start of the job; whether it can be done at all is looked at before Ray starts."""

    def __init__(self, config: TrainCrossEncoderConfig, watch: Watch) -> None:
        self.begun = time.perf_counter()
        self.config, self.watch = config, watch
        self.model = pretrained.resolve(config.model_name)
        pretrained.refuse_inside(self.model, config.output_dir)
        self.sources = TrainingSources.open(config)
        self.positions = checked_window(str(self.model), config.crosstype, config.parameters)
        self.identity: dict[str, Any] = {
            "crosstype": config.crosstype,
            **self.sources.identity(),
            "base_model": base_fingerprint(self.model),
            "parameters": asdict(config.parameters),
            "precision": config.precision,
            "seed": config.seed,
            "workers": config.workers.num_workers,
        }
        self.work = training_directory(config.output_dir, KIND)
        self.home = self.work.uri

    def finished(self, description: dict[str, Any]) -> TrainedCrossEncoder:
        """Return what an earlier start trained to the end."""
        cascades = cascades_of(describe(self.home))
        delete_training_files(self.home)  # killed while it did
        return self._trained(description, description["epochs"], len(description["epochs"]), cascades, 0.0)

    def _trained(
        self,
        counted: dict[str, Any],
        epochs: list[dict[str, Any]],
        resumed: int,
        cascades: Sequence[Cascade],
        seconds: float,
    ) -> TrainedCrossEncoder:
        sources = self.sources
        counts, names = counted["counts"], counted.get("names", {})
        by_corpus = {
            corpus.name: cascade
            for corpus in sources.corpora
            for cascade in cascades
            if (cascade.ontology, cascade.generator) == (corpus.ontology, corpus.generator)
        }
        notes = [*sources.notes, *shared_notes(counted.get("shared_documents", {}))]
        return TrainedCrossEncoder(
            self.home, epochs, counts, seconds, resumed, notes, by_corpus, names, sources.main_name
        )

    def train(self) -> TrainedCrossEncoder:
        """Make the features, train on them, and complete the model directory."""
        config = self.config
        with ray_session():
            workers_on_cluster(config.workers)  # what can't run is refused before anything is deleted or made
            self.work.open(self.identity, config.overwrite, finished=False)
            copy_base(self.home, self.model)
            counted = self._features()
            settings = {
                **self.sources.settings(),
                "crosstype": config.crosstype,
                "parameters": asdict(config.parameters),
                "positions": self.positions,
                "precision": config.precision,
                "seed": config.seed,
            }
            outcome = run_workers(train_worker, self.home, settings, config.workers, self.watch)
        if outcome is None:
            raise ConfigError("nothing was trained")
        cascades = self._publish(counted, outcome)
        seconds = time.perf_counter() - self.begun
        return self._trained(counted, outcome["epochs"], outcome["resumed"], cascades, seconds)

    def _features(self) -> dict[str, Any]:
        """Make the features that aren't there.

        Returns:
            The `counts` of each split, of the ontologies' `names`, and of `shared_documents`, where there are any.
        """
        config = self.config
        made = FeatureMaker(join(self.home, FEATURES), join(self.home, BASE), self.positions, config, self.watch)
        try:
            counts: dict[str, dict[str, int]] = {}
            for corpus in self.sources.corpora:
                counts |= made.of_corpus(corpus)
            names = made.of_names(self.sources.named)
            shared = made.shared_documents(self.sources.corpora)
        except InputError:  # nothing is learned yet: the directory is free for the corrected command
            self.work.clear()
            raise
        more = {name: value for name, value in (("names", names), ("shared_documents", shared)) if value}
        return {"counts": counts, **more}

    def _publish(self, counted: dict[str, Any], outcome: dict[str, Any]) -> list[Cascade]:
        """Complete the Hugging Face directory, then delete what only training needed; return what is sure."""
        best = [epoch for epoch in outcome["epochs"] if epoch["best"]][-1]
        spared = {DESCRIPTION, "README.md", ".lock", *TRAINING_FILES}
        names = sorted({name for name in storage.names(self.home) if "/" not in name} - spared)
        files = {name: storage.size_and_digest(join(self.home, name)) for name in names}
        facts = {
            "version": VERSION,
            "folding": FOLDING,
            "finished": True,
            "crosstype": self.config.crosstype,
            "parameters": asdict(self.config.parameters),
            "ontology_fingerprint": self.sources.first.ontology,
            "generator": self.sources.first.generator.split()[0],
            "files": {name: size for name, (size, _) in files.items()},
            "weights": files[WEIGHTS][1],
            "edges": outcome["edges"],
            "generators": outcome["generators"],
            "priors": outcome["priors"],
            "calibration": best["calibration"],
            "epochs": outcome["epochs"],
            **counted,
            "versions": versions(),
        }
        cascades = self._cascades(facts)
        facts = with_cascades(facts, cascades)
        text = model_card(self.config.model_name, {"identity": self.identity, **facts})
        storage.publish(join(self.home, "README.md"), text.encode())
        self.work.write_description(self.identity, **facts)
        delete_training_files(self.home)
        return cascades

    def _cascades(self, facts: dict[str, Any]) -> list[Cascade]:
        """Fit the rules that say which mentions are sure, one for each generator that has validation mentions."""
        by_generator: dict[tuple[str, str], list[OpenedCorpus]] = {}
        for corpus in self.sources.corpora if self.config.parameters.calibrate else ():
            if corpus.corpus.val_corpus:
                by_generator.setdefault((corpus.ontology, corpus.generator), []).append(corpus)
        if not by_generator:
            return []
        reranker = Reranker.of_state(self.home, facts, device())
        cascades = []
        for corpora in by_generator.values():
            self.watch(
                {"stage": " ".join(["what is sure", *(corpus.name for corpus in corpora if len(by_generator) > 1)])}
            )
            ontology = corpora[0].opened
            generator = open_generator(ontology, corpora[0].corpus.generator)
            documents = [
                document
                for corpus in corpora
                for document in read_annotated(corpus.corpus.val_corpus, corpus.corpus.mentions)
            ]
            fitted = fit_cascade(reranker.for_generator(generator), generator, ontology, documents)
            cascades += [] if fitted is None else [fitted]
        return cascades


def checked_window(model: str, crosstype: str, parameters: CrossEncoderParameters) -> int:
    """Return how many positions a model has, once it is known that it can be a cross-encoder of a type.

    Raises:
        ConfigError: It can't: no encoder, or too short a window.
    """
    try:
        loaded, tokenizer = models.load(model, head=False, layers=parameters.layers)
        positions = models.window(loaded, tokenizer)
        tokens = Tokens(tokenizer, positions, parameters)
        CrossEncoder(loaded, crosstype, tokens.pad)
    except ConfigError as error:
        raise ConfigError(f"{model}: {error}") from error
    return positions

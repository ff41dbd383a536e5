"""The training job of cross-encoders, on Ray Train."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from raybel.candidates.registry import open_generator
from raybel.corpus.chunks import digests
from raybel.encoders import pretrained
from raybel.errors import ConfigError, InputError
from raybel.files import storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.locks import lock
from raybel.files.provenance import versions
from raybel.files.storage import join
from raybel.jobs.runtime import started, told
from raybel.jobs.train import crossencoder_features
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.jobs.train.crossencoder_worker import FEATURES, train_worker
from raybel.jobs.train.run import (
    BASE,
    LEFT,
    STATE,
    Watch,
    base_fingerprint,
    fit,
    forget,
    held_in,
    keep_base,
    open_home,
    tidy,
    workers_on_cluster,
)
from raybel.ontology import Ontology
from raybel.rerank import model as models
from raybel.rerank.model import CrossEncoder
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import KIND, VERSION, WEIGHTS, describe
from raybel.rerank.tokens import Tokens
from raybel.rerank.training.alias_scopes import alias_scopes, check_generator, generator_notes
from raybel.rerank.training.model_card import model_card


@dataclass
class TrainedCrossEncoder:
    """What training gave.

    Args:
        output_dir: The model.
        epochs: A record for each: loss, seconds, validation scores, and whether it was the best so far.
        counts: Of each split: documents, mentions, those left out, texts that were cut.
        seconds: Of this start.
        resumed: Epochs that an earlier start had done.
        notes: What a person should know.
    """

    output_dir: str
    epochs: list[dict[str, Any]]
    counts: dict[str, dict[str, int]]
    seconds: float
    resumed: int
    notes: list[str]

    @property
    def best(self) -> dict[str, Any]:
        """The best epoch's record."""
        return [each for each in self.epochs if each["best"]][-1]


def train_crossencoder(config: TrainCrossEncoderConfig, watch: Watch | None = None) -> TrainedCrossEncoder:
    """Train a cross-encoder; the same call again goes on with the epoch in which a killed one stopped.

    Raises:
        ConfigError: No such model, one that can't be such a cross-encoder, candidates that can't be cross-fitted,
            workers that don't fit, or the directory holds something else.
        InputError: A file can't be read, or a corpus has nothing to learn from or to judge by.
        LockedError: Another job works on the directory.
        MismatchError: Generator and ontology don't belong together.
        RaybelError: The loss, a weight or a score isn't a number (NaN or infinite), or workers died too often.
    """
    begun = time.perf_counter()
    watch = watch or (lambda state: None)
    model = pretrained.resolve(config.model_name)
    pretrained.refuse_inside(model, config.output_dir)
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    check_generator(generator, config.parameters.top_k, config.expand_abbreviations)
    scopes = alias_scopes(generator, config.parameters.dictionary_share)
    notes = generator_notes(generator)
    positions = window(str(model), config.crosstype, config.parameters)
    home = config.output_dir
    corpora = {"train": config.train_corpus, "val": config.val_corpus}
    with lock(home):
        identity: dict[str, Any] = {
            "crosstype": config.crosstype,
            "ontology": ontology.fingerprint,
            "generator": f"{generator.name} {generator.fingerprint}",
            "base_model": base_fingerprint(model),
            "parameters": asdict(config.parameters),
            "corpora": digests(corpora),
            "expand_abbreviations": config.expand_abbreviations,
            "precision": config.precision,
            "seed": config.seed,
            "workers": config.workers.num_workers,
        }
        held, same = held_in(home, KIND, identity, config.overwrite)
        if held and same and held.get("finished"):
            open_home(home, KIND, identity, config.overwrite)
            describe(home)
            storage.delete(join(home, FEATURES))
            done = TrainedCrossEncoder(
                config.output_dir, held["epochs"], held["counts"], 0.0, len(held["epochs"]), notes
            )
            _write_metrics(config, done)
            return done
        made = crossencoder_features.FeatureConfig(
            join(home, FEATURES),
            config.ontology,
            config.generator,
            join(home, BASE),
            positions,
            config.parameters,
            config.expand_abbreviations,
            config.resources,
        )
        with told(), started():
            workers_on_cluster(config.workers)  # a plan that can't run is refused before anything is deleted or made
            open_home(home, KIND, identity, config.overwrite)
            keep_base(home, model)
            counts = {}
            for split, paths in corpora.items():
                if paths:
                    watch({"stage": f"candidates of the {split} corpus"})
                    absolute = tuple(map(storage.absolute, paths))
                    counts[split] = crossencoder_features.make(
                        made, split, absolute, scopes if split == "train" else ("all",)
                    )
            try:
                for split, found in counts.items():
                    check_counts(found, corpora[split], ontology, config.parameters.top_k)
            except InputError:  # nothing is learned yet: the directory is free for the corrected command
                forget(home, KIND)
                raise
            settings = {
                "crosstype": config.crosstype,
                "parameters": asdict(config.parameters),
                "positions": positions,
                "precision": config.precision,
                "seed": config.seed,
            }
            outcome = fit(train_worker, home, settings, config.workers, watch)
        if outcome is None:
            raise ConfigError("nothing was trained")
        _publish(config, home, identity, ontology, counts, outcome)
    seconds = time.perf_counter() - begun
    done = TrainedCrossEncoder(config.output_dir, outcome["epochs"], counts, seconds, outcome["resumed"], notes)
    _write_metrics(config, done)
    return done


def window(model: str, crosstype: str, parameters: CrossEncoderParameters) -> int:
    """Return a model's window; refuses one that can't be a cross-encoder of the type before anything starts.

    Raises:
        ConfigError: So it is.
    """
    loaded, tokenizer = models.load(model, head=False)
    positions = models.window(loaded, tokenizer)
    try:
        tokens = Tokens(tokenizer, positions, parameters)
        CrossEncoder(loaded, crosstype, tokens.pad)
    except ConfigError as error:
        raise ConfigError(f"{model}: {error}") from error
    return positions


def check_counts(counts: dict[str, int], paths: Sequence[str], ontology: Ontology, top_k: int) -> None:
    """Refuse a corpus that there is nothing to learn from, or to judge by.

    Raises:
        InputError: So it is.
    """
    if not counts["mentions"]:
        raise InputError(
            f"no mention has a single id that {ontology.path} knows: are corpus and ontology of the same kind?",
            path=", ".join(paths),
        )
    if counts["without_gold"] == counts["mentions"]:
        raise InputError(
            f"none of {counts['mentions']} mentions has its concept among {top_k} candidates: all labels would be "
            "negative; give another generator or a larger top_k",
            path=", ".join(paths),
        )


def _write_metrics(config: TrainCrossEncoderConfig, done: TrainedCrossEncoder) -> None:
    if config.metric_file:
        value = {"epochs": done.epochs, "counts": done.counts, "seconds": done.seconds}
        tables.write_values(config.metric_file, {**value, "parameters": asdict(config.parameters)})


def _publish(
    config: TrainCrossEncoderConfig,
    home: str,
    identity: dict[str, Any],
    ontology: Ontology,
    counts: dict[str, dict[str, int]],
    outcome: dict[str, Any],
) -> None:
    """Complete the Hugging Face directory, then leave out what only training needed."""
    best = [each for each in outcome["epochs"] if each["best"]][-1]
    names = {name for name in storage.names(home) if "/" not in name} - {STATE, "README.md", ".lock", *LEFT}
    files = {name: storage.size_and_digest(join(home, name)) for name in sorted(names)}
    weights = files[WEIGHTS][1]
    state = {
        "kind": KIND,
        "version": VERSION,
        "finished": True,
        "identity": identity,
        "crosstype": config.crosstype,
        "parameters": asdict(config.parameters),
        "edges": outcome["edges"],
        "calibration": best["calibration"],
        "ontology_fingerprint": ontology.fingerprint,
        "generator": identity["generator"].split()[0],
        "files": {name: size for name, (size, _) in files.items()},
        "weights": weights,
        "fingerprint": fingerprint({"weights": weights, "edges": outcome["edges"], "calibration": best["calibration"]}),
        "epochs": outcome["epochs"],
        "counts": counts,
        "versions": versions(),
    }
    storage.publish(join(home, "README.md"), model_card(config.model_name, state).encode())
    storage.publish_json(join(home, STATE), state)
    tidy(home)
    storage.delete(join(home, FEATURES))

"""The training job of the dense generator's encoder, on Ray Train: synonyms of an ontology, then training mentions."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from raybel.candidates.aliases import AliasTable
from raybel.candidates.recall import read_splits
from raybel.corpus.documents import reading_identity
from raybel.corpus.sources import corpus_digests
from raybel.encoders import pretrained
from raybel.errors import ConfigError
from raybel.files import storage, tables
from raybel.files.provenance import versions
from raybel.files.storage import join
from raybel.files.work_directory import WorkDirectory
from raybel.jobs.runtime import ray_session
from raybel.jobs.train.config import TrainSapbertConfig
from raybel.jobs.train.directory import (
    base_fingerprint,
    copy_base,
    copy_tokenizer_and_config,
    delete_training_files,
    training_directory,
)
from raybel.jobs.train.run import Watch, run_workers, workers_on_cluster
from raybel.jobs.train.sapbert_worker import train_worker
from raybel.ontology import Ontology

KIND = "sapbert"


@dataclass
class TrainedSapbert:
    """What training gave.

    Args:
        output_dir: The model.
        epochs: A record for each: stage, number, loss, seconds, and the validation recall before it.
        scores: Recall of the result with and without training aliases; None without a validation corpus.
        seconds: Of this start.
        resumed: Epochs that an earlier start had done.
    """

    output_dir: str
    epochs: list[dict[str, Any]]
    scores: dict[str, dict[str, float | None]] | None
    seconds: float
    resumed: int


def train_sapbert(config: TrainSapbertConfig, watch: Watch | None = None) -> TrainedSapbert:
    """Train an encoder; the same call again goes on from the last checkpoint of a killed one.

    Args:
        config: What to do.
        watch: Called about once a second with the workers' progress: stage, epoch, step, steps, loss.

    Raises:
        ConfigError: No such model, nothing to learn, or the directory holds something other.
        InputError: A file can't be read.
        LockedError: Another job works on the directory.
        RaybelError: The loss isn't a number (NaN or infinite), or workers died too often.
    """
    begun = time.perf_counter()
    model = pretrained.resolve(config.base_model)
    pretrained.refuse_inside(model, config.output_dir)
    ontology = Ontology.open(config.ontology)
    AliasTable.build(ontology)  # refuses an ontology without names before Ray starts
    read_splits({"train": config.train_corpus, "val": config.val_corpus}, ontology, config.mentions)
    work = training_directory(config.output_dir, KIND)
    with work.lock():
        identity: dict[str, Any] = {
            "ontology": ontology.fingerprint,
            "base_model": base_fingerprint(model),
            "pooling": config.pooling or pretrained.pooling_of(str(model)),
            "parameters": asdict(config.parameters),
            "corpora": corpus_digests({"train": config.train_corpus, "val": config.val_corpus}),
            **reading_identity(config.mentions),
            "seed": config.seed,
        }
        earlier = work.check(identity, config.overwrite)
        if earlier and earlier.get("finished"):
            delete_training_files(work.uri)  # killed while it did
            epochs = earlier["epochs"]
            done = TrainedSapbert(config.output_dir, epochs, earlier["scores"], 0.0, len(epochs))
            _write_metrics(config, done)
            return done
        with ray_session():
            workers_on_cluster(config.workers)  # what can't run is refused before anything is deleted or made
            work.open(identity, config.overwrite, finished=False)
            copy_base(work.uri, model)
            outcome = _fit(config, work.uri, identity["pooling"], watch or (lambda state: None))
        _publish(config, work, identity, outcome)
    seconds = time.perf_counter() - begun
    done = TrainedSapbert(config.output_dir, outcome["epochs"], outcome["scores"], seconds, outcome["resumed"])
    _write_metrics(config, done)
    return done


def _write_metrics(config: TrainSapbertConfig, done: TrainedSapbert) -> None:
    if config.metric_file:
        value = {"epochs": done.epochs, "scores": done.scores, "seconds": done.seconds}
        tables.write_values(config.metric_file, {**value, "parameters": asdict(config.parameters)})


def _fit(config: TrainSapbertConfig, home: str, pooling: str, watch: Watch) -> dict[str, Any]:
    """Run the workers; return what they left in the last checkpoint's state."""
    settings = {
        "ontology": config.ontology,
        "train_corpus": list(config.train_corpus),
        "val_corpus": list(config.val_corpus),
        "mentions": asdict(config.mentions),
        "pooling": pooling,
        "parameters": asdict(config.parameters),
        "seed": config.seed,
    }
    outcome = run_workers(train_worker, home, settings, config.workers, watch)
    if outcome is None:
        raise ConfigError(
            "nothing to learn: no concept has two unambiguous names, and no training mention is unambiguous"
        )
    return outcome


def _publish(
    config: TrainSapbertConfig, work: WorkDirectory, identity: dict[str, Any], outcome: dict[str, Any]
) -> None:
    """Complete the Hugging Face directory, then leave out what only training needed."""
    home = work.uri
    copy_tokenizer_and_config(home)
    pooling = {f"pooling_mode_{mode}": mode.startswith(identity["pooling"]) for mode in ("cls_token", "mean_tokens")}
    storage.publish_json(join(home, "1_Pooling", "config.json"), pooling)
    storage.publish(join(home, "README.md"), _card(config, identity, outcome).encode())
    scores = {"epochs": outcome["epochs"], "scores": outcome["scores"]}
    work.write_description(identity, finished=True, versions=versions(), **scores)
    delete_training_files(home)


def _card(config: TrainSapbertConfig, identity: dict[str, Any], outcome: dict[str, Any]) -> str:
    """Return a model card: data, parameters, scores."""
    rows = [f"| {name} | {value} |" for name, value in identity["parameters"].items()]
    lines = [
        "---",
        "library_name: transformers",
        "pipeline_tag: feature-extraction",
        "---",
        "",
        "# Names of concepts and mentions as vectors",
        "",
        f"Made by raybel from `{config.base_model}` with the synonyms of an ontology "
        f"(fingerprint {identity['ontology']})" + (" and training mentions." if config.train_corpus else "."),
        f"Pooling: {identity['pooling']}; input in lower case. Compare by cosine.",
        "",
        "| parameter | value |",
        "| --- | --- |",
        *rows,
        f"| seed | {identity['seed']} |",
    ]
    if outcome["scores"]:
        lines += ["", "Recall on the validation corpus, as `raybel index dense` counts it:", ""]
        for name, scores in outcome["scores"].items():
            listed = ", ".join(f"{key} {100 * value:.1f}" for key, value in scores.items() if value is not None)
            lines.append(f"- {name.replace('_', ' ')}: {listed}")
    return "\n".join(lines) + "\n"

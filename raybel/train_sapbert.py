"""The training job of the dense generator's encoder, on Ray Train: synonyms of an ontology, then training mentions."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer
from ray.train.v2.api.exceptions import ControllerError, WorkerGroupError

from raybel import storage
from raybel.candidates import pretrained
from raybel.candidates.aliases import AliasTable
from raybel.candidates.alignment import AlignmentParameters
from raybel.config import differences, fingerprint, one_or_more, versions
from raybel.corpus import SUFFIXES
from raybel.errors import ConfigError, RaybelError
from raybel.locks import lock
from raybel.ontology import Ontology
from raybel.runtime import cpus_per_worker, started, told
from raybel.storage import join
from raybel.train import read_splits
from raybel.train_loop import CHECKPOINTS, FAILURE, PROGRESS, train_worker

#: Says what a directory of ours holds, beside Hugging Face's own config.json.
STATE = "raybel.json"
KIND = "sapbert"
#: What only training needs.
LEFT = ("base", CHECKPOINTS, PROGRESS, FAILURE)


@dataclass(frozen=True)
class TrainSapbertConfig:
    """Training of the encoder.

    Args:
        ontology: Its synonyms are learned.
        output_dir: The model: a Hugging Face directory that `index dense` takes.
        base_model: What to start from: `minilm`, a directory, or a name on the Hugging Face hub.
        train_corpus: BioC files whose mentions are learned after the synonyms.
        val_corpus: BioC files to measure recall on, before every epoch and at the end.
        pooling: `cls` or `mean`; None for what the base model says.
        parameters: Hyper-parameters.
        expand_abbreviations: Put long forms in the place of short forms in the corpora.
        seed: Of everything random.
        num_workers: Workers of Ray Train; None for one per GPU, or one.
        use_gpu: Whether each worker takes a GPU; None for where there are any.
        cpus_per_worker: CPUs, and threads, of each; None for as many as the nodes have for it.
        max_failures: Deaths of workers before the job fails; each goes on from the last epoch.
        overwrite: Delete what another configuration left in the directory.
        metric_file: Where to write losses, scores and times (JSON).
    """

    ontology: str
    output_dir: str
    base_model: str = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext"
    train_corpus: tuple[str, ...] = ()
    val_corpus: tuple[str, ...] = ()
    pooling: str | None = None
    parameters: AlignmentParameters = field(default_factory=AlignmentParameters)
    expand_abbreviations: bool = True
    seed: int = 0
    num_workers: int | None = None
    use_gpu: bool | None = None
    cpus_per_worker: int | None = None
    max_failures: int = 3
    overwrite: bool = False
    metric_file: str | None = None

    def __post_init__(self) -> None:
        one_or_more(self, "train_corpus", "val_corpus")
        if self.pooling not in (None, "cls", "mean"):
            raise ConfigError(f"pooling must be cls or mean, not {self.pooling!r}")
        if not self.train_corpus and not self.parameters.synonym_epochs:
            raise ConfigError("nothing to train: no --train-corpus, and synonym_epochs is 0")
        if self.num_workers is not None and self.num_workers < 1:
            raise ConfigError(f"num_workers must be at least 1, not {self.num_workers}")


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


def train_sapbert(config: TrainSapbertConfig, watch: Callable[[dict[str, Any]], None] | None = None) -> TrainedSapbert:
    """Train an encoder; the same call again goes on with the epoch in which a killed one stopped.

    Args:
        config: What to do.
        watch: Called about once a second with the workers' progress: stage, epoch, step, steps, loss.

    Raises:
        ConfigError: No such model, nothing to learn, or the directory holds something else.
        InputError: A file can't be read.
        LockedError: Another job works on the directory.
        RaybelError: The loss is no number, or workers died too often.
    """
    begun = time.perf_counter()
    model = pretrained.resolve(config.base_model)
    pretrained.refuse_inside(model, config.output_dir)
    ontology = Ontology.open(config.ontology)
    AliasTable.build(ontology)  # refuses an ontology without names before Ray starts
    read_splits({"train": config.train_corpus, "val": config.val_corpus}, ontology, config.expand_abbreviations)
    home = storage.absolute(config.output_dir)
    with lock(home):
        identity: dict[str, Any] = {
            "ontology": ontology.fingerprint,
            "base_model": fingerprint(
                {name: storage.size_and_digest(str(path))[1] for name, path in pretrained.files(model).items()}
            ),
            "pooling": config.pooling or pretrained.pooling_of(str(model)),
            "parameters": asdict(config.parameters),
            "corpora": {
                name: [storage.size_and_digest(path)[1] for path, _ in storage.expand(paths, SUFFIXES)]
                for name, paths in (("train", config.train_corpus), ("val", config.val_corpus))
                if paths
            },
            "expand_abbreviations": config.expand_abbreviations,
            "seed": config.seed,
        }
        held = _prepare(config, home, identity)
        if held.get("finished"):
            for left in LEFT:  # killed while it tidied up
                storage.delete(join(home, left))
            done = TrainedSapbert(config.output_dir, held["epochs"], held["scores"], 0.0, len(held["epochs"]))
            _write_metrics(config, done)
            return done
        for name, path in pretrained.files(model).items():
            if not storage.exists(join(home, "base", name)):
                storage.publish(join(home, "base", name), storage.copy_bytes(str(path)))
        outcome = _fit(config, home, identity["pooling"], watch or (lambda state: None))
        _publish(config, home, identity, outcome)
    seconds = time.perf_counter() - begun
    done = TrainedSapbert(config.output_dir, outcome["epochs"], outcome["scores"], seconds, outcome["resumed"])
    _write_metrics(config, done)
    return done


def _write_metrics(config: TrainSapbertConfig, done: TrainedSapbert) -> None:
    if config.metric_file:
        value = {"epochs": done.epochs, "scores": done.scores, "seconds": done.seconds}
        storage.publish_json(config.metric_file, {**value, "parameters": asdict(config.parameters)})


def _prepare(config: TrainSapbertConfig, home: str, identity: dict[str, Any]) -> dict[str, Any]:
    """Return what an earlier start of the same configuration left; refuse or delete what is something else."""
    state = join(home, STATE)
    held = storage.read_json(state) if storage.exists(state) else None
    if held is None and [name for name in storage.names(home) if name != ".lock"]:
        raise ConfigError(f"{home} holds something else than a model of ours: choose a new or empty directory")
    if held is not None and (different := differences(held["identity"], identity)):
        if not config.overwrite and held["identity"]:
            raise ConfigError(
                f"{home} holds a model of another configuration ({'; '.join(different)[:500]}): choose another "
                "--output-dir, or --overwrite"
            )
        storage.publish_json(state, {"kind": KIND, "identity": {}, "finished": False})  # a kill now leaves it ours
        for name in storage.names(home):
            if name not in (".lock", STATE):
                storage.delete(join(home, name))
        storage.delete(join(home, CHECKPOINTS))
        held = None
    storage.delete_temporary(home)
    if held is None:
        held = {"kind": KIND, "identity": identity, "finished": False}
        storage.publish_json(state, held)
    return held


def _fit(
    config: TrainSapbertConfig, home: str, pooling: str, watch: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """Run the workers; return what they left in the last checkpoint's state."""
    with told(), started():
        available = ray.cluster_resources()
        gpus = int(available.get("GPU", 0))
        use_gpu = gpus > 0 if config.use_gpu is None else config.use_gpu
        workers = config.num_workers or (gpus if use_gpu else 1)
        cpus = config.cpus_per_worker or cpus_per_worker(workers, use_gpu)
        loop = {
            "home": home,
            "ontology": storage.absolute(config.ontology),
            "train_corpus": [storage.absolute(path) for path in config.train_corpus],
            "val_corpus": [storage.absolute(path) for path in config.val_corpus],
            "expand_abbreviations": config.expand_abbreviations,
            "pooling": pooling,
            "parameters": asdict(config.parameters),
            "seed": config.seed,
            "threads": cpus,
        }
        trainer = TorchTrainer(
            train_worker,
            train_loop_config=loop,
            scaling_config=ScalingConfig(
                num_workers=workers, use_gpu=use_gpu, resources_per_worker=_per_worker(cpus, use_gpu)
            ),
            run_config=RunConfig(
                name=CHECKPOINTS,
                storage_path=home,
                failure_config=FailureConfig(max_failures=config.max_failures, controller_failure_limit=2),
                checkpoint_config=CheckpointConfig(num_to_keep=1),
            ),
        )
        stop = threading.Event()
        watcher = threading.Thread(target=_watch, args=(join(home, PROGRESS), stop, watch), daemon=True)
        watcher.start()
        storage.delete(join(home, FAILURE))
        try:
            result = _fitted(trainer)
        except WorkerGroupError as error:
            cause = next(iter(error.worker_failures.values()), error)
            cause = getattr(cause, "cause", None) or cause
            raise cause if isinstance(cause, RaybelError) else RaybelError(f"training failed: {cause}") from error
        except ControllerError as error:
            raise RaybelError(f"training failed: {error.controller_failure}") from error
        finally:
            stop.set()
            watcher.join()
        if storage.exists(join(home, FAILURE)):
            raise RaybelError(storage.read_json(join(home, FAILURE))["message"])
        if result.checkpoint is None:
            raise ConfigError(
                "nothing to learn: no concept has two unambiguous names, and no training mention is unambiguous"
            )
        with result.checkpoint.as_directory() as folder:
            outcome: dict[str, Any] = json.loads((Path(folder) / "state.json").read_text())
        return outcome


def _fitted(trainer: TorchTrainer) -> Any:
    """Run a trainer; Ray's own handler of Ctrl-C would end the process with status 0, and stay."""
    main = threading.current_thread() is threading.main_thread()
    previous = signal.getsignal(signal.SIGINT) if main else None
    try:
        return trainer.fit()
    except SystemExit:
        raise KeyboardInterrupt from None
    finally:
        if main:
            signal.signal(signal.SIGINT, previous)


def _per_worker(cpus: int, use_gpu: bool) -> dict[str, float]:
    return {"CPU": cpus, **({"GPU": 1} if use_gpu else {})}


def _watch(path: str, stop: threading.Event, watch: Callable[[dict[str, Any]], None]) -> None:
    while not stop.wait(1.0):
        if storage.exists(path):
            watch(storage.read_json(path))


def _publish(config: TrainSapbertConfig, home: str, identity: dict[str, Any], outcome: dict[str, Any]) -> None:
    """Complete the Hugging Face directory, then leave out what only training needed."""
    for name in storage.names(join(home, "base")):
        if name not in ("model.safetensors", "README.md") and not name.endswith(".index.json"):
            storage.publish(join(home, name), storage.copy_bytes(join(home, "base", name)))
    pooling = {f"pooling_mode_{mode}": mode.startswith(identity["pooling"]) for mode in ("cls_token", "mean_tokens")}
    storage.publish_json(join(home, "1_Pooling", "config.json"), pooling)
    storage.publish(join(home, "README.md"), _card(config, identity, outcome).encode())
    state = {"kind": KIND, "identity": identity, "finished": True, "versions": versions()}
    storage.publish_json(join(home, STATE), {**state, "epochs": outcome["epochs"], "scores": outcome["scores"]})
    for left in LEFT:
        storage.delete(join(home, left))


def _card(config: TrainSapbertConfig, identity: dict[str, Any], outcome: dict[str, Any]) -> str:
    """A model card: data, parameters, scores."""
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
            told_scores = ", ".join(f"{key} {100 * value:.1f}" for key, value in scores.items() if value is not None)
            lines.append(f"- {name.replace('_', ' ')}: {told_scores}")
    return "\n".join(lines) + "\n"

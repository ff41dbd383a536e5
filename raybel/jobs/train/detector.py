"""The training job of token classifiers, on Ray Train; afterwards, how far a dictionary beside one is trusted."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from raybel.config import MentionOptions
from raybel.corpus.sources import corpus_digests
from raybel.corpus.type_names import parse_type_names
from raybel.detection.annotated import AnnotatedDocument, CorpusCounts, read_corpus
from raybel.detection.dictionary import Dictionary
from raybel.detection.labels import Labels
from raybel.detection.model import KIND, VERSION
from raybel.detection.sequences import Tokeniser
from raybel.detection.training.dictionary import fit_with_dictionary
from raybel.detection.training.features import to_table
from raybel.detection.training.model_card import model_card
from raybel.encoders import pretrained, token_models
from raybel.errors import ConfigError, RaybelError
from raybel.files import artefacts, storage, tables
from raybel.files.fingerprints import fingerprint
from raybel.files.provenance import versions
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION
from raybel.jobs.runtime import ray_session
from raybel.jobs.train.config import TrainDetectorConfig
from raybel.jobs.train.detector_worker import train_worker
from raybel.jobs.train.directory import (
    FEATURES,
    TRAINING_FILES,
    base_fingerprint,
    copy_base,
    delete_training_files,
    training_directory,
)
from raybel.jobs.train.run import Watch, run_workers, workers_on_cluster

#: What was counted of the corpora, in the directory of features; written last.
_COUNTS = "counts.json"


@dataclass
class TrainedDetector:
    """What training gave.

    Args:
        output_dir: The model.
        epochs: A record for each: loss, seconds, scores by type (of all corpora, and of each), whether it was the best.
        corpora: Of each split, what was counted of each corpus.
        combination: How far a dictionary is trusted, with the scores; None where there is none.
        seconds: Of this start.
        resumed: Epochs that an earlier start had done.
    """

    output_dir: str
    epochs: list[dict[str, Any]]
    corpora: dict[str, list[dict[str, Any]]]
    combination: dict[str, Any] | None
    seconds: float
    resumed: int

    @property
    def best(self) -> dict[str, Any]:
        """The best epoch's record."""
        return [epoch for epoch in self.epochs if epoch["best"]][-1]


def train_detector(config: TrainDetectorConfig, watch: Watch | None = None) -> TrainedDetector:
    """Train a token classifier; the same call again goes on from the last checkpoint of a killed one.

    With another dictionary than before, a finished model's rule for it is fitted, and nothing is trained.

    Args:
        config: What to do.
        watch: Called about once a second with the stage, then with the workers' progress.

    Raises:
        ConfigError: No such model, or one whose tokenizer doesn't say where its tokens are; workers that don't fit; or
            the directory holds something other.
        InputError: A file can't be read, or a corpus has no mention of a type that counts.
        LockedError: Another job works on the directory.
        RaybelError: The loss or a weight isn't a number (NaN or infinite), or workers died too often.
    """
    job = _Job(config, watch or (lambda state: None))
    with job.work.lock():
        trained = job.run()
    if config.metric_file:
        values = {"epochs": trained.epochs, "corpora": trained.corpora, "seconds": trained.seconds}
        values["combination"] = trained.combination
        tables.write_values(config.metric_file, {**values, "parameters": asdict(config.parameters)})
    return trained


class _Job:
    """One start of the job; whether it can be done at all is looked at before Ray starts."""

    def __init__(self, config: TrainDetectorConfig, watch: Watch) -> None:
        self.begun = time.perf_counter()
        self.config, self.watch = config, watch
        self.model = pretrained.resolve(config.model_name)
        pretrained.refuse_inside(self.model, config.output_dir)
        self.dictionary = Dictionary.load(config.dictionary) if config.dictionary else None
        self.paths = {"train": config.train_corpus, "val": config.val_corpus}
        digests = {split: [corpus_digests({"": [path]})[""] for path in paths] for split, paths in self.paths.items()}
        self.identity: dict[str, Any] = {
            "base_model": base_fingerprint(self.model),
            "parameters": asdict(config.parameters),
            "corpora": digests,
            "mention_types": list(config.mention_types),
            "type_names": parse_type_names(config.type_names),
            "type_infon": config.type_infon,
            "precision": config.precision,
            "seed": config.seed,
            "workers": config.workers.num_workers,
        }
        self.work = training_directory(config.output_dir, KIND)
        self.home = self.work.uri

    def run(self) -> TrainedDetector:
        """Do what is left to do."""
        description = self.work.check(self.identity, self.config.overwrite)
        resumed = len(description["epochs"]) if description and description.get("finished") else 0
        if not (description and description.get("finished")):
            outcome = self._train(description is not None)
            resumed = outcome["resumed"]
            description = self._publish(outcome)
        delete_training_files(self.home)
        description = self._combined(description)
        seconds = time.perf_counter() - self.begun
        epochs, corpora, combination = (description[name] for name in ("epochs", "corpora", "combination"))
        return TrainedDetector(self.home, epochs, corpora, combination, seconds, resumed)

    def _train(self, goes_on: bool) -> dict[str, Any]:
        """Train on the corpora; return what the workers left in the last checkpoint, and the corpora's counts."""
        config = self.config
        counts_path = join(self.home, FEATURES, _COUNTS)
        read = None if goes_on and storage.exists(counts_path) else self._read()
        check_model(str(self.model))
        with ray_session():
            workers_on_cluster(config.workers)  # what can't run is refused before anything is deleted or made
            self.work.open(self.identity, config.overwrite, finished=False)
            copy_base(self.home, self.model)
            if read is not None:
                documents, corpora = read
                for split, of_split in documents.items():
                    content = artefacts.arrow_bytes(to_table(of_split))
                    storage.publish(join(self.home, FEATURES, f"{split}.arrow"), content)
                storage.publish_json(counts_path, corpora)
            corpora = storage.read_json(counts_path)
            settings = {
                "types": {split: [each["types"] for each in of_split] for split, of_split in corpora.items()},
                "parameters": asdict(config.parameters),
                "precision": config.precision,
                "seed": config.seed,
            }
            outcome = run_workers(train_worker, self.home, settings, config.workers, self.watch)
        if outcome is None:
            raise RaybelError("training left no checkpoint: run the same command again")
        for counts, left in zip(corpora["train"], outcome["left"], strict=True):
            counts |= left
        return {**outcome, "corpora": corpora}

    def _read(self) -> tuple[dict[str, list[AnnotatedDocument]], dict[str, list[dict[str, Any]]]]:
        """Read the corpora: the documents and the counts of each split."""
        config = self.config
        options = MentionOptions(
            expand_abbreviations=False, type_infon=config.type_infon, mention_types=config.mention_types
        )
        documents: dict[str, list[AnnotatedDocument]] = {}
        counts: dict[str, list[CorpusCounts]] = {}
        for split, paths in self.paths.items():
            if not paths:
                continue
            documents[split], counts[split] = [], []
            for number, path in enumerate(paths):
                self.watch({"stage": f"reading the {split} corpora"})
                found, of_corpus = read_corpus([path], options, self.identity["type_names"], number)
                documents[split] += found
                counts[split].append(of_corpus)
        trained = {kind for of_corpus in counts["train"] for kind in of_corpus.types}
        for of_corpus in counts.get("val", []):
            if unknown := sorted(set(of_corpus.types) - trained):
                raise ConfigError(
                    f"{of_corpus.name} has mentions of types that no training corpus has: {', '.join(unknown)}. "
                    f"Those have: {', '.join(sorted(trained))}. Name them alike (--type-names), or leave them out "
                    "(--mention-types)"
                )
        return documents, {split: [each.to_dict() for each in of_split] for split, of_split in counts.items()}

    def _publish(self, outcome: dict[str, Any]) -> dict[str, Any]:
        """Complete the Hugging Face directory; return its description."""
        spared = {DESCRIPTION, "README.md", ".lock", *TRAINING_FILES}
        names = sorted({name for name in storage.names(self.home) if "/" not in name} - spared)
        files = {name: storage.size_and_digest(join(self.home, name)) for name in names}
        parameters = asdict(self.config.parameters)
        decisive = {name: digest for name, (_, digest) in files.items()}
        least_scores = [epoch for epoch in outcome["epochs"] if epoch["best"]][-1]["least_scores"]
        decisive |= {
            "least_scores": str(least_scores),
            "context_tokens": str(parameters["context_tokens"]),
            "case": str(outcome["case"]),
        }
        facts = {
            "version": VERSION,
            "finished": True,
            "parameters": parameters,
            "case": outcome["case"],
            "least_scores": least_scores,
            "types": sorted({kind for each in outcome["corpora"]["train"] for kind in each["types"]}),
            "fingerprint": fingerprint(decisive),
            "files": {name: size for name, (size, _) in files.items()},
            "epochs": outcome["epochs"],
            "corpora": outcome["corpora"],
            "combination": None,
            "versions": versions(),
        }
        return self._describe(facts)

    def _describe(self, facts: dict[str, Any]) -> dict[str, Any]:
        text = model_card(self.config.model_name, {"identity": self.identity, **facts})
        storage.publish(join(self.home, "README.md"), text.encode())
        return self.work.write_description(self.identity, **facts)

    def _combined(self, description: dict[str, Any]) -> dict[str, Any]:
        """Fit how far the dictionary is trusted, unless that was done; return the description."""
        before = description["combination"]
        if self.dictionary is None or (before and before["dictionary"] == self.dictionary.fingerprint):
            return description
        self.watch({"stage": "fitting how far the dictionary is trusted"})
        documents, corpora = self._read()
        types = [each["types"] for each in corpora["val"]]
        combination = fit_with_dictionary(self.home, self.dictionary, documents["val"], types)
        facts = {name: value for name, value in description.items() if name not in ("kind", "identity")}
        return self._describe({**facts, "combination": combination})


def check_model(directory: str) -> None:
    """Refuse a base model that can't become a token classifier.

    Raises:
        ConfigError: Its tokenizer doesn't say where its tokens are.
        InputError: It isn't a model that can classify tokens.
    """
    model, tokenizer = token_models.load(directory, False, labels=Labels.of_types(["x"]).names)
    try:
        Tokeniser(tokenizer, token_models.window(model, tokenizer))
    except ConfigError as error:
        raise ConfigError(f"{directory}: {error}") from error

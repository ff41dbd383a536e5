"""The training job of the n-gram generator."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from raybel.candidates.calibrating import calibrate, store
from raybel.candidates.calibration import FittedCalibration
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.recall import read_splits, recall
from raybel.corpus.documents import reading_identity
from raybel.files import tables
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.ontology import Ontology


@dataclass
class TrainedNgrams:
    """What training gave.

    Args:
        fingerprint: Of the model.
        scores: Recall of each split, by metric; None where the split has no mention that counts.
        mentions: Mentions that count, of each split.
        left_out: The other mentions, of each split.
        alias_rows: Aliases of the model.
        training_aliases: (alias, concept) pairs that training mentions have.
        seconds: Of reading and training.
        calibration: What its scores are worth; None where nothing says so.
    """

    fingerprint: str
    scores: dict[str, dict[str, float | None]]
    mentions: dict[str, int]
    left_out: dict[str, int]
    alias_rows: int
    training_aliases: int
    seconds: float
    calibration: FittedCalibration | None


def train_ngrams(config: TrainNgramsConfig) -> TrainedNgrams:
    """Train the n-gram generator, measure its recall on both corpora, write the model directory.

    On the validation corpus its calibration is fitted too.

    Mentions count as the default scoring policy says: those with a single id that the ontology knows. With training
    aliases the score on the training corpus says little: its own mentions are in the model.

    Raises:
        InputError: A corpus or the ontology can't be read.
        ConfigError: Nothing to train on.
    """
    ontology = Ontology.open(config.ontology)
    begun = time.perf_counter()
    splits = read_splits({"train": config.train_corpus, "val": config.val_corpus}, ontology, config.mentions)
    training = splits["train"].mentions if "train" in splits else []
    model = NgramGenerator.build(ontology, config.parameters, training)
    seconds = time.perf_counter() - begun
    scores = {name: recall(model, read.mentions, config.top_k) for name, read in splits.items()}
    calibration = calibrate(model, splits["val"].judged) if "val" in splits else None
    extra = reading_identity(config.mentions)
    fingerprint = model.save(config.output_dir, extra, {"scores": scores})
    if calibration is not None:
        store(config.output_dir, fingerprint, calibration)
    trained = TrainedNgrams(
        fingerprint,
        scores,
        {name: len(read.mentions) for name, read in splits.items()},
        {name: read.left_out for name, read in splits.items()},
        model.aliases.table.num_rows,
        model.aliases.training_pairs,
        seconds,
        calibration,
    )
    if config.metric_file:
        value = {"scores": scores, "mentions": trained.mentions, "training_seconds": seconds}
        tables.write_values(config.metric_file, {**value, "parameters": asdict(config.parameters)})
    return trained

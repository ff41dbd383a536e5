"""`raybel train detector`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options, params_of, params_option
from raybel.config import configured, option_of
from raybel.detection.training.parameters import DetectorParameters
from raybel.display import counted, duration, percent, relative
from raybel.jobs.train.config import TrainDetectorConfig

if TYPE_CHECKING:  # it imports Ray
    from raybel.jobs.train.detector import TrainedDetector

_SCORES = ("precision", "recall", "F1")


@click.command(context_settings=CONTEXT)
@options(TrainDetectorConfig)
@params_option("detector", DetectorParameters)
def detector(values: dict[str, Any], params: str | None) -> None:
    """Train a token classifier, which finds mentions in text.

    Several corpora may annotate different types: a corpus that lacks a type says nothing about it. The directory is a
    Hugging Face model.

    \b
    Examples:
      raybel train detector --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --model-name minilm --output-dir models/detector
      raybel train detector --train-corpus ncbi/train.bioc.xml.gz --val-corpus ncbi/val.bioc.xml.gz \\
          --train-corpus bc5cdr/train.bioc.xml.gz --val-corpus bc5cdr/val.bioc.xml.gz \\
          --type-names SpecificDisease=Disease,Modifier=Disease,DiseaseClass=Disease,CompositeMention=Disease \\
          --output-dir models/detector
    """
    names = {item.name for item in fields(DetectorParameters) if option_of(DetectorParameters, item.name)}
    over = {name: value for name, value in values.items() if name in names}
    parameters = DetectorParameters().changed(params_of(params, "detector")).changed(over)
    config = configured(TrainDetectorConfig, values, parameters=parameters)
    from raybel.cli.progress import epoch_training, show_progress
    from raybel.jobs.train.detector import train_detector  # Ray takes a second to import

    with show_progress(epoch_training, "with the epoch it was in") as watch:
        trained = train_detector(config, watch)
    show(trained)


def show(trained: TrainedDetector) -> None:
    """Print the tables of a training job."""
    _show_epochs(trained)
    if trained.best["scores"]:
        _show_scores(trained)
    if trained.combination:
        _show_combination(trained.combination)


def _show_epochs(trained: TrainedDetector) -> None:
    kinds = list(trained.best["scores"] or {})
    rows: list[list[object]] = []
    for epoch in trained.epochs:
        mark = "*" if epoch is trained.best else ""
        scores = [percent(epoch["scores"][kind]["F1"]) for kind in kinds]
        rows.append([f"{epoch['epoch']}{mark}", f"{epoch['loss']:.4f}", *scores, duration(epoch["seconds"])])
    notes = [_note(split, each) for split, corpora in trained.corpora.items() for each in corpora]
    notes += [each["set_aside"] for corpora in trained.corpora.values() for each in corpora if each["set_aside"]]
    notes.append("* the best epoch, which is kept" if kinds else "no --val-corpus: the last epoch is kept")
    notes += [f"{counted(trained.resumed, 'epoch')} from earlier starts"] if trained.resumed else []
    header = ["epoch", "loss", *(f"F1 {kind}" for kind in kinds), "time"]
    tables.table(f"token classifier {relative(trained.output_dir)}", header, rows, notes)


def _note(split: str, corpus: dict[str, Any]) -> str:
    """Say what was read of a corpus, and what of it can't be learned as it is."""
    listed = ", ".join(f"{count:,} {kind}" for kind, count in corpus["mentions"].items())
    text = f"{split}, {relative(corpus['name'])}: {counted(corpus['documents'], 'document')} with {listed}"
    left = [
        f"{corpus[name]:,} {words}"
        for name, words in (
            ("duplicates", "twice the same"),
            ("discontinuous", "in pieces (counted from the first to the last)"),
            ("overlapping", "left out, since a longer one overlaps them"),
            ("cut", "left out, since a sentence ends in them"),
            ("inside_words", "that begin or end inside a word (learned as whole words)"),
            ("without_words", "left out, since they are no token"),
        )
        if corpus.get(name)
    ]
    return f"{text}; of these {'; '.join(left)}" if left else text


def show_validation(
    corpora: Sequence[Mapping[str, Any]],
    by_corpus: Sequence[Mapping[str, Mapping[str, float]]],
    notes: Sequence[str] = (),
) -> None:
    """Print the strict scores of each validation corpus by type.

    Args:
        corpora: What was counted of each.
        by_corpus: Precision, recall and F1 by type of each.
        notes: Further sentences.
    """
    rows: list[list[object]] = []
    for corpus, scores in zip(corpora, by_corpus, strict=True):
        rows += [
            [relative(corpus["name"]), kind or "no type", *(percent(values[name]) for name in _SCORES)]
            for kind, values in scores.items()
            if kind != "all" or len(scores) > 2
        ]
    notes = ["a mention is right if its place and type are (strict)", *notes]
    tables.table("validation corpora", ["", "type", *_SCORES], rows, notes)


def _show_scores(trained: TrainedDetector) -> None:
    least = ", ".join(f"{kind} {score}" for kind, score in trained.best["least_scores"].items())
    notes = [f"the least scores of mentions that count, fitted here: {least}"]
    notes.append("the best epoch was chosen on these corpora: on new text expect a little less")
    show_validation(trained.corpora["val"], trained.best["corpora"], notes)


def _show_combination(combination: dict[str, Any]) -> None:
    rows = [
        [name, kind, *(percent(values[each]) for each in _SCORES)]
        for name, scores in combination["scores"].items()
        for kind, values in scores.items()
        if kind != "all" or len(scores) > 2
    ]
    notes = []
    for kind, rule in combination["rule"]["types"].items():
        added = "never" if rule["add"] is None else f"from the score {rule['add']} on"
        note = f"{kind}: the dictionary's mentions are added {added}"
        if rule["keep"] is None:
            note += "; the classifier's own need the dictionary's consent"
        elif rule["keep"]:
            note += f"; the classifier's own need {rule['keep']} or the dictionary's consent"
        if rule["agree"] is not None:
            note += f"; where both have the same one, the classifier's score must be {rule['agree']} at least"
        notes.append(note)
    tables.table("token classifier and dictionary, on the validation corpora", ["", "type", *_SCORES], rows, notes)

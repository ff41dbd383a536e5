"""`raybel train`: train a generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from raybel.candidates.parameters import NgramParameters
from raybel.candidates.training.parameters import AlignmentParameters
from raybel.cli import tables
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.crossencoder import crossencoder
from raybel.cli.options import options, params_of, params_option
from raybel.config import configured
from raybel.display import duration, percent, relative
from raybel.evaluation.metrics import METRICS
from raybel.jobs.train.config import TrainNgramsConfig, TrainSapbertConfig


@click.group(cls=Commands, context_settings=CONTEXT)
def train() -> None:
    """Train a candidate generator, the encoder of one, or a cross-encoder."""


train.add_command(crossencoder)


@train.command(context_settings=CONTEXT)
@options(TrainNgramsConfig)
@params_option("ngrams", NgramParameters)
@click.option(
    "--training-aliases/--no-training-aliases",
    default=None,
    show_default=False,
    help="Over --params: training mentions become aliases of their concepts (the default), or not.",
)
def ngrams(values: dict[str, Any], params: str | None, training_aliases: bool | None) -> None:
    """Train the character n-gram generator, and print its recall.

    \b
    Example:
      raybel train ngrams --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --output-dir models/ngrams
    """
    parameters = NgramParameters().changed(params_of(params, "ngrams"))
    if training_aliases is not None:
        parameters = replace(parameters, add_training_data_to_ontology=training_aliases)
    config = configured(TrainNgramsConfig, values, parameters=parameters)
    from raybel.jobs.train.ngrams import train_ngrams

    trained = train_ngrams(config)
    title = f"n-gram generator {relative(config.output_dir)}"
    rows = [
        [name, trained.mentions[name], *(percent(trained.scores[name][metric]) for metric in METRICS)]
        for name in trained.scores
    ]
    notes = [
        f"{trained.alias_rows:,} aliases, {trained.training_aliases:,} of them from training mentions; "
        f"trained in {duration(trained.seconds)}",
    ]
    if not rows:
        tables.out.print(f"{title}: {notes[0]}", markup=False)
        return
    left_out = ", ".join(f"{count:,} of {name}" for name, count in trained.left_out.items())
    notes.append(f"recall@all is within {config.top_k} candidates")
    notes.append(f"counted: mentions with a single id that the ontology knows; left out: {left_out}")
    if trained.training_aliases and "train" in trained.scores:
        notes.append("train: its mentions are aliases of the model, so that its scores say little")
    tables.table(title, ["corpus", "mentions", *METRICS], rows, notes)


@train.command(context_settings=CONTEXT)
@options(TrainSapbertConfig)
@params_option("sapbert", AlignmentParameters)
def sapbert(values: dict[str, Any], params: str | None) -> None:
    """Train the encoder of a dense index: on the ontology's synonyms, then on training mentions.

    \b
    Examples:
      raybel train sapbert --ontology data/ontology.arrow --base-model minilm --output-dir models/encoder
      raybel train sapbert --ontology data/ontology.arrow --train-corpus data/train.bioc.xml.gz \\
          --val-corpus data/val.bioc.xml.gz --output-dir models/encoder
    """
    parameters = AlignmentParameters().changed(params_of(params, "sapbert"))
    config = configured(TrainSapbertConfig, values, parameters=parameters)
    from raybel.cli.progress import show_progress, training
    from raybel.jobs.train.sapbert import train_sapbert  # Ray takes a second to import

    with show_progress(training, "with the epoch it was in") as watch:
        done = train_sapbert(config, watch)
    rows: list[list[object]] = [
        [
            f"{each['stage']}, epoch {each['epoch']}",
            each["groups"],
            _loss(each["loss"]),
            duration(each["seconds"]),
        ]
        for each in done.epochs
    ]
    notes = [f"{done.resumed} epochs are from earlier starts"] if done.resumed else []
    tables.table(f"encoder {relative(done.output_dir)}", ["", "groups", "loss", "time"], rows, notes)
    if done.scores:
        first = done.epochs[0]["before"] or {}
        states = [("base model", first), ("result", done.scores)]
        scores = [
            [f"{state}, {name.replace('_', ' ')}", *(percent(held[name][metric]) for metric in METRICS)]
            for state, held in states
            for name in held
        ]
        tables.table("recall on the validation corpus", ["", *METRICS], scores)


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"

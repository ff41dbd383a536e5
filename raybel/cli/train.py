"""`raybel train`: train a generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from raybel.candidates.parameters import SEARCHES, NgramParameters, Search
from raybel.candidates.training.parameters import AlignmentParameters
from raybel.cli import tables
from raybel.cli.calibrate import generator_notes
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.crossencoder import crossencoder
from raybel.cli.detectors import dictionary
from raybel.cli.options import options, params_of, params_option
from raybel.cli.token_classifier import detector
from raybel.config import configured
from raybel.display import counted, duration, percent, relative
from raybel.evaluation.metrics import METRICS
from raybel.jobs.train.config import VALIDATION_TOP_K, TrainNgramsConfig, TrainSapbertConfig


@click.group(cls=Commands, context_settings=CONTEXT)
def train() -> None:
    """Train a candidate generator, the encoder of one, a cross-encoder, or what finds mentions."""


train.add_command(crossencoder)
train.add_command(dictionary)
train.add_command(detector)


@train.command(context_settings=CONTEXT)
@options(TrainNgramsConfig)
@params_option("ngrams", NgramParameters)
@click.option(
    "--training-aliases/--no-training-aliases",
    default=None,
    show_default=False,
    help="Over --params: training mentions become aliases of their concepts (the default), or not.",
)
@click.option(
    "--search",
    type=click.Choice(SEARCHES),
    default=None,
    show_default=False,
    help="Over --params: exact (the default), or fast, for ontologies with millions of names.",
)
def ngrams(values: dict[str, Any], params: str | None, training_aliases: bool | None, search: Search | None) -> None:
    """Train the character n-gram generator, and print its recall.

    \b
    Example:
      raybel train ngrams --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --output-dir models/ngrams
    """
    parameters = NgramParameters().changed(params_of(params, "ngrams"))
    if training_aliases is not None:
        parameters = replace(parameters, add_training_data_to_ontology=training_aliases)
    if search is not None:
        parameters = replace(parameters, search=search)
    config = configured(TrainNgramsConfig, values, parameters=parameters)
    from raybel.jobs.train.ngrams import train_ngrams

    trained = train_ngrams(config)
    title = f"n-gram generator {relative(config.output_dir)}"
    rows = [
        [name, trained.mentions[name], *(percent(trained.scores[name][metric]) for metric in METRICS)]
        for name in trained.scores
    ]
    notes = [
        f"{counted(trained.alias_rows, 'alias', 'aliases')}, {trained.training_aliases:,} from training mentions; "
        f"trained in {duration(trained.seconds)}",
    ]
    if not rows:
        tables.out.print(f"{title}: {notes[0]}", markup=False)
        return
    left_out = ", ".join(f"{count:,} of {name}" for name, count in trained.left_out.items())
    notes.append(f"recall@all is within {counted(config.top_k, 'candidate')}")
    notes.append(f"counted: mentions with a single id that the ontology knows; left out: {left_out}")
    if trained.training_aliases and "train" in trained.scores:
        notes.append("train: its mentions are aliases of the model, so that its scores say little")
    notes += generator_notes(trained.calibration)
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
        trained = train_sapbert(config, watch)
    rows: list[list[object]] = [
        [
            f"{epoch['stage']}, epoch {epoch['epoch']}",
            epoch["groups"],
            _loss(epoch["loss"]),
            duration(epoch["seconds"]),
        ]
        for epoch in trained.epochs
    ]
    notes = [f"{counted(trained.resumed, 'epoch')} from earlier starts"] if trained.resumed else []
    tables.table(f"encoder {relative(trained.output_dir)}", ["", "groups", "loss", "time"], rows, notes)
    if trained.scores:
        stages = [("base model", trained.epochs[0]["before"] or {}), ("result", trained.scores)]
        scores = [
            [f"{stage}, {aliases.replace('_', ' ')}", *(percent(recall[metric]) for metric in METRICS)]
            for stage, by_aliases in stages
            for aliases, recall in by_aliases.items()
        ]
        notes = [f"recall@all is within {VALIDATION_TOP_K} candidates"]
        tables.table("recall on the validation corpus", ["", *METRICS], scores, notes)


def _loss(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"

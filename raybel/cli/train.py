"""`raybel train`: train a generator."""

from __future__ import annotations

from dataclasses import replace

import click

from raybel import report
from raybel.candidates.vectorizer import NgramParameters
from raybel.cli.common import CONTEXT
from raybel.config import read_file
from raybel.errors import ConfigError
from raybel.metrics import METRICS
from raybel.train import TrainNgramsConfig, train_ngrams


@click.group(context_settings=CONTEXT)
def train() -> None:
    """Train a candidate generator."""


@train.command(context_settings=CONTEXT)
@click.option("--ontology", required=True, metavar="FILE", help="What to link to (.arrow, .parquet, .json.gz).")
@click.option("--output-dir", required=True, metavar="DIR", help="The model directory.")
@click.option("--train-corpus", multiple=True, metavar="PATH", help="BioC files whose mentions become aliases.")
@click.option("--val-corpus", multiple=True, metavar="PATH", help="BioC files to measure recall on.")
@click.option(
    "--params",
    metavar="FILE",
    help="Hyper-parameters under the key `ngrams` (JSON or YAML): " + ", ".join(NgramParameters.__dataclass_fields__),
)
@click.option(
    "--training-aliases/--no-training-aliases",
    default=None,
    show_default=False,
    help="Over --params: training mentions become aliases of their concepts (the default), or not.",
)
@click.option(
    "--expand-abbreviations/--no-expand-abbreviations",
    default=True,
    help="Put the long form in the place of a short form that the document defines.",
)
@click.option("--metric-file", metavar="FILE", help="Write scores and training time here (JSON).")
def ngrams(
    ontology: str,
    output_dir: str,
    train_corpus: tuple[str, ...],
    val_corpus: tuple[str, ...],
    params: str | None,
    training_aliases: bool | None,
    expand_abbreviations: bool,
    metric_file: str | None,
) -> None:
    """Train the character n-gram generator, and print its recall.

    \b
    Example:
      raybel train ngrams --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --output-dir models/ngrams
    """
    parameters = _parameters(params)
    if training_aliases is not None:
        parameters = replace(parameters, add_training_data_to_ontology=training_aliases)
    config = TrainNgramsConfig(
        ontology, output_dir, train_corpus, val_corpus, parameters, expand_abbreviations, metric_file=metric_file
    )
    trained = train_ngrams(config)
    rows = [
        [name, trained.mentions[name], *(report.percent(trained.scores[name][metric]) for metric in METRICS)]
        for name in trained.scores
    ]
    notes = [
        f"{trained.alias_rows:,} aliases, {trained.training_aliases:,} of them from training mentions; "
        f"trained in {report.duration(trained.seconds)}",
    ]
    if not rows:
        report.out.print(f"n-gram generator {output_dir}: {notes[0]}", markup=False)
        return
    left_out = ", ".join(f"{count:,} of {name}" for name, count in trained.left_out.items())
    notes.append(f"recall@all is within {config.top_k} candidates")
    notes.append(f"counted: mentions with a single id that the ontology knows; left out: {left_out}")
    if trained.training_aliases and "train" in trained.scores:
        notes.append("train: its mentions are aliases of the model, so that its scores say little")
    report.table(f"n-gram generator {output_dir}", ["corpus", "mentions", *METRICS], rows, notes)


def _parameters(path: str | None) -> NgramParameters:
    if path is None:
        return NgramParameters()
    value = read_file(path).get("ngrams")
    if not isinstance(value, dict):
        raise ConfigError(f"{path} has no key `ngrams` with the hyper-parameters")
    return NgramParameters.from_dict(value)

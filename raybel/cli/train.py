"""`raybel train`: train a generator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from raybel.candidates.parameters import NgramParameters
from raybel.cli import tables
from raybel.cli.common import CONTEXT, parameters_of
from raybel.cli.crossencoder import crossencoder
from raybel.display import duration, percent
from raybel.evaluation.metrics import METRICS
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams

#: Hyper-parameters of `sapbert`, named here since their module imports torch; a test compares.
SAPBERT = (
    *("synonym_learning_rate", "mention_learning_rate", "synonym_epochs", "mention_epochs", "pairs", "replay"),
    *("batch_size", "negatives", "pair_negatives", "temperature", "dictionary_share", "average", "pool_strings"),
)


@click.group(context_settings=CONTEXT)
def train() -> None:
    """Train a candidate generator, the encoder of one, or a cross-encoder."""


train.add_command(crossencoder)


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
    parameters = NgramParameters.from_dict(parameters_of(params, "ngrams"))
    if training_aliases is not None:
        parameters = replace(parameters, add_training_data_to_ontology=training_aliases)
    config = TrainNgramsConfig(
        ontology, output_dir, train_corpus, val_corpus, parameters, expand_abbreviations, metric_file=metric_file
    )
    trained = train_ngrams(config)
    rows = [
        [name, trained.mentions[name], *(percent(trained.scores[name][metric]) for metric in METRICS)]
        for name in trained.scores
    ]
    notes = [
        f"{trained.alias_rows:,} aliases, {trained.training_aliases:,} of them from training mentions; "
        f"trained in {duration(trained.seconds)}",
    ]
    if not rows:
        tables.out.print(f"n-gram generator {output_dir}: {notes[0]}", markup=False)
        return
    left_out = ", ".join(f"{count:,} of {name}" for name, count in trained.left_out.items())
    notes.append(f"recall@all is within {config.top_k} candidates")
    notes.append(f"counted: mentions with a single id that the ontology knows; left out: {left_out}")
    if trained.training_aliases and "train" in trained.scores:
        notes.append("train: its mentions are aliases of the model, so that its scores say little")
    tables.table(f"n-gram generator {output_dir}", ["corpus", "mentions", *METRICS], rows, notes)


@train.command(context_settings=CONTEXT)
@click.option(
    "--ontology", required=True, metavar="FILE", help="Its synonyms are learned (.arrow, .parquet, .json.gz)."
)
@click.option("--output-dir", required=True, metavar="DIR", help="The model; the same command again resumes.")
@click.option(
    "--base-model",
    default="microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract-fulltext",
    metavar="NAME",
    help="What to start from: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.",
)
@click.option("--train-corpus", multiple=True, metavar="PATH", help="BioC files whose mentions are learned too.")
@click.option("--val-corpus", multiple=True, metavar="PATH", help="BioC files to measure recall on, every epoch.")
@click.option(
    "--pooling", type=click.Choice(["cls", "mean"]), help="What stands for a string.  [default: as the model]"
)
@click.option(
    "--params", metavar="FILE", help="Hyper-parameters under the key `sapbert` (JSON or YAML): " + ", ".join(SAPBERT)
)
@click.option(
    "--expand-abbreviations/--no-expand-abbreviations",
    default=True,
    help="Put the long form in the place of a short form that the document defines.",
)
@click.option("--seed", type=int, default=0, help="Of everything random.")
@click.option("--num-workers", type=click.IntRange(1), help="Workers of Ray Train.  [default: one per GPU, or one]")
@click.option("--use-gpu/--no-use-gpu", default=None, help="A GPU for each worker.  [default: where there are any]")
@click.option("--cpus-per-worker", type=click.IntRange(1), help="CPUs and threads of each.  [default: all there are]")
@click.option("--max-failures", type=click.IntRange(0), default=3, help="Deaths of workers before the job fails.")
@click.option("--overwrite", is_flag=True, help="Delete a model of another configuration first.")
@click.option("--metric-file", metavar="FILE", help="Write losses, scores and times here (JSON).")
def sapbert(params: str | None, **options: Any) -> None:
    """Train the encoder of a dense index: on the ontology's synonyms, then on training mentions.

    \b
    Examples:
      raybel train sapbert --ontology data/ontology.arrow --base-model minilm --output-dir models/encoder
      raybel train sapbert --ontology data/ontology.arrow --train-corpus data/train.bioc.xml.gz \\
          --val-corpus data/val.bioc.xml.gz --output-dir models/encoder
    """
    from raybel.candidates.training.parameters import AlignmentParameters
    from raybel.cli.progress import shown, training
    from raybel.jobs.train.config import TrainSapbertConfig, Workers
    from raybel.jobs.train.sapbert import train_sapbert

    parameters = AlignmentParameters.from_dict(parameters_of(params, "sapbert"))
    with shown(training, "with the epoch it was in") as watch:
        workers = Workers(**{name: options.pop(name) for name in Workers.__dataclass_fields__})
        done = train_sapbert(TrainSapbertConfig(**options, workers=workers, parameters=parameters), watch)
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
    tables.table(f"encoder {done.output_dir}", ["", "groups", "loss", "time"], rows, notes)
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

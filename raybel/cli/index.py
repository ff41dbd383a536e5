"""`raybel index`: make a dense index of an ontology."""

from __future__ import annotations

from typing import Any

import click

from raybel.cli import tables
from raybel.cli.calibrate import generator_notes
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.options import options
from raybel.config import configured
from raybel.display import counted, duration, percent, relative
from raybel.evaluation.metrics import METRICS
from raybel.jobs.index.config import IndexDenseConfig


@click.group(cls=Commands, context_settings=CONTEXT)
def index() -> None:
    """Embed an ontology, and index the vectors."""


@index.command(context_settings=CONTEXT)
@options(IndexDenseConfig)
def dense(values: dict[str, Any]) -> None:
    """Embed all names and aliases of an ontology, for `link --dense-index`.

    The directory holds the encoder too, so that linking needs nothing else.

    \b
    Examples:
      raybel index dense --ontology data/ontology.arrow --model-name minilm --out-index models/dense
      raybel index dense --ontology data/ontology.arrow --train-corpus data/train.bioc.xml.gz \\
          --val-corpus data/val.bioc.xml.gz --model-name models/sapbert --out-index models/dense
    """
    config = configured(IndexDenseConfig, values)
    from raybel.cli.progress import embedding, show_progress
    from raybel.jobs.index.job import index_dense  # Ray takes a second to import

    with show_progress(embedding) as watch:
        result = index_dense(config, watch)
    embedded, parameters = result.embedding, result.parameters
    rows: list[tuple[str, object]] = [
        ("distinct strings", result.strings),
        ("  taken from --vectors now, or embedded" if config.vectors else "  embedded now", embedded.strings),
        ("  of them cut, since they were too long", embedded.cut),
        ("training aliases", result.training_aliases),
        ("components of a vector", parameters["width"]),
        ("index", parameters["index_type"]),
        ("encoder", f"{parameters['model']}, {parameters['pooling']} pooling, {parameters['precision']}"),
        ("time to embed, with the start of Ray", duration(result.seconds["embedding"])),
        ("time to build the index", duration(result.seconds["building"])),
    ]
    tables.table(f"dense index {relative(config.out_index)}", ["", ""], rows, generator_notes(result.calibration))
    if result.scores:
        scores = [
            [name, result.mentions[name], *(percent(result.scores[name][metric]) for metric in METRICS)]
            for name in result.scores
        ]
        notes = [
            f"recall@all is within {counted(config.top_k, 'candidate')}",
            "counted: mentions with a single id that the ontology knows",
        ]
        if result.training_aliases and "train" in result.scores:
            notes.append("train: its mentions are aliases of the index, so that its scores say little")
        tables.table("recall", ["corpus", "mentions", *METRICS], scores, notes)

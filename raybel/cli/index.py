"""`raybel index`: make a dense index of an ontology."""

from __future__ import annotations

from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.config import Resources
from raybel.display import duration, percent
from raybel.evaluation.metrics import METRICS


@click.group(context_settings=CONTEXT)
def index() -> None:
    """Embed an ontology, and index the vectors."""


@index.command(context_settings=CONTEXT)
@click.option("--ontology", required=True, metavar="FILE", help="What to link to (.arrow, .parquet, .json.gz).")
@click.option("--out-index", required=True, metavar="DIR", help="The index; the same command again resumes.")
@click.option(
    "--model-name",
    default="cambridgeltl/SapBERT-from-PubMedBERT-fulltext",
    metavar="NAME",
    help="The encoder: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.",
)
@click.option(
    "--pooling", type=click.Choice(["cls", "mean"]), help="What stands for a string.  [default: as the model]"
)
@click.option(
    "--precision", type=click.Choice(["fp32", "bf16", "fp16"]), help="Of the encoder.  [default: the fastest there is]"
)
@click.option("--train-corpus", multiple=True, metavar="PATH", help="BioC files whose mentions become aliases.")
@click.option("--val-corpus", multiple=True, metavar="PATH", help="BioC files to measure recall on.")
@click.option(
    "--index-type",
    type=click.Choice(["auto", "flat", "ivf", "hnsw"]),
    default="auto",
    help="FAISS index; auto by size.",
)
@click.option("--vectors", metavar="FILE", help="Given vectors (.npy, a row for each name and alias), not embedded.")
@click.option("--out-vectors", metavar="FILE", help="Write such a file (float32).")
@click.option(
    "--expand-abbreviations/--no-expand-abbreviations",
    default=True,
    help="Put the long form in the place of a short form that the document defines.",
)
@click.option("--chunk-strings", type=click.IntRange(1), default=8_192, help="Strings in a chunk, the unit of retry.")
@click.option("--overwrite", is_flag=True, help="Delete an index of another configuration first.")
@click.option("--metric-file", metavar="FILE", help="Write counts, times and scores here (JSON).")
@click.option("--actors", type=int, help="Actors that hold the encoder.  [default: one per GPU, or per CPU]")
@click.option("--cpus-per-actor", type=float, default=0.5, help="Logical CPUs of an actor.")
@click.option("--gpus-per-actor", type=float, help="GPUs of an actor.  [default: 1 if there are any]")
def dense(actors: int | None, cpus_per_actor: float, gpus_per_actor: float | None, **options: Any) -> None:
    """Embed all names and aliases of an ontology, for `link --dense-index`.

    The directory holds the encoder too, so that linking needs nothing else.

    \b
    Examples:
      raybel index dense --ontology data/ontology.arrow --model-name minilm --out-index models/dense
      raybel index dense --ontology data/ontology.arrow --train-corpus data/train.bioc.xml.gz \\
          --val-corpus data/val.bioc.xml.gz --model-name models/sapbert --out-index models/dense
    """
    from raybel.cli.progress import embedding, shown
    from raybel.jobs.index.config import IndexDenseConfig
    from raybel.jobs.index.job import index_dense

    resources = Resources(actors=actors, cpus_per_actor=cpus_per_actor, gpus_per_actor=gpus_per_actor)
    with shown(embedding) as watch:
        done = index_dense(IndexDenseConfig(**options, resources=resources), watch)
    state, p = done.embedding, done.parameters
    rows: list[tuple[str, object]] = [
        ("distinct strings", done.strings),
        ("  taken from --vectors now, or embedded" if options["vectors"] else "  embedded now", state.strings),
        ("  of them cut, since too long", state.cut),
        ("training aliases", done.training_aliases),
        ("components of a vector", p["width"]),
        ("index", p["index_type"]),
        ("encoder", f"{p['model']}, {p['pooling']} pooling, {p['precision']}"),
        ("time to embed, with the start of Ray", duration(done.seconds["embedding"])),
        ("time to build the index", duration(done.seconds["building"])),
    ]
    tables.table(f"dense index {options['out_index']}", ["", ""], rows)
    if done.scores:
        scores = [
            [name, done.mentions[name], *(percent(done.scores[name][metric]) for metric in METRICS)]
            for name in done.scores
        ]
        notes = ["counted: mentions with a single id that the ontology knows; recall@all is within 50 candidates"]
        if done.training_aliases and "train" in done.scores:
            notes.append("train: its mentions are aliases of the index, so that its scores say little")
        tables.table("recall", ["corpus", "mentions", *METRICS], scores, notes)

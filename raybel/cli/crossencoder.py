"""`raybel train crossencoder`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT, parameters_of
from raybel.config import GeneratorPaths, Resources
from raybel.display import duration, percent
from raybel.evaluation.metrics import CUTS
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters

_SCORES = ("Acc@1", "recall@5", "recall@10")
#: Fewer mentions without a right candidate tell little of how likely that is.
FEW = 20


@click.command(context_settings=CONTEXT)
@click.option("--crosstype", type=click.Choice(CROSSTYPES), default="tree", help="What shares a sequence: see above.")
@click.option("--train-corpus", multiple=True, required=True, metavar="PATH", help="BioC files to learn from.")
@click.option("--val-corpus", multiple=True, metavar="PATH", help="BioC files to choose the best epoch on.")
@click.option("--ontology", required=True, metavar="FILE", help="The ontology that the generator was made from.")
@click.option("--ngrams-model", metavar="DIR", help="Candidates from an n-gram generator.")
@click.option("--dense-index", metavar="DIR", help="Candidates from a dense index; with --ngrams-model, both fused.")
@click.option("--candidates-lookup", metavar="PATH", help="Candidates from a stored lookup (directory or .json.gz).")
@click.option("--output-dir", required=True, metavar="DIR", help="The model; the same command again resumes.")
@click.option(
    "--model-name",
    default="answerdotai/ModernBERT-base",
    metavar="NAME",
    help="What to start from: `minilm` (comes as a package), a Hugging Face directory, or a name on its hub.",
)
@click.option("--recipe", type=click.Choice(["raybel", "published"]), default="raybel", help="Where defaults are from.")
@click.option(
    "--params",
    metavar="FILE",
    help="Hyper-parameters under the key `treecrossencoder`, `basecrossencoder` ... (JSON or YAML): "
    + ", ".join(CrossEncoderParameters.__dataclass_fields__),
)
@click.option("--top-k", type=click.IntRange(1), help="Over --params: candidates of a mention.")
@click.option("--max-epochs", type=click.IntRange(1), help="Over --params: most passes over the training mentions.")
@click.option("--patience", type=click.IntRange(1), help="Over --params: epochs that needn't be better than the best.")
@click.option(
    "--expand-abbreviations/--no-expand-abbreviations",
    default=True,
    help="Put the long form in the place of a short form that the document defines.",
)
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="Of computations.  [default: the fastest]")
@click.option("--seed", type=int, default=0, help="Of everything random.")
@click.option("--num-workers", type=click.IntRange(1), help="Workers of Ray Train.  [default: one per GPU, or one]")
@click.option("--use-gpu/--no-use-gpu", default=None, help="A GPU for each worker.  [default: where there are any]")
@click.option("--cpus-per-worker", type=click.IntRange(1), help="CPUs and threads of each.  [default: all there are]")
@click.option("--max-failures", type=click.IntRange(0), default=3, help="Deaths of workers before the job fails.")
@click.option("--actors", type=int, help="Actors that make the candidates.  [default: one per CPU]")
@click.option("--overwrite", is_flag=True, help="Delete a model of another configuration first.")
@click.option("--metric-file", metavar="FILE", help="Write losses, scores and times here (JSON).")
def crossencoder(params: str | None, recipe: str, actors: int | None, **options: Any) -> None:
    """Train a cross-encoder, which ranks a mention's candidates in its context.

    Types: base scores a pair in a sequence of its own; parallel a mention's candidates together; multi, passage and
    document all mentions of a sentence, passage, document; tree does so too, but each candidate sees only its own
    mention and the context, so that its score doesn't depend on the others. The directory is a Hugging Face model.

    \b
    Examples:
      raybel train crossencoder --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --dense-index models/dense --model-name minilm --output-dir models/tree
      raybel train crossencoder --crosstype base --recipe published --params params.json \\
          --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --ngrams-model models/ngrams --output-dir models/base
    """
    parameters = CrossEncoderParameters.published() if recipe == "published" else CrossEncoderParameters()
    over = {name: options.pop(name) for name in ("top_k", "max_epochs", "patience")}
    parameters = parameters.changed(parameters_of(params, f"{options['crosstype']}crossencoder"))
    parameters = replace(parameters, **{name: value for name, value in over.items() if value is not None})
    generator = GeneratorPaths(**{name: options.pop(name) for name in GeneratorPaths.__dataclass_fields__})
    from raybel.cli.progress import cross_training, shown
    from raybel.jobs.train.config import TrainCrossEncoderConfig, Workers
    from raybel.jobs.train.crossencoder import train_crossencoder

    workers = Workers(**{name: options.pop(name) for name in Workers.__dataclass_fields__})
    config = TrainCrossEncoderConfig(
        **options, generator=generator, parameters=parameters, workers=workers, resources=Resources(actors=actors)
    )
    with shown(cross_training, "with the epoch it was in") as watch:
        done = train_crossencoder(config, watch)
    show(done, config.parameters)


def show(done: Any, parameters: CrossEncoderParameters) -> None:
    """Print the tables of a training job."""
    within = [score for score, most in zip(_SCORES, CUTS, strict=True) if most <= parameters.top_k]
    rows: list[list[object]] = []
    for each in done.epochs:
        scores = each["scores"] or {}
        mark = "*" if each is done.best else ""
        cells = [percent(scores.get(name)) for name in ("F1", *within, "first_share", "shuffled_Acc@1")]
        loss = [f"{each['loss']:.4f}", "" if scores.get("loss") is None else f"{scores['loss']:.4f}"]
        rows.append([f"{each['epoch']}{mark}", *loss, *cells, duration(each["seconds"])])
    header = ["epoch", "loss", "val loss", "val F1", *within, "stays first", "Acc@1 shuffled", "time"]
    counts = done.counts
    notes = [
        *(
            f"{name}: {c['mentions']:,} mentions of {c['documents']:,} documents; {c['left_out']:,} left out (no "
            f"single id that the ontology knows); {c['without_gold']:,} without their concept among {parameters.top_k}"
            + (" (without their own document's aliases)" if name == "train" else "")
            for name, c in counts.items()
        ),
        "* the best epoch, which is kept; Acc@1 and recall are those of the ranking, the other columns are by the "
        "cross-encoder's logits alone; F1 is the macro one over pairs",
    ]
    cut = sum(c["cut"] for c in counts.values())
    notes += [f"{cut:,} names or mentions are longer than their share of the window, and were cut"] if cut else []
    notes += [f"{done.resumed} epochs are from earlier starts"] if done.resumed else []
    tables.table(f"cross-encoder {done.output_dir}", header, rows, notes + done.notes)
    scores = done.best["scores"]
    if scores:
        stages = [("first stage", "first_stage_"), ("re-ranked", "")]
        if parameters.calibrate:
            stages.insert(1, ("cross-encoder alone", "alone_"))
        table = [[name, *(percent(scores[prefix + score]) for score in within)] for name, prefix in stages]
        notes = [
            "the best epoch was chosen on this corpus"
            + (", and the weights of both stages were fitted on it" if parameters.calibrate else "")
            + ": on new text expect a little less"
        ]
        if parameters.calibrate and counts["val"]["without_gold"] < FEW:
            notes.append(
                f"only {counts['val']['without_gold']} of its mentions lack their concept among the candidates: the "
                "probability that none is right (--threshold) rests on them"
            )
        tables.table(f"validation corpus, {parameters.top_k} candidates", ["", *within], table, notes)

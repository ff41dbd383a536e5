"""`raybel train crossencoder`."""

from __future__ import annotations

from typing import Any

import click

from raybel.cli import tables
from raybel.cli.common import CONTEXT
from raybel.cli.options import options, recipe_of, recipe_options
from raybel.config import configured
from raybel.display import duration, percent, relative
from raybel.evaluation.metrics import CUTOFFS
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.rerank.parameters import CrossEncoderParameters

_SCORES = ("Acc@1", "recall@5", "recall@10")
#: Fewer mentions without a right candidate tell little of how likely that is.
FEW = 20


@click.command(context_settings=CONTEXT)
@options(TrainCrossEncoderConfig)
@recipe_options
def crossencoder(values: dict[str, Any], recipe: str, params: str | None) -> None:
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
    parameters = recipe_of(values, recipe, params)
    config = configured(TrainCrossEncoderConfig, values, parameters=parameters)
    from raybel.cli.progress import cross_training, show_progress
    from raybel.jobs.train.crossencoder import train_crossencoder  # Ray takes a second to import

    with show_progress(cross_training, "with the epoch it was in") as watch:
        done = train_crossencoder(config, watch)
    show(done, config.parameters)


def show(done: Any, parameters: CrossEncoderParameters) -> None:
    """Print the tables of a training job."""
    within = [score for score, most in zip(_SCORES, CUTOFFS, strict=True) if most <= parameters.top_k]
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
    tables.table(f"cross-encoder {relative(done.output_dir)}", header, rows, notes + done.notes)
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

"""`raybel train crossencoder`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import click

from raybel.cli import tables
from raybel.cli.calibrate import show_cascade
from raybel.cli.common import CONTEXT
from raybel.cli.options import options, params_of, params_option
from raybel.config import configured, option_of
from raybel.display import counted, duration, percent, relative
from raybel.evaluation.metrics import CUTOFF_METRICS, CUTOFFS
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.jobs.train.corpora import MAIN, label
from raybel.rerank.parameters import CrossEncoderParameters

if TYPE_CHECKING:  # it imports Ray
    from raybel.jobs.train.crossencoder import TrainedCrossEncoder

#: Fewer mentions without a right candidate tell little of how likely that is.
FEW = 20


def recipe_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--recipe` and `--params` of a cross-encoder."""
    choice = click.Choice(["raybel", "published"])
    command = params_option("treecrossencoder", CrossEncoderParameters, " (basecrossencoder ...)")(command)
    return click.option("--recipe", type=choice, default="raybel", help="Where defaults are from.")(command)


def recipe_of(values: Mapping[str, Any], recipe: str, params: str | None) -> CrossEncoderParameters:
    """Return a cross-encoder's hyper-parameters: options over `--params` over the recipe's."""
    start = CrossEncoderParameters.published() if recipe == "published" else CrossEncoderParameters()
    names = {item.name for item in fields(start) if option_of(CrossEncoderParameters, item.name)}
    over = {name: value for name, value in values.items() if name in names}
    return start.changed(params_of(params, f"{values.get('crosstype', 'tree')}crossencoder")).changed(over)


@click.command(context_settings=CONTEXT)
@options(TrainCrossEncoderConfig, optional=("ontology", "train_corpus"))
@recipe_options
def crossencoder(values: dict[str, Any], recipe: str, params: str | None) -> None:
    """Train a cross-encoder, which ranks a mention's candidates in its context.

    Types: base scores a pair in a sequence of its own; parallel a mention's candidates together; multi, passage and
    document all mentions of a sentence, passage, document; tree does so too, but each candidate sees only its own
    mention and the context, so that its score doesn't depend on the others. The directory is a Hugging Face model.

    --corpora names further corpora, each with its own ontology and generator; --pretrain ontologies whose names are
    learned first. Either may also stand in the place of --train-corpus.

    \b
    Examples:
      raybel train crossencoder --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --dense-index models/dense --model-name minilm --output-dir models/tree
      raybel train crossencoder --crosstype base --recipe published --params params.json \\
          --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --ngrams-model models/ngrams --output-dir models/base
      raybel train crossencoder --corpora corpora.yaml --pretrain data/mondo.arrow --output-dir models/general
    """
    values = {"ontology": None, "train_corpus": ()} | values
    if not (values["train_corpus"] or "corpora" in values or "pretrain" in values):
        raise click.UsageError("Missing option '--train-corpus', '--corpora' or '--pretrain'.")
    parameters = recipe_of(values, recipe, params)
    config = configured(TrainCrossEncoderConfig, values, parameters=parameters)
    from raybel.cli.progress import epoch_training, show_progress
    from raybel.jobs.train.crossencoder import train_crossencoder  # Ray takes a second to import

    with show_progress(epoch_training, "with the epoch it was in") as watch:
        trained = train_crossencoder(config, watch)
    show(trained, config.parameters)


def show(trained: TrainedCrossEncoder, parameters: CrossEncoderParameters) -> None:
    """Print the tables of a training job."""
    names = [name for name, cutoff in zip(CUTOFF_METRICS, CUTOFFS, strict=True) if cutoff <= parameters.top_k]
    _show_epochs(trained, parameters, names)
    if _several(trained):
        _show_corpora(trained, parameters, names)
    if trained.best["scores"]:
        _show_stages(trained, parameters, names)
    if not parameters.calibrate:
        return
    if trained.cascades or trained.best["scores"]:
        title = f"cross-encoder {relative(trained.output_dir)}"
        for name, cascade in trained.cascades.items():
            show_cascade(cascade, title if len(trained.cascades) == 1 else f"{title}, {name}")
        if not trained.cascades:
            show_cascade(None, title)
    else:
        tables.out.print("nothing to fit a rule of what is sure to (--val-corpus): all mentions will be re-ranked")


def _show_epochs(trained: TrainedCrossEncoder, parameters: CrossEncoderParameters, names: list[str]) -> None:
    rows: list[list[object]] = []
    for epoch in trained.epochs:
        scores = epoch["scores"] or {}
        mark = "*" if epoch is trained.best else ""
        cells = [percent(scores.get(name)) for name in ("F1", *names, "first_share", "shuffled_Acc@1")]
        loss = [f"{epoch['loss']:.4f}", "" if scores.get("loss") is None else f"{scores['loss']:.4f}"]
        stage = f" {epoch['stage']}" if "stage" in epoch else ""
        mean = [percent(epoch["value"]) if parameters.metric != "loss" else epoch["value"]] if _several(trained) else []
        rows.append([f"{epoch['epoch']}{stage}{mark}", *loss, *cells, *mean, duration(epoch["seconds"])])
    means = [f"mean {parameters.metric}"] if _several(trained) else []
    header = ["epoch", "loss", "val loss", "val F1", *names, "stays first", "Acc@1 shuffled", *means, "time"]
    notes = [
        f"{split}: {counted(counts['mentions'], 'mention')} of {counted(counts['documents'], 'document')}; "
        f"{counts['left_out']:,} left out (no single id that the ontology knows); {counts['without_gold']:,} without "
        f"their concept among {parameters.top_k}"
        + (" (without their own document's aliases)" if split.split()[-1] == "train" else "")
        for split, counts in trained.counts.items()
    ]
    notes += [_names_note(path, counts, parameters.top_k) for path, counts in trained.names.items()]
    notes.append(
        "* the best epoch, which is kept; Acc@1 and recall are those of the ranking, the other columns are by the "
        "cross-encoder's logits alone (with its prior's evidence, where it has one); F1 is the macro one over pairs"
    )
    if parameters.train_on == "unsure":
        learned = [counts for name, counts in trained.counts.items() if name.endswith("train")]
        notes.append(_sure_note(learned, parameters))
    cut = sum(counts["cut"] for counts in (*trained.counts.values(), *trained.names.values()))
    what = "candidates, names or mentions"
    notes += [f"{what} that were cut, since longer than their share of the window: {cut:,}"] if cut else []
    notes += [f"{counted(trained.resumed, 'epoch')} from earlier starts"] if trained.resumed else []
    tables.table(f"cross-encoder {relative(trained.output_dir)}", header, rows, notes + trained.notes)


def _sure_note(learned: Sequence[Mapping[str, int]], parameters: CrossEncoderParameters) -> str:
    """Say how many mentions of the training corpora are sure, and left out."""
    names = ("sure", "sure_by_names", "mentions")
    sure, by_names, mentions = (sum(counts[name] for counts in learned) for name in names)
    others = f" ({by_names:,} by the ontology's names alone)" if by_names != sure else ""
    kept = f", but for {100 * parameters.sure_share:g} % of them in each epoch" if parameters.sure_share else ""
    return f"{sure:,} of {counted(mentions, 'training mention')} are sure{others}, and left out{kept}"


def _several(trained: TrainedCrossEncoder) -> bool:
    """Return whether epochs were judged by other corpora than the main one."""
    return bool(set(trained.best.get("corpora", ())) - {trained.main})


def _names_note(path: str, counts: dict[str, int], top_k: int) -> str:
    return (
        f"names of {relative(path)}: {counts['mentions']:,} of {counts['drawn']:,} that were drawn; "
        f"{counts['without_gold']:,} left out, without their concept among {top_k}; of {counts['names']:,} aliases "
        f"{counts['shared']:,} couldn't be drawn since they are names of several concepts, {counts['ids']:,} since "
        f"they are ids, {counts['obsolete']:,} since their concept is marked as obsolete"
    )


def _show_corpora(trained: TrainedCrossEncoder, parameters: CrossEncoderParameters, names: list[str]) -> None:
    """Print the best epoch's scores on each validation corpus."""
    header = ["", "mentions", "first stage Acc@1", *(["alone Acc@1"] if parameters.calibrate else []), *names]
    columns = ["first_stage_Acc@1", *(["alone_Acc@1"] if parameters.calibrate else []), *names]
    rows = [
        [name, trained.counts[label(name, "val")]["mentions"], *(percent(scores[column]) for column in columns)]
        for name, scores in trained.best["corpora"].items()
    ]
    notes = [
        f"the best epoch has the best mean of {parameters.metric} over these corpora"
        + ("; both stages are weighed on each by itself" if parameters.calibrate else "")
    ]
    if parameters.calibrate:
        notes.append(
            "the model keeps each corpus's weights, for all mentions and for the unsure ones; `raybel calibrate "
            "--reranker-model` fits some to another corpus"
        )
    tables.table("validation corpora", header, rows, notes)


def _show_stages(trained: TrainedCrossEncoder, parameters: CrossEncoderParameters, names: list[str]) -> None:
    scores, without_gold = trained.best["scores"], trained.counts[label(trained.main, "val")]["without_gold"]
    stages = [("first stage", "first_stage_")]
    stages += [("prior alone", "prior_")] if f"prior_{names[0]}" in scores else []
    alone = "cross-encoder and prior, unweighed" if f"prior_{names[0]}" in scores else "cross-encoder alone"
    stages += [(alone, "alone_")] if parameters.calibrate else []
    stages.append(("re-ranked", ""))
    rows = [[stage, *(percent(scores[prefix + name]) for name in names)] for stage, prefix in stages]
    notes = [
        "the best epoch was chosen on this corpus"
        + (", and the weights of both stages were fitted on it" if parameters.calibrate else "")
        + ": on new text expect a little less"
    ]
    if parameters.calibrate and without_gold < FEW:
        notes.append(
            f"few of its mentions lack their concept among the candidates ({without_gold}): the probability that none "
            "is right (--threshold) rests on them"
        )
    of = "" if trained.main == MAIN else f" of {trained.main}"
    title = f"validation corpus{of}, {counted(parameters.top_k, 'candidate')}"
    tables.table(title, ["", *names], rows, notes)

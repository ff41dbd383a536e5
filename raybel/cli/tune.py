"""`raybel tune`: sweeps over hyper-parameters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import click

from raybel.candidates.parameters import NgramParameters
from raybel.cli import tables
from raybel.cli.common import CONTEXT, parameters_of
from raybel.config import GeneratorPaths, Resources, read_file
from raybel.errors import ConfigError
from raybel.rerank.parameters import CROSSTYPES, CrossEncoderParameters
from raybel.tuning.config import STOPS, SweepConfig
from raybel.tuning.search import KINDS
from raybel.tuning.space import Space
from raybel.tuning.tracking import KINDS as TRACKERS
from raybel.tuning.tracking import TrackingConfig
from raybel.tuning.trials import best

#: Trials in the table on the terminal; all are in the report.
SHOWN = 10
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


class Duration(click.ParamType):
    """`90s`, `45m`, `12h`, `2d`."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return seconds."""
        if isinstance(value, float):
            return value
        found = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", str(value).strip())
        if not found:
            self.fail(f"{value!r} is no duration: write 90s, 45m, 12h or 2d", param, ctx)
        return float(found[1]) * _UNITS[found[2]]


def sweep_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that all sweeps have."""
    options = (
        click.option("--output-dir", required=True, metavar="DIR", help="Results; the same command again goes on."),
        click.option("--num-samples", type=click.IntRange(1), help="Trials.  [default: a grid's, or 20]"),
        click.option(
            "--time-budget", type=Duration(), metavar="TIME", help="End after this time of trials: 90s, 45m, 12h, 2d."
        ),
        click.option("--max-concurrent", type=click.IntRange(1), help="Trials at a time.  [default: all that fit]"),
        click.option("--metric", help="What is better."),
        click.option("--search", type=click.Choice(KINDS), default="random", help="How values are chosen."),
        click.option("--space", metavar="FILE", help="More of the search space, or other values (YAML or JSON)."),
        click.option("--replace-space", is_flag=True, help="Search what --space names, nothing else."),
        click.option("--params", metavar="FILE", help="Values that aren't searched, as `train` takes them."),
        click.option("--seed", type=int, default=0, help="Of the search, and of training."),
        click.option("--resume", is_flag=True, help="Go on only: an error where there is no sweep yet."),
        click.option("--retry-failed", is_flag=True, help="Run the trials again that failed."),
        click.option("--max-failures", type=click.IntRange(0), default=1, help="Deaths of a trial's processes."),
        click.option("--cpus-per-trial", type=float, help="Of each worker of a trial.  [default: 1, or a GPU's share]"),
        click.option("--track", type=click.Choice(["none", *TRACKERS]), multiple=True, default=["tensorboard"]),
        click.option("--project", default="raybel", help="W&B project, MLflow experiment."),
        click.option("--wandb-offline", is_flag=True, help="Write W&B's files only."),
        click.option("--mlflow-uri", metavar="URI", help="MLflow's store.  [default: DIR/mlflow.db]"),
        click.option("--overwrite", is_flag=True, help="Delete another sweep in the directory first."),
        click.option(
            "--expand-abbreviations/--no-expand-abbreviations",
            default=True,
            help="Put the long form in the place of a short form that the document defines.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def sweep_of(key: str, options: dict[str, Any]) -> SweepConfig:
    """Take a sweep's options out of a command's; a space's file may hold several spaces, by key.

    Raises:
        ConfigError: The file holds no space.
    """
    kinds = options.pop("track")
    tracking = TrackingConfig(
        tuple(kind for kind in dict.fromkeys(kinds) if kind != "none"),
        *(options.pop(name) for name in ("project", "wandb_offline", "mlflow_uri")),
    )
    path = options.pop("space")
    space = read_file(path) if path else {}
    if key in space:
        space = space[key]
    if not isinstance(space, dict) or (path and not space):
        raise ConfigError(f"{path}: give each hyper-parameter with its values, or these under the key `{key}`")
    Space.read(space, f"{path}: {key}")  # errors that name the file
    names = set(SweepConfig.__dataclass_fields__) & set(options)
    return SweepConfig(space=space, tracking=tracking, **{name: options.pop(name) for name in names})


@click.group(context_settings=CONTEXT)
def tune() -> None:
    """Search hyper-parameters: trials side by side on Ray Tune.

    A sweep's directory holds params.json, which `raybel train --params` takes as it is, trials.parquet, tables.html,
    and a file for each trial that ended. The same command goes on there and repeats none of these.

    \b
    A search space (--space):
      learning_rate: {loguniform: [0.00001, 0.0003]}  # of a cross-encoder; uniform, int and logint likewise
      batch_size: [8, 16, 32]                         # one of these; {choice: [8, 16, 32]} is the same
      dropout: 0.1                                    # this one
    """


@tune.command(context_settings=CONTEXT)
@click.option("--ontology", required=True, metavar="FILE", help="What to link to (.arrow, .parquet, .json.gz).")
@click.option("--train-corpus", multiple=True, metavar="PATH", help="BioC files whose mentions become aliases.")
@click.option("--val-corpus", multiple=True, required=True, metavar="PATH", help="BioC files to measure recall on.")
@sweep_options
def ngrams(params: str | None, **options: Any) -> None:
    """Tune the character n-gram generator, by its recall@10 on the validation corpus.

    Other metrics (--metric): Acc@1, recall@5, MRR. Searched, unless --space says otherwise: ngram_range (2 to 5),
    max_features (all, 5,000 to 100,000), min_df (1 to 5), analyzer (char_wb, char), char_side (none, front, back,
    separate, together), char_count (6 to 30), add_training_data_to_ontology.

    \b
    Examples:
      raybel tune ngrams --train-corpus data/train.bioc.xml.gz --val-corpus data/val.bioc.xml.gz \\
          --ontology data/ontology.arrow --num-samples 60 --output-dir sweeps/ngrams
      raybel train ngrams --params sweeps/ngrams/params.json --train-corpus data/train.bioc.xml.gz \\
          --ontology data/ontology.arrow --output-dir models/ngrams
    """
    sweep = sweep_of("ngrams", options)
    parameters = NgramParameters.from_dict(parameters_of(params, "ngrams"))
    from raybel.cli.progress import shown, tuning
    from raybel.jobs.tune.config import TuneNgramsConfig
    from raybel.jobs.tune.ngrams import tune_ngrams

    config = TuneNgramsConfig(sweep=sweep, parameters=parameters, **options)
    with shown(tuning, "with the trials that are missing") as watch:
        done = tune_ngrams(config, watch)
    show(done, "ngrams", True)


@tune.command(context_settings=CONTEXT)
@click.option("--crosstype", type=click.Choice(CROSSTYPES), default="tree", help="What shares a sequence.")
@click.option("--train-corpus", multiple=True, required=True, metavar="PATH", help="BioC files to learn from.")
@click.option("--val-corpus", multiple=True, required=True, metavar="PATH", help="BioC files to judge epochs on.")
@click.option("--ontology", required=True, metavar="FILE", help="The ontology that the generator was made from.")
@click.option("--ngrams-model", metavar="DIR", help="Candidates from an n-gram generator.")
@click.option("--dense-index", metavar="DIR", help="Candidates from a dense index; with --ngrams-model, both fused.")
@click.option("--candidates-lookup", metavar="PATH", help="Candidates from a stored lookup.")
@click.option("--model-name", default="answerdotai/ModernBERT-base", metavar="NAME", help="What to start from.")
@click.option("--recipe", type=click.Choice(["raybel", "published"]), default="raybel", help="Where defaults are from.")
@click.option("--max-epochs", type=click.IntRange(1), help="Over --params: most passes over the training mentions.")
@click.option(
    "--stop-early", type=click.Choice(STOPS), default="asha", help="Which trials end before their last epoch."
)
@click.option("--reduction", type=click.IntRange(2), default=3, help="Of ASHA: one of so many trials goes on.")
@click.option("--precision", type=click.Choice(["fp32", "bf16"]), help="Of computations.  [default: the fastest]")
@click.option("--gpus-per-trial", type=float, help="Of each worker; a share is fine.  [default: 1 where there are any]")
@click.option("--workers-per-trial", type=click.IntRange(1), default=1, help="Workers that train a trial together.")
@click.option("--actors", type=int, help="Actors that make the candidates.  [default: one per CPU]")
@sweep_options
def crossencoder(params: str | None, recipe: str, max_epochs: int | None, actors: int | None, **options: Any) -> None:
    """Tune a cross-encoder, by Acc@1 on the validation corpus, or by F1 or loss (--metric).

    Searched, unless --space says otherwise: learning_rate (0.00001 to 0.0003), top_k (5, 10, 20), batch_size (4 to 32
    sequences, or null: as many as 1,024 tokens hold).

    Candidates and token ids are made once for all trials. A trial takes its workers' CPUs and GPUs together or waits
    for them, so that trials can't block each other.

    \b
    Examples:
      raybel tune crossencoder --crosstype multi --train-corpus data/train.bioc.xml.gz \\
          --val-corpus data/val.bioc.xml.gz --ontology data/ontology.arrow --ngrams-model models/ngrams \\
          --model-name minilm --num-samples 8 --output-dir sweeps/multi
      raybel train crossencoder --crosstype multi --params sweeps/multi/params.json ...
    """
    key = f"{options['crosstype']}crossencoder"
    sweep = sweep_of(key, options)
    parameters = CrossEncoderParameters.published() if recipe == "published" else CrossEncoderParameters()
    over = {} if max_epochs is None else {"max_epochs": max_epochs}
    parameters = parameters.changed(parameters_of(params, key) | over)
    generator = GeneratorPaths(**{name: options.pop(name) for name in GeneratorPaths.__dataclass_fields__})
    from raybel.cli.progress import shown, tuning
    from raybel.jobs.tune.config import TuneCrossEncoderConfig
    from raybel.jobs.tune.crossencoder import tune_crossencoder

    config = TuneCrossEncoderConfig(
        sweep=sweep, parameters=parameters, generator=generator, resources=Resources(actors=actors), **options
    )
    with shown(tuning, "with the trials that are missing") as watch:
        done = tune_crossencoder(config, watch)
    show(done, key, done.metric != "loss")


def show(done: Any, key: str, maximise: bool) -> None:
    """Print the best trials of a sweep, and what to do with them."""
    outcome, names = done.outcome, list(done.space.searched)
    rows: list[list[object]] = []
    left = list(outcome.trials)
    while left and len(rows) < SHOWN and (found := best(left, maximise)):
        left.remove(found)
        values = [
            value if isinstance(value := found.parameters.get(name), str) else json.dumps(value) for name in names
        ]
        rows.append([found.number, f"{found.value:.4f}", found.status, len(found.epochs), *values])
    failed = [each for each in outcome.trials if each.status == "failed"]
    notes = [outcome.pace] if outcome.pace else []
    notes += [f"{outcome.earlier:,} of the trials from earlier starts"] if outcome.earlier else []
    for status, meaning in (("stopped", "stopped early"), ("cut", "cut short by the end of the time")):
        if count := sum(each.status == status for each in outcome.trials):
            notes.append(f"{count:,} {meaning}")
    notes += [f"{len(failed):,} failed, the first (trial {failed[0].number}): {failed[0].error}"] if failed else []
    notes += outcome.notes
    notes.append(f"all trials: {done.output_dir}/report.html and trials.parquet")
    if done.parameters is not None:
        notes.append(f"the best one's values: {done.output_dir}/params.json, key `{key}`; for `raybel train --params`")
    tables.table(f"sweep {done.output_dir}", ["trial", done.metric, "status", "epochs", *names], rows, notes)
    if done.parameters is None:
        if not any(each.status != "cut" for each in outcome.trials):
            raise ConfigError(
                "the time was over before a trial ended: the same command goes on; give a longer --time-budget"
            )
        raise ConfigError(f"no trial ended with a value: see {done.output_dir}/report.html")

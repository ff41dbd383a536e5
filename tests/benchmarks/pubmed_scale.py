"""A synthetic PubMed through `raybel pubmed`: rates of each step, memory, bytes; kills; other packagings.

    python tests/benchmarks/pubmed_scale.py [--documents 100000] [--kills 3] [--packagings] [--predict]
        [--data ../shared/data]

The articles are in PubMed's layout, 30,000 to a file, with the texts of NCBI Disease and BC5CDR (train and dev), title
and abstract, over and over in random order: 1,700 different abstracts, so that a dump's share of repeated surfaces is
higher than PubMed's. `--packagings` runs detection over the same articles as single files and as one `.tar.gz` too.
`--predict` runs a tenth and three tenths of them first: the line through each step's seconds foretells the whole.
The exit status is 1 where a byte of a killed run differs from an unbroken one's.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import psutil
from ray_fixture import command
from synthetic_pubmed import write_baseline

FILE_ARTICLES = 30_000
RAYBEL = [sys.executable, "-m", "raybel"]


class Memory(threading.Thread):
    """Samples what a process and its children hold together, without what they share: its peak in MB."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.pid, self.peak, self.stopped = pid, 0.0, threading.Event()

    def run(self) -> None:
        while not self.stopped.wait(1.0):
            total = 0.0
            try:
                parent = psutil.Process(self.pid)
                for process in [parent, *parent.children(recursive=True)]:
                    total += process.memory_full_info().uss / 2**20
            except psutil.Error:
                continue
            self.peak = max(self.peak, total)


def raybel(*arguments: object) -> str:
    """Run a command to its end; its output."""
    done = subprocess.run([*RAYBEL, *map(str, arguments)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"raybel {arguments[0]} failed with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def texts(home: Path) -> list[tuple[str, list[str]]]:
    """Title and abstract of each document of the corpora, in random order."""
    from raybel.corpus.documents import ReadOptions
    from raybel.corpus.reading import SetAside, read_rows

    corpora = [str(home / name / f"{split}.bioc.xml.gz") for name in ("ncbi", "bc5cdr") for split in ("train", "val")]
    rows = read_rows([path for path in corpora if Path(path).exists()], ReadOptions(), SetAside())
    every = [(row.passages[0]["text"], [passage["text"] for passage in row.passages[1:]]) for row in rows]
    random.Random(0).shuffle(every)
    return every


def make(home: Path, data: Path, documents: int) -> dict[str, Path]:
    """Prepare models and the dump; paths by name."""
    ncbi, models = home / "ncbi", home / "models"
    raybel(
        *("prepare", "ncbi-disease", "--ncbidisease-dir", data / "ncbi-disease"),
        *("--ctd-medic-diseases", data / "ctd/CTD_diseases.tsv.gz", "--out-dir", ncbi),
    )
    raybel("prepare", "bc5cdr", "--bc5cdr-dir", data / "bc5cdr", "--mesh2015-dir", data / "mesh2015",
           "--out-dir", home / "bc5cdr")  # fmt: skip
    trained = ("--ontology", ncbi / "ontology.arrow", "--train-corpus", ncbi / "train.bioc.xml.gz")
    raybel("train", "ngrams", *trained, "--output-dir", models / "ngrams")
    raybel("train", "dictionary", *trained, "--type", "Disease", "--output-dir", models / "diseases")
    dump(home, "files", documents)
    return {"files": home / "files", "ontology": ncbi / "ontology.arrow", "models": models}


def dump(home: Path, name: str, documents: int) -> Path:
    """Write a dump of so many articles; the first ones of any two dumps are the same."""
    files = home / name
    files.mkdir()
    endless = itertools.cycle(texts(home))
    for number, first in enumerate(range(0, documents, FILE_ARTICLES)):
        count = min(FILE_ARTICLES, documents - first)
        write_baseline(files / f"pubmed26n{number + 1:04d}.xml.gz", first + 1, count, number, endless)
    return files


def single_files(source: Path, target: Path) -> None:
    """Write each article of some files into a file of its own."""
    import gzip

    target.mkdir()
    for path in sorted(source.iterdir()):
        head, rest = gzip.decompress(path.read_bytes()).split(b"<PubmedArticleSet>", 1)
        for article in rest.split(b"</PubmedArticle>")[:-1]:
            pmid = article.split(b"<PMID", 1)[1].split(b">", 1)[1].split(b"<", 1)[0].decode()
            content = head + b"<PubmedArticleSet>" + article + b"</PubmedArticle></PubmedArticleSet>\n"
            (target / f"{int(pmid):08d}.xml").write_bytes(content)


def pipeline(made: dict[str, Path], source: Path, out: Path) -> list[object]:
    return [
        *("pubmed", "--in-corpus", source, "--dictionary", made["models"] / "diseases"),
        *("--ontology", made["ontology"], "--ngrams-model", made["models"] / "ngrams", "--out-dir", out),
    ]


def run(made: dict[str, Path], source: Path, out: Path) -> list[dict[str, object]]:
    """Run the pipeline to its end; the steps, with the peak of memory."""
    with command(*pipeline(made, source, out)) as process:
        memory = Memory(process.pid)
        memory.start()
        output, _ = process.communicate(timeout=36_000)
        memory.stopped.set()
    if process.returncode:
        sys.exit(f"the pipeline failed with {process.returncode}:\n{output}")
    steps: list[dict[str, object]] = json.loads((out / "steps.json").read_text())
    print(
        f"{source.name}: at most {memory.peak:,.0f} MB in all processes, {size(out) / 1e6:,.0f} MB written", flush=True
    )
    for step in steps:
        rate = step["documents"] / step["seconds"] if "documents" in step else 0.0  # type: ignore[operator]
        print(f"  {step['step']:8} {step['seconds']:8.1f} s {rate:8.0f} documents/s  {step}", flush=True)
    return steps


def size(home: Path) -> int:
    return sum(path.stat().st_size for path in home.rglob("*") if path.is_file())


def digests(out: Path) -> dict[str, str]:
    """Hashes of all outputs; logs, descriptions and states say when and where."""
    left_out = ("logs", "state", "manifest.json", "steps.json", ".lock", "routes.json", "config.json")
    return {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
        and not any(part in left_out for part in path.relative_to(out).parts)
        and path.suffix != ".lock"
    }


def killed(made: dict[str, Path], out: Path, seconds: float, kills: int) -> None:
    """Kill the pipeline at random moments, spread over its length, and let it end."""
    choices = random.Random(1)
    for _ in range(kills):
        moment = seconds / (kills + 1) * choices.uniform(0.7, 1.3)
        with command(*pipeline(made, made["files"], out)) as process:
            begun = time.monotonic()
            while process.poll() is None and time.monotonic() - begun < moment:
                time.sleep(0.1)
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        print(f"killed {time.monotonic() - begun:.0f} s after its start", flush=True)
    run(made, made["files"], out)


def detection_rate(made: dict[str, Path], source: Path, out: Path) -> float:
    begun = time.monotonic()
    raybel("detect", "--in-corpus", source, "--dictionary", made["models"] / "diseases", "--out-corpus", out)
    seconds = json.loads((out / "logs/progress.json").read_text())["seconds"]
    whole = time.monotonic() - begun
    print(f"  {source.name}: detected in {seconds:.0f} s ({whole:.0f} s with planning and Ray's start)", flush=True)
    shutil.rmtree(out)
    return whole


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--packagings", action="store_true")
    parser.add_argument("--predict", action="store_true")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        made = make(home, args.data, args.documents)
        print(f"{args.documents:,} articles, {size(made['files']) / 1e6:,.0f} MB gzipped", flush=True)
        smaller = [args.documents // 10, 3 * args.documents // 10] if args.predict else []
        foretelling = [(count, run(made, dump(home, f"{count}", count), home / f"{count}-out")) for count in smaller]
        steps = run(made, made["files"], home / "unbroken")
        if foretelling:
            compare_with_prediction(foretelling, args.documents, steps)
        if args.kills:
            killed(made, home / "killed", sum(float(step["seconds"]) for step in steps), args.kills)  # type: ignore[arg-type]
            before, after = digests(home / "unbroken"), digests(home / "killed")
            different = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
            print(f"{len(before)} files, {len(different)} of them differ after the kills: {different[:5]}", flush=True)
            if different:
                sys.exit(1)
        shutil.rmtree(home / "unbroken")
        if args.packagings:
            packagings(made, home)


def compare_with_prediction(
    smaller: list[tuple[int, list[dict[str, object]]]], documents: int, measured: list[dict[str, object]]
) -> None:
    """Print each step's seconds as the line through two smaller runs foretells them, and as they were."""
    (few, first), (more, second) = smaller
    foretold = []
    for one, other in zip(first, second, strict=True):
        slope = (float(other["seconds"]) - float(one["seconds"])) / (more - few)  # type: ignore[arg-type]
        start = float(one["seconds"]) - slope * few  # type: ignore[arg-type]
        foretold.append(start + slope * documents)
        print(f"  {one['step']:8} {start:6.1f} s and {1e3 * slope:.3f} s for each 1,000 documents", flush=True)
    was = [float(step["seconds"]) for step in measured]  # type: ignore[arg-type]
    for step, before, after in zip(measured, foretold, was, strict=True):
        print(f"  {step['step']:8} foretold {before:6.1f} s, measured {after:6.1f} s", flush=True)
    print(f"  together foretold {sum(foretold):.0f} s, measured {sum(was):.0f} s: {sum(foretold) / sum(was):.2f}")


def packagings(made: dict[str, Path], home: Path) -> None:
    """Compare the same articles as few files, as many, and as an archive."""
    single_files(made["files"], home / "single")
    with tarfile.open(home / "dump.tar.gz", "w:gz", compresslevel=3) as archive:
        for path in sorted((home / "single").iterdir()):
            archive.add(path, path.name)
    seconds = {
        source.name: detection_rate(made, source, home / "out")
        for source in (made["files"], home / "single", home / "dump.tar.gz")
    }
    best = min(seconds.values())
    for name, value in seconds.items():
        print(f"  {name}: {best / value:.2f} of the best's documents/s", flush=True)


if __name__ == "__main__":
    main()

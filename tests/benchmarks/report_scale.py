"""A run's page at the size of a dump: how long it takes, how much memory, how large it is, how fast it opens.

    python tests/benchmarks/report_scale.py HOME [--mentions 10000 10000000]

Writes synthetic runs below HOME by the library's own writers (ten mentions a document, five candidates each, 50,000
concepts, a 20th of the mentions unlinked, 1 % of the documents in quarantine), unless they are there, makes their pages
in a process each, and opens them in Chromium three times: to the first text, to the last drawn chart, the best of them.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from raybel.files import storage
from raybel.ontology import Concept, Ontology
from raybel.runs.inputs import Shard
from raybel.runs.logs import write_plan, write_progress
from raybel.runs.parts import Part
from raybel.runs.run_directory import RunDirectory
from raybel.schemas import MENTIONS

CONCEPTS, CANDIDATES = 50_000, 5
PER_DOCUMENT, PER_CHUNK, PER_SHARD = 10, 500, 10  # mentions, documents, chunks
WORD = "some disease"
SENTENCE = (WORD + " and ") * PER_DOCUMENT
MAKE = """
import json, resource, sys, time
begun = time.perf_counter()
from raybel.report.config import ReportConfig
from raybel.report.write import write_report
write_report(ReportConfig(sys.argv[1], out=sys.argv[2]))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
cpu = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
print(json.dumps({"wall_s": round(time.perf_counter() - begun, 1), "cpu_s": round(cpu, 1), "peak_GB": round(peak, 2)}))
"""


def mentions_of(rng: np.random.Generator, shard: str, chunk: int, documents: int) -> pa.Table:
    """Return the rows of a chunk's mentions."""
    count = documents * PER_DOCUMENT
    ranked = np.minimum(rng.zipf(1.3, (count, CANDIDATES)) - 1, CONCEPTS - 1)
    linked = rng.random(count) > 0.05
    scores = np.sort(rng.random((count, CANDIDATES)).astype(np.float32), axis=1)[:, ::-1]
    numbers = np.where(linked, CANDIDATES, 0)
    kept = np.repeat(linked, CANDIDATES)
    ids = pa.array([f"C{row:06d}" for row in range(CONCEPTS)]).take(pa.array(ranked.ravel()))
    names = pa.array([f"disease number {row}" for row in range(CONCEPTS)]).take(pa.array(ranked.ravel()))
    ranks = np.tile(np.arange(CANDIDATES, dtype=np.int16), count)
    flat = pa.array(scores.ravel())
    fields = [ids, names, flat, flat, pa.array(ranks), pa.array(ranks)]
    items = pa.StructArray.from_arrays(fields, fields=list(MENTIONS.field("ranking").type.value_type)).filter(
        pa.array(kept)
    )
    offsets = pa.array(np.concatenate([[0], np.cumsum(numbers)]).astype(np.int32))
    first, absent = pa.array(np.arange(count) * CANDIDATES), pa.array(~linked)
    document = np.repeat(np.arange(documents, dtype=np.int32), PER_DOCUMENT)
    start = np.tile(np.arange(PER_DOCUMENT, dtype=np.int32) * (len(WORD) + 5), documents)
    surface = pa.array([f"surface {each}" for each in np.minimum(rng.zipf(1.2, count), 3_000_000).tolist()])

    def best(values: pa.Array) -> pa.Array:
        return pa.compute.if_else(absent, pa.scalar(None, values.type), values.take(first))

    columns = {
        "shard": pa.repeat(shard, count),
        "document": document,
        "doc_id": pa.array([f"{shard}-{chunk}-{each}" for each in document.tolist()]),
        "mention_id": pa.array([f"T{each}" for each in range(count)]),
        "ordinal": np.tile(np.arange(PER_DOCUMENT, dtype=np.int32), documents),
        "passage": np.zeros(count, np.int32),
        "sentence": np.full(count, -1, np.int32),
        "start": start,
        "end": start + len(WORD),
        "text": pa.repeat(WORD, count),
        "surface": surface,
        "type": pa.array(np.array(["Disease", "Gene", "Chemical"])[rng.integers(0, 3, count)]),
        "ontology": pa.repeat("ontology.arrow", count),
        "link_id": best(ids),
        "link_name": best(names),
        "link_score": best(flat),
        "first_score": best(flat),
        "alias": best(names),
        "alias_source": pa.repeat("alias", count),
        "ranking": pa.ListArray.from_arrays(offsets, items),
    }
    whole = {name: columns.get(name, pa.nulls(count, MENTIONS.field(name).type)) for name in MENTIONS.names}
    return pa.table(whole).cast(MENTIONS)


def part(rng: np.random.Generator, shard: str, chunk: int, documents: int, last: bool) -> Part:
    """Return a chunk's part."""
    table = mentions_of(rng, shard, chunk, documents)
    ids = [f"{shard}-{chunk}-{each}" for each in range(documents)]
    head = '<?xml version="1.0" encoding="UTF-8"?><collection><source>s</source><date>d</date><key>k</key>'
    body = "".join(
        f"<document><id>{each}</id><passage><offset>0</offset><text>{SENTENCE}</text></passage></document>"
        for each in ids
    )
    text = (head if chunk == 0 else "") + body + ("</collection>" if last else "")
    bad = [each for each in range(documents) if each % 100 == 99]
    linked = table.num_rows - table["link_id"].null_count
    summary = {"chunk": chunk, "last": last, "next": None, "error": None, "documents": documents}
    summary |= {"mentions": table.num_rows, "linked": linked, "without_candidates": table.num_rows - linked}
    names = ("sure", "unsure", "pairs", "pairs_saved", "repairs", "set_aside", "deleted", "unreadable", "passed_over")
    summary |= dict.fromkeys(names, 0) | {"quarantined": len(bad)}
    columns = {
        "doc_id": ids,
        "file": [shard] * documents,
        "version": [None] * documents,
        "deleted": [False] * documents,
    }
    columns |= {"mentions": [PER_DOCUMENT] * documents, "linked": [PER_DOCUMENT] * documents}
    columns |= {"repairs": [0] * documents, "set_aside": [0] * documents, "error": [None] * documents}
    quarantine = [
        {
            "doc_id": ids[each],
            "document": each,
            "stage": "read",
            "reason": f"document {ids[each]!r}: offset {each} is wrong",
        }
        for each in bad
    ]
    return Part(storage.compress(text.encode()), table, columns, summary, quarantine)


def write_run(home: Path, mentions: int) -> RunDirectory:
    """Write a run, unless it is there."""
    run = RunDirectory(str(home / f"run-{mentions}"))
    if run.exists() and storage.identity(run.counts_file) is not None:
        return run
    ontology = home / "ontology.arrow"
    if not ontology.exists():
        concepts = [
            Concept(f"C{n:06d}", f"disease number {n}", definition=f"Definition of {n}.") for n in range(CONCEPTS)
        ]
        Ontology.from_concepts(concepts).save(str(ontology))
    config = {"in_corpus": ["corpus/"], "ontology": str(ontology), "generator": {"ngrams_model": "models/ngrams"}}
    run.open({"synthetic": mentions}, {"config": config, "versions": {"raybel": "0.1.0"}}, overwrite=True)
    write_plan(run, [])
    chunks = max(1, mentions // (PER_DOCUMENT * PER_CHUNK))
    rng = np.random.default_rng(0)
    for first in range(0, chunks, PER_SHARD):
        shard = Shard("corpus", f"{first // PER_SHARD:05d}.xml.gz", "k", f"{first // PER_SHARD:05d}")
        within = min(PER_SHARD, chunks - first)
        for chunk in range(within):
            run.write_part(shard, part(rng, shard.name, chunk, PER_CHUNK, chunk == within - 1))
        run.assemble(shard, within)
    states = run.states()
    run.finish(states)
    counts = {name: sum(state[name] for state in states) for name in ("documents", "mentions", "quarantined", "linked")}
    progress = {"counts": counts, "own": counts, "seconds": 1000.0, "share": 1.0, "files_failed": 0, "failed": []}
    write_progress(run, {**progress, "finished": True})
    return run


def opened_seconds(page: Path) -> dict[str, float]:
    """Return how long a browser takes to open a page, and the CPU time of its main thread; {} where there is none."""
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    try:
        from browser import browser
    except ImportError:
        return {}
    times, busy, painted = [], [], []
    with browser() as chromium:
        for _ in range(3):
            chromium.command("Performance.disable")
            chromium.command("Performance.enable", timeDomain="threadTicks")
            begun = time.perf_counter()
            chromium.open(page)
            times.append(time.perf_counter() - begun)
            metrics = {each["name"]: each["value"] for each in chromium.command("Performance.getMetrics")["metrics"]}
            busy.append(metrics["TaskDuration"])
            painted.append(chromium.run("return performance.getEntriesByName('first-contentful-paint')[0].startTime"))
    shown = {"readable_s": round(min(painted) / 1000, 2)}
    return shown | {"opens_s": round(min(times), 2), "opens_cpu_s": round(min(busy), 2)}


def main() -> None:
    """Write runs, make their pages, open them."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("home", type=Path)
    options.add_argument("--mentions", type=int, nargs="+", default=[10_000, 10_000_000])
    given = options.parse_args()
    given.home.mkdir(parents=True, exist_ok=True)
    for mentions in given.mentions:
        begun = time.perf_counter()
        run = write_run(given.home, mentions)
        wrote = time.perf_counter() - begun
        page = given.home / f"page-{mentions}.html"
        done = subprocess.run(
            [sys.executable, "-c", MAKE, run.uri, str(page)], capture_output=True, text=True, check=True
        )
        figures = json.loads(done.stdout) | {"page_MB": round(page.stat().st_size / 1e6, 2)}
        figures |= opened_seconds(page) | {"run_written_s": round(wrote, 1)}
        print(json.dumps({"mentions": mentions, **figures}), flush=True)


if __name__ == "__main__":
    main()

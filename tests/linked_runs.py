"""Run directories made without Ray, by the library's own writers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from samples import annotation, collection, document, passage, save

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, CandidateCache
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import Source
from raybel.corpus.typography import FOLDING
from raybel.linking.candidates import add_candidates
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.ontology import Concept, Ontology
from raybel.runs.inputs import Shard, find_inputs
from raybel.runs.logs import write_plan, write_progress
from raybel.runs.parts import COUNTS, sum_counts
from raybel.runs.run_directory import RunDirectory
from raybel.runs.speed import SpeedLog

CONCEPTS = [
    Concept("D1", "Anemia", definition="Too few red blood cells. <b>Not</b> bold."),
    Concept("D2", "Asthma", definition="A disease of the airways."),
    Concept("D3", "</script><script>alert('name')</script>"),
    Concept("D4", "ربو", definition="Asthma, in Arabic."),
]


class NamedGenerator:
    """Proposes the concept whose name a surface has, then the next one; nothing for `unknown` and `nothing`."""

    name, fingerprint, ontology_fingerprint, expands_abbreviations = "named", "f", "o", None

    def search(self, surfaces: Any, top_k: int, excluded: Any = None) -> list[Any]:
        rows = {concept.name.lower(): row for row, concept in enumerate(CONCEPTS)}

        def of(surface: str) -> Any:
            if surface in ("unknown", "nothing", ""):
                return NO_CANDIDATES
            row = rows.get(surface, 0)
            score = 0.9 if surface in rows else 0.3
            return np.array([(row, score, -1), ((row + 1) % len(rows), score / 2, -1)], CANDIDATE_DTYPE)[:top_k]

        return [of(surface) for surface in surfaces]


def mention(text: str, start: int, kind: str = "Disease", gold: str | None = None, name: str = "T") -> str:
    """An annotation."""
    infons = {"type": kind, **({"concept_id": gold} if gold is not None else {})}
    return annotation(text, (start, len(text)), name=f"{name}{start}", **infons)


def small_corpus(folder: Path) -> str:
    """Documents with gold, hostile ids and names, right-to-left text, nested mentions, and one that can't be read."""
    first = "Anemia and asthma are no shortness of breath."
    arabic = "المريض يعاني من ربو شديد."
    documents = [
        document(
            "1",
            passage(first, mention("Anemia", 0, gold="D1"), mention("asthma", 11, gold="D2")),
            passage(
                "Asthma attack.",
                mention("Asthma attack", 46, gold="D2"),
                mention("Asthma", 46, "Part", "D2"),
                offset=46,
            ),
        ),
        document(
            "&lt;script&gt;alert('id')&lt;/script&gt;", passage("unknown asthma", mention("unknown", 0, gold="D1"))
        ),
        document("rtl", passage(arabic, mention("ربو", arabic.index("ربو"), "&lt;i&gt;نوع", "D4"))),
        document("plain", passage("Nothing is here.")),
        document("broken", passage("Anemia", mention("Anemia", 0), offset=-2)),
    ]
    return save(folder / "a.xml", collection(*documents).replace("&amp;", "&"))


def make_run(
    home: Path,
    corpus: str,
    finished: bool = True,
    shards: bool = True,
    ontology: Ontology | None = None,
    reranked: bool = False,
) -> RunDirectory:
    """Link a corpus by `NamedGenerator`, and write the run's directory.

    Args:
        home: Where to.
        corpus: A file.
        finished: Whether the log says so.
        shards: Whether anything is published yet.
        ontology: Of `CONCEPTS`, saved beside the run, unless another one is given.
        reranked: Whether the run claims to have a re-ranker, which puts the second candidate first where it is unsure.
    """
    known = ontology or Ontology.from_concepts(CONCEPTS)
    path = str(home.parent / "ontology.arrow")
    known.save(path)
    run = RunDirectory(str(home))
    identity = {"folding": FOLDING, "expand_abbreviations": True, "ontology": known.fingerprint}
    config = {
        "in_corpus": [corpus],
        "ontology": path,
        "generator": {"ngrams_model": str(home.parent / "ngrams")},
        "reranker_model": "tree" if reranked else None,
    }
    run.open(
        identity,
        {"config": config, "versions": {"raybel": "0.1.0", "python": "3.11"}, "git": "0" * 40},
        overwrite=False,
    )
    inputs = find_inputs([corpus], "f")
    write_plan(run, inputs)
    if shards:
        write_shard(run, inputs[0].shard(), NamedGenerator(), Target(known, "ontology.arrow"), reranked)
    states = run.states()
    if finished:
        run.finish(states)
    write_log(run, states, finished)
    return run


def write_shard(
    run: RunDirectory,
    shard: Shard,
    generator: Any,
    target: Target,
    reranked: bool = False,
    unsure: Sequence[str] | None = None,
    **reading: Any,
) -> dict[str, Any]:
    """Link a file, and publish its shard; return its state.

    Args:
        run: Where to.
        shard: The file's.
        generator: Proposes candidates.
        target: What the rankings are of.
        reranked: See `make_run`.
        unsure: The surfaces that a rule left to the re-ranker; None for no rule.
        reading: See `ReadOptions`.
    """
    cache = CandidateCache(generator, 10)
    read = list(read_chunks(Source(shard.path, shard.name), shard.name, ReadOptions(**reading)))
    for chunk in read:
        found = add_candidates(chunk, cache, generator.name)
        if unsure is not None:
            surfaces = [mention["surface"] for row in chunk["docs"][0].as_py() for mention in row["mentions"]]
            sure = pa.array([[surface not in unsure for surface in surfaces]], pa.list_(pa.bool_()))
            unscored = pa.array([[0] * len(surfaces)], pa.list_(pa.int64()))
            found = found.append_column("sure", sure).append_column("unscored", unscored)
        rankings = Rankings.of(found, target)
        run.write_part(shard, render(found, _reranked(rankings) if reranked else rankings))
    return run.assemble(shard, len(read))


def _reranked(rankings: Rankings) -> Rankings:
    """Turn the candidates of mentions around whose best score is low."""
    order = np.arange(len(rankings.score))
    starts = np.cumsum(rankings.counts) - rankings.counts
    scores = rankings.score.to_numpy()
    for start, count in zip(starts.tolist(), rankings.counts.tolist(), strict=True):
        if count == 2 and scores[start] < 0.5:
            order[start], order[start + 1] = start + 1, start
    for name in ("ids", "names", "first_score", "first_rank"):
        setattr(rankings, name, getattr(rankings, name).take(pa.array(order)))
    return rankings


def write_log(run: RunDirectory, states: list[dict[str, Any]], finished: bool, seconds: float = 20.0) -> None:
    """Log a start's progress and its speed."""
    counts = sum_counts(states) if states else dict.fromkeys(COUNTS, 0)
    own = {name: counts[name] for name in ("documents", "mentions")}
    progress = {"counts": counts, "own": own, "seconds": seconds, "share": 1.0, "files_failed": 0, "failed": []}
    write_progress(run, {**progress, "finished": finished})
    speed = SpeedLog(0.0)
    work = '[["stage_seconds", "reading", 1.5], ["stage_seconds", "candidates", 9.0], ["cache_hits", "named", 3], ' \
        '["cache_misses", "named", 1], ["tokens", "reranking", 1200]]'  # fmt: skip
    for place in range(4):
        of_chunk = {name: value // 4 for name, value in own.items()}
        speed.add(5.0 * place + 5.0, {**of_chunk, "seconds": 4.0, "worker": f"a {place % 2}", "work": work})
    speed.write(run, seconds)

"""Small link runs, made by what makes real ones, without Ray."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from linked_runs import write_shard
from samples import annotation, collection, document, passage, save, shards_of

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES
from raybel.linking.rankings import Target
from raybel.ontology import Concept, Ontology
from raybel.runs.logs import write_progress
from raybel.runs.run_directory import RunDirectory

CONCEPTS = [
    Concept("C1", "cystic fibrosis", alt_ids=["OLD1"]),
    Concept("C2", "gout"),
    Concept("C3", "influenza"),
    Concept("C4", "asthma"),
    Concept("C|5", "common cold <script>alert(1)</script>"),
]
IDS = [concept.concept_id for concept in CONCEPTS]


class Fixed:
    """A generator with given concepts for each surface, and none for others."""

    name, fingerprint, ontology_fingerprint, expands_abbreviations = "fixed", "f", "o", None

    def __init__(self, links: Mapping[str, Sequence[str]]) -> None:
        self.links = links

    def search(self, surfaces: Sequence[str], top_k: int, excluded: Any = None) -> list[np.ndarray]:
        found = []
        for surface in surfaces:
            rows = [(IDS.index(one), 0.9 - 0.1 * place, -1) for place, one in enumerate(self.links.get(surface, ()))]
            found.append(np.array(rows, CANDIDATE_DTYPE) if rows else NO_CANDIDATES)
        return found


def save_ontology(path: Path) -> str:
    Ontology.from_concepts(CONCEPTS).save(str(path))
    return str(path)


def text_document(name: str, text: str, *mentions: str, **infons: str) -> str:
    """A document of one passage, in which each mention is annotated where it first stands: `gout=C2` with its gold."""
    annotations = []
    for number, mention in enumerate(mentions, 1):
        words, _, gold = mention.partition("=")
        own = {"type": "Disease", **infons, **({"concept_id": gold} if gold else {})}
        annotations.append(annotation(words, (text.index(words), len(words)), name=f"T{number}", **own))
    return document(escape(name), passage(text, *annotations))


def save_corpus(path: Path, *documents: str, source: str = "hand-made") -> str:
    return save(path, collection(*documents, head=f"<source>{source}</source><date></date><key>k</key>"))


def make_run(
    home: Path | str,
    corpora: Sequence[str],
    links: Mapping[str, Sequence[str]],
    ontology: str | None = None,
    unsure: Sequence[str] | None = None,
    finished: bool = True,
    **reading: Any,
) -> str:
    """Link corpora; return the run's directory.

    Args:
        home: The directory, or its URI.
        corpora: Files, a shard each.
        links: Concept ids by surface, best first.
        ontology: The file that the run says it used.
        unsure: The surfaces that a rule left to the re-ranker; None for no rule.
        finished: Whether the run's log says so.
        reading: See `ReadOptions`.
    """
    run = RunDirectory(str(home))
    run.open({}, {"routes": [{"types": [], "ontology": ontology}]} if ontology else {}, False)
    target = Target(Ontology.from_concepts(CONCEPTS), "o.arrow")
    states = [
        write_shard(run, shard, Fixed(links), target, unsure=unsure, **reading) for shard in shards_of(list(corpora))
    ]
    if finished:
        run.finish(states)
    write_progress(run, {"own": {}, "finished": finished})
    return run.uri

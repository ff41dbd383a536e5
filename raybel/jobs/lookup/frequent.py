"""How often each surface has each concept in a corpus: what a lookup of frequent links is made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES
from raybel.ontology import Ontology
from raybel.runs.mentions import read_mentions_table

#: (Surface, concept) -> mentions; concept -1 stands for all mentions of the surface that have an id.
Counts = Counter[tuple[str, int]]


def count_concepts(surfaces: Sequence[str], ids: Sequence[Sequence[str] | None], ontology: Ontology) -> Counts:
    """Count the concepts of each surface.

    A mention that isn't annotated doesn't count; one without a concept (NIL), or with an id that the ontology doesn't
    know, counts for its surface alone; a composite counts for each of its concepts.

    Args:
        surfaces: Each mention's.
        ids: Each mention's, None where it isn't annotated.
        ontology: Whose rows the concepts are.
    """
    distinct = sorted({concept_id for of_mention in ids for concept_id in of_mention or ()})
    rows = dict(zip(distinct, ontology.indices(distinct).tolist(), strict=True))
    counts: Counts = Counter()
    for surface, of_mention in zip(surfaces, ids, strict=True):
        if of_mention is not None:
            counts[surface, -1] += 1
            counts.update((surface, row) for row in {rows[each] for each in of_mention} if row >= 0)
    return counts


def annotated_in(chunk: pa.Table) -> tuple[list[str], list[list[str] | None]]:
    """Return the surfaces and gold ids of a chunk's mentions."""
    mentions = pc.list_flatten(pc.struct_field(pc.list_flatten(chunk["docs"]), "mentions"))
    return pc.struct_field(mentions, "surface").to_pylist(), pc.struct_field(mentions, "gold").to_pylist()


def annotated_in_run(
    path: str, mention_types: Sequence[str], confident: float | None
) -> tuple[list[str], list[list[str] | None]]:
    """Return the surfaces and ids of the mentions in a run's table.

    Args:
        path: Of the table.
        mention_types: None for all.
        confident: Take links with at least this probability as ids; None to take the gold ids.
    """
    if confident is None:
        table = read_mentions_table(path, ["surface", "gold"], mention_types)
        return table["surface"].to_pylist(), table["gold"].to_pylist()
    table = read_mentions_table(path, ["surface", "link_id", "link_score", "parts"], mention_types)
    sure = pc.greater_equal(table["link_score"], pa.scalar(confident, pa.float32()))
    linked = table.filter(pc.and_(pc.is_valid(table["link_id"]), sure))
    columns = (linked[name].to_pylist() for name in ("link_id", "parts"))
    ids: list[list[str] | None] = [
        [link] if parts is None else [part["link_id"] for part in parts if part["link_id"] is not None]
        for link, parts in zip(*columns, strict=True)
    ]
    return linked["surface"].to_pylist(), ids


def frequent_candidates(rows: pa.Table, surfaces: Sequence[str], top_k: int) -> Iterator[np.ndarray]:
    """Yield the candidates of each surface: the most frequent concept first, equally frequent ones by their index.

    A score is the share of the surface's mentions that have the concept.

    Args:
        rows: Counts (`mentions`) by `surface` and `concept`, as `count_concepts` has them; several rows may have the
            same.
        surfaces: Distinct ones.
        top_k: The most candidates.
    """
    summed = rows.group_by(["surface", "concept"]).aggregate([("mentions", "sum")]).to_pylist()
    of_surface: dict[str, list[tuple[int, int]]] = {}
    for row in summed:
        of_surface.setdefault(row["surface"], []).append((row["concept"], row["mentions_sum"]))
    for surface in surfaces:
        counts = dict(of_surface.get(surface, ()))
        total = counts.pop(-1, 0)
        best = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:top_k]
        candidates = np.array([(concept, count / total, -1) for concept, count in best], CANDIDATE_DTYPE)
        yield candidates if best else NO_CANDIDATES

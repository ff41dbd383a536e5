"""Exact mappings between the rows of ontologies, found without holding an ontology's ids."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import pyarrow as pa

from raybel.ontology import BARE_PREFIXES, Ontology
from raybel.prepare.curies import id_key
from raybel.prepare.sssom import read_exact

#: Concepts that are in Python's own types at once.
BATCH = 65_536


@dataclass
class Links:
    """Exact mappings of one or more files.

    Args:
        partners: Key of an id -> keys of the ids that mean the same, in the order of the files; in both directions.
        pairs: Distinct pairs of ids, whichever is the subject.
    """

    partners: dict[str, list[str]] = field(default_factory=dict)
    pairs: int = 0

    @classmethod
    def read(cls, paths: Iterable[str], bare_prefixes: Collection[str] = BARE_PREFIXES) -> Links:
        """Read SSSOM files; a pair that is there several times counts once.

        Raises:
            InputError: See `sssom.read_exact`.
        """
        links = cls()
        for path in paths:
            for subject, object_ in read_exact(path, bare_prefixes):
                known = links.partners.setdefault(subject, [])
                if subject != object_ and object_ not in known:
                    known.append(object_)
                    links.partners.setdefault(object_, []).append(subject)
                    links.pairs += 1
        return links


def batches(ontology: Ontology, columns: list[str]) -> Iterator[tuple[int, pa.Table]]:
    """Yield (first row, some columns) of an ontology, `BATCH` concepts at a time."""
    for start in range(0, len(ontology), BATCH):
        yield start, ontology.table.select(columns).slice(start, BATCH)


def rows_of(
    ontology: Ontology, keys: Collection[str] | Mapping[str, object], bare_prefixes: Collection[str] = BARE_PREFIXES
) -> dict[str, int]:
    """Return the row of each key that an ontology has as an id or alternative id.

    A concept's own id comes before an alternative one, an alternative id means the first concept that has it.
    """
    own: dict[str, int] = {}
    alternative: dict[str, int] = {}
    for start, table in batches(ontology, ["concept_id", "alt_ids"]):
        ids, alternatives = table["concept_id"].to_pylist(), table["alt_ids"].to_pylist()
        for row, (concept_id, alt_ids) in enumerate(zip(ids, alternatives, strict=True), start):
            if (key := id_key(concept_id, None, bare_prefixes)) in keys:
                own.setdefault(key, row)
            for alt_id in alt_ids or ():
                if (key := id_key(alt_id, None, bare_prefixes)) in keys:
                    alternative.setdefault(key, row)
    return {**alternative, **own}

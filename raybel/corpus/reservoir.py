"""Reservoirs of mentions: at most so many of each surface, the same ones in whatever order a corpus is read.

Each mention has a key, a seeded hash of what it is and where it stands. A reservoir keeps the mentions with the
smallest keys of each surface and type: a sample without replacement, since over the seeds every choice of mentions is
equally likely. The smallest of the smallest of two parts are the smallest of both, so that parts of a corpus can be
drawn from one by one and merged (Cohen & Kaplan, "Summarizing data using bottom-k sketches", PODC 2007).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

#: Mentions as they are drawn from. `source` numbers the input, `document` its documents that aren't withdrawn,
#: `ordinal` the annotation in the document (as `schemas.MENTION`); `mentions` is what a row stands for: how many
#: mentions its surface and type have. `link_id` and `link_score` are null where links don't matter.
DRAWN = pa.schema(
    [
        ("key", pa.uint64()),
        ("surface", pa.string()),
        ("type", pa.string()),
        ("mentions", pa.int64()),
        ("source", pa.int32()),
        ("document", pa.int64()),
        ("ordinal", pa.int32()),
        ("doc_id", pa.string()),
        ("start", pa.int32()),
        ("end", pa.int32()),
        ("link_id", pa.string()),
        ("link_score", pa.float32()),
    ]
)
#: By surface and type, then key; mentions with the same key by their document and offset, then by their input.
_ORDER = [
    (name, "ascending") for name in ("surface", "type", "key", "doc_id", "start", "source", "document", "ordinal")
]
#: A reservoir is cut to its smallest keys whenever so many mentions were added.
ADDED_ROWS = 200_000


def mention_keys(
    surfaces: Iterable[str], types: Iterable[str], doc_ids: Iterable[str], starts: Iterable[int], seed: int
) -> np.ndarray:
    """Return the key of each mention, uint64: the same on every machine.

    Args:
        surfaces: Each mention's.
        types: Each mention's, "" for none.
        doc_ids: Each mention's document.
        starts: Each mention's offset.
        seed: At least 0; another one gives other keys.
    """
    seeded = hashlib.blake2b(digest_size=8, key=seed.to_bytes(16, "little"))

    def digest(mention: tuple[str, str, str, int]) -> bytes:
        hashed = seeded.copy()
        hashed.update("\0".join(map(str, mention)).encode("utf-8", "surrogatepass"))
        return hashed.digest()

    digests = map(digest, zip(surfaces, types, doc_ids, starts, strict=True))
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def smallest(mentions: pa.Table, per_surface: int) -> pa.Table:
    """Return the mentions with the smallest keys of each surface and type.

    Args:
        mentions: A table of `DRAWN`. Of the mentions with one surface and type, the sum of `mentions` is how many
            there are in all that was drawn from.
        per_surface: The most that stay of a surface and type.

    Returns:
        A table of `DRAWN`, sorted by surface, type and key; the first row of each surface and type has the sum of
        `mentions`, the others have 0.
    """
    if not mentions.num_rows:
        return DRAWN.empty_table()
    ordered = mentions.select(DRAWN.names).sort_by(_ORDER).combine_chunks()
    new = np.zeros(ordered.num_rows, bool)
    new[0] = True
    for name in ("surface", "type"):
        codes = ordered[name].combine_chunks().dictionary_encode().indices.to_numpy()
        new[1:] |= codes[1:] != codes[:-1]
    firsts = np.flatnonzero(new)
    group = np.cumsum(new) - 1
    kept = np.arange(ordered.num_rows) - firsts[group] < per_surface
    counts = np.zeros(ordered.num_rows, np.int64)
    counts[firsts] = np.add.reduceat(ordered["mentions"].to_numpy(), firsts)
    place = ordered.schema.get_field_index("mentions")
    counted = ordered.set_column(place, "mentions", pa.array(counts))
    return counted.filter(pa.array(kept)).cast(DRAWN)


def draw(tables: Iterable[pa.Table], per_surface: int) -> pa.Table:
    """Return the reservoir of a stream of mentions; see `smallest`.

    Memory: the reservoir, which has at most `per_surface` mentions of each distinct surface (about 150 bytes each),
    beside `ADDED_ROWS` mentions.

    Args:
        tables: Of `DRAWN`.
        per_surface: The most that stay of a surface and type.
    """
    kept = DRAWN.empty_table()
    for batch in _batches(tables):
        kept = smallest(pa.concat_tables([kept, batch]), per_surface)
    return kept


def _batches(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """Yield the tables joined to larger ones."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        waiting.append(table.select(DRAWN.names))
        rows += table.num_rows
        if rows >= ADDED_ROWS:
            yield pa.concat_tables(waiting)
            waiting, rows = [], 0
    if waiting:
        yield pa.concat_tables(waiting)

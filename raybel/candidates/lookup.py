"""A stored lookup: surface -> candidates found before, memory-mapped.

A lookup directory holds Arrow files, one for each range of surface hashes, each sorted by hash. The published system's
`.json.gz` (`{surface: [concept index, ...]}`) is read and written too; it holds no scores, so a candidate at place i of
n gets 1 - i/n, as that system does.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Sequence

import numpy as np
import pyarrow as pa

from raybel.candidates.base import CANDIDATE_DTYPE, NOTHING, UNKNOWN, Generator, Without
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

KIND, VERSION = "lookup", 2
#: What the candidates' `alias` refers to, as the generator had it.
ALIASES = "aliases.arrow"

TABLE = pa.schema(
    [
        ("hash", pa.uint64()),
        ("surface", pa.string()),
        ("mentions", pa.int64()),
        ("concepts", pa.list_(pa.int32())),
        ("scores", pa.list_(pa.float32())),
        ("aliases", pa.list_(pa.int32())),
    ]
)


def hashes(surfaces: Sequence[str]) -> np.ndarray:
    """Return the hash of each surface, uint64, the same on every machine."""
    digests = (hashlib.blake2b(one.encode("utf-8", "surrogatepass"), digest_size=8).digest() for one in surfaces)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def buckets(hashed: np.ndarray, count: int) -> np.ndarray:
    """Return the range that each hash falls into, of `count` equal ones: int64 in 0..count-1."""
    return ((hashed >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def bucket_table(surfaces: Sequence[str], mentions: Sequence[int], found: Sequence[np.ndarray]) -> pa.Table:
    """Return one range's surfaces with their candidates, sorted by (hash, surface), as a table of `TABLE`."""
    hashed = hashes(surfaces)
    order = sorted(range(len(surfaces)), key=lambda i: (int(hashed[i]), surfaces[i]))
    chosen = [found[i] for i in order]
    flat = np.concatenate([NOTHING, *chosen])
    offsets = pa.array(np.cumsum([0, *(len(each) for each in chosen)], dtype=np.int32))
    lists = [pa.ListArray.from_arrays(offsets, pa.array(flat[name])) for name in ("concept", "score", "alias")]
    return pa.Table.from_arrays(
        [
            pa.array(hashed[order] if order else hashed),
            pa.array([surfaces[i] for i in order], pa.string()),
            pa.array([mentions[i] for i in order], pa.int64()),
            *lists,
        ],
        schema=TABLE,
    )


class LookupGenerator(Generator):
    """Candidates out of a stored lookup; a surface that isn't in it has none (and is counted as such by the job).

    Args:
        tables: Of `TABLE`, one per range of hashes.
        fingerprint: Of the artefact.
        ontology_fingerprint: Of the ontology whose rows it refers to.
        top_k: How many candidates were stored per surface.
        source: Name of the generator that found them.
        expanded: Whether abbreviations were expanded; None if unknown.
        alias_table: What the candidates' `alias` refers to; None if unknown.
    """

    stored = True

    def __init__(
        self,
        tables: list[pa.Table],
        fingerprint: str,
        ontology_fingerprint: str,
        top_k: int,
        source: str = UNKNOWN,
        expanded: bool | None = None,
        alias_table: pa.Table | None = None,
    ) -> None:
        self.tables, self.fingerprint, self.ontology_fingerprint = tables, fingerprint, ontology_fingerprint
        self.top_k, self.name, self.expanded = top_k, source, expanded
        self._alias_table = alias_table
        self._hashes = [table["hash"].to_numpy() for table in tables]

    @property
    def alias_table(self) -> pa.Table | None:
        """What the candidates' `alias` refers to; None if unknown."""
        return self._alias_table

    def __len__(self) -> int:
        return sum(table.num_rows for table in self.tables)

    @classmethod
    def load(cls, uri: str, ontology: Ontology) -> LookupGenerator:
        """Open a lookup directory (memory-mapped) or a published `.json.gz` (read into memory).

        Raises:
            InputError: It is missing, incomplete or unreadable.
            MismatchError: It is of another kind or version, or refers to rows that the ontology doesn't have.
        """
        if storage.name_of(uri).endswith((".json", ".json.gz")):
            return cls._from_json(uri, ontology)
        config = artefacts.describe(uri, KIND, VERSION)
        home = storage.localise(uri)
        tables = [artefacts.load_arrow(home / name) for name in sorted(config["files"]) if name != ALIASES]
        parameters = config["parameters"]
        return cls(
            tables,
            config["fingerprint"],
            parameters["ontology_fingerprint"],
            parameters["top_k"],
            parameters["generator"],
            parameters.get("expand_abbreviations"),
            artefacts.load_arrow(home / ALIASES) if ALIASES in config["files"] else None,
        )

    @classmethod
    def _from_json(cls, uri: str, ontology: Ontology) -> LookupGenerator:
        value = storage.read_json(uri)
        if not isinstance(value, dict):
            raise InputError("isn't a candidates lookup: expected {surface: [concept index, ...]}", path=uri)
        found = []
        for surface, rows in value.items():
            if not isinstance(rows, list) or not all(isinstance(row, int) for row in rows):
                raise InputError(
                    f"{surface!r} has {str(rows)[:60]} where a list of concept indices should be", path=uri
                )
            if any(not 0 <= row < len(ontology) for row in rows):
                raise MismatchError(
                    f"{uri}: {surface!r} refers to concept {max(rows)}, but {ontology.path} has {len(ontology)}: "
                    "it was made from another ontology"
                )
            each = np.empty(len(rows), CANDIDATE_DTYPE)
            each["concept"], each["alias"] = rows, -1
            each["score"] = 1 - np.arange(len(rows)) / max(len(rows), 1)
            found.append(each)
        table = bucket_table(list(value), [0] * len(value), found)
        digest = hashlib.sha256(repr([(s, e.tolist()) for s, e in zip(value, found, strict=True)]).encode())
        top_k = max((len(each) for each in found), default=0)
        return cls([table], digest.hexdigest()[:32], ontology.fingerprint, top_k)

    def check_usable(self, top_k: int, expand_abbreviations: bool) -> None:
        """Refuse a job that wants more than is stored (a published `.json.gz` says nothing of how it was made).

        Raises:
            ConfigError: Fewer candidates are stored, or the surfaces were made in another way.
        """
        if self.expanded is None:
            return
        if top_k > self.top_k:
            raise ConfigError(
                f"the lookup holds {self.top_k} candidates of a surface, not {top_k}: make it with --top-k"
            )
        if expand_abbreviations != self.expanded:
            made = "with" if self.expanded else "without"
            raise ConfigError(f"the lookup was made {made} expanding abbreviations: link in the same way")

    def search(self, surfaces: Sequence[str], top_k: int, without: Without | None = None) -> list[np.ndarray]:
        """Return the stored candidates of each surface, at most `top_k`; see `Generator`.

        Raises:
            ConfigError: Training mentions aren't to count: what was stored can't tell them apart.
        """
        if without is not None:
            raise ConfigError("a stored lookup can't leave out training mentions: give the generator it was made with")
        hashed = hashes(surfaces)
        ranges = buckets(hashed, len(self.tables))
        return [self._one(*query, top_k) for query in zip(surfaces, hashed, ranges.tolist(), strict=True)]

    def _one(self, surface: str, hashed: np.uint64, bucket: int, top_k: int) -> np.ndarray:
        table, known = self.tables[bucket], self._hashes[bucket]
        place = int(np.searchsorted(known, hashed))
        while place < len(known) and known[place] == hashed:
            if table["surface"][place].as_py() == surface:
                row = table.slice(place, 1).to_pylist()[0]
                size = min(top_k, len(row["concepts"]))
                each = np.empty(size, CANDIDATE_DTYPE)
                for name in ("concept", "score", "alias"):
                    each[name] = row[{"alias": "aliases"}.get(name, name + "s")][:size]
                return each
            place += 1
        return NOTHING


def to_json(uri: str, tables: Iterable[pa.Table]) -> int:
    """Write a lookup in the published form, sorted by surface; return how many surfaces it holds."""
    value = {row["surface"]: row["concepts"] for table in tables for row in table.to_pylist()}
    data = json.dumps(dict(sorted(value.items())), ensure_ascii=False).encode()
    storage.publish(uri, gzip.compress(data, mtime=0) if uri.endswith(".gz") else data)
    return len(value)

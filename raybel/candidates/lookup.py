"""A stored lookup: the candidates that a generator found for surfaces, memory-mapped.

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

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, UNKNOWN_GENERATOR, ExcludedMentions, Generator
from raybel.corpus.typography import check_folding
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage
from raybel.ontology import Ontology

KIND, VERSION = "lookup", 2
#: The name of the generator whose candidates are a surface's concepts, by how many of its mentions have them.
FREQUENT = "frequent"
#: The file with the generator's alias table, to which the candidates' `alias` refers.
ALIASES = "aliases.arrow"

#: A row per surface.
SCHEMA = pa.schema(
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
    texts = (surface.encode("utf-8", "surrogatepass") for surface in surfaces)
    digests = (hashlib.blake2b(text, digest_size=8).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8").astype(np.uint64)


def buckets(hashed: np.ndarray, count: int) -> np.ndarray:
    """Return which of `count` equal ranges each hash falls into: int64 in 0..count-1."""
    return ((hashed >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)


def bucket_table(surfaces: Sequence[str], mentions: Sequence[int], candidates: Sequence[np.ndarray]) -> pa.Table:
    """Return one range's surfaces with their candidates, sorted by (hash, surface), as a table of `SCHEMA`.

    Args:
        surfaces: Distinct ones of the range.
        mentions: How many mentions have each.
        candidates: Each surface's, best first, as `CANDIDATE_DTYPE`.
    """
    hashed = hashes(surfaces)
    order = sorted(range(len(surfaces)), key=lambda i: (int(hashed[i]), surfaces[i]))
    in_order = [candidates[i] for i in order]
    flat = np.concatenate([NO_CANDIDATES, *in_order])
    offsets = pa.array(np.cumsum([0, *map(len, in_order)], dtype=np.int32))
    lists = [pa.ListArray.from_arrays(offsets, pa.array(flat[name])) for name in ("concept", "score", "alias")]
    return pa.Table.from_arrays(
        [
            pa.array(hashed[order] if order else hashed),
            pa.array([surfaces[i] for i in order], pa.string()),
            pa.array([mentions[i] for i in order], pa.int64()),
            *lists,
        ],
        schema=SCHEMA,
    )


class LookupGenerator(Generator):
    """Gives the candidates that a lookup stores; a surface that it doesn't hold has none.

    Args:
        tables: Tables of `SCHEMA`, one per range of hashes.
        fingerprint: That of the artefact.
        ontology_fingerprint: That of the ontology whose rows the candidates refer to.
        top_k: How many candidates were searched for per surface.
        name: Name of the generator that found them.
        expands_abbreviations: Whether abbreviations were expanded in its surfaces; None if unknown.
        alias_table: The table whose rows the candidates' `alias` refers to; None if unknown.
    """

    stored = True

    def __init__(
        self,
        tables: list[pa.Table],
        fingerprint: str,
        ontology_fingerprint: str,
        top_k: int,
        name: str = UNKNOWN_GENERATOR,
        expands_abbreviations: bool | None = None,
        alias_table: pa.Table | None = None,
    ) -> None:
        self.tables, self.fingerprint, self.ontology_fingerprint = tables, fingerprint, ontology_fingerprint
        self.top_k, self.name, self.expands_abbreviations = top_k, name, expands_abbreviations
        self._alias_table = alias_table
        self._hashes = [table["hash"].to_numpy() for table in tables]

    @property
    def alias_table(self) -> pa.Table | None:
        """The table whose rows the candidates' `alias` refers to; None if unknown."""
        return self._alias_table

    def __len__(self) -> int:
        """Number of surfaces."""
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
        check_folding(uri, config["parameters"].get("folding"))
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
        candidates = []
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
            of_surface = np.empty(len(rows), CANDIDATE_DTYPE)
            of_surface["concept"], of_surface["alias"] = rows, -1
            of_surface["score"] = 1 - np.arange(len(rows)) / max(len(rows), 1)
            candidates.append(of_surface)
        table = bucket_table(list(value), [0] * len(value), candidates)
        digest = hashlib.sha256(repr([(s, c.tolist()) for s, c in zip(value, candidates, strict=True)]).encode())
        top_k = max(map(len, candidates), default=0)
        return cls([table], digest.hexdigest()[:32], ontology.fingerprint, top_k)

    def check_usable(self, top_k: int, expand_abbreviations: bool) -> None:
        """Refuse a job that wants more than is stored; see `Generator`.

        A published `.json.gz` doesn't say how it was made, and isn't refused.

        Raises:
            ConfigError: Fewer candidates are stored, or the surfaces were made in another way.
        """
        if self.expands_abbreviations is None:
            return
        if top_k > self.top_k:
            raise ConfigError(
                f"the lookup holds {self.top_k} candidates per surface, not {top_k}: make it again with --top-k {top_k}"
            )
        if expand_abbreviations != self.expands_abbreviations:
            manner = "with" if self.expands_abbreviations else "without"
            raise ConfigError(f"the lookup was made {manner} expanding abbreviations: link in the same way")

    def search(self, surfaces: Sequence[str], top_k: int, excluded: ExcludedMentions | None = None) -> list[np.ndarray]:
        """Return the stored candidates of each surface, at most `top_k`; see `Generator`.

        Raises:
            ConfigError: Training mentions are to be excluded; in what is stored they can't be told apart.
        """
        if excluded is not None:
            raise ConfigError("a stored lookup can't leave out training mentions: give the generator it was made with")
        hashed = hashes(surfaces)
        ranges = buckets(hashed, len(self.tables))
        return [self._stored(*query, top_k) for query in zip(surfaces, hashed, ranges.tolist(), strict=True)]

    def _stored(self, surface: str, hashed: np.uint64, bucket: int, top_k: int) -> np.ndarray:
        table, stored_hashes = self.tables[bucket], self._hashes[bucket]
        place = int(np.searchsorted(stored_hashes, hashed))
        while place < len(stored_hashes) and stored_hashes[place] == hashed:
            if table["surface"][place].as_py() == surface:
                row = table.slice(place, 1).to_pylist()[0]
                candidates = np.empty(min(top_k, len(row["concepts"])), CANDIDATE_DTYPE)
                for field, column in (("concept", "concepts"), ("score", "scores"), ("alias", "aliases")):
                    candidates[field] = row[column][:top_k]
                return candidates
            place += 1
        return NO_CANDIDATES


def write_json(uri: str, tables: Iterable[pa.Table]) -> int:
    """Write tables of `SCHEMA` as a lookup in the published form, sorted by surface; return its number of surfaces."""
    value = {row["surface"]: row["concepts"] for table in tables for row in table.to_pylist()}
    data = json.dumps(dict(sorted(value.items())), ensure_ascii=False).encode()
    storage.publish(uri, gzip.compress(data, mtime=0) if uri.endswith(".gz") else data)
    return len(value)

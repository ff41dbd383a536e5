"""Hand-made documents for the tests, and short ways to read them."""

from __future__ import annotations

import gzip
import json
from dataclasses import fields
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa

from raybel.candidates.base import CandidateCache
from raybel.config import MentionOptions
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import Source, find_sources
from raybel.linking.candidates import add_candidates
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.ontology import Concept, Ontology
from raybel.runs.inputs import Shard, find_inputs
from raybel.runs.parts import Part

COLLECTION_HEAD = "<source>hand-made</source><date>2026</date><key>k</key>"


def annotation(text: str, *places: tuple[int, int], name: str = "T1", **infons: str) -> str:
    """An annotation as XML; without places it has no location."""
    pairs = "".join(f"<infon key={quoteattr(key)}>{escape(value)}</infon>" for key, value in infons.items())
    spots = "".join(f'<location offset="{offset}" length="{length}"/>' for offset, length in places)
    return f'<annotation id="{name}">{pairs}{spots}<text>{escape(text)}</text></annotation>'


def passage(text: str, *annotations: str, offset: int = 0) -> str:
    return f"<passage><offset>{offset}</offset><text>{escape(text)}</text>{''.join(annotations)}</passage>"


def document(name: str, *passages: str) -> str:
    return f"<document><id>{name}</id>{''.join(passages)}</document>"


def collection(*documents: str, head: str = COLLECTION_HEAD) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?><collection>{head}{"".join(documents)}</collection>'


def simple_document(name: str, text: str = "Anemia and asthma.", mention: str = "Anemia") -> str:
    """A document of one passage with one mention."""
    place = (text.index(mention), len(mention))
    return document(name, passage(text, annotation(mention, place, type="Disease", concept_id="D1")))


def json_document(name: str, text: str = "Anemia and asthma.", *annotations: dict[str, Any]) -> dict[str, Any]:
    return {"id": name, "passages": [{"offset": 0, "text": text, "annotations": list(annotations)}]}


def json_annotation(text: str, *places: tuple[int, int], **infons: str) -> dict[str, Any]:
    spots = [{"offset": offset, "length": length} for offset, length in places]
    return {"id": "T1", "infons": infons, "text": text, "locations": spots}


def save(path: Path, content: str | bytes | Any) -> str:
    """Write text, bytes or a JSON value (gzipped where the name says so); return the path."""
    data = content if isinstance(content, bytes | str) else json.dumps(content)
    data = data.encode() if isinstance(data, str) else data
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" and data[:2] != b"\x1f\x8b" else data)
    return str(path)


def chunks(path: str, **options: Any) -> list[pa.Table]:
    of_mentions = {item.name: options.pop(item.name) for item in fields(MentionOptions) if item.name in options}
    (source,) = find_sources([path]) if Path(path).is_file() else [Source(path, Path(path).name)]
    return list(read_chunks(source, source.name, ReadOptions(MentionOptions(**of_mentions), **options)))


def shards_of(patterns: list[str], run_fingerprint: str = "f") -> list[Shard]:
    """The shards of input files that are neither archives nor groups."""
    return [item.shard() for item in find_inputs(patterns, run_fingerprint)]


def rows(path: str, **options: Any) -> list[dict[str, Any]]:
    """The documents of all chunks."""
    return [row for chunk in chunks(path, **options) for row in chunk["docs"][0].as_py()]


def read_error(path: str, **options: Any) -> tuple[str | None, list[str]]:
    """The error of a file's last chunk, and the ids of the documents that could be read."""
    read = chunks(path, **options)
    assert [chunk["last"][0].as_py() for chunk in read] == [False] * (len(read) - 1) + [True]
    assert not any(chunk["error"][0].as_py() for chunk in read[:-1])
    return read[-1]["error"][0].as_py(), [row["doc_id"] for chunk in read for row in chunk["docs"][0].as_py()]


class FixedGenerator:
    """A generator with the same two candidates for every surface but the empty one and `unknown`; fails on `poison`."""

    name, fingerprint, ontology_fingerprint, expands_abbreviations = "fixed", "f", "o", None

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def search(self, surfaces: Any, top_k: int, excluded: Any = None) -> list[Any]:
        import numpy as np

        from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES

        self.calls.append(list(surfaces))
        candidates = np.array([(1, 0.75, 4), (0, 0.5, -1)], CANDIDATE_DTYPE)[:top_k]
        if "poison" in surfaces:
            raise ValueError("poisoned")
        return [NO_CANDIDATES if surface in ("", "unknown") else candidates for surface in surfaces]


def two_concepts() -> Ontology:
    return Ontology.from_concepts([Concept("D1", "Anemia"), Concept("a|b=c", "Asthma & co <x>")])


def parts(path: str, threshold: float | None = None, **options: Any) -> list[Part]:
    """A file linked by `FixedGenerator`, a part for each chunk."""
    ontology, generator = two_concepts(), CandidateCache(FixedGenerator(), 10)
    target = Target(ontology, "o.arrow", threshold=threshold)
    linked = (add_candidates(chunk, generator, "fixed") for chunk in chunks(path, **options))
    return [render(chunk, Rankings.of(chunk, target)) for chunk in linked]


def linked(path: str, threshold: float | None = None, **options: Any) -> bytes:
    """The bytes of a file linked by `FixedGenerator`, decompressed."""
    return gzip.decompress(b"".join(part.data for part in parts(path, threshold, **options)))

"""Mentions that a generator can be measured on, and its recall on them."""

from __future__ import annotations

from raybel.candidates.base import Cached, Generator
from raybel.corpus.chunks import corpus_files, read_rows
from raybel.corpus.documents import ReadOptions
from raybel.errors import InputError
from raybel.evaluation.metrics import gold_ranks, summarise
from raybel.ontology import Ontology

Mentions = tuple[list[tuple[str, int]], int]


def read_splits(splits: dict[str, tuple[str, ...]], ontology: Ontology, expand: bool) -> dict[str, Mentions]:
    """Read the corpora that are given by name, as `linkable` does.

    Raises:
        InputError: No mention of the training corpus can be linked.
    """
    read = {name: linkable(paths, ontology, expand) for name, paths in splits.items() if paths}
    if "train" in read and not read["train"][0]:
        raise InputError(
            f"no mention has a single id that {ontology.path} knows: are corpus and ontology of the same kind?",
            path=", ".join(splits["train"]),
        )
    return read


def recall(generator: Generator, mentions: list[tuple[str, int]], top_k: int) -> dict[str, float | None]:
    """Return a generator's recall at several depths on (surface, concept index) of mentions; None without mentions."""
    found = Cached(generator, top_k).search([surface for surface, _ in mentions])
    return summarise(gold_ranks([each["concept"].tolist() for each in found], [[c] for _, c in mentions]))


def linkable(paths: tuple[str, ...], ontology: Ontology, expand: bool) -> Mentions:
    """Return (surface, concept index) of each mention with a single id that the ontology knows, and how many others."""
    uris = [path for path, _ in corpus_files(paths)]
    surfaces, ids, left_out = [], [], 0
    for row in read_rows(uris, ReadOptions(expand_abbreviations=expand)):
        for mention in row.mentions:
            gold = mention["gold"]
            if gold is not None and len(gold) == 1:
                surfaces.append(mention["surface"])
                ids.append(gold[0])
            else:
                left_out += 1
    rows = ontology.indices(ids).tolist()
    known = [(surface, row) for surface, row in zip(surfaces, rows, strict=True) if row >= 0]
    return known, left_out + len(rows) - len(known)

"""Mentions that a generator can be measured on, and its recall on them."""

from __future__ import annotations

import logging
from typing import NamedTuple

from raybel.candidates.base import CandidateCache, Generator
from raybel.config import MentionOptions
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.errors import InputError
from raybel.evaluation.metrics import gold_ranks, summarise
from raybel.ontology import Ontology

_LOG = logging.getLogger(__name__)


class LinkableMentions(NamedTuple):
    """The mentions of a corpus that have a single id which the ontology knows.

    Args:
        mentions: (surface, concept index) of each.
        left_out: The number of other mentions.
    """

    mentions: list[tuple[str, int]]
    left_out: int


def read_splits(
    splits: dict[str, tuple[str, ...]], ontology: Ontology, options: MentionOptions
) -> dict[str, LinkableMentions]:
    """Return the linkable mentions of each split that has files.

    Args:
        splits: BioC files by the split's name, such as `train`.
        ontology: What mentions are linked to.
        options: How mentions are read out of annotations.

    Raises:
        InputError: No mention of the training corpus can be linked.
    """
    read = {name: read_linkable(paths, ontology, options) for name, paths in splits.items() if paths}
    if "train" in read and not read["train"][0]:
        raise InputError(
            f"no mention has a single id that {ontology.path} knows: are corpus and ontology of the same kind?",
            path=", ".join(splits["train"]),
        )
    return read


def recall(generator: Generator, mentions: list[tuple[str, int]], top_k: int) -> dict[str, float | None]:
    """Return a generator's recall at several depths; None without mentions.

    Args:
        generator: Finds candidates.
        mentions: Surface and gold concept's index of each.
        top_k: Candidates per mention.
    """
    by_mention = CandidateCache(generator, top_k).search([surface for surface, _ in mentions])
    golds = [[concept] for _, concept in mentions]
    return summarise(gold_ranks([candidates["concept"].tolist() for candidates in by_mention], golds))


def read_linkable(paths: tuple[str, ...], ontology: Ontology, options: MentionOptions) -> LinkableMentions:
    """Return (surface, concept index) of each mention with a single id that the ontology knows; and how many others."""
    uris = [path for path, _ in corpus_files(paths)]
    surfaces, ids, left_out = [], [], 0
    set_aside = SetAside()
    for row in read_rows(uris, ReadOptions(options), set_aside):
        for mention in row.mentions:
            gold = mention["gold"]
            if gold is not None and len(gold) == 1:
                surfaces.append(mention["surface"])
                ids.append(gold[0])
            else:
                left_out += 1
    if sentence := set_aside.sentence():
        _LOG.warning(sentence)
    rows = ontology.indices(ids).tolist()
    known = [(surface, row) for surface, row in zip(surfaces, rows, strict=True) if row >= 0]
    return LinkableMentions(known, left_out + len(rows) - len(known))

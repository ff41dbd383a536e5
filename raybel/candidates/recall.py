"""Mentions that a generator can be measured on, and its recall on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from raybel.candidates.base import CandidateCache, Generator
from raybel.candidates.calibrating import JudgedMentions
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
        judged: These, and those that have no concept which the ontology knows: what probabilities are fitted on.
    """

    mentions: list[tuple[str, int]]
    left_out: int
    judged: JudgedMentions


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
    """Return the linkable mentions of a corpus, and what else there was."""
    uris = [path for path, _ in corpus_files(paths)]
    surfaces: list[str] = []
    golds: list[list[str] | None] = []
    documents: list[int] = []
    set_aside = SetAside()
    for number, row in enumerate(read_rows(uris, ReadOptions(options), set_aside)):
        surfaces += [mention["surface"] for mention in row.mentions]
        golds += [mention["gold"] for mention in row.mentions]
        documents += [number] * len(row.mentions)
    if sentence := set_aside.sentence():
        _LOG.warning(sentence)
    rows = zip(surfaces, concepts_of(golds, ontology), documents, strict=True)
    judged = [(surface, concept, document) for surface, concept, document in rows if concept is not None]
    linkable = [(surface, concept) for surface, concept, _ in judged if concept >= 0]
    columns = JudgedMentions(
        [surface for surface, _, _ in judged], [row for _, row, _ in judged], [document for _, _, document in judged]
    )
    return LinkableMentions(linkable, len(golds) - len(linkable), columns)


def concepts_of(golds: Sequence[Sequence[str] | None], ontology: Ontology) -> list[int | None]:
    """Return the row of each mention's concept, -1 for none: NIL, or a single id that the ontology doesn't know.

    None where a single link can't be judged: the mention isn't annotated, or has several ids.

    Args:
        golds: Of each mention, as in `schemas.MENTION`.
        ontology: Whose rows they are.
    """
    rows = iter(ontology.indices([gold[0] for gold in golds if gold is not None and len(gold) == 1]).tolist())
    return [None if gold is None or len(gold) > 1 else next(rows) if gold else -1 for gold in golds]

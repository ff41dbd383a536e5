"""Mentions with their candidates and context, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.corpus.text import surface
from raybel.ontology import Ontology

#: What separates the passages in a document context.
PASSAGE_SEPARATOR = "\n"


@dataclass(slots=True)
class Example:
    """A mention to rank candidates for.

    Args:
        context: The text around it.
        start: Where the mention starts in the context (code points).
        group: Identifies the context; mentions of the same group share it.
        mention: The mention's text; the long form where it is an abbreviation that its document defines.
        candidates: Its candidates, best first, as `CANDIDATE_DTYPE`.
        names: The candidates' names.
        aliases: The candidates' aliases that matched; None where it is the name, or unknown.
        gold: The place of the right candidate; -1 where it isn't among them.
    """

    context: str
    start: int
    group: tuple[int, ...]
    mention: str
    candidates: np.ndarray
    names: list[str]
    aliases: list[str | None]
    gold: int = -1


class Describer:
    """Looks up the names and aliases of candidates in memory-mapped tables.

    Args:
        ontology: The ontology whose rows are the candidates' concepts.
        aliases: The generator's alias table; None where it isn't known.
    """

    def __init__(self, ontology: Ontology, aliases: pa.Table | None) -> None:
        self.names = ontology.table["name"]
        self.aliases = None if aliases is None else aliases["alias"]

    def describe(self, by_mention: Sequence[np.ndarray]) -> list[tuple[list[str], list[str | None]]]:
        """Return the names and aliases of each mention's candidates, as `Example` has them.

        Args:
            by_mention: The candidates of each mention, as `CANDIDATE_DTYPE`.
        """
        if not by_mention:
            return []
        flat = np.concatenate(list(by_mention))
        names: list[str] = [name or "" for name in self.names.take(pa.array(flat["concept"])).to_pylist()]
        aliases: list[str | None] = [None] * len(flat)
        if self.aliases is not None and len(flat):
            known = np.flatnonzero(flat["alias"] >= 0)
            matched = self.aliases.take(pa.array(flat["alias"][known])).to_pylist()
            for row, alias in zip(known.tolist(), matched, strict=True):
                aliases[row] = None if alias == surface(names[row]) else alias
        bounds = pairwise(np.cumsum([0, *map(len, by_mention)]).tolist())
        return [(names[start:end], aliases[start:end]) for start, end in bounds]


def contexts(
    passages: Sequence[dict[str, Any]], mentions: Iterable[dict[str, Any]], context: str
) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return (context, start of the mention in it, group) for each mention of a document.

    A mention that runs over the end of its sentence has all the sentences that it is in as its context. Where passages
    weren't split into sentences, a passage is a sentence.

    Args:
        passages: The document's, as in `schemas.DOCUMENT`.
        mentions: The document's, as in `schemas.DOCUMENT`.
        context: `sentence`, `passage` or `document`.
    """
    whole = PASSAGE_SEPARATOR.join(passage["text"] for passage in passages)
    lengths = [len(passage["text"]) + len(PASSAGE_SEPARATOR) for passage in passages]
    starts = [0, *accumulate(lengths)]
    by_mention: list[tuple[str, int, tuple[int, ...]]] = []
    for mention in mentions:
        number = mention["passage"]
        passage = passages[number]
        within = mention["start"] - passage["offset"]
        if context == "document":
            by_mention.append((whole, starts[number] + within, ()))
            continue
        spans = passage["sentences"] if context == "sentence" and mention["sentence"] >= 0 else []
        if not spans:
            by_mention.append((passage["text"], within, (number,)))
            continue
        first = last = mention["sentence"]
        while last + 1 < len(spans) and spans[last + 1]["start"] < mention["end"]:
            last += 1
        start = min(spans[first]["start"], mention["start"]) - passage["offset"]
        end = max(spans[last]["end"], mention["end"]) - passage["offset"]
        by_mention.append((passage["text"][start:end], within - start, (number, start, end)))
    return by_mention


def mention_text(mention: dict[str, Any]) -> str:
    """Return a mention's text; the surface of one whose abbreviation was expanded."""
    unchanged = mention["surface"] == surface(mention["text"])
    return str(mention["text"] if unchanged else mention["surface"])


def document_examples(
    document: dict[str, Any],
    candidates: Sequence[np.ndarray],
    described: Sequence[tuple[list[str], list[str | None]]],
    context: str,
    number: int = 0,
) -> list[Example]:
    """Return an example for each mention of a document, those without candidates too.

    Args:
        document: Its `passages` and `mentions` as in `schemas.DOCUMENT`.
        candidates: Each mention's candidates, as `CANDIDATE_DTYPE`.
        described: Their names and aliases, as `Describer.describe` returns them.
        context: `sentence`, `passage` or `document`.
        number: Number of the document, part of the group.
    """
    mentions = document["mentions"]
    places = contexts(document["passages"], mentions, context)
    return [
        Example(text, start, (number, *group), mention_text(mention), of_mention, *names)
        for (text, start, group), mention, of_mention, names in zip(
            places, mentions, candidates, described, strict=True
        )
    ]

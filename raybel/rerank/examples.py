"""Mentions with their candidates and their context, as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from raybel.corpus.text import surface
from raybel.ontology import Ontology

#: What stands between the passages of a document context.
BETWEEN = "\n"


@dataclass(slots=True)
class Example:
    """A mention to rank candidates for.

    Args:
        context: Text around it.
        start: Of the mention in the context (code points).
        group: Which context that is; mentions of one group share it.
        mention: Its text, the long form where its document's abbreviations were expanded.
        found: Candidates, best first, as `CANDIDATE_DTYPE`.
        names: Of the candidates.
        aliases: That matched, None where it isn't known or is the name.
        gold: Which candidate is right; -1 for none of them.
    """

    context: str
    start: int
    group: tuple[int, ...]
    mention: str
    found: np.ndarray
    names: list[str]
    aliases: list[str | None]
    gold: int = -1


class Describer:
    """Puts names and aliases to candidates; both come out of memory-mapped tables, and are asked for together.

    Args:
        ontology: What concepts refer to.
        aliases: What `alias` refers to, with a column `alias`; None where it isn't known.
    """

    def __init__(self, ontology: Ontology, aliases: pa.Table | None) -> None:
        self.names = ontology.table["name"]
        self.aliases = None if aliases is None else aliases["alias"]

    def describe(self, found: Sequence[np.ndarray]) -> list[tuple[list[str], list[str | None]]]:
        """Return names and aliases of each mention's candidates."""
        if not found:
            return []
        flat = np.concatenate(list(found))
        names: list[str] = [name or "" for name in self.names.take(pa.array(flat["concept"])).to_pylist()]
        aliases: list[str | None] = [None] * len(flat)
        if self.aliases is not None and len(flat):
            known = np.flatnonzero(flat["alias"] >= 0)
            held = self.aliases.take(pa.array(flat["alias"][known])).to_pylist()
            for row, alias in zip(known.tolist(), held, strict=True):
                aliases[row] = None if alias == surface(names[row]) else alias
        ends = np.cumsum([len(each) for each in found]).tolist()
        starts = [0, *ends[:-1]]
        return [(names[a:b], aliases[a:b]) for a, b in zip(starts, ends, strict=True)]


def contexts(
    passages: Sequence[dict[str, Any]], mentions: Iterable[dict[str, Any]], context: str
) -> list[tuple[str, int, tuple[int, ...]]]:
    """Return (context, start of the mention in it, group) for each mention of a document.

    A mention that runs over the end of its sentence has both sentences as its context. Where passages weren't split
    into sentences, a passage is a sentence.

    Args:
        passages: As in `schemas.DOCUMENT`.
        mentions: As in `schemas.DOCUMENT`.
        context: `sentence`, `passage` or `document`.
    """
    whole = BETWEEN.join(passage["text"] for passage in passages)
    starts, at = [], 0
    for passage in passages:
        starts.append(at)
        at += len(passage["text"]) + len(BETWEEN)
    found: list[tuple[str, int, tuple[int, ...]]] = []
    for mention in mentions:
        number = mention["passage"]
        passage = passages[number]
        within = mention["start"] - passage["offset"]
        if context == "document":
            found.append((whole, starts[number] + within, ()))
            continue
        spans = passage["sentences"] if context == "sentence" and mention["sentence"] >= 0 else []
        if not spans:
            found.append((passage["text"], within, (number,)))
            continue
        first = last = mention["sentence"]
        while last + 1 < len(spans) and spans[last + 1]["start"] < mention["end"]:
            last += 1
        a = min(spans[first]["start"], mention["start"]) - passage["offset"]
        b = max(spans[last]["end"], mention["end"]) - passage["offset"]
        found.append((passage["text"][a:b], within - a, (number, a, b)))
    return found


def mention_text(mention: dict[str, Any]) -> str:
    """Return what stands for a mention: its text, or its surface where that is another (an expanded abbreviation)."""
    same = mention["surface"] == surface(mention["text"])
    return str(mention["text"] if same else mention["surface"])


def document_examples(
    document: dict[str, Any],
    found: Sequence[np.ndarray],
    described: Sequence[tuple[list[str], list[str | None]]],
    context: str,
    number: int = 0,
) -> list[Example]:
    """Return an example for each mention of a document, those without candidates too.

    Args:
        document: With `passages` and `mentions` as in `schemas.DOCUMENT`.
        found: Candidates of each mention.
        described: Their names and aliases.
        context: `sentence`, `passage` or `document`.
        number: Of the document, part of the group.
    """
    mentions = document["mentions"]
    places = contexts(document["passages"], mentions, context)
    return [
        Example(text, start, (number, *group), mention_text(mention), each, *names)
        for (text, start, group), mention, each, names in zip(places, mentions, found, described, strict=True)
    ]

"""Linked text on a page: mentions are marked in it; a script shows what each was linked to, and filters."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from raybel.display import counted
from raybel.report.concepts import ConceptText
from raybel.report.page import Section, isolated, note
from raybel.report.sample import Sample, SampledDocument

#: Types of mentions that have a colour of their own; the others share one.
COLOURED_TYPES = 5
SCRIPT = "text.js"
_STATES = {True: "right", False: "wrong"}


def text_section(sample: Sample, concepts: Mapping[str, ConceptText]) -> tuple[Section, dict[str, Any]]:
    """Return the section, and the data of its script.

    Args:
        sample: Documents with their mentions.
        concepts: Names and definitions; a concept that isn't there has the name of its link and no definition.
    """
    mentions = [mention for document in sample.documents for mention in document.mentions]
    frequency = Counter(mention["type"] or "" for mention in mentions)
    types = sorted(frequency, key=lambda name: (-frequency[name], name))
    colours = {name: min(place, COLOURED_TYPES) for place, name in enumerate(types)}
    number = 0
    articles = []
    for document in sample.documents:
        articles.append(_article(document, number, colours))
        number += len(document.mentions)
    judged = any(mention["judgement"] is not None for mention in mentions)
    blocks = [
        note(sample.sentence),
        _legend(types[:COLOURED_TYPES], len(types), judged),
        _filters(types, judged),
        *articles,
        Markup('<div id="mention-panel" role="region" aria-label="What the mention was linked to" hidden></div>'),
    ]
    data = {"mentions": list(map(_shown, mentions)), "concepts": _concepts(mentions, concepts)}
    return Section("Linked text", blocks), {"text": data}


def segments(text: str, offset: int, mentions: Sequence[tuple[int, int, int]]) -> list[tuple[str, tuple[int, ...]]]:
    """Cut a text at the ends of its mentions, which may lie in each other or overlap.

    Args:
        text: Of a passage.
        offset: Of its first character.
        mentions: (number, start, end) of those that lie in it.

    Returns:
        Pieces with the numbers of the mentions that cover them, the shortest mention first.
    """
    ends = sorted({0, len(text), *(place - offset for _, *span in mentions for place in span)})
    pieces = []
    for start, end in pairwise(ends):
        covering = [each for each in mentions if each[1] - offset <= start and end <= each[2] - offset]
        covering.sort(key=lambda each: (each[2] - each[1], each[0]))
        pieces.append((text[start:end], tuple(each[0] for each in covering)))
    return pieces


def _article(document: SampledDocument, first: int, colours: Mapping[str, int]) -> Markup:
    """Return a document; its mentions are numbered from `first`."""
    passages = []
    for offset, text in document.passages:
        inside = [
            (first + place, mention["start"], mention["end"])
            for place, mention in enumerate(document.mentions)
            if offset <= mention["start"] and mention["end"] <= offset + len(text)
        ]
        pieces = (
            _piece(words, numbers, document.mentions[numbers[0] - first] if numbers else None, colours)
            for words, numbers in segments(text, offset, inside)
        )
        passages.append(Markup('<p dir="auto">{}</p>').format(Markup().join(pieces)))
    left_out = Markup().join(
        note(f"{counted(count, noun)} aren’t {done}." if count > 1 else f"{counted(count, noun)} isn’t {done}.")
        for count, noun, done in (
            (document.left_out, "more character", "shown"),
            (document.unmarked, "more mention", "marked"),
        )
        if count
    )
    return Markup('<article class="document"><h3>Document {}</h3>{}{}</article>').format(
        isolated(document.doc_id), Markup("\n").join(passages), left_out
    )


def _piece(words: str, numbers: Sequence[int], mention: Mapping[str, Any] | None, colours: Mapping[str, int]) -> Markup:
    if mention is None:
        return Markup("{}").format(words)
    kinds = ["mention", f"kind-{colours[mention['type'] or '']}", state_of(mention)]
    return Markup('<mark class="{}" data-m="{}">{}</mark>').format(
        " ".join(kind for kind in kinds if kind), " ".join(map(str, numbers)), words
    )


def state_of(mention: Mapping[str, Any]) -> str:
    """Return whether a mention's link is `right` or `wrong`, `uncounted` under the policy, or "" without gold."""
    judgement = mention["judgement"]
    if judgement is None:
        return ""
    return _STATES[judgement.right] if judgement.counts else "uncounted"


def _legend(types: Sequence[str], number: int, judged: bool) -> Markup:
    chips = [
        Markup('<span class="mention kind-{}">{}</span>').format(place, isolated(name or "no type"))
        for place, name in enumerate(types)
    ]
    if number > len(types):
        others = f"{number - len(types):,} other type" + ("s" if number - len(types) > 1 else "")
        chips.append(Markup('<span class="mention kind-{}">{}</span>').format(COLOURED_TYPES, others))
    if judged:
        chips.append(Markup('<span class="mention wrong">wrong link</span>'))
    return Markup('<p class="legend">{}</p>').format(Markup(" ").join(chips))


def _filters(types: Sequence[str], judged: bool) -> Markup:
    """Return the controls, which the script shows."""
    kinds = [Markup('<option value="{}">{}</option>').format(name, name or "no type") for name in types]
    states = ["linked", "not linked", *(["right", "wrong", "uncounted"] if judged else [])]
    shown = {"uncounted": "doesn’t count"}
    options = [Markup('<option value="{}">{}</option>').format(each, shown.get(each, each)) for each in states]
    return Markup(
        '<form class="filters" id="text-filters" hidden>'
        '<label>Concept <input type="search" name="concept" placeholder="id or part of a name" autocomplete="off">'
        "</label>"
        '<label>Type <select name="type"><option value="*">all</option>{}</select></label>'
        '<label>Score from <input type="number" name="least" step="0.05"></label>'
        '<label>to <input type="number" name="most" step="0.05"></label>'
        '<label>Links <select name="state"><option value="*">all</option>{}</select></label>'
        '<button type="reset">Show all</button>'
        '<output name="found"></output></form>'
    ).format(Markup().join(kinds), Markup().join(options))


def _shown(mention: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the script shows of a mention."""
    judgement = mention["judgement"]
    return {
        "text": mention["text"],
        "type": mention["type"] or "",
        "id": mention["link_id"],
        "name": mention["link_name"],
        "score": _rounded(mention["link_score"]),
        "alias": mention["alias"],
        "source": mention["alias_source"],
        "sure": mention["sure"],
        "state": state_of(mention),
        "gold": None if judgement is None else list(judgement.gold),
        "ranking": [[each["concept_id"], _rounded(each["score"]), each["first_rank"]] for each in mention["ranking"]],
    }


def _concepts(mentions: Iterable[Mapping[str, Any]], known: Mapping[str, ConceptText]) -> dict[str, list[str]]:
    """Return [name, definition] of each concept that a mention names."""
    names: dict[str, str] = {}
    for mention in mentions:
        names |= {each["concept_id"]: each["name"] or "" for each in mention["ranking"]}
    gold = {concept_id for mention in mentions if mention["judgement"] for concept_id in mention["judgement"].gold}
    texts = {concept_id: known.get(concept_id, ConceptText()) for concept_id in (*names, *sorted(gold))}
    return {concept_id: [text.name or names.get(concept_id, ""), text.definition] for concept_id, text in texts.items()}


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)

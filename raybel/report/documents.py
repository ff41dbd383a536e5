"""Documents of a run that were asked for, as a page: their text, and what their mentions were linked to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raybel.display import counted
from raybel.evaluation.config import ShowConfig
from raybel.evaluation.selection import SelectedDocument, Selection
from raybel.report.concepts import concept_texts
from raybel.report.page import Page, Section, note, text
from raybel.report.quality import Judgement
from raybel.report.related import directory_name
from raybel.report.sample import Sample, SampledDocument
from raybel.report.text_section import SCRIPT, text_section

_HOW_TO_READ = (
    "What a mention was linked to, and its other candidates, are shown where the pointer is, or the keyboard's focus."
)


def documents_page(selection: Selection) -> Page:
    """Return a page of the documents that are asked for, and read them.

    Of mentions of a kind, it has the passages with such mentions, and marks these.

    Memory: the documents.

    Raises:
        ConfigError: As `Selection.documents`.
        InputError: As the same.
    """
    config = selection.config
    found = list(selection.documents())
    sampled = [_sampled(document, config) for document in found]
    name = directory_name(selection.run.uri)
    kind = f"mentions that are {config.kind}" if config.chooses else "linked text"
    mentions = counted(sum(len(document.mentions) for document in sampled), "mention")
    sentence = f"{mentions} in {counted(len(found), 'document')}."
    if not found:
        return Page(
            f"{name}: {kind}", [Section("Linked text", [text("There is nothing to show.")])], notices=selection.notes
        )
    ids = {each["concept_id"] for document in sampled for mention in document.mentions for each in mention["ranking"]}
    ids |= {one for document in sampled for mention in document.mentions for one in mention["gold"] or ()}
    section, data = text_section(Sample(sampled, _HOW_TO_READ), concept_texts(selection.ontology, ids))
    problems = [
        note(f"Document {document.doc_id}: its text can't be shown: {document.problem}")
        for document in found
        if document.problem is not None
    ]
    asked = sum(mention["chosen"] for document in found for mention in document.mentions)
    if outside := asked - sum(len(document.mentions) for document in sampled):
        problems.append(note(f"{counted(outside, 'mention')} more can't be marked: no passage holds them."))
    section = Section(section.title, [*map(note, selection.explanations), *section.blocks, *problems])
    return Page(f"{name}: {kind}", [section], sentence, selection.notes, scripts=[SCRIPT], data=data)


def _sampled(document: SelectedDocument, config: ShowConfig) -> SampledDocument:
    """Return a document as the page's text has it: the mentions that are asked for, in their passages."""
    chosen = [mention for mention in document.mentions if mention["chosen"]]
    passages = [
        (offset, words)
        for offset, words in document.passages
        if not config.chooses or any(_is_in(mention, offset, words) for mention in chosen)
    ]
    inside = [
        {**mention, "ranking": mention["ranking"] or [], "judgement": _judgement(mention, config)}
        for mention in chosen
        if any(_is_in(mention, *passage) for passage in passages)
    ]
    inside.sort(key=lambda mention: (mention["start"], -mention["end"]))
    return SampledDocument(document.doc_id, document.shard, passages, inside)


def _is_in(mention: Mapping[str, Any], offset: int, words: str) -> bool:
    return bool(offset <= mention["start"] < mention["end"] <= offset + len(words))


def _judgement(mention: Mapping[str, Any], config: ShowConfig) -> Judgement | None:
    """Return that a link is wrong, with its gold, where wrong ones were asked for; else nothing is known."""
    return Judgement(tuple(mention["gold"] or ()), True, False) if config.wrong else None

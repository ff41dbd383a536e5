"""Links read back out of BioC files, and joined to the mentions of a gold corpus.

Two spellings are read: raybel's (infons `link_id`, `all_links`) and the published system's (`concept_id` with
`concept_score`, `all_links`). A `concept_id` without a `concept_score` is a gold annotation, never a prediction.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

import bioc as model
import numpy as np

from raybel.config import MentionOptions
from raybel.corpus import text
from raybel.corpus.documents import GOLD_INFON, NIL_IDS, ReadOptions, mentions_in, parse_gold, to_row
from raybel.corpus.reading import read_documents
from raybel.corpus.sources import corpus_files
from raybel.display import counted
from raybel.errors import ConfigError, MismatchError
from raybel.runs.pipeline import run_with_links
from raybel.runs.run_directory import Routes


@dataclass(slots=True)
class Prediction:
    """A mention of a prediction corpus.

    Args:
        mention_id: Its annotation's id.
        start: Code points from the document's start.
        end: Of the code point behind it.
        text: Its text.
        ranking: Concept ids, best first; empty where nothing was linked.
        infons: Its annotation's.
    """

    mention_id: str
    start: int
    end: int
    text: str
    ranking: list[str]
    infons: Mapping[str, str] = field(default_factory=dict)


def ranking_of(infons: Mapping[str, str]) -> list[str]:
    """Return an annotation's ranking as concept ids, best first.

    `all_links` is the ranking where it is there, in its own order (it is written by falling score); else `link_id`,
    or `concept_id` beside a `concept_score`, is a ranking of one. A NIL id (`-1`) is no link.
    """
    if listed := infons.get("all_links", "").strip():
        # Our ids hold no bare `=` or `|` (`quote_id`), other systems' may: the score is behind the last `=`.
        items = (item.rpartition("=") for item in listed.split("|"))
        ids = [unquote(left if mark else right).strip() for left, mark, right in items]
    else:
        linked = infons.get("link_id") or (infons.get(GOLD_INFON) if "concept_score" in infons else None)
        ids = [linked.strip()] if linked else []
    return [concept_id for concept_id in ids if concept_id and concept_id not in NIL_IDS]


def links_of(infons: Mapping[str, str], ranking: Sequence[str]) -> list[str]:
    """Return the ids of the concepts that an annotation is linked to: several for a composite, none for no link.

    Args:
        infons: The annotation's; `link_id` joins the ids of a composite's parts.
        ranking: As `ranking_of` returns it.
    """
    linked = infons.get("link_id")
    if not ranking or not linked or linked == ranking[0]:
        return list(ranking[:1])
    return parse_gold(linked) or []


def sure_of(infons: Mapping[str, str]) -> bool | None:
    """Return whether a link was sure before re-ranking (`link_sure`), None where nothing says so."""
    return {"yes": True, "no": False}.get(infons.get("link_sure", ""))


def prediction_files(uris: Iterable[str]) -> tuple[list[str], list[Routes]]:
    """Return (prediction files, distinct routes of the runs) for files, directories, globs and run directories.

    Of a pipeline's directory, it is the run in it that links.

    Raises:
        ConfigError: Something isn't there, or a run has no finished shard.
    """
    files: list[str] = []
    recorded: dict[Routes, None] = {}
    for uri in uris:
        run = run_with_links(uri)
        if run.uri == uri and not run.exists():
            files += [file for file, _ in corpus_files([uri])]
            continue
        shards = run.shard_names()
        if not shards:
            raise ConfigError(f"{uri}: the run has no finished shard yet; see `raybel status`, or run it again")
        files += map(run.shard_file, shards)
        if routes := run.routes():
            recorded[routes] = None
    return list(dict.fromkeys(files)), list(recorded)


def predictions(document: model.BioCDocument, source: bytes, options: ReadOptions) -> list[Prediction]:
    """Return a document's mentions with their rankings, in the order of `mentions_in`.

    Spans are repaired as in the gold corpus, so that both sides of the join agree; where that isn't possible they are
    taken as they stand, and an annotation without a location is at -1.
    """
    annotations = [annotation for _, annotation in mentions_in(document)]
    row = to_row(document, source, options)
    if row.error:
        return [_as_it_stands(ordinal, annotation) for ordinal, annotation in enumerate(annotations)]
    located = {mention["ordinal"]: mention for mention in row.mentions}
    return [
        _located(located[ordinal], annotation) if ordinal in located else _as_it_stands(ordinal, annotation)
        for ordinal, annotation in enumerate(annotations)
    ]


def _located(mention: Mapping[str, Any], annotation: Any) -> Prediction:
    words = text.surface(mention["text"])
    return Prediction(
        mention["mention_id"], mention["start"], mention["end"], words, ranking_of(annotation.infons), annotation.infons
    )


def _as_it_stands(ordinal: int, annotation: Any) -> Prediction:
    places = annotation.locations
    start = min((place.offset for place in places), default=-1)
    end = max((place.offset + place.length for place in places), default=-1)
    name = annotation.id or f"#{ordinal}"
    words = text.surface(annotation.text or "")
    return Prediction(name, start, end, words, ranking_of(annotation.infons), annotation.infons)


def match(gold: Sequence[Mapping[str, Any]], predicted: Sequence[Prediction]) -> list[int]:
    """Return, for each gold mention of a document, the index of its prediction, -1 for none.

    Tried in this order, each prediction used once, several with the same key in order: the same annotation id and
    span; the same span (ids absent, or numbered anew); the same id and text (offsets counted otherwise). An id alone
    joins nothing: systems that number annotations anew give old ids to other mentions.

    Args:
        gold: Mentions as `documents.DocumentRow` has them.
        predicted: The same document's mentions.
    """
    gold_keys: list[Callable[[Mapping[str, Any]], tuple[object, ...]]] = [
        lambda mention: (mention["mention_id"], mention["start"], mention["end"]),
        lambda mention: (mention["start"], mention["end"]),
        lambda mention: (mention["mention_id"], text.surface(mention["text"])),
    ]
    predicted_keys: list[Callable[[Prediction], tuple[object, ...]]] = [
        lambda mention: (mention.mention_id, mention.start, mention.end),
        lambda mention: (mention.start, mention.end),
        lambda mention: (mention.mention_id, mention.text),
    ]
    partners = [-1] * len(gold)
    free = set(range(len(predicted)))
    for gold_key, predicted_key in zip(gold_keys, predicted_keys, strict=True):
        waiting: dict[tuple[object, ...], deque[int]] = {}
        for index in sorted(free):
            waiting.setdefault(predicted_key(predicted[index]), deque()).append(index)
        for place, mention in enumerate(gold):
            if partners[place] < 0 and (queue := waiting.get(gold_key(mention))):
                partners[place] = queue.popleft()
                free.discard(partners[place])
    return partners


def match_rows(gold: Sequence[Mapping[str, Any]], rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """Return, for each gold mention of a document, the index of its row of a mentions table, -1 for none; see `match`.

    Args:
        gold: Mentions as `documents.DocumentRow` has them.
        rows: The same document's rows, with `mention_id`, `start`, `end` and `text`.
    """
    predicted = [Prediction(row["mention_id"], row["start"], row["end"], text.surface(row["text"]), []) for row in rows]
    return match(gold, predicted)


def composite_parts(
    gold: Sequence[Mapping[str, Any]], predicted: Sequence[Prediction], partners: Sequence[int]
) -> Iterator[tuple[int, list[list[str]]]]:
    """Yield (index of a composite, the rankings of its parts) where a document's predictions have them.

    Its parts are the predicted mentions within its span that no gold mention has as its own, as corpora annotate them
    beside the composite; they must be as many as its distinct ids.

    Args:
        gold: Mentions as `documents.DocumentRow` has them.
        predicted: The same document's mentions.
        partners: As `match` returns them.
    """
    taken = set(partners)
    free = [mention for index, mention in enumerate(predicted) if index not in taken]
    for index, mention in enumerate(gold):
        ids = set(mention["gold"] or ())
        parts = [part.ranking for part in free if mention["start"] <= part.start and part.end <= mention["end"]]
        if len(ids) == len(parts) > 1:
            yield index, parts


@dataclass
class Joined:
    """Gold mentions in the corpus's order, with what was predicted for them.

    Args:
        mentions: As `documents.DocumentRow` has them.
        doc_ids: Each mention's document.
        documents: int (mentions,), the document's number in the corpus; ids may repeat.
        rankings: Each mention's concept ids, best first; None for one that the predictions don't hold.
        links: The ids that each mention is linked to, as `links_of` returns them.
        parts: For a composite's place among the mentions, the rankings of its parts, where the predictions have them.
        sure: Whether each mention's link was sure before re-ranking; None where nothing says so.
        notes: Sentences on what has no counterpart.
    """

    mentions: list[dict[str, Any]]
    doc_ids: list[str]
    documents: np.ndarray
    rankings: list[list[str] | None]
    links: list[list[str]]
    parts: dict[int, list[list[str]]]
    sure: list[bool | None]
    notes: list[str] = field(default_factory=list)


def join(gold: Sequence[tuple[str, list[dict[str, Any]]]], files: Iterable[str]) -> Joined:
    """Stream the predictions past the gold; a document id that repeats is taken in order.

    Memory: the gold's rankings and one document, whatever the size of the predictions.

    Args:
        gold: (document id, mentions as `documents.DocumentRow` has them) of each document.
        files: BioC files with predictions.

    Raises:
        InputError: A file can't be read.
        MismatchError: No document of the predictions is in the gold; the message lacks the corpora's names.
    """
    sizes = [len(mentions) for _, mentions in gold]
    starts = np.cumsum([0, *sizes]).tolist()
    waiting: dict[str, deque[int]] = {}
    for number, (doc_id, _) in enumerate(gold):
        waiting.setdefault(doc_id, deque()).append(number)
    rankings: list[list[str] | None] = [None] * starts[-1]
    links: list[list[str]] = [[] for _ in range(starts[-1])]
    parts: dict[int, list[list[str]]] = {}
    sure: list[bool | None] = [None] * starts[-1]
    matched = documents = elsewhere = extra = 0
    options = ReadOptions(MentionOptions(expand_abbreviations=False))  # by the long form no mention is joined
    for item in (item for file in files for item in read_documents(file, options)):
        if isinstance(item, bytes):
            continue
        document, source = item
        documents += 1
        queue = waiting.get(document.id or "")
        if not queue:
            elsewhere += len(list(mentions_in(document)))
            continue
        matched += 1
        number = queue.popleft()
        predicted = predictions(document, source, options)
        partners = match(gold[number][1], predicted)
        extra += len(predicted) - sum(partner >= 0 for partner in partners)
        for place, partner in enumerate(partners, starts[number]):
            if partner >= 0:
                found = predicted[partner]
                rankings[place], sure[place] = found.ranking, sure_of(found.infons)
                links[place] = links_of(found.infons, found.ranking)
        of_composites = composite_parts(gold[number][1], predicted, partners)
        parts |= {starts[number] + index: part_rankings for index, part_rankings in of_composites}
    if not matched:
        raise MismatchError(f"no document id is in both (gold: {len(gold):,}, predicted: {documents:,} documents)")
    notes = []
    if matched < len(gold):
        notes.append(f"Gold documents that aren't among the predicted ones: {len(gold) - matched:,} of {len(gold):,}.")
    if extra or documents > matched:
        of_parts = sum(map(len, parts.values()))
        judged = f" ({of_parts:,} of them parts of composites, judged under biosyn)" if of_parts else ""
        notes.append(
            f"Ignored: {counted(extra, 'predicted mention')} where no gold mention counts{judged}, and {elsewhere:,} "
            f"in {counted(documents - matched, 'other document')}."
        )
    mentions = [mention for _, document_mentions in gold for mention in document_mentions]
    doc_ids = [doc_id for doc_id, document_mentions in gold for _ in document_mentions]
    numbers = np.repeat(np.arange(len(gold)), sizes)
    return Joined(mentions, doc_ids, numbers, rankings, links, parts, sure, notes)

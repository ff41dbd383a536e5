"""Gold and predicted mentions of the same documents, for scores of spans.

Both sides are read alike: offsets repaired, types renamed and chosen, annotations without a character left out, those
of one document, start, end and type taken for one mention. A discontinuous annotation is the span from its first to
its last character.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from raybel.corpus.documents import DETECTOR_INFON, MAX_OFFSET, ReadOptions, mentions_in, to_row
from raybel.corpus.reading import SetAside, read_documents
from raybel.corpus.sources import corpus_files
from raybel.corpus.type_names import parse_type_names
from raybel.display import counted
from raybel.errors import MismatchError
from raybel.evaluation.config import EvaluateConfig
from raybel.evaluation.predictions import Prediction, predictions
from raybel.evaluation.spans import Spans


@dataclass
class Side:
    """The gold mentions, or the predicted ones, in the order of the corpora; columns of one length.

    Args:
        name: `gold` or `predicted`.
        documents: Each mention's document, by its number in the gold corpus.
        doc_ids: The same, by its id.
        mention_ids: Ids of the annotations, of the first one where several are one mention.
        starts: Code points from the document's start.
        ends: Of the code point behind each mention.
        types: Renamed; "" where there is none.
        texts: What stands there.
        concepts: Of gold mentions the gold ids, None where a mention isn't annotated; of predicted ones the ranking.
        notes: Number of annotations by what was done with them.
        other_types: Number of annotations that `--mention-types` leaves out, by type.
    """

    name: str
    documents: list[int] = field(default_factory=list)
    doc_ids: list[str] = field(default_factory=list)
    mention_ids: list[str] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    concepts: list[list[str] | None] = field(default_factory=list)
    notes: Counter[str] = field(default_factory=Counter)
    other_types: Counter[str] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.documents)

    def spans(self, codes: Mapping[str, int]) -> Spans:
        """Return the mentions' places, with a number for each type."""
        kinds = [codes[kind] for kind in self.types]
        return Spans(*(np.array(column, np.int64) for column in (self.documents, self.starts, self.ends, kinds)))

    def sentences(self) -> list[str]:
        """Say with numbers what was done with annotations that aren't a mention each."""
        words = {
            "discontinuous": "discontinuous (taken from the first to the last character)",
            "empty": "without a character (left out)",
            "repeated": "with the place and type of another one (taken for one mention)",
        }
        told = [f"{self.notes[kind]:,} {text}" for kind, text in words.items() if self.notes[kind]]
        others = [f"{number:,} {kind or 'without a type'}" for kind, number in _by_number(self.other_types)]
        told += [f"left out by --mention-types: {', '.join(others)}"] if others else []
        return [f"Of the {self.name} annotations: {'; '.join(told)}."] if told else []


@dataclass
class Corpora:
    """What both corpora hold of the gold documents.

    Args:
        gold: The gold mentions.
        predicted: The predicted mentions in the gold's documents.
        documents: Number of gold documents.
        notes: Sentences on what has no counterpart, or was left out.
    """

    gold: Side
    predicted: Side
    documents: int
    notes: list[str]


@dataclass(frozen=True)
class _Mention:
    mention_id: str
    start: int
    end: int
    type: str
    text: str
    concepts: list[str] | None


class _Collector:
    """Takes documents' mentions into a side, by the rules that hold for both."""

    def __init__(self, name: str, config: EvaluateConfig) -> None:
        self.side = Side(name)
        self.renamed = parse_type_names(config.type_names)
        self.wanted = frozenset(config.mentions.mention_types)
        self.ignore_types = config.ignore_types

    def add(self, number: int, doc_id: str, mentions: Iterable[_Mention]) -> None:
        """Add a document's mentions."""
        side, known = self.side, dict[tuple[int, int, str], int]()
        for mention in mentions:
            kind = self.renamed.get(mention.type, mention.type)
            start, end = (min(max(place, -MAX_OFFSET), MAX_OFFSET) for place in (mention.start, mention.end))
            if self.wanted and kind not in self.wanted:
                side.other_types[kind] += 1
            elif end <= start:
                side.notes["empty"] += 1
            elif (place := known.get((start, end, "" if self.ignore_types else kind))) is not None:
                side.notes["repeated"] += 1
                side.concepts[place] = _united(side.name, side.concepts[place], mention.concepts)
            else:
                known[start, end, "" if self.ignore_types else kind] = len(side)
                side.documents.append(number)
                side.doc_ids.append(doc_id)
                side.mention_ids.append(mention.mention_id)
                side.starts.append(start)
                side.ends.append(end)
                side.types.append(kind)
                side.texts.append(mention.text)
                side.concepts.append(mention.concepts)


def _united(name: str, first: list[str] | None, second: list[str] | None) -> list[str] | None:
    """Return the concepts of two annotations that are one mention: all gold ids, but one ranking, the first."""
    if name == "gold" and first is not None and second is not None:
        return list(dict.fromkeys([*first, *second]))
    return first or (second if second is not None else first)


def read_corpora(config: EvaluateConfig, files: Sequence[str]) -> Corpora:
    """Read the gold corpus, and what the predictions hold of its documents; an id that repeats is taken in order.

    Memory: the mentions of the gold's documents, whatever the size of the predictions.

    Args:
        config: What to score.
        files: BioC files with predictions.

    Raises:
        ConfigError: An input isn't there.
        InputError: A file can't be read.
        MismatchError: No document of the predictions is in the gold; the message lacks the corpora's names.
    """
    options = ReadOptions(replace(config.mentions, expand_abbreviations=False, mention_types=()))
    gold, doc_ids, set_aside = _read_gold(config, options)
    predicted, notes = _read_predicted(config, options, doc_ids, files)
    notes += [sentence for sentence in (set_aside.sentence(),) if sentence]
    return Corpora(gold, predicted, len(doc_ids), notes + gold.sentences() + predicted.sentences())


def _read_predicted(
    config: EvaluateConfig, options: ReadOptions, doc_ids: Sequence[str], files: Sequence[str]
) -> tuple[Side, list[str]]:
    """Return the predicted mentions in the documents of these ids, and sentences on what has no counterpart."""
    waiting: dict[str, deque[int]] = {}
    for number, doc_id in enumerate(doc_ids):
        waiting.setdefault(doc_id, deque()).append(number)
    collector = _Collector("predicted", config)
    documents = elsewhere = matched = given = 0
    for item in (item for file in files for item in read_documents(file, options)):
        if isinstance(item, bytes):
            continue
        document, source = item
        documents += 1
        annotations = [annotation for _, annotation in mentions_in(document)]
        queue = waiting.get(document.id or "")
        if not queue:
            elsewhere += len(annotations)
            continue
        matched += 1
        found = predictions(document, source, options)
        _count_discontinuous(collector.side, annotations)
        given += sum(_looks_given(mention, config) for mention in found)
        kind = config.mentions.type_infon
        collector.add(queue.popleft(), document.id or "", (_predicted_mention(mention, kind) for mention in found))
    if not matched:
        raise MismatchError(f"no document id is in both (gold: {len(doc_ids):,}, predicted: {documents:,} documents)")
    notes = []
    if matched < len(doc_ids):
        notes.append(
            f"Gold documents that aren't among the predicted ones: {len(doc_ids) - matched:,} of {len(doc_ids):,}; "
            "all that is in them counts as not found."
        )
    if documents > matched:
        others = counted(documents - matched, "predicted document")
        notes.append(f"Ignored: {counted(elsewhere, 'annotation')} in {others} that gold lacks.")
    if given:
        notes.append(
            f"{counted(given, 'predicted annotation')} with gold ids (infon {config.mentions.gold_infon}) and without "
            f"an infon {DETECTOR_INFON}: given rather than found, it seems; counted all the same."
        )
    return collector.side, notes


def _looks_given(mention: Prediction, config: EvaluateConfig) -> bool:
    infons = mention.infons.keys()
    return config.mentions.gold_infon in infons and not infons & {"concept_score", DETECTOR_INFON}


def _predicted_mention(mention: Prediction, type_infon: str) -> _Mention:
    kind = mention.infons.get(type_infon) or ""
    return _Mention(mention.mention_id, mention.start, mention.end, kind, mention.text, mention.ranking)


def _read_gold(config: EvaluateConfig, options: ReadOptions) -> tuple[Side, list[str], SetAside]:
    """Return the gold mentions, the ids of the documents that can be used, and what can't."""
    collector, doc_ids, set_aside = _Collector("gold", config), list[str](), SetAside()
    for file, _ in corpus_files(config.gold_corpus):
        for item in read_documents(file, options):
            if isinstance(item, bytes):
                continue
            row = to_row(*item, options)
            set_aside.add(file, row.error, row.set_aside)
            if row.error is not None:
                continue
            annotations = [annotation for _, annotation in mentions_in(item[0])]
            _count_discontinuous(collector.side, [annotations[mention["ordinal"]] for mention in row.mentions])
            collector.add(len(doc_ids), row.doc_id, map(_gold_mention, row.mentions))
            doc_ids.append(row.doc_id)
    return collector.side, doc_ids, set_aside


def _gold_mention(mention: Mapping[str, Any]) -> _Mention:
    names = ("mention_id", "start", "end", "type", "text", "gold")
    return _Mention(*(mention[name] for name in names))


def _count_discontinuous(side: Side, annotations: Iterable[Any]) -> None:
    side.notes["discontinuous"] += sum(len(annotation.locations) > 1 for annotation in annotations)


def _by_number(counts: Counter[str]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

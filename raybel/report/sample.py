"""A few linked documents of a run, drawn at random: their text, and what each of their mentions was linked to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from raybel.corpus.documents import ReadOptions, passage_text
from raybel.corpus.reading import read_documents
from raybel.display import counted
from raybel.evaluation.tallies import sample_key
from raybel.report.quality import Judgement, Place, QualityFigures
from raybel.runs.mentions import document_ids, mention_rows
from raybel.runs.run_directory import RunDirectory

#: How many documents, of how many shards, and of how many of each one's first documents.
MOST_DOCUMENTS, MOST_SHARDS, FIRST_DOCUMENTS = 40, 8, 2_000
#: Of a document: characters (whole passages), mentions, candidates of each.
MOST_CHARACTERS, MOST_MENTIONS, MOST_CANDIDATES = 20_000, 200, 10
#: Characters of all documents together.
MOST_TEXT = 300_000
_COLUMNS = (
    *("document", "ordinal", "start", "end", "text", "type", "link_id", "link_name", "link_score"),
    *("alias", "alias_source", "sure", "ranking"),
)


@dataclass
class SampledDocument:
    """A document of the sample.

    Args:
        doc_id: Its id.
        shard: Where it is.
        passages: (offset, text) of those that are shown.
        mentions: Rows of the mentions table within them, with `judgement`, in the order of the text.
        left_out: Characters that aren't shown.
        unmarked: Mentions that aren't marked: beyond the most, or in no passage that is shown.
    """

    doc_id: str
    shard: str
    passages: list[tuple[int, str]]
    mentions: list[dict[str, Any]]
    left_out: int = 0
    unmarked: int = 0


@dataclass
class Sample:
    """Documents, and how they were drawn.

    Args:
        documents: In the order of the draw.
        sentence: How they were drawn, for people.
    """

    documents: list[SampledDocument] = field(default_factory=list)
    sentence: str = ""


def sample_documents(run: RunDirectory, quality: QualityFigures | None, seed: int) -> Sample:
    """Draw documents that have mentions: of those with gold where there is a gold corpus, else of some shards' first.

    Memory: one shard's table of documents, and the sample.

    Raises:
        InputError: A file of the run can't be read.
    """
    if quality is not None:
        known, sentence = quality.documents, f"the {len(quality.documents):,} documents that are in the gold corpus"
    else:
        known, sentence = _first_documents(run, seed)
    drawn = sorted(known, key=lambda each: sample_key(seed, *each))[:MOST_DOCUMENTS]
    documents = []
    by_shard = defaultdict(list)
    for shard, number, _ in drawn:
        by_shard[shard].append(number)
    read = {shard: _read(run, shard, numbers) for shard, numbers in by_shard.items()}
    judged = quality.judged if quality is not None else {}
    characters = 0
    for shard, number, doc_id in drawn:
        passages, mentions = read[shard].get(number, ([], []))
        shown = list(_shortened(passages))
        size = sum(len(text) for _, text in shown)
        if not shown:
            continue
        if characters + size > MOST_TEXT:  # not to be passed over for a shorter one: the draw would prefer these
            break
        characters += size
        left_out = sum(len(text) for _, text in passages) - size
        marked = _placed(shard, shown, mentions, judged)
        documents.append(SampledDocument(doc_id, shard, shown, marked, left_out, len(mentions) - len(marked)))
    return Sample(
        documents,
        f"{counted(len(documents), 'document')}, drawn at random (seed {seed}) from {sentence}. A mention has its "
        f"first {counted(MOST_CANDIDATES, 'candidate')}.",
    )


def _first_documents(run: RunDirectory, seed: int) -> tuple[list[tuple[str, int, str]], str]:
    """Return (shard, number, id) of the first documents with mentions of some shards, and which these are."""
    names = run.shard_names()
    chosen = sorted(names, key=lambda name: sample_key(seed, name))[:MOST_SHARDS]
    known: list[tuple[str, int, str]] = []
    is_cut = len(names) > len(chosen)
    for name in sorted(chosen):
        table = document_ids(run, name)
        is_cut |= len(table) > FIRST_DOCUMENTS
        first = table.slice(0, FIRST_DOCUMENTS).to_pylist()
        known += [(name, row["document"], row["doc_id"]) for row in first if row["mentions"] > 0]
    if not is_cut:
        return known, f"all {len(known):,} that have mentions"
    where = f"{len(chosen):,} of {len(names):,} shards" if len(names) > 1 else "the only shard"
    return known, f"the first {FIRST_DOCUMENTS:,} documents of {where}, those that have mentions"


def _read(
    run: RunDirectory, shard: str, numbers: Iterable[int]
) -> dict[int, tuple[list[tuple[int, str]], list[dict[str, Any]]]]:
    """Return the passages and the mentions of some of a shard's documents, by their places in it."""
    wanted = set(numbers)
    mentions: dict[int, list[dict[str, Any]]] = {number: [] for number in wanted}
    for row in mention_rows(run, _COLUMNS, shard, wanted):
        mentions[row["document"]].append(row)
    pieces = read_documents(run.shard_file(shard), ReadOptions())
    documents = (piece[0] for piece in pieces if not isinstance(piece, bytes))
    return {
        number: ([(passage.offset, passage_text(passage)) for passage in document.passages], mentions[number])
        for number, document in enumerate(islice(documents, max(wanted) + 1))
        if number in wanted
    }


def _shortened(passages: Sequence[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the first passages that fit; of a first one that doesn't, its beginning."""
    size = 0
    for offset, text in passages:
        if size and size + len(text) > MOST_CHARACTERS:
            return
        size += len(text)
        if text:
            yield offset, text[:MOST_CHARACTERS]


def _placed(
    shard: str,
    passages: Sequence[tuple[int, str]],
    mentions: Iterable[dict[str, Any]],
    judged: Mapping[Place, Judgement],
) -> list[dict[str, Any]]:
    """Return the mentions that lie in a passage that is shown, with what is known of their gold."""
    placed = [
        {
            **mention,
            "ranking": (mention["ranking"] or [])[:MOST_CANDIDATES],
            "judgement": judged.get((shard, mention["document"], mention["ordinal"])),
        }
        for mention in mentions
        if any(offset <= mention["start"] < mention["end"] <= offset + len(text) for offset, text in passages)
    ]
    return sorted(placed, key=lambda each: (each["start"], -each["end"]))[:MOST_MENTIONS]

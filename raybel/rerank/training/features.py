"""A corpus's stored features, which cross-encoders are trained on: token ids and candidates of linkable mentions.

A mention has one or two sets of candidates, found with different aliases (see `alias_scopes`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.errors import InputError
from raybel.files import artefacts, storage
from raybel.files.storage import join
from raybel.rerank.prior_features import FEATURES, PriorFeatures
from raybel.rerank.tokens import TokenisedExample

_TEXTS = pa.list_(pa.string())
_KNOWN = pa.struct([("values", pa.list_(pa.list_(pa.float32(), len(FEATURES)))), ("categories", pa.list_(_TEXTS))])
#: `sure` says whether the first stage settles the mention with these candidates, `siblings` which of them share a
#: parent with the right one; it is empty where none does. `known` holds what a prior weighs, null for nothing.
_CANDIDATES = pa.struct(
    [
        ("tokens", pa.list_(pa.list_(pa.int32()))),
        ("scores", pa.list_(pa.float32())),
        ("gold", pa.int16()),
        ("sure", pa.bool_()),
        ("siblings", pa.list_(pa.bool_())),
        ("known", _KNOWN),
    ]
)
_CONTEXT = pa.struct([("group", pa.list_(pa.int32())), ("tokens", pa.list_(pa.int32()))])
#: `context` is the row among the document's contexts.
_MENTION = pa.struct(
    [("context", pa.int32()), ("tokens", pa.list_(pa.int32())), ("candidate_sets", pa.list_(_CANDIDATES))]
)
#: A row per document; a name that is learned is a document without an id.
SCHEMA = pa.schema(
    [("doc_id", pa.string()), ("contexts", pa.list_(_CONTEXT)), ("mentions", pa.list_(_MENTION))],
    metadata={"prior_features": " ".join(FEATURES)},
)


@dataclass(slots=True)
class TrainingMention:
    """A training mention with two sets of candidates, which may be the same.

    Args:
        cross_fitted: With candidates that other documents' training mentions helped to find, but not its own
            document's.
        dictionary: With candidates that were found by the ontology's names alone.
    """

    cross_fitted: TokenisedExample
    dictionary: TokenisedExample


def document_row(sets: Sequence[Sequence[TokenisedExample]], doc_id: str | None = None) -> dict[str, Any]:
    """Return a document's mentions as a row of `SCHEMA`.

    Args:
        sets: The mentions, once with each set of candidates.
        doc_id: The document's id.
    """
    contexts: dict[tuple[int, ...], int] = {}
    row: dict[str, Any] = {"doc_id": doc_id, "contexts": [], "mentions": []}
    for of_mention in zip(*sets, strict=True):
        first = of_mention[0]
        if first.group not in contexts:
            contexts[first.group] = len(contexts)
            row["contexts"].append({"group": list(first.group), "tokens": first.context})
        held = [
            {
                "tokens": example.candidates,
                "scores": example.scores.tolist(),
                "gold": example.gold,
                "sure": example.sure,
                "siblings": example.siblings if any(example.siblings) else [],
                "known": example.known
                and {"values": example.known.values.tolist(), "categories": example.known.categories},
            }
            for example in of_mention
        ]
        row["mentions"].append({"context": contexts[first.group], "tokens": first.mention, "candidate_sets": held})
    return row


class Features:
    """A split's features, memory-mapped.

    Args:
        folder: Path or URI of the directory with all splits.
        split: The corpus's name, such as `train`.
        top_k: Candidates per mention that count; None for all that are stored.
        candidate_sets: The places of the sets of candidates that count; None for all that are stored.

    Raises:
        InputError: A file is damaged, or of another version.
    """

    def __init__(
        self, folder: str, split: str, top_k: int | None = None, candidate_sets: Sequence[int] | None = None
    ) -> None:
        self.top_k, self.candidate_sets = top_k, candidate_sets
        self.tables = []
        if storage.names(join(folder, split)):  # there may be no validation corpus
            directory = storage.localise(join(folder, split))
            self.tables = [_open_table(path) for path in sorted(directory.glob("*.arrow"))]
        self.starts = np.cumsum([0, *(table.num_rows for table in self.tables)])

    def __len__(self) -> int:
        """Number of documents."""
        return int(self.starts[-1])

    def doc_ids(self) -> set[str]:
        """Return the ids of the documents that have a mention."""
        with_mentions = [table.filter(pc.greater(pc.list_value_length(table["mentions"]), 0)) for table in self.tables]
        return {doc_id for table in with_mentions for doc_id in table["doc_id"].to_pylist() if doc_id is not None}

    def scores(self) -> np.ndarray:
        """Return the first stage's scores of all candidates that count, float32."""
        scores = [np.zeros(0, np.float32)]
        for table in self.tables:
            sets = pc.struct_field(pc.list_flatten(table["mentions"].combine_chunks()), "candidate_sets")
            stored = [*range(pc.max(pc.list_value_length(sets)).as_py() or 0)] if len(sets) else []
            for place in stored if self.candidate_sets is None else self.candidate_sets:
                by_mention = pc.struct_field(pc.list_element(sets, place), "scores")
                by_mention = pc.list_slice(by_mention, 0, self.top_k) if self.top_k else by_mention
                scores.append(pc.list_flatten(by_mention).to_numpy(zero_copy_only=False))
        return np.concatenate(scores)

    def known(self) -> list[tuple[PriorFeatures, int]]:
        """Return what is known of each mention's first set of candidates that counts, and the place of the right one.

        Mentions that nothing is known of are left out.
        """
        place = 0 if self.candidate_sets is None else self.candidate_sets[0]
        found: list[tuple[PriorFeatures, int]] = []
        for table in self.tables:
            sets = pc.struct_field(pc.list_flatten(table["mentions"].combine_chunks()), "candidate_sets")
            of_mentions = pc.list_element(sets, place) if len(sets) else pa.array([], _CANDIDATES)
            known = pc.struct_field(of_mentions, "known")
            told = known.is_valid()
            known, golds = known.filter(told), pc.struct_field(of_mentions, "gold").filter(told).to_pylist()
            rows = pc.struct_field(known, "values")
            sizes = pc.list_value_length(rows).to_numpy(zero_copy_only=False)
            values = pc.list_flatten(pc.list_flatten(rows)).to_numpy(zero_copy_only=False).reshape(-1, len(FEATURES))
            categories = pc.struct_field(known, "categories").to_pylist()
            ends = np.cumsum(sizes)
            for start, end, names, gold in zip((ends - sizes).tolist(), ends.tolist(), categories, golds, strict=True):
                of_mention = PriorFeatures(values[start:end][: self.top_k], [*map(tuple, names[: self.top_k])])
                found.append((of_mention, gold if self.top_k is None or gold < self.top_k else -1))
        return found

    def document(self, number: int) -> list[TrainingMention]:
        """Return a document's mentions."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        row = self.tables[place].slice(int(number - self.starts[place]), 1).to_pylist()[0]
        mentions = []
        for mention in row["mentions"]:
            context = row["contexts"][mention["context"]]
            sets = mention["candidate_sets"]
            examples = [
                TokenisedExample(
                    context["tokens"],
                    (number, *context["group"]),
                    mention["tokens"],
                    candidates["tokens"][: self.top_k],
                    np.array(candidates["scores"][: self.top_k], np.float32),
                    candidates["gold"] if self.top_k is None or candidates["gold"] < self.top_k else -1,
                    sure=candidates["sure"],
                    siblings=candidates["siblings"],
                    known=_known(candidates["known"], self.top_k),
                )
                for candidates in (
                    sets if self.candidate_sets is None else [sets[index] for index in self.candidate_sets]
                )
            ]
            mentions.append(TrainingMention(examples[0], examples[-1]))
        return mentions

    def examples(self) -> Iterator[TokenisedExample]:
        """Yield all mentions with their first set of candidates."""
        for number in range(len(self)):
            for mention in self.document(number):
                yield mention.cross_fitted


def _known(stored: dict[str, Any] | None, top_k: int | None) -> PriorFeatures | None:
    """Return what is known of the candidates that count."""
    if stored is None:
        return None
    values = np.array(stored["values"][:top_k], np.float32).reshape(-1, len(FEATURES))
    return PriorFeatures(values, [tuple(each) for each in stored["categories"][:top_k]])


def _open_table(path: Path) -> pa.Table:
    try:
        table = artefacts.load_arrow(path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = f"is damaged ({error}): delete the directory `features` to make it anew"
        raise InputError(reason, path=str(path)) from error
    if not table.schema.equals(SCHEMA, check_metadata=True):
        raise InputError("is of another version: delete the directory `features` to make it anew", path=str(path))
    return table

"""What cross-encoders are trained on, as it is stored: candidates and token ids of every linkable mention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from raybel.errors import InputError
from raybel.files import artefacts, storage
from raybel.files.storage import join
from raybel.rerank.tokens import Tokenised
from raybel.rerank.training.steps import Lesson

_CANDIDATES = pa.struct(
    [("tokens", pa.list_(pa.list_(pa.int32()))), ("scores", pa.list_(pa.float32())), ("gold", pa.int16())]
)


_LESSON = pa.struct([("context", pa.int32()), ("mention", pa.list_(pa.int32())), ("regimes", pa.list_(_CANDIDATES))])


_CONTEXT = pa.struct([("group", pa.list_(pa.int32())), ("tokens", pa.list_(pa.int32()))])


#: A row per document.
SCHEMA = pa.schema([("contexts", pa.list_(_CONTEXT)), ("lessons", pa.list_(_LESSON))])


class Features:
    """A split's features, memory-mapped.

    Args:
        folder: Of the features.
        split: Name of the corpus.
        top_k: Candidates of a mention that count; None for all that were made.
        regimes: Which of the regimes count, by their places among those that were made; None for all.
    """

    def __init__(self, folder: str, split: str, top_k: int | None = None, regimes: Sequence[int] | None = None) -> None:
        self.top_k, self.regimes = top_k, regimes
        self.tables = []
        if storage.names(join(folder, split)):  # there may be no validation corpus
            where = storage.localise(join(folder, split))
            self.tables = [_opened(path) for path in sorted(where.glob("*.arrow"))]
        self.starts = np.cumsum([0, *(table.num_rows for table in self.tables)])

    def __len__(self) -> int:
        """Number of documents."""
        return int(self.starts[-1])

    def scores(self) -> np.ndarray:
        """Return the first stage's scores of all candidates that count, float32."""
        found = [np.zeros(0, np.float32)]
        for table in self.tables:
            regimes = pc.struct_field(pc.list_flatten(table["lessons"].combine_chunks()), "regimes")
            places = [*range(pc.max(pc.list_value_length(regimes)).as_py() or 0)] if len(regimes) else []
            for place in places if self.regimes is None else self.regimes:
                scores = pc.struct_field(pc.list_element(regimes, place), "scores")
                scores = pc.list_slice(scores, 0, self.top_k) if self.top_k else scores
                found.append(pc.list_flatten(scores).to_numpy(zero_copy_only=False))
        return np.concatenate(found)

    def document(self, number: int) -> list[Lesson]:
        """Return a document's lessons; where it has one regime, both are it."""
        place = int(np.searchsorted(self.starts, number, side="right")) - 1
        row = self.tables[place].slice(int(number - self.starts[place]), 1).to_pylist()[0]
        made = []
        for lesson in row["lessons"]:
            context = row["contexts"][lesson["context"]]
            regimes = lesson["regimes"]
            both = [
                Tokenised(
                    context["tokens"],
                    (number, *context["group"]),
                    lesson["mention"],
                    each["tokens"][: self.top_k],
                    np.array(each["scores"][: self.top_k], np.float32),
                    each["gold"] if self.top_k is None or each["gold"] < self.top_k else -1,
                )
                for each in (regimes if self.regimes is None else [regimes[one] for one in self.regimes])
            ]
            made.append(Lesson(both[0], both[-1]))
        return made

    def examples(self) -> Iterator[Tokenised]:
        """Yield all mentions with the candidates of the first regime."""
        for number in range(len(self)):
            for lesson in self.document(number):
                yield lesson.fitted


def _opened(path: Path) -> pa.Table:
    try:
        return artefacts.load_arrow(path)
    except (pa.ArrowInvalid, OSError) as error:
        told = f"is damaged ({error}): delete the directory `features` to make it anew"
        raise InputError(told, path=str(path)) from error

"""The gold mentions that predictions are scored against."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from raybel.corpus.documents import DocumentRow, ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import corpus_files
from raybel.corpus.text import surroundings
from raybel.display import counted
from raybel.errors import ConfigError
from raybel.evaluation.config import EvaluateConfig


@dataclass(frozen=True)
class Gold:
    """A gold corpus.

    Args:
        documents: (id, mentions as `documents.DocumentRow` has them) of each document.
        problems: What of it can't be used, in words; None where everything can be.
    """

    documents: list[tuple[str, list[dict[str, Any]]]]
    problems: str | None

    @property
    def ids(self) -> list[list[str] | None]:
        """Each mention's gold ids, in the corpus's order; None where it isn't annotated."""
        return [mention["gold"] for _, mentions in self.documents for mention in mentions]


def read_gold(config: EvaluateConfig, with_context: bool = False) -> Gold:
    """Return the gold corpus.

    Args:
        config: What is scored.
        with_context: Whether each mention gets the keys `before` and `after`: what stands around it in its passage.

    Raises:
        ConfigError: An input isn't there, or no mention is annotated.
        InputError: A file can't be read.
    """
    set_aside = SetAside()
    documents = []
    for row in corpus_rows(config.gold_corpus, config, set_aside):
        if with_context:
            for mention in row.mentions:
                passage = row.passages[mention["passage"]]
                place = mention["start"] - passage["offset"], mention["end"] - passage["offset"]
                mention["before"], mention["after"] = surroundings(passage["text"], *place)
        documents.append((row.doc_id, row.mentions))
    gold = Gold(documents, set_aside.sentence())
    if all(ids is None for ids in gold.ids):
        content = f"{counted(len(documents), 'document')} with {counted(len(gold.ids), 'mention')}"
        raise ConfigError(
            f"{', '.join(config.gold_corpus)}: no mention of {content} has a gold annotation (infon "
            f"{config.mentions.gold_infon}; --gold-infon names another one)"
            + (f". {gold.problems}" if gold.problems else "")
        )
    return gold


def corpus_rows(uris: Sequence[str], config: EvaluateConfig, set_aside: SetAside) -> Iterator[DocumentRow]:
    """Yield the documents of a corpus, read as the configuration says; none where no file is named."""
    files = [file for file, _ in corpus_files(uris)] if uris else []
    return read_rows(files, ReadOptions(config.mentions), set_aside)

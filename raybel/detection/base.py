"""What every detector has in common: it finds mentions in the passages of documents."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Detection:
    """A mention that was found in a passage.

    Args:
        start: Code points from the start of the passage's text.
        end: Of the code point behind it; greater than `start`.
        type: Of the mention ("Disease"); "" where the detector doesn't know types.
        score: How sure the detector is, in [0, 1].
        detector: Name of the kind of detector that found it.
    """

    start: int
    end: int
    type: str
    score: float
    detector: str


class Detector(ABC):
    """Finds mentions in documents; `registry.open_detector` opens one."""

    #: The kind, as a detection's `detector` says it.
    name: ClassVar[str]
    #: Fingerprint of the artefact that it was loaded from.
    fingerprint: str
    #: The types of mentions that it can find, sorted.
    types: tuple[str, ...]
    #: Type -> the least score of a mention that counts; 0 for other types.
    least_scores: Mapping[str, float] = MappingProxyType({})

    @abstractmethod
    def detect(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        """Return for each document, for each of its passages, the mentions in it.

        Those of a passage don't overlap and are in the order of their offsets. What is found in a document doesn't
        depend on the other documents.

        Args:
            documents: The texts of each document's passages.
        """

    def possible(self, documents: Sequence[Sequence[str]]) -> list[list[list[Detection]]]:
        """Return the mentions of `detect` and those below the least score of their type, in the same way."""
        return self.detect(documents)


def at_least(
    found: Iterable[Sequence[Sequence[Detection]]], least_scores: Mapping[str, float]
) -> list[list[list[Detection]]]:
    """Return mentions without those below the least score of their type."""
    return [
        [[each for each in passage if each.score >= least_scores.get(each.type, 0.0)] for passage in document]
        for document in found
    ]

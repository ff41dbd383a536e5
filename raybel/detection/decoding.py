"""From the labels of words to mentions: the best sequence of labels, and the probability of each mention in it.

A sentence's words have log-probabilities of labels, each word's by itself. Sequences in which a mention goes on that
never began have no probability; of the others the most probable one counts (Viterbi), and a mention's score is the
share of all sequences' probability that is in those which have this very mention (forward-backward).

A mention that doesn't follow on one of its own type begins with `B-X` or with `I-X`, whose probabilities are summed;
one that does begins with `B-X`. So models in IOB1, IOB2 and with `I-` alone are read alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from raybel.detection.labels import Labels

#: In the place of log(0): sums of it stay finite.
IMPOSSIBLE = -1e9
#: Decimals of log-probabilities before decoding: sums of different order, which differ by less, decide nothing.
DECIMALS = 5
#: Sentences that are decoded together.
_TOGETHER = 512


@dataclass(frozen=True, slots=True)
class WordSpan:
    """A mention as words of a sentence.

    Args:
        first: Its first word.
        last: Its last word.
        type: Number of its type.
        probability: That this very mention is there.
    """

    first: int
    last: int
    type: int
    probability: float


class Decoder:
    """Decodes sentences by a model's labels.

    The states of a word are O (0) and, for each type t: begins where no mention of t is before (1 + 3t), begins next to
    one (2 + 3t), goes on (3 + 3t).

    Args:
        labels: The model's.
    """

    def __init__(self, labels: Labels) -> None:
        self.labels = labels
        states = 1 + 3 * len(labels.types)
        self.allowed = np.full((states, states), IMPOSSIBLE)
        self.first = np.full(states, IMPOSSIBLE)
        self.allowed[:, 0] = self.first[0] = 0
        for t in range(len(labels.types)):
            begin, next_to, on = 1 + 3 * t, 2 + 3 * t, 3 + 3 * t
            own = [begin, next_to, on]
            self.first[begin] = 0
            self.allowed[:, begin] = 0
            self.allowed[own, begin] = IMPOSSIBLE
            self.allowed[own, next_to] = 0
            self.allowed[own, on] = 0
        self.possible = np.exp(self.allowed)

    def emissions(self, log_probabilities: np.ndarray) -> np.ndarray:
        """Return the log-probability of each state: float64 (words, states).

        Args:
            log_probabilities: Of labels, float (words, labels).
        """
        labels = self.labels
        rounded = np.round(log_probabilities.astype(np.float64), DECIMALS)
        columns = [rounded[:, labels.outside]]
        nothing = np.full(len(rounded), IMPOSSIBLE)
        for begin, inside in zip(labels.begin, labels.inside, strict=True):
            b = rounded[:, begin] if begin >= 0 else nothing
            i = rounded[:, inside] if inside >= 0 else nothing
            columns += [np.logaddexp(b, i), b, i]
        return np.stack(columns, axis=1)

    def decode(self, sentences: Sequence[np.ndarray]) -> list[list[WordSpan]]:
        """Return the mentions of each sentence, in order, without overlap.

        Of equally probable sequences the one that counts has, from its end on, the state with the least number.

        Args:
            sentences: Log-probabilities of labels, float (words, labels) each; may have no word.
        """
        found: list[list[WordSpan]] = [[] for _ in sentences]
        order = sorted((row for row, each in enumerate(sentences) if len(each)), key=lambda row: len(sentences[row]))
        for start in range(0, len(order), _TOGETHER):
            rows = order[start : start + _TOGETHER]
            for row, spans in zip(rows, self._decode([sentences[row] for row in rows]), strict=True):
                found[row] = spans
        return found

    def _decode(self, sentences: list[np.ndarray]) -> list[list[WordSpan]]:
        """Decode sentences of rising length, none empty."""
        lengths = np.array([len(each) for each in sentences])
        emissions = np.zeros((len(sentences), lengths[-1], len(self.first)))
        for row, each in enumerate(sentences):
            emissions[row, : len(each)] = self.emissions(each)
        paths = self._best(emissions, lengths)
        spans = [_spans(path[:length]) for path, length in zip(paths, lengths.tolist(), strict=True)]
        some = np.array([row for row, of_row in enumerate(spans) if of_row], np.int64)
        decoded: list[list[WordSpan]] = [[] for _ in spans]
        if not len(some):
            return decoded
        probabilities = np.exp(emissions[some])
        forward, scales = self._forward(probabilities, lengths[some])
        backward = self._backward(probabilities, lengths[some], scales)
        for place, row in enumerate(some.tolist()):
            length = int(lengths[row])
            of_row = [array[place, :length] for array in (probabilities, forward, backward, scales)]
            decoded[row] = [
                WordSpan(first, last, kind, self._probability(of_row, first, last, kind))
                for first, last, kind in spans[row]
            ]
        return decoded

    def _best(self, emissions: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return the best states, int64 (sentences, words); what is behind a sentence's end means nothing."""
        rows = np.arange(len(emissions))
        score = self.first + emissions[:, 0]
        before = np.zeros(emissions.shape, np.int64)
        ends = np.argmax(score, axis=1)
        for word in range(1, emissions.shape[1]):
            reached = score[:, :, None] + self.allowed
            before[:, word] = np.argmax(reached, axis=1)
            score = reached.max(axis=1) + emissions[:, word]
            ends = np.where(lengths - 1 == word, np.argmax(score, axis=1), ends)
        paths = np.zeros(emissions.shape[:2], np.int64)
        paths[rows, lengths - 1] = ends
        for word in range(emissions.shape[1] - 1, 0, -1):
            inside = word < lengths
            paths[inside, word - 1] = before[rows[inside], word, paths[inside, word]]
        return paths

    def _forward(self, probabilities: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the probability of what ends with each word in each state, scaled to sum to 1, and the scales.

        Each label is one of some state's, whatever the state before, so that no scale is 0.
        """
        forward, scales = np.empty_like(probabilities), np.ones(probabilities.shape[:2])
        reached = np.exp(self.first) * probabilities[:, 0]
        for word in range(int(lengths.max())):
            if word:
                reached = (forward[:, word - 1] @ self.possible) * probabilities[:, word]
            scales[:, word] = reached.sum(axis=1)
            forward[:, word] = reached / scales[:, word, None]
        return forward, scales

    def _backward(self, probabilities: np.ndarray, lengths: np.ndarray, scales: np.ndarray) -> np.ndarray:
        """Return the probability of what comes behind each word in each state, by the same scales."""
        backward = np.ones_like(probabilities)
        for word in range(int(lengths.max()) - 2, -1, -1):
            behind = probabilities[:, word + 1] * backward[:, word + 1] / scales[:, word + 1, None]
            backward[:, word] = np.where((word < lengths - 1)[:, None], behind @ self.possible.T, 1.0)
        return backward

    def _probability(self, of_sentence: Sequence[np.ndarray], first: int, last: int, kind: int) -> float:
        """Return the probability that a mention of a type has exactly these words of a sentence."""
        probabilities, forward, backward, scales = of_sentence
        begin, next_to, on = 1 + 3 * kind, 2 + 3 * kind, 3 + 3 * kind
        whole = forward[first, begin] + forward[first, next_to]
        whole *= np.prod(probabilities[first + 1 : last + 1, on] / scales[first + 1 : last + 1])
        if last + 1 < len(probabilities):  # what may come behind is the same for all states of a type, but not to go on
            behind = probabilities[last + 1] * backward[last + 1] / scales[last + 1]
            whole *= self.possible[on] @ behind - behind[on]
        return float(min(1.0, max(0.0, whole)))


def _spans(path: np.ndarray) -> list[tuple[int, int, int]]:
    """Return the mentions of a sequence of states: (first word, last word, type)."""
    spans: list[tuple[int, int, int]] = []
    for word, state in enumerate(path.tolist()):
        kind, role = divmod(state - 1, 3)
        if state == 0:
            continue
        if role == 2:
            first, _, of = spans[-1]
            spans[-1] = (first, word, of)
        else:
            spans.append((word, word, kind))
    return spans

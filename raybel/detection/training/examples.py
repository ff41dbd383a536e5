"""Training examples: windows of tokens, with what the label of each word may be.

A corpus says nothing about types that it doesn't annotate: a word that is no mention there may be `O` or any label of
those types. Where a corpus says nothing at all, any label may be.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from raybel.detection.annotated import AnnotatedDocument, GoldSpan
from raybel.detection.labels import Labels
from raybel.detection.sequences import Piece, Sentence, Tokeniser

#: The target of a token that nothing is learned from.
NO_TARGET = -1


@dataclass
class Left:
    """Gold spans that a token classifier can't learn as they are.

    Args:
        overlapping: Those that overlap a longer one (or one as long, before it), and are left out.
        cut: Those that lie in more than one sentence; nothing is learned from their words.
        inside_words: Those that begin or end inside a word; their whole words are learned.
        without_words: Those without a letter, digit or other character that is a token; they are left out.
    """

    overlapping: int = 0
    cut: int = 0
    inside_words: int = 0
    without_words: int = 0


@dataclass(frozen=True, slots=True)
class Example:
    """A window.

    Args:
        ids: Token ids, special ones included, int32 (tokens,).
        cases: How each token's word is written, int8 (tokens,).
        targets: What each token's label may be: a row of `Examples.allowed`, or `NO_TARGET`; int16 (tokens,).
    """

    ids: np.ndarray
    cases: np.ndarray
    targets: np.ndarray


@dataclass
class Examples:
    """All windows of the training corpora.

    Args:
        windows: In the order of the documents.
        allowed: Which labels a target allows, bool (targets, labels): each label by itself, then, for each corpus, `O`
            with all labels of types that it doesn't annotate.
        left: Gold spans of each corpus that can't be learned as they are.
    """

    windows: list[Example] = field(default_factory=list)
    allowed: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), bool))
    left: list[Left] = field(default_factory=list)


def without_overlaps(gold: Iterable[GoldSpan]) -> tuple[list[GoldSpan], int]:
    """Return spans of which no two overlap, in order, and how many are left out.

    The longest come first, of equally long ones the one that begins earlier, then by type.
    """
    kept: list[GoldSpan] = []
    left = 0
    for span in sorted(gold, key=lambda span: (span[0], span[1] - span[2], span[1], span[3])):
        if any(span[0] == other[0] and span[1] < other[2] and other[1] < span[2] for other in kept):
            left += 1
        else:
            kept.append(span)
    return sorted(kept), left


def make_examples(
    documents: Iterable[AnnotatedDocument],
    types: Sequence[Sequence[str]],
    labels: Labels,
    tokeniser: Tokeniser,
    context_tokens: int,
) -> Examples:
    """Return the windows of annotated documents.

    Args:
        documents: Of all corpora.
        types: The types that each corpus annotates.
        labels: Those of the model.
        tokeniser: The model's.
        context_tokens: The most tokens of consecutive sentences in a window; 0 for each sentence by itself.
    """
    examples = Examples(allowed=allowed_labels(types, labels), left=[Left() for _ in types])
    for document in documents:
        texts, targets = _sentences(document, labels, examples.left[document.corpus], tokeniser)
        windows = tokeniser.windows([range(len(texts))], texts, context_tokens)
        examples.windows += [_example(window, texts, targets, tokeniser) for window in windows]
    return examples


def allowed_labels(types: Sequence[Sequence[str]], labels: Labels) -> np.ndarray:
    """Return which labels each target allows; see `Examples.allowed`."""
    rows = [np.eye(len(labels.names), dtype=bool)]
    for of_corpus in types:
        row = np.zeros((1, len(labels.names)), bool)
        row[0, labels.outside] = True
        for number, kind in enumerate(labels.types):
            if kind not in of_corpus:
                row[0, [labels.begin[number], labels.inside[number]]] = True
        rows.append(row)
    return np.concatenate(rows)


def _sentences(
    document: AnnotatedDocument, labels: Labels, left: Left, tokeniser: Tokeniser
) -> tuple[list[Sentence], list[np.ndarray]]:
    """Return a document's sentences and the targets of their words."""
    places = [(n, start, end) for n, spans in enumerate(document.sentences) for start, end in spans]
    sentences = tokeniser.sentences([document.passages[n][start:end] for n, start, end in places])
    outside = len(labels.names) + document.corpus
    targets = [np.full(len(sentence.tokens), outside, np.int16) for sentence in sentences]
    kept, overlapping = without_overlaps(document.spans)
    left.overlapping += overlapping
    for passage, start, end, kind in kept:
        touched = [row for row, (n, a, b) in enumerate(places) if n == passage and a < end and start < b]
        whole = len(touched) == 1
        left.cut += not whole
        words = 0
        for row in touched:
            _, base, _ = places[row]
            sentence = sentences[row]
            own = np.flatnonzero((sentence.starts < end - base) & (sentence.ends > start - base))
            words += len(own)
            if whole and len(own):
                left.inside_words += bool(sentence.starts[own[0]] < start - base or sentence.ends[own[-1]] > end - base)
                number = labels.types.index(kind)
                targets[row][own] = labels.inside[number]
                targets[row][own[0]] = labels.begin[number]
            else:
                targets[row][own] = NO_TARGET
        left.without_words += not words
    return sentences, targets


def _example(
    window: Sequence[Piece], sentences: Sequence[Sentence], targets: Sequence[np.ndarray], tokeniser: Tokeniser
) -> Example:
    ids, cases = tokeniser.window_ids(window, sentences)
    of_tokens = np.full(len(ids), NO_TARGET, np.int16)
    at = len(tokeniser.before)
    for piece in window:
        tokens = sentences[piece.sentence].tokens
        own = (tokens >= piece.own_start) & (tokens < piece.own_end)
        # Of several words in one token the first one counts: what is assigned first must be written last.
        of_tokens[at - piece.start + tokens[own][::-1]] = targets[piece.sentence][own][::-1]
        at += piece.end - piece.start
    return Example(ids, cases, of_tokens)

"""Decoding against a search through all sequences of labels."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.detection.decoding import Decoder
from raybel.detection.labels import Labels

TWO = Labels.of_types(["A", "B"])
INSIDE_ONLY = Labels.parse({0: "O", 1: "I-A"})


def spans_of(path, labels):
    """The mentions of a sequence of labels, read as conlleval does: `I-X` behind something other begins one."""
    spans, before = [], None
    for word, label in enumerate(path):
        if label == labels.outside:
            before = None
            continue
        kind = next(t for t in range(len(labels.types)) if label in (labels.begin[t], labels.inside[t]))
        if before == kind and label == labels.inside[kind]:
            spans[-1] = (spans[-1][0], word, kind)
        else:
            spans.append((word, word, kind))
        before = kind
    return tuple(spans)


def by_search(scores, labels):
    """Every set of mentions that a sentence may have, with its probability."""
    found = {}
    for path in itertools.product(range(scores.shape[1]), repeat=len(scores)):
        probability = float(np.exp(sum(scores[word, label] for word, label in enumerate(path))))
        spans = spans_of(path, labels)
        found[spans] = found.get(spans, 0.0) + probability
    return found


def log_probabilities(words, labels, seed, sharpness=2.0):
    logits = np.random.default_rng(seed).normal(size=(words, len(labels.names))) * sharpness
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("labels", [TWO, INSIDE_ONLY], ids=["BIO", "I only"])
@given(words=st.integers(1, 5), seed=st.integers(0, 10**6))
def test_the_most_probable_mentions_with_their_probability(labels, words, seed):
    scores = log_probabilities(words, labels, seed)
    found = by_search(scores, labels)
    (spans,) = Decoder(labels).decode([scores])
    assert found[tuple((each.first, each.last, each.type) for each in spans)] >= max(found.values()) - 1e-4
    for each in spans:
        span = (each.first, each.last, each.type)
        expected = sum(probability for spans, probability in found.items() if span in spans)
        assert each.probability == pytest.approx(expected / sum(found.values()), abs=1e-3)


@given(lengths=st.lists(st.integers(0, 7), max_size=6), seed=st.integers(0, 10**6))
def test_sentences_are_decoded_each_by_itself(lengths, seed):
    sentences = [log_probabilities(length, TWO, seed + n) for n, length in enumerate(lengths)]
    together = Decoder(TWO).decode(sentences)
    alone = [Decoder(TWO).decode([each])[0] for each in sentences]
    assert [[(s.first, s.last, s.type) for s in each] for each in together] == [
        [(s.first, s.last, s.type) for s in each] for each in alone
    ]
    for one, other in zip(together, alone, strict=True):
        assert [s.probability for s in one] == pytest.approx([s.probability for s in other], abs=1e-9)


def certain(*labels):
    scores = np.full((len(labels), 5), -20.0, np.float32)
    scores[np.arange(len(labels)), labels] = 0
    return scores


def test_neighbours_of_one_type():
    (spans,) = Decoder(TWO).decode([certain(1, 1, 2, 3, 0, 4, 4)])
    assert [(each.first, each.last, each.type) for each in spans] == [(0, 0, 0), (1, 2, 0), (3, 3, 1), (5, 6, 1)]
    assert all(each.probability > 0.999 for each in spans)


def test_equal_probabilities_are_decided_alike():
    scores = np.full((3, 5), np.log(0.2), np.float32)
    assert Decoder(TWO).decode([scores, scores + 1e-7]) == Decoder(TWO).decode([scores + 1e-7, scores])


def test_nothing_to_decode():
    assert Decoder(TWO).decode([]) == []
    assert Decoder(TWO).decode([np.zeros((0, 5), np.float32)]) == [[]]

import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from raybel.corpus.text import sentences
from raybel.detection.annotated import AnnotatedDocument, GoldMention
from raybel.detection.labels import Labels
from raybel.detection.sequences import Tokeniser
from raybel.detection.training.examples import NO_TARGET, make_examples, without_overlaps

LABELS = Labels.of_types(["A", "B"])  # O B-A I-A B-B I-B
TYPES = [("A",), ("A", "B")]
O_OF_FIRST, O_OF_SECOND = 5, 6


@pytest.fixture(scope="module")
def tokeniser(encoder):
    return Tokeniser(AutoTokenizer.from_pretrained(encoder), 64)


def annotated(corpus, text, *gold):
    return AnnotatedDocument((text,), tuple(GoldMention(0, *span) for span in gold), (tuple(sentences(text)),), corpus)


def words(examples):
    """Targets of the words' first tokens, in order."""
    return [int(t) for window in examples.windows for t in window.targets if t != NO_TARGET]


def test_targets(tokeniser):
    document = annotated(1, "Iron deficiency is bad.", (0, 15, "A"), (19, 22, "B"))
    examples = make_examples([document], TYPES, LABELS, tokeniser, 0)
    assert words(examples) == [1, 2, O_OF_SECOND, 3, O_OF_SECOND]
    (window,) = examples.windows
    assert window.targets[0] == window.targets[-1] == NO_TARGET  # special tokens
    assert (window.targets[1:5] == [1, NO_TARGET, NO_TARGET, NO_TARGET]).all()  # "iron" is four tokens


def test_a_corpus_says_nothing_about_types_that_it_lacks(tokeniser):
    examples = make_examples([annotated(0, "Iron is bad.", (0, 4, "A"))], TYPES, LABELS, tokeniser, 0)
    assert words(examples) == [1, O_OF_FIRST, O_OF_FIRST, O_OF_FIRST]
    assert examples.allowed[1].tolist() == [False, True, False, False, False]
    assert examples.allowed[O_OF_FIRST].tolist() == [True, False, False, True, True]
    assert examples.allowed[O_OF_SECOND].tolist() == [True, False, False, False, False]


def test_spans_that_cant_be_learned_as_they_are(tokeniser):
    text = "Iron deficiency. Anemia of iron is bad; subanemia and \u200b."
    gold = [
        (0, 15, "A"),
        (5, 15, "A"),  # inside a longer one
        (5, 15, "B"),
        (10, 23, "A"),  # in two sentences, and overlaps a longer one: left out as that
        (text.index("anemia"), text.index("anemia") + 6, "A"),  # begins inside a word
        (text.index("\u200b"), text.index("\u200b") + 1, "A"),
    ]
    examples = make_examples([annotated(1, text, *gold)], TYPES, LABELS, tokeniser, 0)
    left = examples.left[1]
    assert (left.overlapping, left.cut, left.inside_words, left.without_words) == (3, 0, 1, 1)
    assert words(examples)[:3] == [1, 2, O_OF_SECOND]
    assert words(examples).count(1) == 2


def test_a_span_in_two_sentences_teaches_nothing(tokeniser):
    text = "Iron deficiency. Anemia is bad."
    examples = make_examples([annotated(1, text, (5, 23, "A"))], TYPES, LABELS, tokeniser, 0)
    assert examples.left[1].cut == 1
    assert words(examples) == [O_OF_SECOND] * 4  # "Iron", "is", "bad", "."


def test_sentences_share_windows_when_asked_to(tokeniser):
    document = annotated(0, "Iron is bad. Anemia is bad. " * 6, (0, 4, "A"))
    alone, together = (make_examples([document], TYPES, LABELS, tokeniser, tokens) for tokens in (0, 30))
    assert len(alone.windows) > len(together.windows) > 1
    assert words(alone) == words(together)
    assert max(len(window.ids) for window in together.windows) <= 32


def test_a_sentence_longer_than_the_model(tokeniser):
    document = annotated(0, "iron " * 60 + "end", (0, 4, "A"))
    examples = make_examples([document], TYPES, LABELS, tokeniser, 0)
    assert len(examples.windows) > 3
    assert words(examples) == [1] + [O_OF_FIRST] * 60


spans = st.tuples(st.integers(0, 2), st.integers(0, 20), st.integers(1, 9), st.sampled_from("AB")).map(
    lambda span: (span[0], span[1], span[1] + span[2], span[3])
)


@given(st.lists(spans, max_size=12, unique=True))
def test_the_longest_spans_stay(gold):
    kept, left = without_overlaps(gold)
    assert len(kept) + left == len(gold)
    assert kept == sorted(kept)

    def overlap(one, other):
        return one[0] == other[0] and one[1] < other[2] and other[1] < one[2]

    assert not any(overlap(one, other) for one in kept for other in kept if one is not other)
    for span in set(gold) - set(kept):  # something as long or longer is in its place
        assert any(overlap(span, other) and other[2] - other[1] >= span[2] - span[1] for other in kept)
    assert without_overlaps(gold[::-1])[0] == kept

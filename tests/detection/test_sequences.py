from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers
from transformers import AutoTokenizer, BertTokenizerFast, PreTrainedTokenizerFast

from raybel.detection.sequences import CAPITALISED, CAPITALS, LOWER, Tokeniser, cut, words_of
from raybel.errors import ConfigError

#: Trained once each.
TOKENISERS = {}


@pytest.fixture(scope="module")
def tokeniser(encoder):
    return Tokeniser(AutoTokenizer.from_pretrained(encoder), 20)


def test_words():
    text = "β2-agonist (IL-2+) 糖尿病 cafe\u0301"
    assert [text[a:b] for a, b in words_of(text)] == [
        *("β2", "-", "agonist", "(", "IL", "-", "2", "+", ")", "糖", "尿", "病", "cafe\u0301"),
    ]
    assert words_of(" \n ") == []


@given(st.integers(1, 300), st.integers(2, 40))
def test_windows_of_a_long_sentence(length, room):
    windows = cut(length, room)
    assert windows[0][2] == 0
    assert windows[-1][3] == length
    assert all(one[3] == other[2] for one, other in pairwise(windows))  # each token once
    for start, end, own_start, own_end in windows:
        assert start <= own_start < own_end <= end
        assert end - start == min(room, length)
    if length > 2 * room and room >= 8:  # a token has context on both sides, but at the sentence's ends
        assert all(end == length or end - own_end >= room // 4 - 1 for _, end, _, own_end in windows)


def test_tokens_of_words(tokeniser):
    (sentence,) = tokeniser.sentences(["Ab cD-e"])
    assert list(zip(sentence.starts.tolist(), sentence.ends.tolist(), strict=True)) == [(0, 2), (3, 5), (5, 6), (6, 7)]
    assert sentence.tokens.tolist() == [0, 2, 4, 5]  # the tokenizer's tokens are characters
    assert sentence.cases.tolist() == [CAPITALISED] * 2 + [CAPITALS] * 2 + [LOWER] * 2
    assert tokeniser.uncased


@given(st.text(max_size=60))
def test_any_text(tokeniser, text):
    (sentence,) = tokeniser.sentences([text])
    assert len(sentence.cases) == len(sentence.ids)
    assert (sentence.tokens[1:] >= sentence.tokens[:-1]).all()  # "[UNK]" may be several words
    assert all(not text[a:b].isspace() for a, b in zip(sentence.starts, sentence.ends, strict=True))


@given(
    st.lists(st.lists(st.integers(0, 45), max_size=6), max_size=5),
    st.integers(0, 30),
)
def test_each_token_is_in_one_window_as_its_own(tokeniser, documents, tokens):
    lengths = [length for document in documents for length in document]
    sentences = tokeniser.sentences(["a" * length for length in lengths])
    ranges, first = [], 0
    for document in documents:
        ranges.append(range(first, first + len(document)))
        first += len(document)
    windows = tokeniser.windows(ranges, sentences, tokens)
    own = [
        (piece.sentence, token)
        for window in windows
        for piece in window
        for token in range(piece.own_start, piece.own_end)
    ]
    assert sorted(own) == [(n, token) for n, sentence in enumerate(sentences) for token in range(len(sentence.ids))]
    for window in windows:
        ids, cases = tokeniser.window_ids(window, sentences)
        assert len(ids) == len(cases) <= 20
        assert sum(piece.sentence in document for piece in window for document in ranges) == len(window)
        of = {n for n, document in enumerate(ranges) for piece in window if piece.sentence in document}
        assert len(of) == 1  # of one document
        if len(window) > 1:
            assert len(ids) - 2 <= tokens


def test_a_slow_tokenizer_is_refused():
    class Slow:
        is_fast = False

    with pytest.raises(ConfigError, match="doesn't say where"):
        Tokeniser(Slow(), 20)


def test_no_room(encoder):
    with pytest.raises(ConfigError, match="room for 3 tokens"):
        Tokeniser(BertTokenizerFast.from_pretrained(encoder), 3)


def trained(kind):
    """A fast tokenizer of another kind, trained on a few words."""
    if kind == "bytes":
        tokenizer = Tokenizer(models.BPE())
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
        trainer = trainers.BpeTrainer(vocab_size=300, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    else:
        tokenizer = Tokenizer(models.Unigram())
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer = trainers.UnigramTrainer(vocab_size=60, unk_token="<unk>", special_tokens=["<unk>"])
    tokenizer.train_from_iterator(["anemia of the elderly (iron) is bad"] * 20, trainer)
    return Tokeniser(PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", pad_token="<unk>"), 20)


@pytest.mark.parametrize("kind", ["bytes", "pieces"])
@given(text=st.lists(st.sampled_from(["anemia", "(iron)", "IL-2", "é", "bad.", "\U0001f9ec"])).map(" ".join))
def test_tokenizers_of_other_kinds(kind, text):
    """Every word has a token that lies in it, at least in part."""
    if kind not in TOKENISERS:
        TOKENISERS[kind] = trained(kind)
    tokeniser = TOKENISERS[kind]
    (sentence,) = tokeniser.sentences([text])
    assert list(zip(sentence.starts.tolist(), sentence.ends.tolist(), strict=True)) == words_of(text)
    offsets = tokeniser.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    for start, end, token in zip(sentence.starts, sentence.ends, sentence.tokens, strict=True):
        assert offsets[token][0] < end
        assert start < offsets[token][1]

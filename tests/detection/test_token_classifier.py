import json
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_memory import small_memory
from tiny_detector import LABELS, make_detector
from transformers import AutoModelForTokenClassification, AutoTokenizer

from raybel.detection.model import KIND, VERSION, Settings, add_cases, has_cases
from raybel.detection.token_classifier import TokenClassifier, trim
from raybel.errors import ConfigError, DeviceError, InputError, MismatchError

TEXT = "Anemia of the elderly (iron deficiency). No asthma was seen in 12 of 30; two had HD."
#: (title, abstract) of several lengths.
DOCUMENTS = [[f"A title of {'x ' * n}anemia.", f"{TEXT} " * (n % 3) + "Then " + "aB" * n + " ends."] for n in range(9)]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return make_detector(tmp_path_factory.mktemp("detector") / "model")


@pytest.fixture(scope="module")
def detector(home):
    return TokenClassifier.load(str(home), precision="fp32")


def plain(found):
    return [[[(d.start, d.end, d.type) for d in passage] for passage in document] for document in found]


def scores(found):
    return [d.score for document in found for passage in document for d in passage]


def test_what_is_found(detector):
    found = detector.detect(DOCUMENTS)
    assert detector.types == ("Chemical", "Disease")
    assert len(scores(found)) > 20
    for document, passages in zip(found, DOCUMENTS, strict=True):
        for of_passage, text in zip(document, passages, strict=True):
            assert all(one.end <= other.start for one, other in pairwise(of_passage))
            for each in of_passage:
                assert 0 <= each.start < each.end <= len(text)
                assert text[each.start : each.end] == text[each.start : each.end].strip(" ,.;")
                assert 0 <= each.score <= 1
                assert each.type in detector.types
                assert each.detector == "token-classifier"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_documents_dont_depend_on_each_other(home, precision):
    detector = TokenClassifier.load(str(home), precision=precision)
    together = detector.detect(DOCUMENTS)
    alone = [detector.detect([document])[0] for document in DOCUMENTS]
    turned = detector.detect(DOCUMENTS[::-1])[::-1]
    assert plain(together) == plain(alone) == plain(turned)
    assert scores(together) == pytest.approx(scores(alone), abs=1e-4)
    assert scores(together) == pytest.approx(scores(turned), abs=1e-4)


def test_the_labels_are_those_of_the_model(detector, home):
    """Against transformers itself, for one sentence: certain words have their label's type."""
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(home), AutoTokenizer.from_pretrained(home)
    text = "Anemia in HD"
    encoded = tokenizer(text, return_tensors="pt", return_offsets_mapping=True)
    offsets = encoded.pop("offset_mapping")[0].tolist()
    with torch.inference_mode():
        probabilities = model.eval()(**encoded).logits[0].softmax(-1)
    (sentence,) = detector.tokeniser.sentences([text])
    (of_words,) = detector.word_scores([range(1)], [sentence])
    for start, row in zip(sentence.starts.tolist(), of_words, strict=True):
        token = next(n for n, (a, b) in enumerate(offsets) if a == start and b > a)
        assert torch.allclose(torch.from_numpy(row).exp(), probabilities[token], atol=1e-5)


def test_nothing_in_nothing(detector):
    assert detector.detect([]) == []
    assert detector.detect([[], [""], [" \n", "\u200b"]]) == [[], [[]], [[], []]]


def test_a_sentence_longer_than_the_model(detector):
    long = "anemia " * 300 + "x" * 200 + " HD"
    (((*found,),),) = (detector.detect([[long]]),)
    ends = [each.end for each in found[0]]
    assert ends
    (sentence,) = detector.tokeniser.sentences([long])
    assert len(sentence.ids) > 5 * detector.tokeniser.room
    (of_words,) = detector.word_scores([range(1)], [sentence])
    assert (of_words.max(1) < 0).all()  # each word was scored: no log-probability is left at 0
    assert max(ends) > 0.9 * len(long)


@given(st.lists(st.text(max_size=80), max_size=3))
def test_any_text(detector, passages):
    (found,) = detector.detect([passages])
    for text, of_passage in zip(passages, found, strict=True):
        assert all(text[each.start : each.end].strip() for each in of_passage)


@pytest.mark.parametrize(
    ("text", "trimmed"),
    [
        ("anemia", "anemia"),
        ("(anemia)", "anemia"),
        (" anemia, ", "anemia"),
        ("Ca(2+)", "Ca(2+)"),
        ("(R)-lysine", "(R)-lysine"),
        ("anemia (iron", "anemia (iron"),
        ("anemia)", "anemia"),
        ("[(anemia", "anemia"),
        ("(R)-lysine (D)", "(R)-lysine (D)"),
        ("Ca2+", "Ca2+"),
        ("-", ""),
        ("...", ""),
        ("'anemia'", "anemia"),
        ("5'", "5'"[:1]),
    ],
)
def test_punctuation_at_the_ends(text, trimmed):
    start, end = trim(text, 0, len(text))
    assert text[start:end] == trimmed


def test_labels_that_arent_bio(tmp_path):
    with pytest.raises(ConfigError, match=r"model: its labels aren't BIO labels .*but LABEL_0, LABEL_1"):
        TokenClassifier.load(str(make_detector(tmp_path / "model", ("LABEL_0", "LABEL_1"))))


def test_a_model_without_a_head(encoder):
    with pytest.raises(InputError, match="its weights aren't those of the model"):
        TokenClassifier.load(str(encoder))


def test_weights_that_are_no_numbers(home, tmp_path):
    detector = TokenClassifier.load(str(home), precision="fp32")
    with torch.no_grad():
        detector.model.classifier.weight[:] = torch.nan
    with pytest.raises(InputError, match="NaN or infinite scores in fp32"):
        detector.detect([["anemia"]])


@pytest.mark.parametrize("case", [False, True])
def test_windows_that_memory_is_too_small_for(home, case):
    """A batch of them is halved: nothing is lost."""
    loaded = TokenClassifier.load(str(home), precision="fp32")
    if case:
        add_cases(loaded.model)
        loaded.settings = Settings(case=True)
    whole = loaded.detect(DOCUMENTS)
    with small_memory(loaded.model, 64) as sizes:
        found = loaded.detect(DOCUMENTS)
    assert max(sizes) > 64
    assert plain(found) == plain(whole)
    assert scores(found) == pytest.approx(scores(whole), abs=1e-4)
    with small_memory(loaded.model, 7), pytest.raises(DeviceError, match=r"^cpu: CUDA out of memory"):
        loaded.detect(DOCUMENTS)


def test_a_wrong_precision(home):
    with pytest.raises(ConfigError, match="precision must be one of"):
        TokenClassifier.load(str(home), precision="int8")


def write_state(home, **changed):
    state = {"kind": KIND, "version": VERSION, "finished": True, "parameters": {"context_tokens": 40}, "case": True}
    (home / "raybel.json").write_text(
        json.dumps({**state, "fingerprint": "f", "combination": None, "least_scores": {}, **changed})
    )


def test_what_the_directory_says(tmp_path):
    home = make_detector(tmp_path / "model")
    model, tokenizer = AutoModelForTokenClassification.from_pretrained(home), AutoTokenizer.from_pretrained(home)
    assert has_cases(model)
    before = TokenClassifier(model, tokenizer).detect([["Anemia in HD. Or ANEMIA."]])
    add_cases(model)
    assert TokenClassifier(model, tokenizer).detect([["Anemia in HD. Or ANEMIA."]]) == before  # not trained yet
    with torch.no_grad():
        model.bert.embeddings.token_type_embeddings.weight[2].normal_()
    model.save_pretrained(home)
    write_state(home, combination={"dictionary": "d", "rule": {"types": {}, "other": {"add": 0.5, "keep": 0.0}}})
    detector = TokenClassifier.load(str(home), precision="fp32")
    assert (detector.settings.context_tokens, detector.settings.case, detector.fingerprint) == (40, True, "f")
    assert detector.rules == {"d": {"types": {}, "other": {"add": 0.5, "keep": 0.0}}}
    sentences = detector.tokeniser.sentences(["anemia", "ANEMIA"])
    lower, upper = detector.word_scores([range(0, 1), range(1, 2)], sentences)
    assert abs(lower - upper).max() > 1e-3  # told apart, although the tokenizer drops capitals


@pytest.mark.parametrize(
    ("changed", "error", "words"),
    [
        (
            {"kind": "crossencoder"},
            MismatchError,
            "a cross-encoder, not a token classifier: give it as --reranker",
        ),
        ({"kind": "another"}, InputError, "doesn't say that it is a token classifier"),
        ({"finished": False}, InputError, "isn't finished"),
        ({"version": 99}, MismatchError, "format 99"),
        ({"parameters": {}}, InputError, "damaged"),
        ({"combination": {"rule": 1}}, InputError, "damaged"),
        ({"least_scores": 0.5}, InputError, "damaged"),
    ],
)
def test_a_directory_that_cant_be_used(tmp_path, changed, error, words):
    home = make_detector(tmp_path / "model")
    write_state(home, **changed)
    with pytest.raises(error, match=words):
        TokenClassifier.load(str(home))


def test_mentions_below_the_least_score_are_left_out(tmp_path):
    home = make_detector(tmp_path / "model")
    write_state(home, parameters={"context_tokens": 0}, case=False)
    everything = TokenClassifier.load(str(home), precision="fp32").detect(DOCUMENTS)
    middle = sorted(d.score for document in everything for passage in document for d in passage if d.type == "Disease")
    least = middle[len(middle) // 2]
    write_state(home, parameters={"context_tokens": 0}, case=False, least_scores={"Disease": least})
    some = TokenClassifier.load(str(home), precision="fp32").detect(DOCUMENTS)
    assert some == [
        [[d for d in passage if d.type != "Disease" or d.score >= least] for passage in document]
        for document in everything
    ]
    assert len(scores(some)) < len(scores(everything))


def test_fingerprints(home, detector, tmp_path):
    assert TokenClassifier.load(str(home)).fingerprint == detector.fingerprint
    assert TokenClassifier.load(str(make_detector(tmp_path / "model", LABELS, 1))).fingerprint != detector.fingerprint

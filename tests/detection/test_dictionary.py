import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.corpus import typography
from raybel.detection import dictionary as module
from raybel.detection.annotated import AnnotatedDocument, GoldMention
from raybel.detection.dictionary import Dictionary
from raybel.detection.parameters import DictionaryParameters
from raybel.detection.pieces import name_tokens, split
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts
from raybel.ontology import Concept, Ontology

WORDS = ("ptosis", "uveitis", "scabies", "IFN-γ", "heart block")
CONCEPTS = [
    Concept("D1", "Ptosis", tree_numbers=["C11.1"]),
    Concept("D2", "Uveitis, Anterior", ["anterior uveitis"], tree_numbers=["C11.2"]),
    Concept("D3", "IFN-gamma", tree_numbers=["D12.1"]),
    Concept("D4", "Ankylosing Spondylitis", ["AS"], tree_numbers=["C11.4"]),
    Concept("D5", "Microscopes", tree_numbers=["E07.1"]),
    Concept("D6", "Scleritis", tree_numbers=["C11.3"]),
    Concept("D7", "Iritis"),
]


def found(detector: Dictionary, *passages: str) -> list[str]:
    return [
        text[each.start : each.end]
        for text, some in zip(passages, detector.detect([passages])[0], strict=True)
        for each in some
    ]


def plain(*names: str, **options) -> Dictionary:
    return Dictionary.build(Ontology.from_concepts(Concept(f"D{n}", name) for n, name in enumerate(names)), **options)


def annotated(text: str, *mentions: tuple[str, str, str]) -> AnnotatedDocument:
    """A document of one passage; mentions as (text, type, concept), each where it first stands."""
    return AnnotatedDocument(
        (text,),
        tuple(
            GoldMention(0, text.index(m), text.index(m) + len(m), kind, (c,) if c else ()) for m, kind, c in mentions
        ),
    )


def reference(names: list[str], text: str) -> list[tuple[int, int]]:
    """Every window of pieces that is a name, the longest first, then the leftmost, without overlap."""
    keys = {tuple(token.lower() for token in name_tokens(name)) for name in names}
    spans, start = [], 0
    for piece in split(text):
        spans.append((start, start + len(piece)))
        start += len(piece)
    spans = [(a, b) for a, b in spans if name_tokens(text[a:b])]
    windows = [(a, b) for i, (a, _) in enumerate(spans) for _, b in spans[i:]]
    hits = [(a, b) for a, b in windows if tuple(token.lower() for token in name_tokens(text[a:b])) in keys]
    chosen: list[tuple[int, int]] = []
    for a, b in sorted(hits, key=lambda hit: (hit[0] - hit[1], hit[0])):
        if all(b <= c or d <= a for c, d in chosen):
            chosen.append((a, b))
    return sorted(chosen)


NAMES = st.lists(
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join), min_size=1, max_size=6, unique=True
)
PASSAGE = st.lists(
    st.sampled_from([*WORDS, *map(str.upper, WORDS), "IFNγ", "of", "-", ",", "é", "\U0001f600", "\ud800", "e\u0301"]),
    max_size=12,
).flatmap(lambda words: st.sampled_from([" ".join(words), "".join(words), "  ".join(words)]))


@given(NAMES, st.lists(st.lists(PASSAGE, max_size=3), max_size=3))
def test_it_finds_what_a_plain_search_finds(names, documents):
    detected = plain(*names).detect(documents)
    for document, passages in zip(documents, detected, strict=True):
        for text, some in zip(document, passages, strict=True):
            assert [(each.start, each.end) for each in some] == reference(names, text)


@given(
    NAMES, st.lists(st.lists(PASSAGE | st.text(max_size=20), max_size=3), min_size=1, max_size=4), st.integers(1, 60)
)
def test_mentions_lie_in_the_text_apart_and_whatever_the_other_documents_are(names, documents, batch):
    detector = plain(*names)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BATCH", batch)
        together = detector.detect(documents)
    assert together == [plain(*names).detect([document])[0] for document in documents]
    for document, passages in zip(documents, together, strict=True):
        for text, some in zip(document, passages, strict=True):
            assert all(0 <= each.start < each.end <= len(text) and 0 <= each.score <= 1 for each in some)
            assert all(a.end <= b.start for a, b in pairwise(some))


def test_nothing_in_nothing():
    detector = plain("ptosis")
    assert detector.detect([]) == []
    assert detector.detect([[], [""], ["", " \n"]]) == [[], [[]], [[], []]]


def test_offsets_are_those_of_the_text_as_written():
    detector = plain("IFN-gamma", "Sjögren's syndrome", "ptosis")
    text = "\U0001f600 With IFN-γ, Sjo\u0308gren’s  syndromes; (pto\u00adsis)!"
    assert found(detector, text) == ["IFN-γ", "Sjo\u0308gren’s  syndromes", "pto\u00adsis"]


def test_the_longest_then_the_leftmost():
    detector = plain("scabies ptosis", "ptosis uveitis", "uveitis", "uveitis of the iris scab")
    assert found(detector, "scabies ptosis uveitis") == ["scabies ptosis", "uveitis"]
    assert found(detector, "ptosis uveitis of the iris scab") == ["uveitis of the iris scab"]


def test_common_words_are_no_names_without_training():
    detector = plain("Rest", "Patients", "Water", "Lead", "Was", "Ptosis", "Lead poisoning")
    assert found(detector, "Rest, water or lead: the patient was at rest; lead poisoning, ptosis") == [
        *("lead poisoning", "ptosis")
    ]
    with pytest.raises(ConfigError, match="none of its 3 names can be found"):
        plain("Rest", "Water", "lead")
    with pytest.raises(ConfigError, match="no names to find"):
        Dictionary.build(Ontology.from_concepts([Concept("D1", "")]))


def test_a_document_says_what_its_short_forms_are():
    detector = plain("Ankylosing spondylitis", "AS", "Polycystic kidney disease")
    assert found(detector, "AS is rare.") == ["AS"]
    assert found(detector, "Ankylosing spondylitis (AKS).", "AKS, AS") == ["Ankylosing spondylitis", "AKS", "AKS", "AS"]
    assert found(detector, "In acoustic startle (AS).", "AS and AS") == []
    text = "Dominant polycystic kidney disease (DPKD): DPKDs, dpkd"
    assert found(detector, text) == ["polycystic kidney disease", "DPKD", "DPKDs"]
    again = ("Acoustic startle (AS). AS.", "Ankylosing spondylitis (AS) is AS.")
    assert found(detector, *again) == ["Ankylosing spondylitis", "AS", "AS"]


TRAINING = [
    annotated("Ptosis and droopy lids with IFN-γ", ("Ptosis", "Disease", "D1"), ("droopy lids", "Disease", "D1"),
              ("IFN-γ", "Chemical", "D3")),
    annotated("droopy lids, and lids, ankylosing spondylitis", ("droopy lids", "Disease", "D1")),
    annotated("ankylosing spondylitis but not ankylosing spondylitis under ptosis", ("ptosis", "Disease", "D1")),
]  # fmt: skip


def test_what_training_teaches():
    detector = Dictionary.build(Ontology.from_concepts(CONCEPTS), TRAINING)
    assert detector.types == ("Chemical", "Disease")
    texts = ["Droopy lids, ptosis, IFN-gamma, scleritis, microscope, ankylosing spondylitis, iritis, AS"]
    some = detector.detect([texts])[0][0]
    assert [(texts[0][each.start : each.end], each.type) for each in some] == [
        ("Droopy lids", "Disease"),
        ("ptosis", "Disease"),
        ("IFN-gamma", "Chemical"),
        ("scleritis", "Disease"),  # a branch that is annotated
        ("AS", "Disease"),
    ]
    score = {texts[0][each.start : each.end]: each.score for each in some}
    assert score["scleritis"] < score["ptosis"] < 1
    assert detector.facts is not None
    assert (detector.facts.of_mentions, detector.facts.stop_names, detector.facts.without_type) == (1, 1, 2)


def test_a_name_that_is_rarely_a_mention_uncovers_shorter_ones():
    texts = [annotated("heart block and block of ptosis", ("ptosis", "Disease", "D2")), annotated("heart block")]
    texts += [annotated("a block", ("block", "Disease", "D1"))] * 3
    ontology = Ontology.from_concepts([Concept("D1", "Block"), Concept("D2", "Ptosis"), Concept("D3", "Heart block")])
    assert found(Dictionary.build(ontology, texts), "Heart block") == ["block"]
    lenient = Dictionary.build(ontology, texts, DictionaryParameters(min_share=0.0))
    assert found(lenient, "Heart block") == ["Heart block"]


def test_types_without_training():
    concepts = [Concept("D1", "Ptosis", types=["Sign", "Z"]), Concept("D2", "Scabies"), Concept("D3", "ptosis")]
    ontology = Ontology.from_concepts(concepts)
    text = "ptosis, scabies"
    assert [each.type for each in Dictionary.build(ontology).detect([[text]])[0][0]] == ["Sign", ""]
    given = Dictionary.build(ontology, type="Disease")
    assert given.types == ("Disease",)
    assert {each.type for each in given.detect([[text]])[0][0]} == {"Disease"}


def test_a_loaded_dictionary_is_the_same(tmp_path):
    ontology = Ontology.from_concepts(CONCEPTS)
    detector, again = (Dictionary.build(ontology, TRAINING) for _ in range(2))
    home = str(tmp_path / "d")
    assert detector.save(home) == again.save(str(tmp_path / "e")) == Dictionary.load(home).fingerprint
    loaded = Dictionary.load(home)
    texts = [[*document.passages, "AS (ankylosing spondylitis)"] for document in TRAINING]
    assert loaded.types == detector.types
    assert loaded.detect(texts) == detector.detect(texts)
    changed = Dictionary.build(ontology, TRAINING, DictionaryParameters(min_share=0.1)).save(str(tmp_path / "f"))
    assert changed != loaded.fingerprint


def test_what_is_no_dictionary_of_ours_is_refused(tmp_path, monkeypatch):
    home = str(tmp_path / "d")
    with pytest.raises(InputError, match="no dictionary model"):
        Dictionary.load(home)
    artefacts.save(home, "ngrams", 1, {}, {})
    with pytest.raises(MismatchError, match="is an n-gram model, not a dictionary: give it as --ngrams-model"):
        Dictionary.load(home)
    home = str(tmp_path / "e")
    plain("ptosis").save(home)
    config = json.loads((tmp_path / "e/config.json").read_text())
    (tmp_path / "e/config.json").write_text(json.dumps({**config, "version": 0}))
    with pytest.raises(MismatchError, match="version 0"):
        Dictionary.load(home)
    (tmp_path / "e/config.json").write_text(json.dumps(config))
    monkeypatch.setattr(module, "TOKENS", 99)
    with pytest.raises(MismatchError, match="of the tokens of names"):
        Dictionary.load(home)
    monkeypatch.undo()
    monkeypatch.setattr(typography, "FOLDING", 99)
    with pytest.raises(MismatchError, match="of the folding of names"):
        Dictionary.load(home)

import pytest
from samples import annotation, collection, document, passage, save

from raybel.config import MentionOptions
from raybel.corpus.type_names import parse_type_names
from raybel.detection.annotated import read_corpus
from raybel.detection.training.features import from_table, to_table
from raybel.errors import InputError

TITLE, ABSTRACT = "Anemia.", "Iron deficiency anemia is common. Aspirin isn't to blame."


def mention(text, whole, base=0, **infons):
    return annotation(text, (base + whole.index(text), len(text)), name=infons.pop("name", "T"), **infons)


@pytest.fixture
def corpus(tmp_path):
    first = document(
        "1",
        passage(TITLE, mention("Anemia", TITLE, type="SpecificDisease")),
        passage(
            ABSTRACT,
            mention("Iron deficiency anemia", ABSTRACT, 8, type="SpecificDisease", name="A"),
            mention("anemia", ABSTRACT, 8, type="Modifier", name="B"),
            mention("anemia", ABSTRACT, 8, type="Modifier", name="C"),
            mention("Aspirin", ABSTRACT, 8, type="Chemical", name="D"),
            annotation("Iron anemia", (8, 4), (24, 6), name="E", type="SpecificDisease"),
            offset=8,
        ),
    )
    return save(tmp_path / "corpus.xml", collection(first, document("2", passage("Nothing."))))


def test_gold_spans_of_a_corpus(corpus):
    names = parse_type_names(["SpecificDisease=Disease", "Modifier=Disease"])
    (first, second), counts = read_corpus([corpus], MentionOptions(), names, 3)
    assert first.passages == (TITLE, ABSTRACT)
    assert first.sentences == (((0, 7),), ((0, 33), (34, 57)))
    assert first.spans == [(0, 0, 6, "Disease"), (1, 0, 22, "Disease"), (1, 16, 22, "Disease"), (1, 34, 41, "Chemical")]
    assert (first.corpus, second.mentions) == (3, ())
    assert counts.types == ("Chemical", "Disease")
    # The one in pieces goes from the first to the last of them, and so is there twice.
    assert (counts.documents, counts.duplicates, counts.discontinuous) == (2, 2, 1)
    assert counts.to_dict()["mentions"] == {"Chemical": 1, "Disease": 5}
    assert [text for _, text in first.mentions_with_text].count("anemia") == 2
    kept = list(from_table(to_table([first, second])))
    assert [(each.corpus, each.passages, each.sentences, each.spans) for each in kept] == [
        (each.corpus, each.passages, each.sentences, each.spans) for each in (first, second)
    ]


def test_types_that_count(corpus):
    (first, _), counts = read_corpus([corpus], MentionOptions(mention_types=("Chemical", "Gene")))
    assert first.spans == [(1, 34, 41, "Chemical")]
    assert counts.types == ("Chemical",)
    with pytest.raises(
        InputError, match=r"no mention of the types Gene to learn from; there are: Chemical \(1\), Modifier \(2\)"
    ):
        read_corpus([corpus], MentionOptions(mention_types=("Gene",)))


def test_what_cant_be_used_is_said(tmp_path):
    wrong = document(
        "1", passage("Anemia.", annotation("xyz", (2, 3), type="A"), mention("Anemia", "Anemia.", type="A"))
    )
    _, counts = read_corpus([save(tmp_path / "c.xml", collection(wrong))], MentionOptions())
    assert "1 annotation" in counts.set_aside

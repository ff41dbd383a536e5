import pytest

from raybel.exports.docbin import DOC_BIN, LONGEST_STRING
from raybel.exports.documents import Document, Link, Mention, Passage, Tally

spacy = pytest.importorskip("spacy")

HEBREW = "\u05e1\u05d5\u05db\u05e8\u05ea \u05d5\u05d0\u05e0\u05de\u05d9\u05d4"
TEXT = f"Anemia, <script> {HEBREW}; IL6R."


def mention(name, start, end, *links, kind="Disease"):
    found = tuple(Link(each, f"name of {each}", 0.25) for each in links)
    return Mention(name, 1, start, end, TEXT[start - 6 : end - 6], kind, ((start, end),), None, found, found)


def exported(*mentions, doc_id="1\t2", offset=6):
    passages = [Passage(0, "Title", "title"), Passage(offset, TEXT, "abstract")]
    return Document(doc_id, "a.xml.gz", 0, passages, mentions)


def read(*documents):
    from spacy.tokens import DocBin

    tally = Tally()
    data = b"".join(DOC_BIN.content(documents, tally))
    assert data == b"".join(DOC_BIN.content(documents, Tally()))
    return list(DocBin().from_bytes(data).get_docs(spacy.blank("en").vocab)), tally


def test_spans_and_entities():
    hebrew = 6 + TEXT.index(HEBREW)
    whole = mention("T2", hebrew, hebrew + len(HEBREW), "D1", "a|b", kind="")
    inner = mention("T3", hebrew, hebrew + 5, "D2")
    within = mention("T4", 6 + TEXT.index("L6R"), 6 + TEXT.index("L6R") + 3, "D3")
    empty = mention("T5", 8, 8)
    anemia = mention("<b>", 6, 12)
    (doc,), tally = read(exported(anemia, inner, whole, within, empty))
    assert doc.text == f"Title {TEXT}"
    spans = [(span.text, span.label_, span.kb_id_, span.id_) for span in doc.spans["mentions"]]
    assert spans == [
        ("Anemia", "Disease", "", "<b>"),
        (HEBREW[:5], "Disease", "D2", "T3"),
        (HEBREW, "ENTITY", "D1|a%7Cb", "T2"),
    ]
    assert [(each.text, each.label_, each.kb_id_, each.ent_id_) for each in doc.ents] == [
        ("Anemia", "Disease", "", "<b>"),
        (HEBREW, "ENTITY", "D1|a%7Cb", "T2"),
    ]
    assert doc.user_data["id"] == "1\t2"
    assert [each["start"] for each in doc.user_data["passages"]] == [0, 6]
    kept = {each["id"]: each for each in doc.user_data["mentions"]}
    assert [name for name, each in kept.items() if not each["aligned"]] == ["T5", "T4"]
    lost = kept["T4"]
    assert doc.text[lost["start"] : lost["end"]] == "L6R"
    assert (lost["link_id"], lost["link_name"], lost["link_score"]) == ("D3", "name of D3", 0.25)
    assert [list(each["link_ids"]) for each in kept.values()] == [[], [], ["D2"], ["D1", "a|b"], ["D3"]]
    assert (tally.unaligned, tally.overlapping, tally.moved) == (2, 1, 0)


def test_long_strings_without_blanks_are_one_token():
    """Taken apart, such a string of 4,000 characters takes spaCy seconds."""
    at_most, longer = "\U0001f600" * LONGEST_STRING, "\U0001f600" * 4 * LONGEST_STRING
    start = 6 + len(at_most) + 1
    spots = [
        Mention(str(n), 1, start, end, "", "", ((start, end),), None, (), ())
        for n, end in enumerate((start + 9, start + len(longer)))
    ]
    passages = [Passage(0, "Title", ""), Passage(6, f"{at_most} {longer} end.", "")]
    (doc,), tally = read(Document("1", "a", 0, passages, spots))
    assert doc.text == f"Title {at_most} {longer} end."
    assert [len(token) for token in doc if len(token) > 10] == [len(longer)]
    assert len(doc) > LONGEST_STRING
    assert [span.text for span in doc.spans["mentions"]] == [longer]
    assert tally.unaligned == 1


def test_passages_one_behind_the_other():
    documents = [Document("1", "a", 0, [], []), exported(doc_id="2"), Document("3", "a", 2, [Passage(5, "x", "")], [])]
    docs, tally = read(*documents)
    assert [doc.text for doc in docs] == ["", f"Title {TEXT}", "x"]
    assert [doc.user_data["id"] for doc in docs] == ["1", "2", "3"]
    assert docs[2].user_data["passages"] == ({"start": 0, "offset": 5, "type": ""},)
    assert tally.moved == 1

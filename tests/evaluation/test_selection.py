from itertools import combinations

import pytest
from compared_runs import make_run, save_corpus, save_ontology, text_document
from samples import annotation, document, passage

from raybel.config import MentionOptions
from raybel.errors import ConfigError, InputError
from raybel.evaluation import selection
from raybel.evaluation.config import ShowConfig
from raybel.evaluation.selection import select

LINKS = {"gout": ["C2", "C1"], "influenza": ["C4", "C3"], "asthma": ["C4"], "cold": ["C|5"]}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("selection")


@pytest.fixture(scope="module")
def run(home):
    """Two shards of two and three documents, in chunks of one document."""
    ontology = save_ontology(home / "o.arrow")
    one = save_corpus(
        home / "1.xml",
        text_document("a", "Gout and influenza.", "Gout=C2", "influenza=C3"),
        text_document("b", "No mention here."),
    )
    two = save_corpus(
        home / "2.xml",
        text_document("c", "A cold, or asthma.", "cold=C|5", "asthma=C4"),
        text_document("d", "Influenza after gout: influenza.", "Influenza=C3", "gout=OLD1"),
        text_document("a", "Asthma once more, and fever.", "Asthma=C4|C2", "fever=C1"),
    )
    return make_run(
        home / "run", [one, two], LINKS, ontology, unsure=["influenza", "fever", "asthma"], chunk_documents=1
    )


def found(run, **options):
    """(shard, document's number, id, the texts of chosen mentions) of each document; and the notes."""
    asked = select(ShowConfig(run, **options))
    documents = [
        (one.shard[0], one.number, one.doc_id, [each["text"] for each in one.mentions if each["chosen"]])
        for one in asked.documents()
    ]
    return documents, [*asked.explanations, *asked.notes]


def test_the_first_documents_are_shown_with_all_their_mentions(run):
    assert found(run) == ([("1", 0, "a", ["Gout", "influenza"])], [])
    documents, notes = found(run, documents=4)
    assert documents[1:] == [("1", 1, "b", []), ("2", 0, "c", ["cold", "asthma"]), ("2", 1, "d", ["Influenza", "gout"])]
    assert notes == []
    assert len(found(run, documents=99)[0]) == 5


def test_an_id_is_found_wherever_it_is_and_however_often(run):
    documents, notes = found(run, doc_id=("a", "c"))
    assert [one[:3] for one in documents] == [("1", 0, "a"), ("2", 0, "c"), ("2", 2, "a")]
    assert notes == []
    documents, notes = found(run, doc_id=("a",), documents=1)
    assert [one[:3] for one in documents] == [("1", 0, "a")]
    assert notes == ["Stopped after 1 document; there may be more: raise --documents."]
    with pytest.raises(ConfigError, match="no document has the id no, none"):
        found(run, doc_id=("none", "a", "no"))


def test_mentions_of_a_concept_are_found_by_any_of_its_ids(run):
    documents, _ = found(run, concept=("C4",))
    assert [one[2:] for one in documents] == [
        ("a", ["influenza"]),
        ("c", ["asthma"]),
        ("d", ["Influenza"]),
        ("a", ["Asthma"]),
    ]
    assert found(run, concept=("C|5",))[0] == [("2", 0, "c", ["cold"])]
    assert found(run, concept=("C2", "C|5"))[0][0] == ("1", 0, "a", ["Gout"])
    assert found(run, concept=("C1",)) == ([], [f"{run}: no mention is linked to C1."])


def test_an_alternative_id_means_its_concept(home):
    corpus = save_corpus(home / "alt.xml", text_document("1", "Gout.", "Gout"))
    linked = make_run(home / "alternative", [corpus], {"gout": ["C1"]}, str(home / "o.arrow"))
    assert found(linked, concept=("OLD1",))[0] == [("a", 0, "1", ["Gout"])]
    unknown = make_run(home / "unknown", [corpus], {"gout": ["C1"]}, str(home / "gone.arrow"))
    assert found(unknown, concept=("OLD1",))[0] == []
    assert found(unknown, concept=("C1",))[0] == [("a", 0, "1", ["Gout"])]
    with pytest.raises(ConfigError, match=r"gone\.arrow isn't there: say where it is with --ontology"):
        found(unknown, wrong=True)


def test_unsure_mentions_and_kinds_together(run, home):
    documents, _ = found(run, unsure=True, documents=2)
    assert documents == [("1", 0, "a", ["influenza"]), ("2", 0, "c", ["asthma"])]
    assert found(run, unsure=True, concept=("C4",), doc_id=("a",))[0] == [
        ("1", 0, "a", ["influenza"]),
        ("2", 2, "a", ["Asthma"]),
    ]
    corpus = save_corpus(home / "plain.xml", text_document("1", "Gout.", "Gout"))
    with pytest.raises(ConfigError, match="nothing says which mentions were settled"):
        found(make_run(home / "plain", [corpus], LINKS), unsure=True)


def test_wrong_links_by_the_runs_own_gold(run):
    documents, notes = found(run, wrong=True)
    # composites don't count, an alternative id counts as its concept's, a mention without a link is wrong
    assert documents == [
        ("1", 0, "a", ["influenza"]),
        ("2", 1, "d", ["Influenza", "gout"]),
        ("2", 2, "a", ["fever"]),
    ]
    assert notes[0].startswith("Wrong: the first link isn't gold's, by policy linkable; alternative ids count")
    assert found(run, wrong=True, policy="all")[0][-1] == ("2", 2, "a", ["Asthma", "fever"])
    assert found(run, wrong=True, concept=("C2",))[0] == [("2", 1, "d", ["gout"])]
    assert found(run, wrong=True, documents=1)[0] == documents[:1]


def test_wrong_links_by_a_gold_corpus(run, home):
    gold = save_corpus(
        home / "gold.xml",
        text_document("a", "Gout and influenza.", "Gout=C3", "influenza=C4", "and=C1"),
        text_document("a", "Asthma once more, and fever.", "Asthma=C4"),
    )
    documents, notes = found(run, wrong=True, gold_corpus=(gold,))
    assert documents == [("1", 0, "a", ["Gout"])]
    assert "Not among the run's mentions: 1 gold mention of documents that it has." in notes
    lacking = save_corpus(
        home / "lacking.xml",
        text_document("b", "No mention here.", "mention=C1", "here=C2"),
        text_document("c", "A cold, or asthma.", "cold=C1", "or=C2"),
        text_document("x", "Gout.", "Gout=C1"),
    )
    said = "Not among the run's mentions: {} of {}."
    all_of_it = said.format("3 gold mentions", "documents that it has")
    assert all_of_it in found(run, wrong=True, gold_corpus=(lacking,))[1]
    until = said.format("3 gold mentions", "documents that it has, of those read until then")
    assert until in found(run, wrong=True, gold_corpus=(lacking,), documents=1)[1]
    asked = said.format("1 gold mention", "the documents asked for")
    assert asked in found(run, wrong=True, gold_corpus=(lacking,), doc_id=("c",))[1]
    other = save_corpus(home / "other.xml", text_document("z", "Gout.", "Gout=C3"))
    with pytest.raises(ConfigError, match=r"other\.xml: no gold mention that counts by policy linkable is in both"):
        found(run, wrong=True, gold_corpus=(other,))
    without = save_corpus(home / "without.xml", text_document("a", "Gout.", "Gout"))
    with pytest.raises(ConfigError, match="no mention of 1 document with 1 mention has a gold annotation"):
        found(run, wrong=True, gold_corpus=(without,))
    plain = make_run(home / "ungold", [without], LINKS, str(home / "o.arrow"))
    with pytest.raises(ConfigError, match="--gold-corpus FILE gives them"):
        found(plain, wrong=True)


def test_gold_of_an_id_that_repeats_is_taken_in_the_runs_order(home):
    documents = [("a", "Nothing."), ("a", "Gout.", "Gout")]
    corpus = save_corpus(home / "repeated.xml", *(text_document(*each) for each in documents))
    linked = make_run(home / "repeated", [corpus], LINKS, str(home / "o.arrow"))
    gold = [("a", "Nothing.", "Nothing=C1"), ("a", "Gout.", "Gout=C3")]
    marked = save_corpus(home / "repeated-gold.xml", *(text_document(*each) for each in gold))
    documents, notes = found(linked, wrong=True, gold_corpus=(marked,))
    assert documents == [("r", 1, "a", ["Gout"])]
    assert "Not among the run's mentions: 1 gold mention of documents that it has." in notes


def test_types_that_dont_count_are_left_out(home):
    marks = [annotation("gout", (0, 4), type="A"), annotation("cold", (5, 4), name="T2", type="B")]
    corpus = save_corpus(home / "types.xml", document("1", passage("gout cold", *marks)))
    linked = make_run(home / "types", [corpus], LINKS)
    only = MentionOptions(mention_types=("B",))
    assert found(linked, mentions=only)[0] == [("t", 0, "1", ["cold"])]
    assert found(linked, mentions=only, concept=("C2",))[0] == []


def test_parts_of_composites_are_linked_to_their_concepts():
    import pyarrow as pa

    from raybel.schemas import PART

    part = dict.fromkeys(("surface", "start", "end", "link_name", "link_score"))
    parts = pa.array([None, [{**part, "link_id": "C1"}, {**part, "link_id": "C2"}], []], pa.list_(PART))
    table = pa.table({"link_id": ["C2", "C1|C2", None], "parts": parts})
    assert selection._linked_to(table, ["C2"]).tolist() == [True, True, False]
    assert selection._linked_to(table, ["C1|C2"]).tolist() == [False, True, False]


def test_a_document_whose_text_cant_be_laid_out_is_no_end(home):
    bad = "<passage><offset>0</offset><sentence><offset>0</offset><text>Gout.</text></sentence>"
    bad += "<sentence><offset>900000000</offset><text>Far.</text></sentence></passage>"
    corpus = save_corpus(home / "bad.xml", document("1", bad), text_document("2", "Gout.", "Gout"))
    linked = make_run(home / "bad", [corpus], LINKS)
    one, two = select(ShowConfig(linked, documents=2)).documents()
    assert "lies far behind the text before it" in one.problem
    assert (one.passages, two.problem, two.passages) == ([], None, [(0, "Gout.")])


def test_what_is_no_run_or_isnt_finished_or_is_empty_is_said(home, run):
    with pytest.raises(InputError, match="isn't a run directory"):
        found(str(home))
    with pytest.raises(ConfigError, match="give --wrong with it"):
        ShowConfig(run, gold_corpus=("x",))
    corpus = save_corpus(home / "none.xml", document("1", passage("Nothing.")))
    linked = make_run(home / "none", [corpus], LINKS, finished=False)
    documents, notes = found(linked, documents=3)
    assert documents == [("n", 0, "1", [])]
    assert "isn't finished: only its 1 finished shard can be read" in notes[0]
    assert found(linked, concept=("C1",))[1][1].endswith("none: no mention is linked to C1.")


def test_a_shard_that_lacks_documents_is_damaged(home):
    files = [
        save_corpus(home / f"s{n}.xml", *(text_document(str(i), "Gout.", "Gout") for i in range(n))) for n in (1, 2)
    ]
    one, two = (make_run(home / f"short{n}", [file], LINKS) for n, file in enumerate(files))
    shard = next((home / "short0" / "shards").iterdir())
    next((home / "short1" / "shards").iterdir()).write_bytes(shard.read_bytes())
    assert len(found(one, documents=2)[0]) == 1
    with pytest.raises(InputError, match=r"s2\.xml\.gz: has 1 document, and the table of documents names one more"):
        found(two, documents=2)


def test_only_what_is_needed_is_parsed(run, monkeypatch):
    read = []
    parse = selection.read_documents

    def counted(uri, options):
        for piece in parse(uri, options):
            read.append((uri.rpartition("/")[2][0], piece if isinstance(piece, bytes) else piece[0].id))
            yield piece

    monkeypatch.setattr(selection, "read_documents", counted)
    found(run, concept=("C|5",))
    assert [one for one in read if not isinstance(one[1], bytes)] == [("2", "c")]


KINDS = {"concept": ("C4",), "wrong": True, "unsure": True}


@pytest.mark.parametrize("kinds", [kinds for size in (2, 3) for kinds in combinations(KINDS, size)])
def test_what_is_asked_for_together_is_of_each_kind_alone(run, kinds):
    def mentions(names):
        documents, _ = found(run, documents=99, **{name: KINDS[name] for name in names})
        return {(shard, number, text) for shard, number, _, texts in documents for text in texts}

    together = mentions(kinds)
    assert together
    assert together == set.intersection(*(mentions([kind]) for kind in kinds))

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.detection.names import MAX_TOKENS, Kind, cased_forms, collect
from raybel.detection.pieces import Tokenizer, name_tokens
from raybel.ontology import Concept, Ontology

WORDS = st.sampled_from(["ptosis", "uveitis", "scab", "lip", "Q7"])
NAMES = st.lists(WORDS, min_size=1, max_size=4).map(" ".join)


def ontology(*names: str) -> Ontology:
    return Ontology.from_concepts(Concept(f"D{number}", name) for number, name in enumerate(names))


def table_of(names):
    return names.table(np.ones(len(names), bool), np.arange(len(names)), np.zeros(len(names), np.int64))


@given(st.lists(NAMES, min_size=1, max_size=8), st.lists(NAMES, max_size=3))
def test_every_name_is_found_where_it_stands_alone(names, mentions):
    table = table_of(collect(ontology(*dict.fromkeys(names)), mentions))
    for name in (*names, *mentions):
        tokens = Tokenizer().tokens([name])
        found = table.find(tokens)
        whole = (found.first == 0) & (found.last == len(tokens) - 2)
        assert whole.sum() == 1
        assert len(set(zip(found.first, found.last, strict=True))) == len(found.first)


@given(st.lists(st.integers(0, 2**64 - 1), max_size=30))
def test_rows_of_hashes(hashes):
    table = table_of(collect(ontology("ptosis", "ptosis of lip", "uveitis", "scab of the lip")))
    asked = np.array([*hashes, *table.keys.tolist()], np.uint64)
    assert table.rows(asked).tolist() == [
        int(np.flatnonzero(table.keys == each)[0]) if each in table.keys else -1 for each in asked
    ]


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("AS", {"AS"}),
        ("CAT", {"CAT"}),
        ("Tin", {"Tin", "tin"}),
        ("flu", {"Flu", "flu"}),
        ("FAP", {"FAP"}),
        ("HIV-1", {"HIV-1", "HIV 1"}),
        ("APECED", {"APECED"}),
        ("pH", {"pH"}),
    ],
)
def test_the_case_of_a_short_name_matters(name, written):
    table = table_of(collect(ontology(name)))
    for text in {*written, name.lower(), name.upper(), name.title()}:
        assert bool(len(table.find(Tokenizer().tokens([text])).name)) == (text in written), text


def test_the_case_of_others_does_not():
    for name in ("asthma", "ANAEMIA", "Wilms tumor", "APECED syndrome", "Gout"):
        assert cased_forms(name_tokens(name)) is None
    table = table_of(collect(ontology("ACID", "acid")))  # where one spelling says so
    assert all(len(table.find(Tokenizer().tokens([text])).name) for text in ("ACID", "acid", "Acid"))


def test_what_is_no_name():
    names = collect(ontology("46", "E", "(-)", "scab", " ".join(["scab"] * (MAX_TOKENS + 1))), ["7", "—"])
    assert len(names) == 2
    assert names.too_long == 1
    assert sorted(names.kinds.tolist()) == [Kind.ONE_TOKEN, Kind.MENTION]

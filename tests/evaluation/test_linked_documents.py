from collections import Counter

import pytest
from compared_runs import make_run, save_corpus
from hypothesis import given
from hypothesis import strategies as st
from samples import annotation, document, passage

from raybel.evaluation.linked_documents import (
    LinkedCorpus,
    LinkedDocument,
    LinkedMention,
    hashed,
    matched,
    side_by_side,
)

IDS = st.lists(st.sampled_from("abcde"), max_size=8)
MENTIONS = st.lists(st.tuples(st.sampled_from(["T1", "T2", "#0"]), st.integers(0, 3), st.integers(4, 6)), max_size=6)


def documents(ids, side):
    return [LinkedDocument(doc_id, (side, number), []) for number, doc_id in enumerate(ids)]


def mentions(keys):
    return [LinkedMention(*key, "text", "Disease", None, None, None, []) for key in keys]


@given(IDS, IDS)
def test_documents_meet_by_id_each_once_and_in_order(first, second):
    pairs = list(side_by_side(documents(first, "first"), documents(second, "second")))
    for side, ids in enumerate((first, second)):
        places = [pair[side].place[1] for pair in pairs if pair[side] is not None]
        assert sorted(places) == list(range(len(ids)))
    common = Counter(first) & Counter(second)
    met = [pair for pair in pairs if None not in pair]
    assert Counter(one.doc_id for one, _ in met) == common
    for one, other in met:
        assert one.doc_id == other.doc_id
        number = first[: one.place[1]].count(one.doc_id)
        assert second[: other.place[1]].count(one.doc_id) == number  # the n-th of an id meets the n-th


def test_documents_in_one_order_needn_t_wait():
    def stream(side):
        for number in range(1000):
            read[side] = number
            yield LinkedDocument(str(number), (side, number), [])

    read = {"first": -1, "second": -1}
    for one, other in side_by_side(stream("first"), stream("second")):
        assert one.place[1] == other.place[1] == read["first"] == read["second"]


@given(MENTIONS, MENTIONS)
def test_mentions_meet_by_id_and_span_else_by_span(first, second):
    one, other = mentions(first), mentions(second)
    pairs = list(matched(one, other))
    for side, given_mentions in enumerate((one, other)):
        found = [id(pair[side]) for pair in pairs if pair[side] is not None]
        assert sorted(found) == sorted(map(id, given_mentions))
    met = [(a.key, b.key) for a, b in pairs if a is not None and b is not None]
    assert all(a[1:] == b[1:] for a, b in met)
    spans = [Counter(key[1:] for key in keys) for keys in (first, second)]
    assert Counter(a[1:] for a, _ in met) == spans[0] & spans[1]
    assert sum(a == b for a, b in met) >= (Counter(first) & Counter(second)).total()


@pytest.mark.parametrize(("first", "second"), [([], []), (["T1"], []), ([], ["T1"])])
def test_documents_without_mentions(first, second):
    one, other = (mentions([(name, 0, 4) for name in names]) for names in (first, second))
    assert len(list(matched(one, other))) == max(len(first), len(second))


def test_hashes_are_of_the_ids_alone():
    assert hashed(["a", "b", "a"]).tolist() == [*hashed(["a", "b"]).tolist(), *hashed(["a"]).tolist()]
    assert len(hashed([])) == 0


def test_only_documents_with_mentions_that_count_are_waited_for(tmp_path):
    texts = [document(name, passage("gout", annotation("gout", (0, 4), type=name))) for name in ("A", "B")]
    run = make_run(tmp_path / "run", [save_corpus(tmp_path / "in.xml", *texts, document("C", passage("x")))], {})
    for types, ids in (((), "AB"), (("B",), "B"), (("C",), "")):
        assert LinkedCorpus.open(run, types).hashes().tolist() == sorted(hashed(ids).tolist())

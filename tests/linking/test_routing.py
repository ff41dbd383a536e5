import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import FixedGenerator, annotation, chunks, collection, document, passage, save, two_concepts

from raybel.candidates.base import CandidateCache
from raybel.errors import RaybelError
from raybel.linking.candidates import add_candidates
from raybel.linking.rankings import Rankings, Target
from raybel.linking.routing import link_by_type, with_chosen_mentions
from raybel.schemas import MENTIONS


class Fixed:
    """Links with a generator that always finds the same."""

    def __init__(self, label, threshold=None, fails=None):
        self.generator, self.fails = FixedGenerator(), fails
        self.target = Target(two_concepts(), label, threshold=threshold)

    def link(self, chunk, crashes=None):
        if self.fails:
            raise self.fails
        linked = add_candidates(chunk, CandidateCache(self.generator, 10), "fixed", crashes)
        return linked, Rankings.of(linked, self.target)


def read(tmp_path, *mentions):
    text = "Anemia " * max(len(mentions), 1)
    marks = [annotation("Anemia", (7 * number, 6), type=kind) for number, kind in enumerate(mentions)]
    half = len(marks) // 2
    first, last = document("1", passage(text, *marks[:half])), document("3", passage(text, *marks[half:]))
    (chunk,) = chunks(save(tmp_path / "a.xml", collection(first, document("2"), last)))
    return chunk


def columns(rankings):
    names = [field.name for field in MENTIONS][-len(rankings.columns()) :]
    return dict(zip(names, (column.to_pylist() for column in rankings.columns()), strict=True))


@given(kinds=st.lists(st.sampled_from(["Disease", "Chemical", "Gene", ""]), max_size=6))
def test_each_type_is_linked_to_its_own_ontology(tmp_path_factory, kinds):
    chunk = read(tmp_path_factory.mktemp("made"), *kinds)
    routes = [(frozenset(["Disease", "Gene"]), Fixed("a.arrow")), (frozenset(["Chemical"]), Fixed("b.arrow", 0.6))]
    linked, rankings = link_by_type(chunk, routes)
    assert linked["failures"][0].as_py() == [None] * 3
    _, whole = Fixed("all").link(chunk)
    found, expected = columns(rankings), columns(whole)
    for place, kind in enumerate(kinds):
        label = {"Disease": "a.arrow", "Gene": "a.arrow", "Chemical": "b.arrow"}.get(kind)
        assert found["ontology"][place] == label
        assert found["link_id"][place] == (expected["link_id"][place] if label else None)
        depth = {"a.arrow": len(expected["ranking"][place]), "b.arrow": 1, None: 0}[label]
        assert found["ranking"][place] == expected["ranking"][place][:depth]
    linked_types = ("Disease", "Gene", "Chemical")
    assert [bool(each) for each in rankings.infons()] == [kind in linked_types for kind in kinds]


@given(kinds=st.lists(st.sampled_from("ab"), max_size=6), data=st.data())
def test_a_chunk_with_some_of_its_mentions(tmp_path_factory, kinds, data):
    chunk = read(tmp_path_factory.mktemp("made"), *kinds)
    chosen = np.array([data.draw(st.booleans()) for _ in kinds], bool)
    kept = with_chosen_mentions(chunk, chosen)
    assert kept.schema.equals(chunk.schema)
    rows, before = kept["docs"][0].as_py(), chunk["docs"][0].as_py()
    mentions = [mention for row in before for mention in row["mentions"]]
    assert [m for row in rows for m in row["mentions"]] == [m for m, keep in zip(mentions, chosen, strict=True) if keep]
    assert [{**row, "mentions": []} for row in rows] == [{**row, "mentions": []} for row in before]


def test_an_error_of_a_model_is_an_error(tmp_path):
    chunk = read(tmp_path, "Disease")
    with pytest.raises(RaybelError, match="damaged"):
        link_by_type(chunk, [(frozenset(["Disease"]), Fixed("a", fails=RaybelError("damaged")))])

import numpy as np
from samples import FixedGenerator, chunks, collection, save, simple_document

from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES, CandidateCache, candidates_column, chunk_surfaces
from raybel.schemas import CANDIDATES


def test_each_distinct_surface_is_searched_once():
    generator = FixedGenerator()
    cached = CandidateCache(generator, 1)
    found = cached.search(["b", "a", "b", "unknown"])
    assert [len(each) for each in found] == [1, 1, 1, 0]
    assert cached.search(["a", "c"])[0].tolist() == found[0].tolist()
    assert cached.search([]) == []
    assert generator.calls == [["a", "b", "unknown"], ["c"]]


def test_the_oldest_are_forgotten():
    generator = FixedGenerator()
    cached = CandidateCache(generator, 1, size=2)
    assert len(cached.search(["a", "b", "c", "d"])) == 4
    cached.search(["c", "d"])
    cached.search(["a"])
    assert generator.calls == [["a", "b", "c", "d"], ["a"]]


def test_a_column_of_candidates():
    two = np.array([(3, 0.5, 1), (2, 0.25, -1)], CANDIDATE_DTYPE)
    column = candidates_column([two, NO_CANDIDATES, two[:1]], "g")
    assert column.type == CANDIDATES
    (lists,) = column.to_pylist()
    assert [[(c["concept"], c["rank"], c["score"], c["alias"], c["generator"]) for c in each] for each in lists] == [
        [(3, 0, 0.5, 1, "g"), (2, 1, 0.25, -1, "g")],
        [],
        [(3, 0, 0.5, 1, "g")],
    ]
    assert candidates_column([], "g").to_pylist() == [[]]


def test_surfaces_of_a_chunk(tmp_path):
    (chunk,) = chunks(
        save(tmp_path / "a.xml", collection(simple_document("1"), simple_document("2", mention="asthma")))
    )
    assert chunk_surfaces(chunk) == ["anemia", "asthma"]
    (chunk,) = chunks(save(tmp_path / "a.xml", collection()))
    assert chunk_surfaces(chunk) == []

"""Further names of concepts: the nearest first, whatever is asked for at the same time."""

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates import concept_names
from raybel.candidates.aliases import AliasTable
from raybel.candidates.base import ExcludedMentions
from raybel.candidates.concept_names import ConceptNames
from raybel.candidates.overlap import overlaps
from raybel.ontology import Concept, Ontology

ONTOLOGY = Ontology.from_concepts(
    [
        Concept("D0", "Kidney failure", ["renal failure", "failure of the kidneys", "uraemia"]),
        Concept("D1", "Heart failure", ["cardiac failure"]),
        Concept("D2", "Gout"),
        Concept("D3", ""),
    ]
)
TABLE = AliasTable.build(ONTOLOGY, [("renal insufficiency", 0), ("bad kidneys", 0), ("bad kidneys", 0)]).table
FAILURES = ("kidney failure", "failure of the kidneys", "renal failure")


def nearest(surfaces, concepts, count=2, shown=None, excluded=None, table=TABLE):
    none = [""] * len(surfaces)
    return ConceptNames(table).nearest(surfaces, np.array(concepts, np.int32), shown or (none, none), count, excluded)


def test_the_nearest_come_first():
    assert nearest(["kidney failures"], [0], 3) == [FAILURES]
    assert nearest(["uraemic"], [0], 1) == [("uraemia",)]
    assert len(nearest(["x"], [0], 99)[0]) == 6


def test_what_is_shown_already_is_left_out():
    shown = (["kidney failure"], ["renal failure"])
    assert nearest(["kidney failures"], [0], 2, shown)[0][0] == "failure of the kidneys"
    assert not set(nearest(["kidney failures"], [0], 9, shown)[0]) & {"kidney failure", "renal failure"}


def test_equally_near_names_are_in_the_tables_order():
    assert nearest(["@"], [0], 9) == [
        ("bad kidneys", "failure of the kidneys", "kidney failure", "renal failure", "renal insufficiency", "uraemia")
    ]


def test_concepts_without_names_and_no_concepts():
    assert nearest(["x", "x"], [3, 2]) == [(), ("gout",)]
    assert nearest([], []) == []


def test_names_of_excluded_training_mentions():
    once, both = {("renal insufficiency", 0): 1, ("bad kidneys", 0): 1}, {("bad kidneys", 0): 2}
    found = nearest(["bad renal kidneys"] * 3, [0] * 3, 9, excluded=ExcludedMentions([once, both, {}]))
    assert [set(names) & {"bad kidneys", "renal insufficiency"} for names in found] == [
        {"bad kidneys"}, {"renal insufficiency"}, {"bad kidneys", "renal insufficiency"}
    ]  # fmt: skip
    # The ontology's own names stay, however many training mentions have them.
    of_another = ExcludedMentions([{("kidney failure", 0): 5, ("bad kidneys", 1): 2}])
    assert {"kidney failure", "bad kidneys"} <= set(nearest(["x"], [0], 9, excluded=of_another)[0])
    assert set(nearest(["x"], [0], 9, excluded=ExcludedMentions())[0]) == {*FAILURES, "uraemia"}


@pytest.mark.parametrize("excluded", [None, ExcludedMentions([{("bad kidneys", 0): 2}])])
def test_a_name_of_two_generators_is_there_once(excluded):
    doubled = pa.concat_tables([TABLE, TABLE])
    assert nearest(["kidney failures"], [0], 9, table=doubled, excluded=excluded) == nearest(
        ["kidney failures"], [0], 9, excluded=excluded
    )


QUERIES = st.lists(
    st.tuples(st.sampled_from(["kidney", "heart failures", "gout", "bad"]), st.integers(0, 3)), max_size=8
)


@given(QUERIES, st.integers(1, 4), st.integers(1, 9))
def test_what_is_found_doesnt_depend_on_the_rest(queries, count, batch):
    surfaces, concepts = [surface for surface, _ in queries], [concept for _, concept in queries]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(concept_names, "BATCH", batch)
        together = nearest(surfaces, concepts, count)
    assert together == [nearest([surface], [concept], count)[0] for surface, concept in queries]
    for surface, names in zip(surfaces, together, strict=True):
        shares = overlaps([surface, *names], np.zeros(len(names), int), 1 + np.arange(len(names)))
        assert (np.diff(shares) <= 0).all()

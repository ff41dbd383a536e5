from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.base import ExcludedMentions
from raybel.candidates.concept_mentions import ConceptMentions


def table(*rows):
    names = ("alias", "concept", "frequency")
    types = (pa.string(), pa.int32(), pa.int32())
    columns = zip(*rows, strict=True) if rows else ([], [], [])
    return pa.table({name: pa.array(list(c), t) for name, c, t in zip(names, columns, types, strict=True)})


ALIASES = table(("gout", 0, 2), ("podagra", 0, 1), ("lupus", 2, 4), ("never", 1, 0))


def of(concepts, excluded=None, aliases=ALIASES):
    return ConceptMentions(aliases).of(np.array(concepts, np.int32), excluded).tolist()


def test_all_names_of_a_concept_count():
    assert of([0, 1, 2, 0]) == [3, 0, 4, 3]
    assert of([]) == []


def test_concepts_beyond_those_with_mentions_have_none():
    assert of([3, 99]) == [0, 0]
    assert of([0, 1], aliases=table()) == [0, 0]
    assert of([1], aliases=table(("never", 1, 0))) == [0]


def test_a_name_in_two_fused_tables_counts_once():
    assert of([0, 2], aliases=pa.concat_tables([ALIASES, ALIASES])) == [3, 4]


def test_excluded_mentions_are_those_of_the_concept_whatever_its_name():
    own = Counter({("gout", 0): 1, ("podagra", 0): 1, ("lupus", 2): 1, ("lupus", 0): 9})
    none = Counter()
    assert of([0, 2, 0, 2], ExcludedMentions([none, none, own, own])) == [3, 4, 0, 3]


def test_without_any_training_mentions_there_are_none():
    assert of([0, 2], ExcludedMentions()) == [0, 0]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=20), st.data())
def test_it_is_what_counting_the_other_documents_gives(pairs, data):
    documents = [data.draw(st.integers(0, 2)) for _ in pairs]
    whole = Counter(pairs)
    aliases = table(*((alias, concept, count) for (alias, concept), count in whole.items()))
    for left_out in range(3):
        own = Counter(pair for pair, document in zip(pairs, documents, strict=True) if document == left_out)
        others = [concept for (_, concept), document in zip(pairs, documents, strict=True) if document != left_out]
        wanted = [others.count(concept) for concept in range(5)]
        assert of(range(5), ExcludedMentions([own] * 5), aliases) == wanted


def test_the_table_itself_isnt_changed():
    counts = ConceptMentions(ALIASES)
    own = ExcludedMentions([Counter({("gout", 0): 2})])
    assert counts.of(np.array([0]), own).tolist() == pytest.approx([1])
    assert counts.of(np.array([0])).tolist() == [3]

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.parameters import NgramParameters
from raybel.errors import ConfigError
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.tuning.space import CROSSENCODER, NGRAMS, Choice, Range, Space


def test_a_file_extends_the_default_or_stands_alone():
    values = {"dropout": [0.0, 0.1], "learning_rate": {"loguniform": [1e-5, 1e-3]}, "top_k": 5}
    extended = Space.read(values, "f", CROSSENCODER)
    assert list(extended.searched) == ["batch_size", "dropout", "learning_rate"]
    assert extended.searched["learning_rate"] == Range(1e-5, 1e-3, log=True)
    assert extended.fixed == {"top_k": 5}
    alone = Space.read(values, "f")
    assert list(alone.searched) == ["dropout", "learning_rate"]
    assert Space.read(extended.to_dict(), "f") == extended


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({}, "the search space is empty"),
        ({"top_k": 5}, "the search space is empty"),
        ({"lr": [1, 2]}, "unknown cross-encoder parameters: lr"),
        ({"top_k": [5, 0]}, "top_k = 0: top_k must be at least 1"),
        ({"dropout": {"uniform": [0, 2]}}, "dropout = 2"),
        ({"top_k": []}, "needs a list of values"),
        ({"top_k": {"normal": [1, 2]}}, "one of choice, uniform"),
        ({"top_k": {"int": [1, 2.5]}}, "two whole numbers"),
        ({"top_k": {"int": [2, 1]}}, "the smaller first"),
        ({"top_k": {"int": [1, 2, 3]}}, "needs two numbers"),
        ({"max_epochs": {"uniform": [1, 5]}}, "max_epochs = 1: |must be a whole number"),
        ({"top_k": ["5", 10]}, "must be a whole number"),
        ({"learning_rate": {"loguniform": [0, 1]}}, "two positive numbers"),
        ({"learning_rate": {"loguniform": ["1e-5", 1]}}, "needs two numbers"),
        ({"learning_rate": {"loguniform": [1e-5, float("nan")]}}, "needs two numbers"),
    ],
)
def test_what_cannot_be_searched_is_refused(values, reason):
    with pytest.raises(ConfigError, match=reason):
        Space.read(values, "f: treecrossencoder").check(CrossEncoderParameters().changed)


def test_the_default_spaces_are_the_published_hyper_parameters():
    NGRAMS.check(NgramParameters().changed)
    CROSSENCODER.check(CrossEncoderParameters().changed)
    published = {"ngram_range", "max_features", "min_df", "char_side", "char_count", "add_training_data_to_ontology"}
    assert published | {"analyzer"} == set(NGRAMS.searched)
    assert set(CROSSENCODER.searched) == {"top_k", "learning_rate", "batch_size"}


@given(st.integers(0, 2**31), st.integers(0, 10**6), st.integers(1, 50), st.integers(0, 50), st.booleans())
def test_a_trial_has_the_same_values_each_time_within_their_bounds(seed, number, low, more, log):
    space = Space(
        {
            "a": Range(low, low + more, True, log),
            "b": Range(low / 7, low / 7 + more, log=log),
            "c": Choice((None, "x")),
        },
        {},
    )
    drawn = space.sample(seed, number)
    assert drawn == space.sample(seed, number)
    assert isinstance(drawn["a"], int)
    assert low <= drawn["a"] <= low + more
    assert low / 7 <= drawn["b"] <= low / 7 + more or drawn["b"] == pytest.approx(low / 7, rel=1e-5)
    assert drawn["c"] in (None, "x")


def test_whole_numbers_at_the_ends_are_as_likely_as_others():
    space = Space({"a": Range(1, 3, True)}, {})
    counts = np.bincount([space.sample(0, number)["a"] for number in range(3000)])
    assert counts[1:].min() > 900


def test_default_values_are_taken_where_the_space_has_them():
    space = Space({"a": Choice((1, None)), "b": Range(0, 1)}, {"c": 2})
    assert space.searched_values({"a": None, "b": 0.5, "c": 9, "d": 1}) == {"a": None, "b": 0.5}
    assert space.searched_values({"a": 2, "b": 0.5}) is None
    assert space.searched_values({"a": 1, "b": 1.5}) is None
    assert space.searched_values({"a": 1, "b": None}) is None
    pairs = Space({"a": Choice(([2, 3], [3, 3])), "b": Choice((1, 0))}, {})  # as a file gives them
    assert pairs.searched_values({"a": (3, 3), "b": 1}) == {"a": [3, 3], "b": 1}
    assert pairs.searched_values({"a": (3, 3), "b": True}) is None
    assert Space({"a": Choice((0, 0.1))}, {}).searched_values({"a": 0.0}) == {"a": 0}


def test_a_grid_has_all_combinations_and_no_range():
    space = Space({"a": Choice((1, 2)), "b": Choice(("x", "y", "z"))}, {})
    every = list(space.grid())
    assert len(every) == 6
    assert every[:2] == [{"a": 1, "b": "x"}, {"a": 1, "b": "y"}]
    with pytest.raises(ConfigError, match="b is a range"):
        list(Space({"a": Choice((1,)), "b": Range(0, 1)}, {}).grid())


def test_every_value_that_a_hyper_parameter_may_have():
    space = Space({"a": Choice((1, 2)), "b": Range(2, 4, True), "c": Range(0, 1)}, {"d": 7})
    assert [space.values(name, 9) for name in ("a", "b", "d", "e")] == [(1, 2), (2, 3, 4), (7,), (9,)]
    with pytest.raises(ConfigError, match="c must be a list"):
        space.values("c", 0)

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates.parameters import SIDES, NgramParameters
from raybel.candidates.vectorizer import NgramVectorizer
from raybel.errors import ConfigError

TEXTS = ["anemia", "sickle cell anemia", "a", "", "β-thalassemia", "asthma 😀"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ngram_range": (3, 2)}, "ngram_range"),
        ({"ngram_range": (0, 2)}, "ngram_range"),
        ({"char_side": "left"}, "char_side"),
        ({"analyzer": "word"}, "analyzer"),
        ({"char_side": "front", "char_count": 1}, "char_count"),
        ({"max_features": 0}, "max_features"),
        ({"ngram_range": [1]}, "ngram_range"),
        ({"ngram_range": "x"}, "ngram_range"),
        ({"n_grams": 3}, "unknown n-gram parameters: n_grams"),
    ],
)
def test_parameters_that_cannot_be(change, reason):
    with pytest.raises(ConfigError, match=reason):
        NgramParameters().changed(change)


def test_parameters_out_of_json():
    assert NgramParameters().changed({"ngram_range": [2, 4]}).ngram_range == (2, 4)


@pytest.mark.parametrize("side", SIDES)
@pytest.mark.parametrize("analyzer", ["char", "char_wb"])
def test_rows_have_unit_length_and_survive_a_table(side, analyzer):
    parameters = NgramParameters(ngram_range=(2, 3), char_side=side, char_count=6, analyzer=analyzer)
    made = NgramVectorizer(parameters).fit(TEXTS)
    read = NgramVectorizer.from_table(parameters, made.to_table())
    rows = NgramVectorizer.from_table(parameters, read.to_table()).transform(TEXTS)
    assert (rows != read.transform(TEXTS)).nnz == 0
    assert rows.dtype == np.float32
    assert rows.shape == (len(TEXTS), made.width)
    lengths = np.sqrt(np.asarray(rows.multiply(rows).sum(1)).ravel())
    assert np.all(np.isclose(lengths, 1, atol=1e-5) | (lengths == 0))
    assert made.transform([]).shape == (0, made.width)
    assert made.transform(["ŽŽŽ"]).nnz == 0


def test_sides_take_the_characters_that_they_say():
    def same(side, one, two):
        rows = NgramVectorizer(NgramParameters(char_side=side, char_count=6, analyzer="char")).fit(["abcdefghij"] * 2)
        found = rows.transform([one, two])
        return (found[0] != found[1]).nnz == 0

    assert same("front", "abcdefghij", "abcdefxx")
    assert same("back", "abcdefghij", "xxefghij")
    assert same("separate", "abcdefghij", "abcxxhij")
    assert same("together", "abcdefghij", "abcxxhij")
    assert not same("none", "abcdefghij", "abcdefxx")


@pytest.mark.parametrize("texts", [[], [""], ["ab"], [" "]])
def test_nothing_to_learn(texts):
    with pytest.raises(ConfigError, match="no n-grams to learn"):
        NgramVectorizer(NgramParameters(analyzer="char")).fit(texts)


@given(st.lists(st.text("abc ", max_size=8), min_size=1, max_size=6))
def test_a_row_does_not_depend_on_the_others(texts):
    made = NgramVectorizer(NgramParameters(ngram_range=(1, 2))).fit(["abc cab", "b a"])
    together = made.transform(texts)
    for number, text in enumerate(texts):
        assert (together[number] != made.transform([text])).nnz == 0


@pytest.mark.parametrize(
    "values",
    [
        {"min_df": 0},
        {"min_df": -1},
        {"min_df": 1.5},
        {"min_df": "a"},
        {"min_df": True},
        {"max_features": True},
        {"char_count": True},
        {"add_training_data_to_ontology": "yes"},
        {"add_training_data_to_ontology": 1},
    ],
)
def test_values_of_another_type_or_out_of_range_are_refused(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        NgramParameters().changed(values)

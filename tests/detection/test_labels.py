import pytest

from raybel.detection.labels import Labels
from raybel.errors import ConfigError


def test_typed_labels():
    labels = Labels.parse({0: "B-Disease", 1: "I-Disease", 2: "O", 3: "B-Chemical", 4: "I-Chemical"})
    assert labels.types == ("Chemical", "Disease")
    assert (labels.outside, labels.begin, labels.inside) == (2, (3, 0), (4, 1))


def test_our_own():
    labels = Labels.of_types(["Disease", "Chemical", "Disease"])
    assert labels.names == ("O", "B-Chemical", "I-Chemical", "B-Disease", "I-Disease")
    assert (labels.outside, labels.begin, labels.inside) == (0, (1, 3), (2, 4))


def test_labels_without_types_and_in_lower_case():
    labels = Labels.parse({0: "o", 1: "b", 2: "i"})
    assert (labels.types, labels.outside, labels.begin, labels.inside) == (("",), 0, (1,), (2,))
    assert Labels.of_types([""]).names == ("O", "B", "I")


def test_inside_labels_only():
    labels = Labels.parse({0: "O", 1: "I-PER", 2: "I-LOC"})
    assert (labels.types, labels.begin, labels.inside) == (("LOC", "PER"), (-1, -1), (2, 1))


def test_a_type_with_hyphens_and_underscores():
    assert Labels.parse({0: "O", 1: "B_cell-line", 2: "I_cell-line"}).types == ("cell-line",)


@pytest.mark.parametrize(
    "names",
    [
        ["LABEL_0", "LABEL_1"],
        ["O", "B-X", "I-X", "E-X", "S-X"],
        ["B-X", "I-X"],
        ["O"],
        ["O", "B", "I-X"],
        ["O", "B-X", "b-X"],
        ["positive", "negative"],
    ],
)
def test_other_labels_are_refused(names):
    with pytest.raises(ConfigError, match="aren't BIO labels"):
        Labels.parse(dict(enumerate(names)))

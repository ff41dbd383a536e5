import pytest

from raybel.corpus.type_names import parse_type_names
from raybel.errors import ConfigError


def test_names_of_types():
    assert parse_type_names(["A=X", " B = X ", "=Y", "C=x=y"]) == {"A": "X", "B": "X", "": "Y", "C": "x=y"}
    assert parse_type_names(["A=X", "A=X"]) == {"A": "X"}
    for wrong in (["A"], ["A="], ["A=X", "A=Y"]):
        with pytest.raises(ConfigError, match="type_names"):
            parse_type_names(wrong)

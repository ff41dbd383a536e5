from types import SimpleNamespace

import pytest

from raybel.errors import ConfigError
from raybel.rerank.training.alias_scopes import alias_scopes


def generator(stored, has_training_aliases, name="ngrams"):
    return SimpleNamespace(stored=stored, has_training_aliases=has_training_aliases, name=name)


@pytest.mark.parametrize(
    ("aliases", "share", "scopes"),
    [
        (True, 0.5, ("cross_fitted", "dictionary")),
        (True, 0.0, ("cross_fitted",)),
        (True, 1.0, ("dictionary",)),
        (False, 0.0, ("dictionary",)),
        (None, 0.5, ("dictionary",)),
    ],
)
def test_scopes_of_a_generator(aliases, share, scopes):
    assert alias_scopes(generator(False, aliases), share) == scopes


def test_a_lookup_is_taken_as_it_is_unless_it_holds_the_answers():
    for aliases in (False, None):
        assert alias_scopes(generator(True, aliases), 0.5) == ("all",)
    with pytest.raises(ConfigError, match="training mentions as aliases"):
        alias_scopes(generator(True, True), 0.5)
    with pytest.raises(ConfigError, match="most frequent links"):
        alias_scopes(generator(True, None, "frequent"), 0.5)

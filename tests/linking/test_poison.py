import pytest

from raybel.errors import InputError
from raybel.linking.poison import Attempts


def test_a_chunk_that_failed_twice_is_taken_document_by_document(tmp_path):
    path = str(tmp_path / "a.attempts")
    for careful in (False, False, True, True):
        attempts = Attempts(path, "now")
        assert attempts.careful is careful
        if not careful:
            attempts.begin()
    assert not Attempts(path, "later").careful


def test_a_document_that_was_entered_and_not_left_is_a_killer(tmp_path):
    path = str(tmp_path / "a.attempts")
    first = Attempts(path, "now")
    first.enter(3)
    first.leave()
    first.enter(5)
    second = Attempts(path, "now")
    assert second.deaths == {5: 1}
    assert not second.kills(5)  # one death may be the machine's doing
    second.enter(5)
    third = Attempts(path, "now")
    assert third.deaths == {5: 2}
    assert third.kills(5)
    third.enter(8)
    third.leave()
    assert Attempts(path, "now").deaths == {5: 2}
    assert Attempts(path, "later").deaths == {}


def test_a_file_that_is_damaged(tmp_path):
    (tmp_path / "a").write_text("{")
    with pytest.raises(InputError):
        Attempts(str(tmp_path / "a"), "now")

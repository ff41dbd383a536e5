import pytest

from raybel.errors import InputError
from raybel.linking.poison import CrashRecord, isolate_failures


def test_a_chunk_that_failed_twice_is_taken_document_by_document(tmp_path):
    path = str(tmp_path / "a.crashes")
    for one_by_one in (False, False, True, True):
        crashes = CrashRecord(path, "now")
        crashes.begin()
        assert crashes.one_by_one is one_by_one
    assert not CrashRecord(path, "later").one_by_one


def test_a_document_that_was_entered_and_not_left_is_poison(tmp_path):
    path = str(tmp_path / "a.crashes")
    first = CrashRecord(path, "now")
    first.enter(3)
    first.leave()
    first.enter(5)
    second = CrashRecord(path, "now")
    assert second.deaths == {5: 1}
    assert not second.is_poison(5)  # one death may be the machine's doing
    second.enter(5)
    third = CrashRecord(path, "now")
    assert third.deaths == {5: 2}
    assert third.is_poison(5)
    third.enter(8)
    third.leave()
    assert CrashRecord(path, "now").deaths == {5: 2}
    assert CrashRecord(path, "later").deaths == {}


def test_what_a_lost_machine_worked_on_is_not_to_blame(tmp_path):
    path = str(tmp_path / "a.crashes")

    def record(node, *lost):
        return CrashRecord(path, "now", node=node, is_lost=lost.__contains__)

    for number in range(6):
        crashes = record(f"n{number}", *(f"n{lost}" for lost in range(number)))
        assert not crashes.one_by_one
        crashes.begin()
    for _ in range(2):  # machines that are there count, those before them don't
        crashes = record("here")
        crashes.begin()
    assert crashes.one_by_one
    crashes.enter(3)
    for number in range(4):
        crashes = record(f"m{number}", "here", *(f"m{lost}" for lost in range(number)))
        assert (crashes.one_by_one, crashes.deaths) == (True, {})
        crashes.enter(3)
    assert record("here").deaths == {3: 1}


def test_a_file_that_is_damaged(tmp_path):
    (tmp_path / "a").write_text("{")
    with pytest.raises(InputError):
        CrashRecord(str(tmp_path / "a"), "now")


DOCUMENTS = [["a", "b"], [], ["bad", "c"], ["d"]]


class Upper:
    """Counts its calls; an item fails with an error."""

    def __init__(self, error=ValueError):
        self.error, self.calls = error, []

    def __call__(self, items):
        self.calls.append(items)
        if "bad" in items:
            raise self.error("bad item")
        return [item.upper() for item in items]


def test_what_works_is_done_at_once():
    work = Upper()
    assert isolate_failures(work, [["a", "b"], [], ["c"]], "-") == ([["A", "B"], [], ["C"]], [None] * 3)
    assert work.calls == [["a", "b", "c"]]


@pytest.mark.parametrize("noted", [True, False])
def test_a_document_that_fails_costs_only_itself(tmp_path, noted):
    work = Upper()
    crashes = CrashRecord(str(tmp_path / "a"), "now") if noted else None
    results, failures = isolate_failures(work, DOCUMENTS, "-", crashes)
    assert results == [["A", "B"], [], ["-", "-"], ["D"]]
    assert [bool(failure) for failure in failures] == [False, False, True, False]
    assert "bad item" in failures[2]
    assert len(work.calls) == 1 + len(DOCUMENTS)
    assert CrashRecord(str(tmp_path / "a"), "now").deaths == {}


def test_an_error_of_the_model_is_raised(tmp_path):
    work = Upper(InputError)
    with pytest.raises(InputError):
        isolate_failures(work, DOCUMENTS, "-")
    with pytest.raises(InputError):
        isolate_failures(work, DOCUMENTS, "-", CrashRecord(str(tmp_path / "a"), "now", whole=2))
    assert len(work.calls) == 1 + 3


def test_poison_is_skipped(tmp_path):
    work = Upper()
    crashes = CrashRecord(str(tmp_path / "a"), "now", whole=2, deaths={2: 2, 3: 1})
    results, failures = isolate_failures(work, DOCUMENTS, "-", crashes)
    assert results == [["A", "B"], [], ["-", "-"], ["D"]]
    assert failures == [None, None, "the worker died each time it came to this document", None]
    assert work.calls == [["a", "b"], [], ["d"]]

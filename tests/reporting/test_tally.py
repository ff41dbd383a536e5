"""Sums of a process: nothing is lost or taken twice, whatever threads add and take."""

import threading
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.files.outages import patiently
from raybel.reporting import tally


@pytest.fixture(autouse=True)
def _empty():
    tally.take()
    yield
    tally.take()


KEYS = st.tuples(st.sampled_from(["tokens", "pairs"]), st.sampled_from(["", "reranking"]))


@given(st.lists(st.one_of(st.tuples(KEYS, st.integers(0, 9)), st.none())))
def test_what_is_taken_is_what_was_added(steps):
    added, taken = Counter(), Counter()
    for step in [*steps, None]:
        if step is None:
            taken.update(tally.take())
        else:
            (name, label), amount = step
            tally.add(name, amount, label)
            added[name, label] += amount
    assert taken == +added
    assert tally.take() == {}


def test_threads_lose_nothing():
    taken = []

    def work():
        for _ in range(500):
            tally.add("pairs", 2)
            taken.append(tally.take())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(each.get(("pairs", ""), 0) for each in taken) == 4 * 500 * 2


def test_a_stage_s_seconds_count_where_it_fails():
    with pytest.raises(ValueError, match="x"), tally.seconds_of("candidates"):
        raise ValueError("x")
    ((key, seconds),) = tally.take().items()
    assert key == ("stage_seconds", "candidates")
    assert 0 < seconds < 10


def test_requests_and_those_that_are_made_again(monkeypatch):
    monkeypatch.setattr("raybel.files.outages.FIRST_PAUSE_SECONDS", 0.0)
    answers = [OSError("HTTP status 503"), OSError("HTTP status 503"), 7]

    def call():
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    assert patiently("s3://bucket/key", "read", call) == 7
    assert tally.take() == {("store_requests", ""): 3, ("store_retries", ""): 2}
    assert patiently("local", "read", lambda: 8) == 8
    assert tally.take() == {}

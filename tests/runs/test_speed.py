import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.runs.run_directory import RunDirectory
from raybel.runs.speed import MOST_INTERVALS, SpeedLog, read_speed


def chunk(seconds=2.0, documents=10, mentions=30, worker="a 1", work=()):
    counts = {"documents": documents, "mentions": mentions}
    return {"seconds": seconds, **counts, "worker": worker, "work": json.dumps(list(work))}


def test_a_chunk_is_spread_over_the_time_that_it_took():
    log = SpeedLog(100.0)
    log.add(103.5, chunk(seconds=2.0))
    assert log.counts["documents"] == [0.0, 2.5, 5.0, 2.5]
    assert log.counts["busy_seconds"] == [0.0, 0.5, 1.0, 0.5]


def test_what_was_done_before_counts_nothing(tmp_path):
    log = SpeedLog(0.0)
    log.add(1.0, chunk(seconds=0.0))
    log.write(RunDirectory(str(tmp_path)), 7.5)
    assert read_speed(RunDirectory(str(tmp_path))) is None


@given(st.lists(st.tuples(st.floats(0, 50_000), st.floats(0.01, 5_000)), min_size=1, max_size=20))
def test_nothing_is_lost_and_the_log_stays_short(chunks):
    log = SpeedLog(0.0)
    for ended, seconds in chunks:
        log.add(ended, chunk(seconds))
    assert len(log.counts["documents"]) <= MOST_INTERVALS
    assert sum(log.counts["documents"]) == pytest.approx(10 * len(chunks))
    assert sum(log.counts["mentions"]) == pytest.approx(30 * len(chunks))
    assert sum(log.counts["busy_seconds"]) == pytest.approx(sum(min(each) for each in chunks))


def test_it_comes_back_as_it_was_written(tmp_path):
    log = SpeedLog(5.0)
    log.add(6.0, chunk(0.5, worker="a 1", work=[["tokens", "reranking", 7], ["cache_hits", "ngrams", 2]]))
    log.add(6.5, chunk(0.5, worker="a 2", work=[["tokens", "reranking", 5]]))
    log.write(RunDirectory(str(tmp_path)), 7.5)
    read = read_speed(RunDirectory(str(tmp_path)))
    assert (read["workers"], read["seconds"]) == (2, 7.5)
    assert read["work"] == [["cache_hits", "ngrams", 2], ["tokens", "reranking", 12]]
    assert read["counts"]["documents"] == [5.0, 15.0] or sum(read["counts"]["documents"]) == 20


def test_a_file_of_something_else_is_no_log(tmp_path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs/speed.json").write_text("[]")
    assert read_speed(RunDirectory(str(tmp_path))) is None

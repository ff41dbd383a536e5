"""A dry run says what a job would take, and writes nothing."""

import time
from dataclasses import replace
from pathlib import Path

import pytest
from ray_fixture import Model, documents, three_files
from samples import collection, save

from raybel.candidates.base import CACHED_SURFACES
from raybel.cli.plan import show_plan
from raybel.config import Resources
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import find_sources
from raybel.errors import ConfigError, InputError
from raybel.jobs import planning, trials
from raybel.jobs.link.job import link, plan_link
from raybel.jobs.planning import Plan, Prices, _actors_of_a_node, _readers_of_a_node
from raybel.jobs.runtime import Allocation
from raybel.jobs.searches import Searches
from raybel.jobs.trials import Trial, joined, try_reading, try_work
from raybel.reporting import tally
from raybel.runs.parts import COUNTS, Part
from raybel.runs.run_directory import RunDirectory
from raybel.schemas import DOCUMENTS, MENTIONS

READ = Trial(100, 300, 2.0, 1.0, 50 << 20, 1_000, 4_096, chunks=10)
WORK = Trial(10, 30, 5.0, 3.0, 200 << 20)
PLAN = Plan(
    *("run", 4, 10_000, 1, 2_000, 3, 2),
    *({"CPU": 8.0, "GPU": 1.0, "memory": 1e9, "object_store_memory": 1e8}, Allocation(4, 1.0, 0.5), 2),
    *(READ, WORK, None, Prices(0.5, 3.0, "EUR")),
)


def test_workers_that_were_tried_at_once_are_as_one():
    """The one that took longest took 10 s of the 13, one of them to read; the rest is their processes' start."""
    one, other = Trial(10, 30, 6.0, 3.0, 100, 40, 7, whole=10.0), Trial(6, 20, 5.0, 2.0, 300, 20, 9, whole=8.0)
    found = joined([one, other], 13.0)
    assert found == Trial(16, 50, 11.0, 6.0, 300, 60, 9, workers=2)
    assert found.tried == 8
    assert found.seconds_of(32) == 22.0
    assert joined([one], 1.0).before == 3.0


@pytest.mark.parametrize(
    ("allocation", "nodes", "expected"),
    [
        (Allocation(2, 0.75, 0.5), [{"CPU": 2.0}], 2),
        (Allocation(9, 0.75, 0.5), [{"CPU": 0.0}, {"CPU": 4.0}, {"CPU": 2.0}], 4),
        (Allocation(1, 0.5, 0.5), [{"CPU": 1.0}], 1),
        (Allocation(8, 0.5, 0.5, 0.5), [{"CPU": 64.0, "GPU": 2.0}, {"CPU": 96.0}], 4),
        (Allocation(3, 0.5, 0.5), [], 1),
    ],
)
def test_actors_of_the_largest_node_are_tried_at_once(allocation, nodes, expected):
    assert _actors_of_a_node(allocation, nodes) == expected


@pytest.mark.parametrize(
    ("allocation", "readers", "nodes", "expected"),
    [
        (Allocation(2, 0.5, 0.5), 2, [{"CPU": 2.0}], 2),
        (Allocation(9, 0.5, 0.5), 9, [{"CPU": 0.0}, {"CPU": 4.0}, {"CPU": 2.0}], 4),
        (Allocation(1, 1.0, 1.0), 1, [{"CPU": 16.0}], 2),
        (Allocation(2, 1.0, 2.0), 3, [{"CPU": 8.0}], 4),
        (Allocation(3, 0.5, 0.5), 1, [], 1),
    ],
)
def test_as_many_readers_are_tried_as_a_node_is_busy_with(allocation, readers, nodes, expected):
    assert _readers_of_a_node(allocation, readers, nodes) == expected


def test_what_is_expected():
    """8,000 of 10,000 bytes are left, of which 1,000 held 100 documents; four actors do two documents a second.

    They and two readers start in 3.25 s, Ray Data's own processes in 3. Three of the four wait for the last chunk's
    5 s, half of that on average; a task's start of a second ends it.
    """
    assert PLAN.documents == 800
    assert PLAN.chunk == 10
    assert PLAN.reading_seconds == pytest.approx(8)
    assert PLAN.working_seconds == pytest.approx(100)
    assert PLAN.seconds == pytest.approx(6.25 + 100 + 1.875 + 1)
    assert PLAN.hours_of("CPU") == pytest.approx(8 * 109.125 / 3600)
    assert PLAN.cost == pytest.approx((8 * 0.5 + 3.0) * 109.125 / 3600)
    assert PLAN.waiting_bytes == 6 * planning.WAITING * 4_096
    assert replace(PLAN, prices=None).cost is None
    # Ten actors on eight CPUs, which read too.
    crowded = replace(PLAN, allocation=Allocation(10, 0.5, 0.5))
    assert crowded.seconds == pytest.approx(6.25 + (800 * 0.5 + 800 * 0.02) / 8 + 2.25 + 1)
    assert replace(crowded, allocation=Allocation(10, 0.5, 0.5, 0.1)).seconds == pytest.approx(6.25 + 40 + 2.25 + 1)
    slow_reader = replace(PLAN, reading=replace(READ, seconds=200.0))
    assert slow_reader.seconds == pytest.approx(3 + 1 + 10 * 2 + 200 / 100 * 800 / 2 + 1.875 + 1)


def test_what_publishing_adds():
    """Its CPU time, where that is what a job waits for, and the last shard's: an input's, or one of an archive's."""
    plan = replace(PLAN, working=replace(WORK, publishing=0.03))
    assert plan.seconds == pytest.approx(PLAN.seconds + 0.03 * 800 / 3)
    assert replace(plan, shard_documents=20).seconds == pytest.approx(PLAN.seconds + 0.03 * 20)
    crowded = replace(plan, allocation=Allocation(10, 0.5, 0.5))
    of_cpus = (800 * 0.5 + 800 * 0.02 + 800 * 0.03) / 8
    assert crowded.seconds == pytest.approx(6.25 + of_cpus + 2.25 + 1 + 0.03 * 800 / 3)


def test_actors_without_a_chunk():
    """There are two chunks of 400 documents, and each takes an actor 200 s."""
    plan = replace(PLAN, reading=replace(READ, documents=100, read_bytes=1_000, chunks=100 / 400))
    assert plan.chunk == 400
    assert plan.seconds == pytest.approx(3 + 1 + 400 * 0.02 + 200 + 1)
    single = replace(plan, allocation=replace(plan.allocation, actors=1))
    assert single.seconds == pytest.approx(3 + 1 + 400 * 0.02 + 400 + 1)


def test_more_documents_were_read_than_the_size_says():
    assert replace(PLAN, size=2_010).documents == 100
    assert replace(PLAN, size=2_010, reading=replace(READ, workers=4, documents=400, read_bytes=4_000)).documents == 100


def test_bounds_are_tried_on_clusters_of_their_size(capsys):
    pool = replace(PLAN, allocation=replace(PLAN.allocation, bounds=(2, 16)))
    few, many = pool.at_bounds
    assert (few.allocation.actors, few.cluster["CPU"], few.readers) == (2, 4.0, 1)
    assert (many.allocation.actors, many.cluster["CPU"], many.readers) == (16, 32.0, 3)  # three files are to do
    assert [each.seconds for each in (few, many)] == pytest.approx([6.25 + 200 + 1.25 + 1, 6.09375 + 25 + 2.34375 + 1])
    assert pool.seconds == PLAN.seconds
    assert PLAN.at_bounds == replace(pool, reading=None).at_bounds == []
    show_plan(pool)
    said = capsys.readouterr().out
    for part in ("with 2 actors, and nodes for them", "3 min 28 s", "34 s", "from 2 to 16 actors, 4 at the start"):
        assert part in said
    show_plan(PLAN)
    assert "nodes for them" not in capsys.readouterr().out


def test_what_is_printed(capsys):
    show_plan(PLAN)
    said = capsys.readouterr().out
    for part in ("800", "1 min 49 s", "0.242", "0.21", "cost, EUR", "209.7 MB", "2 nodes: 8 CPUs, 1 GPUs", "100.0"):
        assert part in said
    show_plan(replace(PLAN, prices=None, cluster={"CPU": 8.0}))
    said = capsys.readouterr().out
    assert "cost" not in said
    assert "GPU-hours" not in said


def test_the_memory_must_be_there():
    planning._check_memory(PLAN, [9.5e8])
    with pytest.raises(ConfigError, match=r"4 actors of 0.2 GB and 2 readers of 0.1 GB need 0.9 GB .* has 0.8 GB"):
        planning._check_memory(PLAN, [4e8, 4e8])


def test_inputs_are_tried_evenly_spaced():
    assert planning._evenly(range(20), 4) == [0, 5, 10, 15]
    assert planning._evenly(range(3), 8) == [0, 1, 2]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cpu_hour: -1", "cpu_hour"),
        ("cpu_hours: 1", "no price cpu_hours; there are cpu_hour, gpu_hour, currency"),
        ("currency: EUR", "give cpu_hour, gpu_hour or both"),
        ("cpu_hour: dear", "cpu_hour"),
    ],
)
def test_prices_that_cannot_be(tmp_path, text, message):
    path = tmp_path / "prices.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=message):
        Prices.read(str(path))


def test_prices(tmp_path):
    (tmp_path / "prices.yaml").write_text("gpu_hour: 2.5\ncurrency: EUR\n")
    assert Prices.read(str(tmp_path / "prices.yaml")) == Prices(0.0, 2.5, "EUR")


class Stage:
    """Counts the documents of what it is given, and says that it searched some surfaces for them."""

    def __init__(self, home, seconds=0.0):
        self.run, self.pieces, self.seconds = RunDirectory(home), [], seconds

    def part(self, chunk, crashes):
        count = trials._documents(chunk)
        self.pieces.append(count)
        tally.add("cache_misses", 10 * count, "ngrams")
        tally.add("search_seconds", 0.001, "ngrams")
        time.sleep(self.seconds)
        summary = {**dict.fromkeys(COUNTS, 0), "documents": count, "mentions": trials._mentions(chunk), "next": None}
        rows = {name: ["1"] * count if name == "doc_id" else [None] * count for name in DOCUMENTS.names}
        del rows["shard"], rows["document"]
        return Part(b"", MENTIONS.empty_table(), rows, {**summary, "chunk": 7, "last": True}, [])


def tried(sources, seconds=0.0, chunk_documents=500):
    stages = []

    def make(home, allocation):
        stages.append(Stage(home, seconds))
        return stages[0]

    options = ReadOptions(chunk_documents=chunk_documents)
    return try_work(sources, options, make, Allocation(1, 1, 1), 60), stages[0].pieces


def test_a_trial_takes_pieces_of_all_inputs_in_turn(tmp_path):
    for name, count in (("a.xml", 60), ("b.xml", 5)):
        save(tmp_path / name, collection(*documents(name[0], count)))
    sources, options = find_sources([str(tmp_path)]), ReadOptions(chunk_documents=500)
    trial, pieces = tried(sources, seconds=0.1, chunk_documents=50)
    assert pieces == [25, 5, 25, 10]  # the first one loads the models
    assert (trial.documents, trial.mentions) == (40, 40)
    each = (0.2 / 35 + 0.1 / 5) / 2  # of a document of each input, both of which count alike
    assert 40 * each - 0.01 < trial.seconds < 60 * each
    assert trial.before > 0.1
    assert trial.publishing > 0
    (searches,) = trial.searches
    assert (searches.surfaces, searches.documents, searches.exponent) == (650, 65, 1.0)
    assert searches.seconds == pytest.approx(0.003 / 400)
    reading = try_reading(sources, options, 60)
    assert (reading.documents, reading.mentions) == (65, 65)
    assert reading.read_bytes == sum(source.size for source in sources)
    assert reading.chunk_bytes > 0
    trial, pieces = tried(sources[1:])
    assert (trial.documents, trial.before, pieces) == (5, 0.0, [5])


def test_pieces_grow_where_an_actor_is_fast(tmp_path):
    save(tmp_path / "a.xml", collection(*documents("a", 900)))
    trial, pieces = tried(find_sources([str(tmp_path)]))
    assert pieces == [25, 25, 500, 400]
    (searches,) = trial.searches
    assert searches.documents == 900  # those that were read twice count once


def test_searches_grow_more_slowly_than_documents():
    """Twice the documents have the square root of two times the surfaces."""
    searches = Searches.of([(10, 50.0), (50, 100.0), (100, 100.0 * 2**0.5)], 4.0, 80.0)
    assert searches.exponent == pytest.approx(0.5)
    assert searches.seconds_of(100) == pytest.approx(100 * 2**0.5 * 0.05)
    assert searches.seconds_of(400) == pytest.approx(200 * 2**0.5 * 0.05)
    full = 100 * (CACHED_SURFACES / (100 * 2**0.5)) ** 2
    assert searches.seconds_of(3 * full) == pytest.approx(CACHED_SURFACES * (1 + 2 * 0.5) * 0.05)
    assert Searches.of([], 0.0, 0.0) is Searches.of([(5, 0.0)], 0.0, 0.0) is None
    assert Searches.of([(5, 3.0)], 1.0, 3.0).exponent == 1.0
    assert Searches.of([(5, 3.0), (10, 3.0)], 1.0, 3.0).seconds_of(1_000) == 1.0  # nothing new came
    assert Searches.of([(50, 150.0), (100, 151.0)], 1.0, 1.0).seconds_of(10_000) == pytest.approx(151, rel=0.1)
    working = replace(WORK, searches=(searches, searches))
    assert working.seconds_of(400) == pytest.approx(200 + 200 * 2**0.5 * 0.05)
    # Each of four actors has a quarter of the documents.
    plan = replace(PLAN, working=working)
    assert plan.working_seconds == pytest.approx(100 + searches.seconds_of(200))


def test_nothing_that_can_be_read(tmp_path):
    (tmp_path / "a.xml").write_text("<collection>")
    with pytest.raises(InputError, match=r"nothing to try the job on: .*a.xml"):
        try_reading(find_sources([str(tmp_path)]), ReadOptions(), 1)


def test_a_dry_run_writes_nothing_and_knows_what_is_done(local_ray, model: Model, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "WORK_SECONDS", 0.1)
    home, run = three_files(tmp_path / "in"), tmp_path / "run"
    config = model.config(home, run, chunk_documents=5)
    before = sorted(tmp_path.rglob("*"))
    plan = plan_link(config, Prices(1.0))
    assert sorted(tmp_path.rglob("*")) == before
    assert (plan.files, plan.files_before, plan.shards_before) == (3, 0, 0)
    assert plan.documents == sum(
        link(replace(config, out_corpus=str(tmp_path / "all"))).counts["documents"].to_pylist()
    )
    assert plan.working.documents > 0
    assert plan.cost > 0
    with pytest.raises(ConfigError, match="give fewer --actors"):
        plan_link(replace(config, resources=Resources(actors=99)))
    done = link(config)
    plan = plan_link(config)
    assert (plan.files_before, plan.shards_before, plan.reading, plan.seconds) == (3, done.counts.num_rows, None, 0.0)
    other = replace(config, top_k=1)
    with pytest.raises(ConfigError, match="another configuration"):
        plan_link(other)
    assert plan_link(replace(other, overwrite=True)).files_before == 0
    assert Path(run / "manifest.json").exists()

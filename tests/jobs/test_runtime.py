from dataclasses import replace

import pytest
import ray
from ray.data import DataContext
from ray.exceptions import ActorDiedError, GetTimeoutError, OutOfMemoryError, RayTaskError

from raybel.config import Resources
from raybel.errors import ConfigError, InputError, RaybelError
from raybel.jobs import executions, runtime
from raybel.jobs.actors import on_actors
from raybel.jobs.runtime import Allocation, allocate, data_context, ray_session


@pytest.mark.parametrize(
    ("cpus", "expected"),
    [
        (0.5, Allocation(1, 0.25, 0.25)),
        (1, Allocation(1, 0.5, 0.5)),
        (2, Allocation(2, 0.5, 0.5)),
        (64, Allocation(64, 0.5, 0.5)),
    ],
)
def test_an_allocation_fits_the_cluster(cpus, expected):
    assert allocate(Resources(), {"CPU": cpus}) == expected
    assert expected.actors * expected.cpus_per_actor + expected.cpus_per_task <= cpus


@pytest.mark.parametrize(("chunks_of_input", "actors"), [(0, 1), (1, 1), (1.1, 2), (5, 5), (1000, 64)])
def test_a_small_input_gets_few_actors(chunks_of_input, actors):
    size = int(chunks_of_input * runtime.INPUT_BYTES_PER_ACTOR)
    cpus, gpus = {"CPU": 64}, {"CPU": 64, "GPU": 2}
    assert allocate(Resources(), cpus, input_bytes=size) == Allocation(actors, 0.5, 0.5)
    on_gpus = allocate(Resources(), gpus, encodes=True, input_bytes=size)
    assert on_gpus == Allocation(min(actors, 2), 0.5, 0.5, 1.0)
    assert allocate(Resources(actors=7), cpus, input_bytes=size).actors == 7  # as was said


def test_a_wanted_number_of_actors_is_kept():
    assert allocate(Resources(actors=3, cpus_per_actor=1), {"CPU": 4}) == Allocation(3, 1, 0.5)


@pytest.mark.parametrize(
    ("wanted", "cpus", "reason"),
    [
        (Resources(actors=4), 2, "4 actors of 0.5 CPUs and one task of 0.5 need 2.5 CPUs; the cluster has 2"),
        (Resources(actors=2, cpus_per_actor=1), 2, "give fewer --actors"),
        (Resources(), 0, "the cluster has 0"),
    ],
)
def test_a_job_that_could_never_start_is_refused(wanted, cpus, reason):
    with pytest.raises(ConfigError, match=reason):
        allocate(wanted, {"CPU": cpus})


def test_no_actors_are_refused_before_a_cluster_is_asked():
    with pytest.raises(ConfigError, match="actors must be at least 1, not 0"):
        Resources(actors=0)


@pytest.mark.parametrize(
    ("wanted", "available", "expected"),
    [
        (Resources(), {"CPU": 16, "GPU": 2}, Allocation(2, 0.5, 0.5, 1.0)),
        (Resources(gpus_per_actor=0.5), {"CPU": 16, "GPU": 2}, Allocation(4, 0.5, 0.5, 0.5)),
        (Resources(gpus_per_actor=0), {"CPU": 4, "GPU": 2}, Allocation(4, 0.5, 0.5, 0.0)),
        (Resources(), {"CPU": 4}, Allocation(4, 0.5, 0.5, 0.0)),
        (Resources(actors=1), {"CPU": 4, "GPU": 2}, Allocation(1, 0.5, 0.5, 1.0)),
    ],
)
def test_an_encoder_takes_a_gpu_where_there_are_any(wanted, available, expected):
    assert allocate(wanted, available, encodes=True) == expected
    assert expected.device == ("cuda" if expected.gpus_per_actor else "cpu")
    assert allocate(Resources(), available).device == "cpu"  # n-grams need none


@pytest.mark.parametrize("wanted", [Resources(actors=3), Resources(gpus_per_actor=4)])
def test_more_gpus_than_there_are(wanted):
    with pytest.raises(ConfigError, match="the cluster has 2"):
        allocate(wanted, {"CPU": 16, "GPU": 2}, encodes=True)


@pytest.mark.parametrize(
    ("actors", "cpus", "size", "at_start"),
    [
        ("2:64", 8, None, 8),  # one per CPU, as where nothing is said
        ("2:4", 8, None, 4),
        ("6:64", 4, None, 6),
        ("1:64", 1, None, 1),
        ("2:64", 8, 3, 3),  # of a small input
        ("2:64", 8, 1, 2),
    ],
)
def test_a_pool_begins_with_what_fits_between_its_bounds(actors, cpus, size, at_start):
    size = None if size is None else size * runtime.INPUT_BYTES_PER_ACTOR
    wanted = Resources(actors=actors)
    assert allocate(wanted, {"CPU": cpus}, input_bytes=size) == Allocation(at_start, 0.5, 0.5, 0.0, wanted.actors)


def test_actors_leave_room_for_a_task_at_the_start():
    wanted = Resources(actors="2:64", cpus_per_actor=1.5, cpus_per_task=1)
    assert allocate(wanted, {"CPU": 8}).actors == 4


def test_the_least_number_waits_for_nodes_where_some_may_come():
    pool, now, later = Resources(actors="6:64"), {"CPU": 1.0}, {"CPU": 32.0}
    assert allocate(pool, now, room=later) == Allocation(6, 0.5, 0.5, 0.0, (6, 64))
    assert allocate(Resources(actors=6), {}, room=later) == Allocation(6, 0.5, 0.5)
    with pytest.raises(ConfigError, match=r"6 actors of 0.5 CPUs .* need 3.5 CPUs; the cluster has 1, so that the job"):
        allocate(pool, now)
    with pytest.raises(ConfigError, match=r"70 actors .* the cluster grows to 32, so that"):
        allocate(Resources(actors="70:80"), now, room=later)
    with pytest.raises(ConfigError, match="the cluster has 0"):  # how many can't be told without a node
        allocate(Resources(), {}, room=later)


def test_a_pool_with_gpus():
    pool, now, later = Resources(actors="2:8"), {"CPU": 16, "GPU": 1}, {"CPU": 64, "GPU": 4}
    assert allocate(pool, now, encodes=True, room=later) == Allocation(2, 0.5, 0.5, 1.0, (2, 8))
    assert allocate(pool, later, encodes=True) == Allocation(4, 0.5, 0.5, 1.0, (2, 8))
    with pytest.raises(ConfigError, match="no room for 2 actors of 1 GPUs: the cluster has 1"):
        allocate(pool, now, encodes=True)


@pytest.mark.parametrize(
    ("bounds", "tasks", "expected"), [(None, None, (4, 4, 4)), ((2, 9), None, (2, 9, 4)), ((2, 9), 3, (2, 3, 3))]
)
def test_a_pool_of_actors(bounds, tasks, expected):
    pool = on_actors(object, (1,), Allocation(4, 1, 0.5, 0.5, bounds), 3, tasks)
    compute = pool["compute"]
    assert (compute.min_size, compute.max_size, compute.initial_size) == expected
    assert (pool["num_cpus"], pool["num_gpus"], pool["fn_constructor_args"]) == (1, 0.5, (1,))


def test_an_actors_threads_are_its_cpus():
    assert [Allocation(1, cpus, 0.5).threads for cpus in (0.25, 1, 4.5)] == [1, 1, 4]


def raised(error):
    with pytest.raises(RaybelError) as caught, runtime.ray_session():
        raise error
    return caught.value


def test_errors_of_ray_are_sentences(local_ray):
    own = InputError("is bad", path="x")
    assert raised(RayTaskError("f", "traceback", own)) is own
    assert str(raised(RayTaskError("f", "traceback", ValueError("no")))) == "a worker failed: ValueError: no"
    assert "--max-restarts" in str(raised(ActorDiedError()))
    for error, words in (
        (ActorDiedError(), "workers died more often than --max-restarts allows"),
        (OutOfMemoryError("Task was killed.\nSet RAY_memory_usage_threshold when starting Ray."), "ran out of memory"),
        (GetTimeoutError("late\nSee https://docs.ray.io"), "Ray gave up: GetTimeoutError: late; raybel --debug"),
        (RayTaskError("f", "Traceback:\n  f()\nKeyError: 1", None), "a worker failed: KeyError: 1"),
    ):
        text = str(raised(error))
        assert words in text
        assert "\n" not in text
        assert not any(word in text for word in ("RAY_", "docs.ray.io", "actor_id"))


def test_an_error_of_a_worker_keeps_its_own_text(local_ray):
    """Ray Data adds to it how often it tried, and which of its settings to change."""

    def fail(batch):
        raise ConfigError("give fewer eels\nor a larger pond")

    with pytest.raises(ConfigError) as caught, runtime.ray_session(), runtime.data_context():
        ray.data.range(1).map_batches(fail).materialize()
    assert str(caught.value) == "give fewer eels\nor a larger pond"


def test_what_ray_prints_is_put_back(local_ray):
    with runtime.ray_session():  # a Ray of the caller's says what the caller wants
        assert ray._private.worker._worker_logs_enabled
    with pytest.raises(ZeroDivisionError), runtime._own_lines_only():
        raise ZeroDivisionError
    assert ray._private.worker._worker_logs_enabled


def test_settings_are_put_back():
    context = DataContext.get_current()
    before = (context.target_max_block_size, context.raise_original_map_exception)
    with runtime.data_context() as inside:
        assert inside.target_max_block_size == 1
    assert (context.target_max_block_size, context.raise_original_map_exception) == before


def test_a_ray_that_is_there_is_used(local_ray):
    import ray

    before = ray.get_runtime_context().get_job_id()
    with runtime.ray_session():
        assert ray.get_runtime_context().get_job_id() == before
    assert ray.is_initialized()


def test_tasks_of_another_stream_are_of_another_kind():
    given = Allocation(2, 0.5, 0.5)
    assert given.apart() == Allocation(2, 0.5, 0.4999)
    assert given.apart().apart().cpus_per_task == 0.4998
    assert Allocation(1, 0.5, 1e-4).apart().cpus_per_task == 1e-4


def test_a_dataset_that_an_interruption_leaves_is_ended(local_ray):
    """While its Ray is there: later, when it is collected as garbage, Ray Data would connect anew."""
    kept = []

    def interrupted():
        with ray_session(), data_context():
            batches = iter(ray.data.range(50, override_num_blocks=50).iter_batches(batch_size=None, prefetch_batches=0))
            next(batches)
            kept.extend(executions._executions)
            assert [each._shutdown for each in kept] == [False]
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [each._shutdown for each in kept] == [True]
    assert not executions._executions


def test_a_dataset_from_before_a_session_goes_on_after_it(local_ray):
    """One that a user reads, and runs a job for each of its batches."""
    with data_context():
        rows = ray.data.range(20, override_num_blocks=20)
    batches = iter(rows.iter_batches(batch_size=None, prefetch_batches=0))
    seen = [next(batches)]
    with ray_session():
        assert list(executions._executions)
    seen += batches
    assert sorted(int(each["id"][0]) for each in seen) == list(range(20))


def test_a_cluster_that_lost_nodes_has_room_for_fewer_actors_beside_a_task():
    """They may be more again, once nodes join."""
    given = Allocation(8, 0.5, 0.5)
    for room in ([{"CPU": 8.0}], [{"CPU": 4.0}, {"CPU": 1.0}], [{}, {"memory": 1.0}], []):
        assert given.within(room) == given
    assert given.within([{"CPU": 4.0}]) == given.within([{"CPU": 2.0}, {"CPU": 2.0}, {}]) == fewer(given, 7, (7, 8))
    assert given.within([{"CPU": 1.0}]) == given.within([{"CPU": 0.5}]) == fewer(given, 1, (1, 8))
    large = Allocation(2, 0.75, 0.5)
    assert large.within([{"CPU": 1.0}, {"CPU": 1.0}]) == fewer(large, 1, (1, 2))  # else a quarter is free on each
    pool = Allocation(4, 1.0, 0.5, 0.5, (3, 64))
    assert pool.within([{"CPU": 8.0, "GPU": 1.0}]) == fewer(pool, 2, (2, 64))
    assert pool.within([{"CPU": 3.5, "GPU": 8.0}]) == fewer(pool, 3, (3, 64))
    assert pool.within([{"CPU": 64.0, "GPU": 8.0}]) == pool


def fewer(given, actors, bounds):
    return replace(given, actors=actors, bounds=bounds)

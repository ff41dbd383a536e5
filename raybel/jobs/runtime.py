"""Ray for our jobs: its errors as sentences, its Datasets' settings; what a job takes of it without starving."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, replace

import ray
from ray.data import DataContext
from ray.exceptions import OutOfMemoryError, RayActorError, RayError, RayTaskError

from raybel.config import Resources
from raybel.display import counted, duration
from raybel.errors import ConfigError, RaybelError
from raybel.jobs.connection import connection, debugs
from raybel.jobs.executions import CALLBACKS, executions_ended
from raybel.jobs.nodes import most_resources, resources_of_nodes

#: A job that makes no progress for this long fails in place of waiting without end.
NO_PROGRESS_SECONDS = 3600
#: The same of a job that ends its stragglers by itself (`stragglers`), which may take longer than that.
LONGEST_SECONDS = 24 * 3600
#: Stored bytes of input for which a further actor is worth its start, which takes some six seconds of a CPU (importing
#: torch and transformers, loading models): a dozen abstracts as XML, some seventy gzipped.
INPUT_BYTES_PER_ACTOR = 32 << 10

#: The least difference of logical CPUs that Ray knows.
_LEAST_CPUS = 1e-4
#: What Ray Data adds to the text of an error, ours too: how often it tried, and which of its settings to change.
_RETRIES = re.compile(r"\nFailed to .+ after \d+/\d+ attempts \(total backoff [\s\S]*")
#: A sentence of ours in a traceback.
_OWN_ERROR = re.compile(r"^raybel\.errors\.\w+: (.+)$", re.MULTILINE)


@contextlib.contextmanager
def ray_session() -> Iterator[None]:
    """Have a Ray to run on, and turn its errors into sentences.

    It is the Ray that is there (this process's, or the one that `RAY_ADDRESS` names); else one is started on this
    machine, and stopped at the end.

    Raises:
        RaybelError: A worker's own error, as it is; or a worker failed or died too often, Ray gave up, or the job made
            no progress.
    """
    with _errors_as_sentences(), _own_lines_only(), connection(), executions_ended():
        yield


@contextlib.contextmanager
def _own_lines_only() -> Iterator[None]:
    """Have a Ray that a job connects to print nothing to the driver's terminal: its errors are raised, and said once.

    It prints reports on tasks and actors that died, also where a Ctrl-C or an error ended them, whatever its levels of
    logging are. They stay in Ray's own logs.
    """
    before = ray._private.worker._worker_logs_enabled
    if not ray.is_initialized():
        ray._private.worker._worker_logs_enabled = debugs()
    try:
        yield
    finally:
        ray._private.worker._worker_logs_enabled = before


@contextlib.contextmanager
def _errors_as_sentences() -> Iterator[None]:
    try:
        yield
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        if isinstance(cause, RaybelError):
            cause.args = tuple(_RETRIES.sub("", part) if isinstance(part, str) else part for part in cause.args)
            raise cause from error
        raise RaybelError(f"a worker failed: {_in_short(cause)}") from error
    except OutOfMemoryError as error:
        raise RaybelError(
            "a machine ran out of memory, and Ray ended a worker on it: give fewer --actors, or a machine more memory"
        ) from error
    except RayActorError as error:
        if own := _OWN_ERROR.findall(str(error)):  # an actor's start failed: Ray has no more than its traceback
            raise RaybelError(own[-1]) from error
        raise RaybelError(
            "workers died more often than --max-restarts allows, often for want of memory: give fewer --actors, or a "
            "machine more memory; raybel --debug shows Ray's own report"
        ) from error
    except RayError as error:
        raise RaybelError(f"Ray gave up: {_in_short(error)}; raybel --debug shows all of its report") from error
    except Exception as error:
        if type(error).__name__ != "ExecutionTimeoutError":  # not a public name of Ray's
            raise
        raise RaybelError(f"the job made no progress for {duration(NO_PROGRESS_SECONDS)}: {error}") from error


def _in_short(error: Exception) -> str:
    """Return an error's type and the first line of its text; of a worker's traceback, which Ray gives, the last."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    return lines[-1] if isinstance(error, RayTaskError) else f"{type(error).__name__}: {lines[0]}"


@contextlib.contextmanager
def data_context() -> Iterator[DataContext]:
    """Settings of Ray Data for chunks, put back afterwards: a block per row, no output of its own, no endless wait."""
    context = DataContext.get_current()
    callbacks = context.custom_execution_callback_classes
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.ERROR if debugs() else logging.CRITICAL)  # they are raised, said once
    settings = {
        "target_max_block_size": 1,  # a row is never split, so that each chunk is a block of its own
        "enable_progress_bars": False,
        "print_on_execution_start": False,
        "enable_auto_log_stats": False,
        "execution_no_progress_timeout_s": NO_PROGRESS_SECONDS,  # a job whose tasks are long sets its own
        "raise_original_map_exception": True,
        "custom_execution_callback_classes": [*callbacks, *(each for each in CALLBACKS if each not in callbacks)],
    }
    before = {name: getattr(context, name) for name in settings}
    for name, value in settings.items():
        setattr(context, name, value)
    try:
        with warnings.catch_warnings():
            # Advice to people who write Ray programs; Ray's version is pinned, and the settings are deliberate.
            warnings.filterwarnings("ignore", module=r"(ray|raybel)\.")
            yield context
    finally:
        for name, value in before.items():
            setattr(context, name, value)


def largest_node_cpus() -> int:
    """Return the CPUs of the largest node of the cluster, at least 1: what one task or worker can have at most."""
    return max(1, int(max((node.get("CPU", 0.0) for node in resources_of_nodes()), default=1)))


def cpus_per_worker(workers: int, gpu: bool) -> int:
    """Return the CPUs that each of some workers, with a GPU or without, can have on the nodes that there are.

    The nodes' shares are counted: a worker must fit into a node, and all workers must fit.

    Raises:
        ConfigError: They don't fit even with a CPU each.
    """
    nodes = resources_of_nodes()
    for cpus in range(largest_node_cpus(), 0, -1):
        fitting = [min(int(n.get("CPU", 0) / cpus), int(n.get("GPU", 0)) if gpu else 1 << 30) for n in nodes]
        if sum(fitting) >= workers:
            return cpus
    needs = "a CPU and a GPU" if gpu else "a CPU"
    available = ", ".join(f"{n.get('CPU', 0):g} CPUs and {n.get('GPU', 0):g} GPUs" for n in nodes)
    raise ConfigError(
        f"no room for {counted(workers, 'worker')} with {needs} each: the cluster's nodes have {available}; give fewer "
        "--num-workers"
    )


@dataclass(frozen=True)
class Allocation:
    """What a job takes of the cluster.

    Args:
        actors: How many hold the models; at the start, where their number changes.
        cpus_per_actor: Logical CPUs of each of them.
        cpus_per_task: Logical CPUs of each task that reads or writes.
        gpus_per_actor: GPUs of each actor, or the share of one; 0 where it computes on CPUs.
        bounds: The least and the most actors, where their number changes; else None.
    """

    actors: int
    cpus_per_actor: float
    cpus_per_task: float
    gpus_per_actor: float = 0.0
    bounds: tuple[int, int] | None = None

    @property
    def most_actors(self) -> int:
        """How many actors there may be."""
        return self.bounds[1] if self.bounds else self.actors

    @property
    def device(self) -> str:
        """Where an actor's encoder runs."""
        return "cuda" if self.gpus_per_actor else "cpu"

    @property
    def threads(self) -> int:
        """Threads of an actor's computations."""
        return max(1, int(self.cpus_per_actor))

    def within(self, nodes: list[dict[str, float]]) -> Allocation:
        """Return the same with fewer actors at first, where these would leave no node room for a task.

        Args:
            nodes: The resources of each of the cluster's nodes. Where they have room for none, they are waited for, and
                nothing changes.
        """
        fitting = sum(self._actors_on(node, 0.0) for node in nodes)
        for_a_task = [
            self._actors_on(node, 0.0) - self._actors_on(node, self.cpus_per_task)
            for node in nodes
            if node.get("CPU", 0.0) >= self.cpus_per_task
        ]
        most = max(1, fitting - min(for_a_task, default=0))
        if not fitting or most >= self.actors:
            return self
        least = self.bounds[0] if self.bounds else self.actors
        return replace(self, actors=most, bounds=(min(least, most), self.most_actors))

    def _actors_on(self, node: dict[str, float], less_cpus: float) -> int:
        """Return how many fit on a node with so many CPUs less."""
        fitting = (node.get("CPU", 0.0) - less_cpus) / self.cpus_per_actor
        return int(min(fitting, node.get("GPU", 0.0) / self.gpus_per_actor) if self.gpus_per_actor else fitting)

    def apart(self) -> Allocation:
        """Return the same with a hair less for each task, so that Ray doesn't take its tasks for those of before.

        For tasks of one kind Ray asks nodes for no more workers than it has such tasks: where a node that froze was
        asked, further tasks would wait for its answer, too.
        """
        return replace(self, cpus_per_task=max(_LEAST_CPUS, round(self.cpus_per_task - _LEAST_CPUS, 4)))


def allocate(
    wanted: Resources,
    available: dict[str, float],
    encodes: bool = False,
    input_bytes: int | None = None,
    room: dict[str, float] | None = None,
) -> Allocation:
    """Fit a job onto a cluster.

    Args:
        wanted: What the configuration says.
        available: As `ray.cluster_resources()` returns it.
        encodes: Whether its actors run an encoder, on GPUs where there are any.
        input_bytes: Size of the job's input; where the configuration doesn't say how many actors, or gives bounds, a
            small input gets fewer at the start (`INPUT_BYTES_PER_ACTOR`). None: as many as there is room for.
        room: What the cluster may grow to, in which the number of actors that the configuration says, or their least
            number, must fit. None: it doesn't grow.

    Raises:
        ConfigError: The actors would hold every CPU, so that reading and writing could never run, or need more GPUs
            than there are, or will be.
    """
    room = available if room is None or wanted.bounds is None else room
    per_actor = wanted.gpus_per_actor if wanted.gpus_per_actor is not None else float(room.get("GPU", 0.0) >= 1)
    per_actor = per_actor if encodes else 0.0
    useful = sys.maxsize if input_bytes is None else max(1, -(-input_bytes // INPUT_BYTES_PER_ACTOR))
    cpus = available.get("CPU", 0.0)
    fitting = int(available.get("GPU", 0.0) / per_actor) if per_actor else max(1, int(cpus))
    least, most = wanted.bounds or (min(fitting, useful), 0)
    _check_gpus(least, per_actor, room.get("GPU", 0.0))
    needed = least * wanted.cpus_per_actor + wanted.cpus_per_task
    if wanted.bounds is None and not per_actor and 0 < cpus < needed:  # one CPU: an actor and a task share it
        return Allocation(1, cpus / 2, cpus / 2)
    if needed > (most_cpus := room.get("CPU", 0.0)):
        has = "has" if most_cpus == cpus else "grows to"
        raise ConfigError(
            f"{counted(least, 'actor')} of {wanted.cpus_per_actor:g} CPUs and one task of {wanted.cpus_per_task:g} "
            f"need {needed:g} CPUs; the cluster {has} {most_cpus:g}, so that the job could never start: give fewer "
            "--actors"
        )
    given = Allocation(least, wanted.cpus_per_actor, wanted.cpus_per_task, per_actor)
    if least >= most:
        return given
    beside_a_task = int(max(0.0, cpus - wanted.cpus_per_task) / wanted.cpus_per_actor)
    return replace(given, actors=max(least, min(most, fitting, useful, beside_a_task)), bounds=(least, most))


def _check_gpus(actors: int, per_actor: float, gpus: float) -> None:
    if per_actor and (not actors or actors * per_actor > gpus):
        raise ConfigError(
            f"no room for {counted(actors or 1, 'actor')} of {per_actor:g} GPUs: the cluster has {gpus:g}; "
            "give fewer --actors, or --gpus-per-actor 0 for the CPU"
        )


def allocate_here(wanted: Resources, encodes: bool = False, input_bytes: int | None = None) -> Allocation:
    """Fit a job onto the cluster that is there, and may grow: see `allocate`."""
    return allocate(wanted, ray.cluster_resources(), encodes, input_bytes, most_resources())

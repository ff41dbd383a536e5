"""What a job on a run directory would take, tried on a part of its input: a dry run, which writes nothing."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import ray
from annotated_types import Ge

from raybel.config import Option, Resources, configuration, configured
from raybel.corpus.documents import ReadOptions
from raybel.errors import ConfigError
from raybel.files.mappings import read_mapping
from raybel.jobs.runtime import Allocation, allocate_here, ray_session
from raybel.jobs.trials import MakeStage, Trial, joined, try_reading, try_work
from raybel.runs.inputs import RunInput
from raybel.runs.run_directory import RunDirectory

#: Seconds for reading and for the actors' work that a dry run takes of each, beside the loading of models.
READ_SECONDS, WORK_SECONDS = 8.0, 22.0
#: Inputs that are tried, evenly spaced among all.
TRIED = 8
#: What Ray Data's own processes take to start, on two cores.
STREAM_SECONDS = 3.0
#: Chunks that wait in the object store for each actor and each reader, about: what Ray Data keeps ready.
WAITING = 4


@configuration
class Prices:
    """What an hour of a cluster costs."""

    cpu_hour: Annotated[float, Ge(0), Option("A CPU for an hour.")] = 0.0
    gpu_hour: Annotated[float, Ge(0), Option("A GPU for an hour.")] = 0.0
    currency: Annotated[str, Option("What prices are in.")] = "USD"

    @classmethod
    def read(cls, path: str) -> Prices:
        """Read a YAML or JSON file of these fields.

        Raises:
            ConfigError: It has another field, a price below zero, or none at all.
            InputError: It can't be read.
        """
        held = {str(name): value for name, value in read_mapping(path).items()}
        known = ("cpu_hour", "gpu_hour", "currency")
        if unknown := sorted(set(held) - set(known)):
            raise ConfigError(f"{path}: no price {', '.join(unknown)}; there are {', '.join(known)}")
        if not {"cpu_hour", "gpu_hour"} & set(held):
            raise ConfigError(f"{path}: give cpu_hour, gpu_hour or both")
        try:
            return configured(cls, held)
        except ConfigError as error:
            raise ConfigError(f"{path}: {error}") from error


@dataclass(frozen=True)
class Plan:
    """What a job would do, and what it would take.

    Args:
        run: The run directory.
        files: Inputs: files, archives, groups.
        size: Of all, bytes as stored.
        files_before: Inputs that earlier starts finished.
        size_before: Of these, bytes.
        shards_before: Finished shards, those of unfinished archives and groups too.
        nodes: Of the cluster.
        cluster: Its resources, as Ray names them.
        allocation: Actors and tasks.
        readers: Reading tasks that have a CPU at a time.
        reading: The trial of a reader; None where nothing is to do.
        working: The trial of an actor; None where nothing is to do.
        shard_documents: The most documents of a shard of an archive or a group; None where an input is a shard.
        prices: None where they aren't known.
    """

    run: str
    files: int
    size: int
    files_before: int
    size_before: int
    shards_before: int
    nodes: int
    cluster: dict[str, float]
    allocation: Allocation
    readers: int
    reading: Trial | None = None
    working: Trial | None = None
    shard_documents: int | None = None
    prices: Prices | None = None

    @property
    def documents(self) -> float:
        """Documents that are to do, by the size of the input; at least those that were tried."""
        if self.reading is None or not self.reading.read_bytes:
            return 0.0
        estimated = self.reading.documents * (self.size - self.size_before) / self.reading.read_bytes
        return max(estimated, self.reading.tried)

    @property
    def reading_seconds(self) -> float:
        """How long all readers together would take."""
        return self.reading.seconds_of(self.documents) / self.readers if self.reading else 0.0

    @property
    def working_seconds(self) -> float:
        """How long all actors together would take."""
        return self.working.seconds_of(self.documents / self.allocation.actors) if self.working else 0.0

    @property
    def chunk(self) -> float:
        """Documents of a chunk, on average of those that were read."""
        return self.reading.documents / self.reading.chunks if self.reading and self.reading.chunks else 0.0

    @property
    def seconds(self) -> float:
        """How long the job would take: its slower stage, or all that its CPUs have to do; its start, and its end.

        By default there are more readers and actors than CPUs, so that whichever is behind gets them. Work begins when
        an actor has its models, and a chunk. In the end an actor waits half a chunk's time for the others, on average,
        and a last task publishes what they did.
        """
        if self.reading is None or self.working is None or not self.documents:
            return 0.0
        actors = self.allocation.actors
        of_chunk = self.working_seconds * actors * self.chunk / self.documents
        on_gpu = self.allocation.gpus_per_actor > 0
        of_cpus = self.readers * self.reading_seconds + (0 if on_gpu else actors * self.working_seconds)
        of_cpus += self.documents * self.working.publishing
        steady = max(self.reading_seconds, self.working_seconds, of_cpus / max(1.0, self.cluster.get("CPU", 0.0)))
        waiting = of_chunk * (1 - 1 / actors) / 2
        if (chunks := self.documents / self.chunk) < actors:
            waiting = of_chunk * (1 - chunks / actors)  # some actors have none
        starting = self.working.before + self.readers * self.reading.before / max(1.0, self.cluster.get("CPU", 0.0))
        start = STREAM_SECONDS + max(starting, self.reading.before + self.reading.seconds_of(self.chunk))
        last_shard = min(self.documents / (self.files - self.files_before), self.shard_documents or math.inf)
        return start + steady + waiting + self.reading.before + self.working.publishing * last_shard

    def hours_of(self, kind: str) -> float:
        """Return the hours of the cluster's CPUs or GPUs, busy or not: `CPU` or `GPU`."""
        return self.seconds / 3600 * self.cluster.get(kind, 0.0)

    @property
    def cost(self) -> float | None:
        """What these hours cost; None without prices."""
        if self.prices is None:
            return None
        return self.hours_of("CPU") * self.prices.cpu_hour + self.hours_of("GPU") * self.prices.gpu_hour

    @property
    def at_bounds(self) -> list[Plan]:
        """This plan with the least and with the most actors, on a cluster that has as much for each of them as now.

        Empty where the number of actors is fixed, or nothing is to do.
        """
        if self.allocation.bounds is None or self.reading is None:
            return []
        plans = []
        for actors in self.allocation.bounds:
            share = actors / self.allocation.actors
            cluster = {name: amount * share for name, amount in self.cluster.items()}
            allocation = replace(self.allocation, actors=actors, bounds=None)
            readers = max(1, min(round(self.readers * share), self.files - self.files_before))
            plans.append(replace(self, cluster=cluster, allocation=allocation, readers=readers))
        return plans

    @property
    def waiting_bytes(self) -> int:
        """Bytes of chunks that wait in the object store, about."""
        return (self.allocation.actors + self.readers) * WAITING * (self.reading.chunk_bytes if self.reading else 0)


def plan_job(
    run: RunDirectory,
    inputs: Sequence[RunInput],
    make_stage: MakeStage,
    options: ReadOptions,
    resources: Resources,
    encodes: bool,
    prices: Prices | None = None,
) -> Plan:
    """Try a job on a part of its input, where it would run, and say what all of it would take; nothing is written.

    Reading and the actors' work are tried one after the other, in processes with the resources that the job's own would
    have, on documents of up to `TRIED` inputs that are evenly spaced; each by so many at once that a node is as busy as
    in the job.
    What comes of it is as good as these documents are like the others; a machine that is busy with other work gives a
    slower job. Of the time that a job starts and ends in, and of surfaces that come again and needn't be searched,
    `Plan.seconds` and `searches.Searches` tell.

    Args:
        run: The run directory, which may hold what earlier starts finished.
        inputs: What it reads.
        make_stage: Makes an actor's stage.
        options: How documents are read.
        resources: What the job takes of the cluster.
        encodes: Whether its actors run an encoder.
        prices: What the cluster costs.

    Raises:
        ConfigError: The job can't run here: no room for its actors, or not the memory that they take.
        InputError: None of the inputs that were tried can be read.
        RaybelError: A model can't be loaded, or a worker died.
    """
    states = {item.name: run.finished_shards(item) for item in inputs}
    done = [item for item in inputs if item.is_whole(states[item.name])]
    to_do = [item for item in inputs if not item.is_whole(states[item.name])]
    sizes = [sum(item.source.size for item in some) for some in (inputs, done, to_do)]
    with ray_session():
        cluster = ray.cluster_resources()
        allocation = allocate_here(resources, encodes, sizes[2])
        left = cluster.get("CPU", 0.0) - allocation.actors * allocation.cpus_per_actor
        readers = max(1, min(int(left / allocation.cpus_per_task), len(to_do) or 1))
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        shards = sum(map(len, states.values()))
        plan = Plan(
            *(run.uri, len(inputs), sizes[0], len(done), sizes[1], shards),
            *(len(nodes), dict(cluster), allocation, readers),
            shard_documents=options.shard_documents if all(item.source.is_bundle for item in to_do) else None,
            prices=prices,
        )
        if not to_do:
            return plan
        sources = [item.source for item in _evenly(to_do, TRIED)]
        reader = ray.remote(num_cpus=allocation.cpus_per_task, max_calls=1)(try_reading)
        worker = ray.remote(num_cpus=allocation.cpus_per_actor, num_gpus=allocation.gpus_per_actor, max_calls=1)(
            try_work
        )
        reading = _at_once(
            _readers_of_a_node(allocation, readers, nodes), lambda: reader.remote(sources, options, READ_SECONDS)
        )
        working = _at_once(
            _actors_of_a_node(allocation, nodes),
            lambda: worker.remote(sources, options, make_stage, allocation, WORK_SECONDS),
        )
    plan = replace(plan, reading=reading, working=working)
    _check_memory(plan, [node.get("memory", 0.0) for node in nodes])
    return plan


def _at_once(count: int, start: Callable[[], ray.ObjectRef[Trial]]) -> Trial:
    """Return what so many trials at once did."""
    begun = time.perf_counter()
    trials = ray.get([start() for _ in range(count)])
    return joined(trials, time.perf_counter() - begun)


def _readers_of_a_node(allocation: Allocation, readers: int, nodes: Sequence[dict[str, float]]) -> int:
    """Return how many readers are as busy as all that the largest node has to do: one for each CPU, at most."""
    cpus = max((node.get("CPU", 0.0) for node in nodes), default=1.0)
    return max(1, min(int(cpus), int(cpus / allocation.cpus_per_task), allocation.actors + readers))


def _actors_of_a_node(allocation: Allocation, nodes: Sequence[dict[str, float]]) -> int:
    """Return how many actors the largest node has beside a task.

    They are tried at once, since they share its cores and caches: two threads of a core aren't two cores.
    """
    wanted = [(allocation.cpus_per_actor, "CPU", allocation.cpus_per_task), (allocation.gpus_per_actor, "GPU", 0.0)]
    fitting = [
        min(int((node.get(name, 0.0) - others) / each + 1e-9) for each, name, others in wanted if each)
        for node in nodes
    ]
    return max(1, min(allocation.actors, max(fitting, default=1)))


def _evenly(items: Sequence[RunInput], most: int) -> list[RunInput]:
    """Return at most so many items, evenly spaced."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _check_memory(plan: Plan, memory: Sequence[float]) -> None:
    """Refuse what doesn't fit into the memory that Ray sees.

    Raises:
        ConfigError: It doesn't fit.
    """
    assert plan.reading is not None, "it was tried"
    assert plan.working is not None, "it was tried"
    needed = plan.allocation.actors * plan.working.memory + plan.readers * plan.reading.memory
    if needed > sum(memory):
        raise ConfigError(
            f"{plan.allocation.actors} actors of {_gigabytes(plan.working.memory)} and {plan.readers} readers of "
            f"{_gigabytes(plan.reading.memory)} need {_gigabytes(needed)} of memory; the cluster has "
            f"{_gigabytes(sum(memory))}: give fewer --actors, or machines with more memory"
        )


def _gigabytes(size: float) -> str:
    return f"{size / 1e9:.1f} GB"

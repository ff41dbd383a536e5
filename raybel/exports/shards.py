"""Which shards of a run are exported."""

from __future__ import annotations

from raybel.display import counted
from raybel.errors import ConfigError
from raybel.files import storage
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import is_finished, published


def shards_to_export(run: RunDirectory, partial: bool) -> tuple[list[str], list[str]]:
    """Return the names of a run's finished shards, in order, and what a person should know of the others.

    Of a run that isn't finished, these are shards of the last start's inputs as they are now: an earlier content's may
    be on the way to be replaced.

    Args:
        run: The run.
        partial: Whether it may be unfinished.

    Raises:
        ConfigError: It is, and may not be; or it has no finished shard.
    """
    there, notes = run.shard_names(), []
    if is_finished(run):
        states = storage.names(run.folder("state"))
        shards = [name.removesuffix(".json") for name in states if name.endswith(".json")]
        if others := len(set(there).difference(shards)):
            notes.append(f"Left out, since they aren't finished: {counted(others, 'shard')} of an earlier start.")
    elif partial:
        inputs = published(run)
        shards = [name for _, states in inputs for name in states]
        whole = sum(item.is_whole(states) for item, states in inputs)
        notes.append(
            f"The run isn't finished: {len(shards):,} of the {counted(len(there), 'shard')} that it has so far were "
            f"exported, which hold {whole:,} of {counted(len(inputs), 'input file')} whole."
        )
    else:
        raise ConfigError(
            f"{run.uri}: the run isn't finished; `raybel status` says how far it is, and --partial exports the shards "
            "that are finished"
        )
    if not shards:
        raise ConfigError(f"{run.uri}: the run has no finished shard")
    return sorted(shards), notes

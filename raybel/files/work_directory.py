"""A directory that one job fills: whose it is, whether it may be written to, and how far the job is.

A JSON file in it, the description, says which kind of job wrote it, of which configuration (`identity`), and what else
the job keeps there. All content belongs to that identity, also after a kill: another configuration's files are deleted
under an empty identity, before the new one is written. So the same job again goes on with what is there.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from raybel.display import duration, relative
from raybel.errors import ConfigError, InputError, without_secrets
from raybel.files import artefacts, locks, storage
from raybel.files.fingerprints import differences
from raybel.files.leases import Lease
from raybel.files.storage import join

DESCRIPTION = "raybel.json"
#: The figure that says when a job gave its last sign of life.
LAST_UPDATE = "last update"
#: Neither content nor ever deleted: the lock, and what a person or a job logs.
_SPARED = (".lock", "logs")
#: The state of a job that is neither finished nor running.
STOPPED = "stopped; run the same command to go on"


@dataclass(frozen=True)
class Status:
    """How far a job is, for people.

    Args:
        title: What the directory holds.
        state: `running`, `finished`, or `stopped` with what to do.
        figures: Names and values.
        notes: Further lines.
    """

    title: str
    state: str
    figures: list[tuple[str, object]]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class WorkDirectory:
    """A directory that a job fills.

    Args:
        uri: Path or URI.
        kind: Of job, in the description.
        noun: What it holds, for people: "a sweep".
        option: That names the directory, for people: "--output-dir".
        description: Name of the description.
        outputs: Globs of the names directly in the directory that are the job's, and deleted with `--overwrite`.
    """

    uri: str
    kind: str
    noun: str
    option: str = "--output-dir"
    description: str = DESCRIPTION
    outputs: tuple[str, ...] = ("*",)

    def lock(self) -> AbstractContextManager[Lease | None]:
        """Hold the directory for one job; one that writes nothing leaves nothing. Of the lease, `locks.lock` tells.

        Raises:
            LockedError: Another job holds it.
        """
        return locks.lock(self.uri)

    def is_locked(self) -> bool:
        """True while a job holds the directory."""
        return locks.is_locked(self.uri)

    def read(self) -> dict[str, Any] | None:
        """Return the description, None where there is none.

        Raises:
            InputError: It isn't one.
        """
        path = join(self.uri, self.description)
        if not storage.exists(path):
            return None
        value = storage.read_json(path)
        if not (isinstance(value, dict) and isinstance(value.get("identity", {}), dict)):
            raise InputError(f"doesn't say what the directory holds: delete {self.uri} to begin anew", path=path)
        return value

    def check(self, identity: dict[str, Any], overwrite: bool) -> dict[str, Any] | None:
        """Return the description of this configuration's work, None if the directory is free for it; changes nothing.

        Args:
            identity: All that decides what the job writes, as JSON values; {} for what every start makes anew.
            overwrite: Whether another configuration's work, of the same kind of job, may go.

        Raises:
            ConfigError: The directory holds something other, or another configuration's work and not `overwrite`.
            InputError: Its description isn't one.
        """
        description = self.read()
        if description is None:
            content = [name for name in storage.names(self.uri) if name.partition("/")[0] not in _SPARED]
            if content and artefacts.kind_of(self.uri) != self.kind:
                self._refuse(f"holds something other than {self.noun} ({content[0]})", "choose a new or empty")
            return None
        if description.get("kind") != self.kind:
            self._refuse(f"holds something other than {self.noun} ({description.get('kind')})", "choose another")
        before = description.get("identity")
        if not before:
            return None  # what a kill left belongs to no configuration
        different = differences(before, identity)
        if different and not overwrite:
            listed = "; ".join(different)[:500]
            remedy = "or --overwrite to delete what it holds"
            self._refuse(f"holds {self.noun} of another configuration ({listed})", "choose another", remedy)
        return None if different else description

    def _refuse(self, reason: str, advice: str, *more: str) -> None:
        raise ConfigError(f"{self.uri} {reason}: {', '.join([f'{advice} {self.option}', *more])}")

    def open(self, identity: dict[str, Any], overwrite: bool, **facts: Any) -> dict[str, Any]:
        """Take the directory, while it is locked: go on with this configuration's work, or delete another's.

        Args:
            identity: As for `check`.
            overwrite: As for `check`.
            facts: What else a new description says.

        Returns:
            The description: an earlier start's where there is one.

        Raises:
            ConfigError: As for `check`.
            InputError: As for `check`.
        """
        description = self.check(identity, overwrite)
        if description is None:
            self.clear()
            description = self.write_description(identity, **facts)
        storage.delete_temporary(self.uri)
        return description

    def write_description(self, identity: dict[str, Any], **facts: Any) -> dict[str, Any]:
        """Write the description, and return it; URIs in the facts lose their keys."""
        description = {"kind": self.kind, "identity": identity, **_shown(facts)}
        storage.publish_json(join(self.uri, self.description), description)
        return description

    def clear(self) -> None:
        """Delete what the job wrote, the description last."""
        entries = [name for name in storage.entries(self.uri) if self.owns(name)]
        if entries:
            self.write_description({}, finished=False)  # what a kill leaves belongs to no configuration
            for name in [*entries, self.description]:
                storage.delete(join(self.uri, name))

    def owns(self, name: str) -> bool:
        """True if a file or folder directly in the directory is one of the job's outputs."""
        spared = (*_SPARED, self.description)
        return name not in spared and any(fnmatchcase(name, pattern) for pattern in self.outputs)

    def status(
        self,
        finished: bool,
        figures: Iterable[tuple[str, object]],
        updated: Iterable[str] = (),
        problem: str = "",
        notes: tuple[str, ...] = (),
    ) -> Status:
        """Say how far the job is.

        Args:
            finished: Whether nothing is left to do.
            figures: How far it is.
            updated: Names of files of which the newest is the job's last sign of life.
            problem: What is wrong with a finished job.
            notes: Further lines.
        """
        state = f"finished, but {problem}" if problem else "finished" if finished else STOPPED
        state = "running" if self.is_locked() else state
        files = (storage.identity(join(self.uri, name)) for name in updated)
        times = [file.mtime_ns / 1e9 for file in files if file is not None]
        since = [(LAST_UPDATE, f"{duration(max(0.0, time.time() - max(times)))} ago")] if times else []
        return Status(f"{self.noun.partition(' ')[2]} {relative(self.uri)}", state, [*figures, *since], notes)


def _shown(value: Any) -> Any:
    """Return a JSON value whose texts are without the keys that URIs may hold."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {name: _shown(item) for name, item in value.items()}
    return [_shown(item) for item in value] if isinstance(value, list | tuple) else value

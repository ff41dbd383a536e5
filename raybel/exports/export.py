"""Writes a run in another program's format: a file for each shard, or one for all; on one machine, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec

from raybel.config import deciding_fields
from raybel.errors import ConfigError, without_secrets
from raybel.exports.base import ExportFormat
from raybel.exports.config import ExportConfig
from raybel.exports.directory import fill_directory
from raybel.exports.documents import Document, Tally
from raybel.exports.notes import notes_on_documents, notes_on_input
from raybel.exports.reading import Selection, read_shard
from raybel.exports.registry import FORMATS, file_of_shard, is_file_name
from raybel.exports.shards import shards_to_export
from raybel.files import places, storage
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.runs.array import runs_of
from raybel.runs.pipeline import run_with_links
from raybel.runs.run_directory import RunDirectory

#: Documents between two reports of how far an export is.
WATCH_EVERY = 200
#: Bytes that are gzipped as one member, or written as one piece.
_MEMBER_BYTES = 1 << 20


@dataclass
class ExportProgress:
    """How far an export is: shards that are written, of so many, and what was counted so far."""

    shards: int
    shards_total: int
    tally: Tally


@dataclass
class ExportResult:
    """What was exported.

    Args:
        files: The files that were written.
        tally: What they hold, and what of it isn't as it is in the run.
        notes: What a person should know about it.
    """

    files: list[str]
    tally: Tally
    notes: list[str] = field(default_factory=list)


def export(config: ExportConfig, watch: Callable[[ExportProgress], None] | None = None) -> ExportResult:
    """Write a run's documents and links in another program's format; the same bytes for the same run.

    Each file is there whole or not at all. Memory: a document; for spaCy, the documents of a file.

    Args:
        config: What to do.
        watch: Called after every `WATCH_EVERY` documents.

    Raises:
        ConfigError: The run isn't finished, or has no shard; the output is there already, or lies in the run; a package
            is missing.
        InputError: The directory isn't a run, or a file of it can't be read.
        MismatchError: A shard and its tables don't belong together.
        LockedError: Another export works in the directory.
    """
    known = FORMATS[config.format]
    one_file = is_file_name(config.out, config.format)
    if known.package and find_spec(known.package) is None:
        raise ConfigError(
            f"--format {config.format} needs the package {known.package}: pip install 'raybel[{known.package}]'"
        )
    run = _open(config)
    shards, notes = shards_to_export(run, config.partial)
    for inner, outer in ((config.out, config.run), (config.run, config.out)):
        if places.lies_in(inner, outer):
            raise ConfigError(f"--out {config.out} and the run {config.run} lie one in the other: choose another --out")
    task = _Export(run, known, Selection(config.top_k, config.threshold), len(shards), watch)
    files = _write_file(config, task, shards) if one_file else _write_directory(config, task, shards)
    return ExportResult(files, task.tally, [*notes, *notes_on_input(config.run), *notes_on_documents(task.tally)])


@dataclass
class _Export:
    """An export that goes on."""

    run: RunDirectory
    known: ExportFormat
    selection: Selection
    shards: int
    watch: Callable[[ExportProgress], None] | None
    tally: Tally = field(default_factory=Tally)
    done: int = 0

    def write(self, uri: str, shards: Iterable[str]) -> None:
        """Write a file of some shards."""
        pieces = _members(self.known.content(self._documents(shards), self.tally))
        gzipped = self.known.gzipped and storage.name_of(uri).lower().endswith(".gz")
        storage.publish(uri, map(storage.compress, pieces) if gzipped else pieces)

    def _documents(self, shards: Iterable[str]) -> Iterator[Document]:
        for shard in shards:
            for document in read_shard(self.run, shard, self.selection, self.tally):
                yield document
                if self.watch is not None and not self.tally.documents % WATCH_EVERY:
                    self.watch(ExportProgress(self.done, self.shards, self.tally))
            self.done += 1


def _open(config: ExportConfig) -> RunDirectory:
    """Return the run to export.

    Raises:
        ConfigError: It is an array of runs.
        InputError: It isn't a run.
    """
    run = run_with_links(config.run)
    if runs := runs_of(config.run):
        raise ConfigError(f"{config.run} is an array of runs: export each by itself, such as {next(iter(runs))} in it")
    run.manifest()
    return run


def _write_file(config: ExportConfig, task: _Export, shards: list[str]) -> list[str]:
    if storage.exists(config.out) and not config.overwrite:
        raise ConfigError(f"--out {config.out} is there already: choose another name, or --overwrite to replace it")
    task.write(config.out, shards)
    return [config.out]


def _write_directory(config: ExportConfig, task: _Export, shards: list[str]) -> list[str]:
    """Write a file for each shard, and delete those of shards that the run no longer has."""
    identity = {
        **deciding_fields(config),
        "run": without_secrets(storage.absolute(task.run.uri)),
        "fingerprint": fingerprint(task.run.manifest().get("identity", {})),
    }
    shard_of = {join(config.out, file_of_shard(shard, config.format)): shard for shard in shards}
    names = [file_of_shard(shard, config.format) for shard in shards]
    fill_directory(config.out, identity, names, config.overwrite, lambda uri: task.write(uri, [shard_of[uri]]))
    return list(shard_of)


def _members(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """Yield pieces of about `_MEMBER_BYTES`, at least one."""
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _MEMBER_BYTES:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join(gathered)

"""Writes a run in another program's format: a file for each shard, or one for all; on one machine, without Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec

from raybel.config import deciding_fields
from raybel.display import counted
from raybel.errors import ConfigError
from raybel.exports.base import ExportFormat
from raybel.exports.config import ExportConfig
from raybel.exports.documents import Document, Tally
from raybel.exports.reading import Selection, read_shard
from raybel.exports.registry import FORMATS, file_of_shard, is_file_name
from raybel.files import places, storage
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.files.work_directory import WorkDirectory
from raybel.runs.array import runs_of
from raybel.runs.pipeline import run_with_links
from raybel.runs.run_directory import RunDirectory
from raybel.runs.status import is_finished

#: Says in a directory what was exported to it; hidden, so that no reader of corpora takes it for one.
_DESCRIPTION = ".raybel.json"
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
    shards = run.shard_names()
    if not shards:
        raise ConfigError(f"{run.uri}: the run has no finished shard")
    for inner, outer in ((config.out, config.run), (config.run, config.out)):
        if places.lies_in(inner, outer):
            raise ConfigError(f"--out {config.out} and the run {config.run} lie one in the other: choose another --out")
    task = _Export(run, known, Selection(config.top_k, config.threshold), len(shards), watch)
    files = _write_file(config, task, shards) if one_file else _write_directory(config, task, shards)
    return ExportResult(files, task.tally, list(_notes(task.tally)))


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
        ConfigError: It isn't finished, or it is an array of runs.
        InputError: It isn't a run.
    """
    run = run_with_links(config.run)
    if runs := runs_of(config.run):
        raise ConfigError(f"{config.run} is an array of runs: export each by itself, such as {next(iter(runs))} in it")
    run.manifest()
    if not config.partial and not is_finished(run):
        raise ConfigError(
            f"{run.uri}: the run isn't finished; `raybel status` says how far it is, and --partial exports the shards "
            "that are finished"
        )
    return run


def _write_file(config: ExportConfig, task: _Export, shards: list[str]) -> list[str]:
    if storage.exists(config.out) and not config.overwrite:
        raise ConfigError(f"--out {config.out} is there already: choose another name, or --overwrite to replace it")
    task.write(config.out, shards)
    return [config.out]


def _write_directory(config: ExportConfig, task: _Export, shards: list[str]) -> list[str]:
    """Write a file for each shard, and delete those of shards that the run no longer has."""
    work = WorkDirectory(config.out, "export", "an export", "--out", _DESCRIPTION)
    identity = {**deciding_fields(config), "run": fingerprint(task.run.manifest().get("identity", {}))}
    files = {shard: join(config.out, file_of_shard(shard, config.format)) for shard in shards}
    with work.lock():
        work.open(identity, config.overwrite)
        for shard, uri in files.items():
            task.write(uri, [shard])
        kept = {file_of_shard(shard, config.format) for shard in shards}
        for name in storage.names(config.out):
            if name not in kept and work.owns(name.partition("/")[0]):
                storage.delete_file(join(config.out, name))
    return list(files.values())


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


def _notes(tally: Tally) -> Iterator[str]:
    """Say what isn't as it is in the run."""
    if not tally.mentions:
        yield "The run has no mentions: what was written holds texts alone (`raybel link --dictionary` finds mentions)."
    elif not tally.linked:
        yield "No mention has a link: the run found none, or the threshold leaves none."
    if tally.left_out:
        yield f"Left out, since they couldn't be linked: {counted(tally.left_out, 'document')} (quarantine/ says why)."
    if tally.moved:
        yield (
            f"Offsets differ from the corpus's in {counted(tally.moved, 'document')}: passages follow each other there "
            "with a gap of one character."
        )
    if tally.replaced:
        yield f"Line breaks, tabs or control characters became spaces in {counted(tally.replaced, 'document')}."
    if tally.unaligned:
        yield (
            f"Mentions that begin or end within a token, or are empty: {tally.unaligned:,} of {tally.mentions:,}; they "
            "are in `doc.user_data`, not in `doc.spans`."
        )
    if tally.overlapping:
        yield f"Mentions that overlap a longer one: {tally.overlapping:,}; they are in `doc.spans`, not in `doc.ents`."

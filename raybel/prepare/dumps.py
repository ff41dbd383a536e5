"""Fetching dumps: many large files from a server's directory, one after the other, each checked.

Sequential on purpose: NCBI's servers are shared by everybody, and one connection is fast enough to fill a disk. What is
there and was checked before is neither fetched nor read again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raybel.errors import ConfigError, InputError
from raybel.prepare.download import DamagedError, OnProgress, download
from raybel.prepare.file_ranges import chosen_numbers
from raybel.prepare.listing import ListedFile, MissingError, Web, digest_in, read_listing
from raybel.prepare.sources import Dump

#: Says which files were checked, a line of JSON for each; hidden, so that no job takes it for a part of a corpus.
CHECKED_NAME = ".checked.jsonl"
#: So many files in a row that can't be had end the work: there is no network, or no space.
MOST_FAILURES = 5
#: How a file was checked: by the digest that its server gives, by its size, or not at all.
Check = Literal["md5", "size", "none"]


@dataclass(frozen=True)
class DumpFile:
    """The outcome of a file.

    Args:
        name: Its name.
        bytes: Its size; 0 where it isn't there.
        check: How it was checked.
        fetched: Whether it was fetched now; False where it was there.
        problem: Why it isn't there; None if it is.
    """

    name: str
    bytes: int
    check: Check
    fetched: bool
    problem: InputError | None = None


@dataclass(frozen=True)
class Plan:
    """What of a dump is to be fetched.

    Args:
        dump: The dump.
        directory: Where it goes.
        files: The files, by number.
        older: Number of files of older releases that the server has too, and that are left out.
    """

    dump: Dump
    directory: Path
    files: tuple[ListedFile, ...]
    older: int

    @property
    def bytes(self) -> int | None:
        """About how much that is, as the listing says; None where it doesn't say it of each file."""
        sizes = [file.bytes for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)


def plan_dump(dump: Dump, directory: str, ranges: Sequence[str] = (), pause: float = 1.0) -> Plan:
    """Ask the server which files a dump has, and choose among them.

    Args:
        dump: The dump.
        directory: A local directory.
        ranges: `N`, `N-M` or `N-` each; none for all files.
        pause: Seconds before another try at a busy server; doubles with each in a row.

    Raises:
        ConfigError: The directory isn't local, or a range names files that aren't there.
        InputError: The server can't be reached, or its listing can't be read.
    """
    if "://" in directory:
        raise ConfigError(f"{directory}: downloads need a local directory")
    listing = read_listing(Web(pause).page(dump.url), dump.url, dump.pattern)
    numbers = chosen_numbers(ranges, listing.files)
    return Plan(dump, Path(directory), tuple(listing.files[number] for number in numbers), listing.older)


def fetch_dump(
    plan: Plan,
    on_progress: OnProgress | None = None,
    say: Callable[[str], None] = lambda line: None,
    pause: float = 1.0,
) -> Iterator[DumpFile]:
    """Fetch the files of a plan; yield each as it is known. One that can't be had is yielded with its `problem`.

    A file whose digest or size isn't the one that the server gives is fetched once more, whether it was there or has
    just come.

    Args:
        plan: What to fetch.
        on_progress: Called as a file grows; see `download`.
        say: Gets a line when a file begins.
        pause: Seconds before another try after a broken connection; doubles with each in a row.

    Raises:
        InputError: `MOST_FAILURES` files in a row can't be had, of which each was yielded.
    """
    web, checked, failures = Web(pause), _Checked(plan.directory), 0
    for number, file in enumerate(plan.files, start=1):
        path = plan.directory / file.name
        if (known := checked.check_of(path)) is not None:
            yield DumpFile(file.name, path.stat().st_size, known, False)
            failures = 0
            continue
        say(f"{number:,} of {len(plan.files):,}: {plan.dump.url}{file.name}")
        try:
            check, fetched = _fetch(plan.dump.url, file, path, web, on_progress, pause)
            checked.add(path, check)
        except InputError as error:
            yield DumpFile(file.name, 0, "none", False, error)
            failures += 1
            if failures == MOST_FAILURES and number < len(plan.files):
                raise InputError(
                    f"stopped, since {failures} files in a row couldn't be fetched; {len(plan.files) - number:,} more "
                    "weren't tried. The same command goes on.",
                    path=plan.dump.url,
                ) from error
            continue
        failures = 0
        yield DumpFile(file.name, path.stat().st_size, check, fetched)


def _fetch(
    directory: str, file: ListedFile, path: Path, web: Web, on_progress: OnProgress | None, pause: float
) -> tuple[Check, bool]:
    """Fetch a file that isn't there or isn't right; return how it was checked, and whether it was fetched."""
    url = directory + file.name
    for attempt in (1, 2):
        digest = _digest(directory, file, web)
        size = None if digest else web.size(url)
        present = path.exists()
        try:
            download(url, path, digest, on_progress, pause)
            _check_size(path, size)
        except DamagedError:
            path.unlink(missing_ok=True)
            if attempt == 2:
                raise
            continue
        return ("md5" if digest else "none" if size is None else "size"), not present or attempt == 2
    raise AssertionError("the second attempt returns or raises")


def _digest(directory: str, file: ListedFile, web: Web) -> str | None:
    """Return the digest that a server gives of a file; None where it gives none."""
    url = f"{directory}{file.name}.md5"
    if not file.has_md5:
        return None
    try:
        return digest_in(web.page(url), file.name, url)
    except MissingError:
        return None


def _check_size(path: Path, size: int | None) -> None:
    actual = path.stat().st_size
    if size is not None and actual != size:
        raise DamagedError(f"has {actual:,} bytes, but the server announced {size:,}", path=str(path))


class _Checked:
    """Remembers which files were checked, by their size and the time of their last change."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / CHECKED_NAME
        self.known: dict[str, dict[str, object]] = {}
        if self.path.exists():
            for line in self.path.read_text().splitlines():
                try:
                    entry = json.loads(line)
                except ValueError:  # the last line, where an earlier start was killed: that file is checked again
                    continue
                if isinstance(entry, dict):
                    self.known[str(entry.get("name"))] = entry

    def check_of(self, path: Path) -> Check | None:
        """Return how a file was checked; None where it wasn't, has changed since, or isn't there."""
        if not path.exists():
            return None
        entry = self.known.get(path.name, {})
        check = entry.get("check")
        if entry != self._entry(path, check):
            return None
        return "md5" if check == "md5" else "size" if check == "size" else None

    def add(self, path: Path, check: Check) -> None:
        """Remember a file that is there.

        Raises:
            InputError: That can't be written.
        """
        try:
            with self.path.open("a") as file:
                file.write("\n" * self._torn() + json.dumps(self._entry(path, check)) + "\n")
        except OSError as error:
            raise InputError(f"can't be written: {error.strerror or error}", path=str(self.path)) from error

    def _torn(self) -> bool:
        """True if the last line lacks its end."""
        with self.path.open("rb") as file:
            if file.seek(0, 2) == 0:
                return False
            file.seek(-1, 2)
            return file.read(1) != b"\n"

    @staticmethod
    def _entry(path: Path, check: object) -> dict[str, object]:
        status = path.stat()
        return {"name": path.name, "bytes": status.st_size, "modified_ns": status.st_mtime_ns, "check": check}

"""A directory of this machine that is its user's alone, whatever others have put in its place."""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from raybel.errors import ConfigError

#: Bits of a mode that let others than the owner write.
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ELSEWHERE = "set TMPDIR to a directory of your own"


def directory() -> Path:
    """Return `raybel-UID` in the directory for temporary files, made (mode 0700) where it isn't there.

    Anyone may make names there, so one that is already there is looked at, and itself, not what a link leads to.

    Raises:
        ConfigError: It belongs to another user, others can write to it, it is a link or a file, or it can't be made.
    """
    home = Path(tempfile.gettempdir()) / f"raybel-{os.getuid()}"
    try:
        with contextlib.suppress(FileExistsError):
            home.mkdir(mode=0o700)
        found = home.lstat()
    except OSError as error:
        raise ConfigError(f"{home}: can't be made: {error.strerror or error}; {_ELSEWHERE}") from error
    if found.st_uid != os.geteuid():
        raise ConfigError(f"{home}: belongs to another user, so that its content can't be trusted; {_ELSEWHERE}")
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{home}: isn't a directory of its own, but a link or a file: delete it, or {_ELSEWHERE}")
    if found.st_mode & _OTHERS_WRITE:
        raise ConfigError(
            f"{home}: others can write to it, so that its content can't be trusted: delete it, or {_ELSEWHERE}"
        )
    return home


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file of that directory, made where it isn't there; one process of the machine at a time, others wait.

    Raises:
        ConfigError: It can't be opened, or is a link, which isn't followed.
    """
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise ConfigError(f"{path}: can't be opened: {error.strerror or error}; delete it") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
    finally:
        os.close(file)

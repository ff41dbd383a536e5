"""Downloads that go on where they stopped and are whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import requests

from raybel.errors import InputError

#: Seconds to connect, and between two pieces of data.
TIMEOUT = (20.0, 120.0)
#: Tries in a row that bring nothing before a download fails.
TRIES = 5
#: Bytes read at once: what a broken connection loses.
_PIECE = 1 << 16
#: What a server's page in place of a file begins with.
_PAGES = (b"<!doctype html", b"<html")

Watch = Callable[[str, int, int | None], None]


def download(url: str, path: Path, sha256: str | None = None, watch: Watch | None = None, pause: float = 1.0) -> None:
    """Fetch a file, unless it is there; go on with what an earlier start left in `PATH.part`.

    A server that knows no ranges, or whose file has changed, has it fetched anew.

    Args:
        url: Its address.
        path: Where to.
        sha256: Of its bytes; None where it isn't known. Then the size that the server says is checked.
        watch: Called with the name, the bytes that are there, and how many there will be (None: not known).
        pause: Seconds before another try; doubles with each in a row.

    Raises:
        InputError: The server refuses or can't be reached, or what came isn't what was wanted.
    """
    if path.exists():
        if sha256 is None or _digest(path) == sha256:
            return
        raise InputError(f"is there, but its SHA-256 isn't {sha256}: delete it to fetch it anew", path=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    tries, total = 0, None
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            total = _fetch(url, part, path.name, watch)
            break
        except (requests.ConnectionError, requests.Timeout, requests.exceptions.ChunkedEncodingError) as error:
            after = part.stat().st_size if part.exists() else 0
            tries = 1 if after > before else tries + 1
            if tries >= TRIES:
                left = f"; {after:,} bytes are kept, the same command goes on from there" if after else ""
                raise InputError(f"can't be fetched: {error}{left}", path=url) from error
            time.sleep(pause * 2 ** (tries - 1))
    size = part.stat().st_size
    with part.open("rb") as file:
        page = file.read(64).lstrip().lower().startswith(_PAGES) and not path.name.endswith((".html", ".htm"))
    wrong = None
    if page:
        wrong = "is a web page, not the file: look at the address in a browser, and put the file there by hand"
    elif total is not None and size != total:
        wrong = f"has {size:,} bytes, {total:,} were announced"
    elif sha256 is not None and (found := _digest(part)) != sha256:
        wrong = f"has the SHA-256 {found}, not {sha256}: it has changed, or was damaged on its way"
    if wrong:
        _forget(part)
        raise InputError(wrong, path=url)
    os.replace(part, path)
    _forget(part)


def _fetch(url: str, part: Path, name: str, watch: Watch | None) -> int | None:
    """Append to a part what it lacks; return the whole size, None where the server doesn't say."""
    mark = part.with_name(part.name + ".json")
    had = part.stat().st_size if part.exists() else 0
    known = json.loads(mark.read_text()) if mark.exists() else {}
    headers = {"Accept-Encoding": "identity", "User-Agent": "raybel"}
    if had and known.get("url") == url and known.get("version"):
        headers |= {"Range": f"bytes={had}-", "If-Range": known["version"]}
    else:
        had = 0
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as answer:
        if answer.status_code == 416:  # nothing is left, or the file became shorter
            whole = answer.headers.get("Content-Range", "").rsplit("/", 1)[-1]
            if whole == str(had):
                return had
            _forget(part)
            return _fetch(url, part, name, watch)
        if not answer.ok:
            raise InputError(f"can't be fetched: HTTP {answer.status_code} {answer.reason}", path=url)
        begin = had if answer.status_code == 206 else 0
        if begin and not answer.headers.get("Content-Range", "").startswith(f"bytes {begin}-"):
            _forget(part)
            return _fetch(url, part, name, watch)
        length = answer.headers.get("Content-Length")
        total = None if length is None else begin + int(length)
        version = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
        # A weak tag doesn't promise the same bytes.
        mark.write_text(json.dumps({"url": url, "version": None if (version or "").startswith("W/") else version}))
        with part.open("ab" if begin else "wb") as file:
            at = begin
            for piece in answer.iter_content(_PIECE):
                file.write(piece)
                at += len(piece)
                if watch:
                    watch(name, at, total)
    if total is not None and at < total:
        raise requests.ConnectionError(f"the connection ended after {at:,} of {total:,} bytes")
    return total


def _forget(part: Path) -> None:
    for path in (part, part.with_name(part.name + ".json")):
        path.unlink(missing_ok=True)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

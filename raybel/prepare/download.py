"""Downloads that go on where they stopped and are whole or absent."""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError as BrokenStream

from raybel.errors import InputError

#: Seconds to connect, and between two pieces of data.
TIMEOUT = (20.0, 120.0)
#: Tries in a row that bring nothing before a download fails.
TRIES = 5
#: HTTP statuses of a server that is busy or being mended: the same request may succeed later.
PASSING = (408, 429, 500, 502, 503, 504)
#: Bytes read at once: what a broken connection loses.
_PIECE = 1 << 16
#: What a server's page in place of a file begins with.
_PAGES = (b"<!doctype html", b"<html")

Watch = Callable[[str, int, int | None], None]
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class _Passing(requests.ConnectionError):
    """A server's answer that may be another one later."""


def download(url: str, path: Path, digest: str | None = None, watch: Watch | None = None, pause: float = 1.0) -> None:
    """Fetch a file, unless it is there; go on with what an earlier start left in `PATH.part`.

    A server that knows no ranges, or whose file has changed, has it fetched anew. A broken connection and a server that
    is busy are tried again, `TRIES` times in a row.

    Args:
        url: Its address.
        path: Where to.
        digest: Of its bytes, `sha256:` or `md5:` and hex digits; None where it isn't known. Then the size that the
            server says is checked.
        watch: Called with the name, the bytes that are there, and how many there will be (None: not known).
        pause: Seconds before another try; doubles with each in a row.

    Raises:
        InputError: The server refuses or can't be reached, what came isn't what was wanted, or the place can't be
            written to.
    """
    try:
        _download(url, path, digest, watch, pause)
    except requests.RequestException as error:
        raise InputError(f"can't be fetched: {error}", path=url) from error
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror or error}", path=str(path)) from error


def _download(url: str, path: Path, digest: str | None, watch: Watch | None, pause: float) -> None:
    if path.exists():
        if digest is None or _digest(path, digest) == digest:
            return
        raise InputError(f"is there, but isn't of {digest}: delete it to fetch it anew", path=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    tries, total = 0, None
    while True:
        before = part.stat().st_size if part.exists() else 0
        try:
            total = _fetch(url, part, path.name, watch)
            break
        except (requests.ConnectionError, requests.Timeout, BrokenStream) as error:
            after = part.stat().st_size if part.exists() else 0
            tries = 1 if after > before else tries + 1
            if tries >= TRIES:
                left = f"; {after:,} bytes are kept, the same command goes on from there" if after else ""
                how = "try later." if isinstance(error, _Passing) else "is there a network?"
                raise InputError(
                    f"can't be fetched: {_why(error)}{left}; {how} The file can be put there by hand, too: {path}",
                    path=url,
                ) from error
            time.sleep(pause * 2 ** (tries - 1))
    size = part.stat().st_size
    with part.open("rb") as file:
        page = file.read(64).lstrip().lower().startswith(_PAGES) and not path.name.endswith((".html", ".htm"))
    wrong = None
    if page:
        wrong = "is a web page, not the file: look at the address in a browser, and put the file there by hand"
    elif total is not None and size != total:
        wrong = f"has {size:,} bytes, {total:,} were announced"
    elif digest is not None and (found := _digest(part, digest)) != digest:
        wrong = f"is of {found}, not {digest}: it has changed, or was damaged on its way"
    if wrong:
        _forget(part)
        raise InputError(wrong, path=url)
    os.replace(part, path)
    _forget(part)


def _fetch(url: str, part: Path, name: str, watch: Watch | None) -> int | None:
    """Append to a part what it lacks; return the whole size, None where the server doesn't say."""
    mark = part.with_name(part.name + ".json")
    had = part.stat().st_size if part.exists() else 0
    known = read_json(mark)
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
            if not had:
                raise InputError("can't be fetched: HTTP 416, though the whole file was asked for", path=url)
            _forget(part)
            return _fetch(url, part, name, watch)
        if not answer.ok:
            told = f"HTTP {answer.status_code} {answer.reason}"
            if answer.status_code in PASSING:
                raise _Passing(told)
            raise InputError(f"can't be fetched: {told}", path=url)
        begin, total = 0, None
        # What is packed for the way alone comes unpacked; then neither its length nor its version is the file's.
        packed = answer.headers.get("Content-Encoding", "identity") != "identity" and not name.endswith(".gz")
        if answer.status_code == 206:
            given = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
            if not given or int(given[1]) != had or packed:
                if not had:
                    raise InputError("can't be fetched: the server sends a part that wasn't asked for", path=url)
                _forget(part)
                return _fetch(url, part, name, watch)
            begin, total = had, None if given[2] == "*" else int(given[2])
        elif not packed and "Content-Length" in answer.headers:
            total = int(answer.headers["Content-Length"])
        with part.open("ab" if begin else "wb") as file:
            # Only now: a mark beside the bytes of an older version would have them continued.
            mark.write_text(json.dumps({"url": url, "version": None if packed else _version(answer.headers)}))
            at = begin
            for piece in answer.raw.stream(_PIECE, decode_content=packed):
                file.write(piece)
                at += len(piece)
                if watch:
                    watch(name, at, total)
    if total is not None and at < total:
        raise requests.ConnectionError(f"the connection ended after {at:,} of {total:,} bytes")
    return total


def _why(error: Exception) -> str:
    """What is at the bottom of an error, without the objects that it went through."""
    inner = error.args[0] if error.args else error
    return re.sub(r"^\w+\(.*?\): ", "", str(getattr(inner, "reason", inner)))


def _version(headers: Any) -> str | None:
    """What says that a file is still the same; a weak tag doesn't promise the same bytes."""
    version: str | None = headers.get("ETag") or headers.get("Last-Modified")
    return None if (version or "").startswith("W/") else version


def read_json(mark: Path) -> dict[str, Any]:
    """Return the object in a small file of ours, an empty one where none can be read: then the work is done anew."""
    try:
        known = json.loads(mark.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _forget(part: Path) -> None:
    for path in (part, part.with_name(part.name + ".json")):
        path.unlink(missing_ok=True)


def _digest(path: Path, like: str) -> str:
    kind = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{kind}:{hashlib.file_digest(file, kind).hexdigest()}"

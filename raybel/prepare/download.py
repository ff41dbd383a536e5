"""Downloads that resume where they stopped and are whole or absent."""

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

#: Seconds to connect, and between two reads of data.
TIMEOUT = (20.0, 120.0)
#: Attempts in a row that bring no data before a download fails.
MAX_TRIES = 5
#: HTTP statuses of a server that is busy or under repair: the same request may succeed later.
TRANSIENT_STATUSES = (408, 429, 500, 502, 503, 504)
#: Bytes read at once: what a broken connection loses.
_READ_BYTES = 1 << 16
#: Starts of the web pages that servers send in place of a file.
_HTML_STARTS = (b"<!doctype html", b"<html")
#: A function that gets a file's name, the bytes that are there, and how many there will be (None: unknown).
OnProgress = Callable[[str, int, int | None], None]
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")


class DamagedError(InputError):
    """A whole file came, or was there, that isn't the one that was wanted."""


class _TransientError(requests.ConnectionError):
    """A server's answer that may be another one later."""


def download(
    url: str, path: Path, digest: str | None = None, on_progress: OnProgress | None = None, pause: float = 1.0
) -> None:
    """Fetch a file, unless it is there; resume what an earlier start left in `PATH.part`.

    From a server without range requests, or whose file has changed, the whole file is fetched again. After a broken
    connection or a busy server's answer the download is tried again, up to `MAX_TRIES` times in a row.

    Args:
        url: The file's address.
        path: Where to write it.
        digest: Of its bytes, `sha256:` or `md5:` and hex digits; None where it isn't known. Then only the size that
            the server states is checked.
        on_progress: Called with the file's name, the bytes that are there, and how many there will be (None: unknown).
        pause: Seconds before another try; doubles with each in a row.

    Raises:
        InputError: The server refuses or can't be reached, or `path` can't be written to.
        DamagedError: What the server sent, or what is there, isn't the file.
    """
    try:
        _download(url, path, digest, on_progress, pause)
    except requests.RequestException as error:
        raise InputError(f"can't be fetched: {error}", path=url) from error
    except OSError as error:
        raise InputError(f"can't be written: {error.strerror or error}", path=str(path)) from error


def _download(url: str, path: Path, digest: str | None, on_progress: OnProgress | None, pause: float) -> None:
    if path.exists():
        if digest is None or _digest(path, digest) == digest:
            return
        raise DamagedError(f"exists, but isn't the file of {digest}: delete it to fetch it again", path=str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    total = _fetch_with_retries(url, part, path, on_progress, pause)
    if defect := _defect(part, path.name, total, digest):
        _delete_partial(part)
        raise DamagedError(defect, path=url)
    os.replace(part, path)
    _delete_partial(part)


def _fetch_with_retries(url: str, part: Path, path: Path, on_progress: OnProgress | None, pause: float) -> int | None:
    """Fetch what a partial file lacks; return the whole size, None where the server doesn't state it."""
    tries = 0
    while True:
        before = _size(part)
        try:
            return _fetch_rest(url, part, path.name, on_progress)
        except (requests.ConnectionError, requests.Timeout, BrokenStream) as error:
            after = _size(part)
            tries = 1 if after > before else tries + 1
            if tries >= MAX_TRIES:
                partial = f"; {after:,} bytes are kept, and the same command resumes from there" if after else ""
                advice = "try later." if isinstance(error, _TransientError) else "is there a network?"
                raise InputError(
                    f"can't be fetched: {_root_cause(error)}{partial}; {advice} "
                    f"You can also put the file there yourself: {path}",
                    path=url,
                ) from error
            time.sleep(pause * 2 ** (tries - 1))


def _fetch_rest(url: str, part: Path, name: str, on_progress: OnProgress | None) -> int | None:
    """Append what a partial file lacks, in one request; return the whole size, None where the server doesn't state it.

    A partial file that can't be continued is deleted and fetched from its beginning.
    """
    state_path = part.with_name(part.name + ".json")
    present = _size(part)
    state = read_state(state_path)
    headers = {"Accept-Encoding": "identity", "User-Agent": "raybel"}
    if present and state.get("url") == url and state.get("version"):
        headers |= {"Range": f"bytes={present}-", "If-Range": state["version"]}
    else:
        present = 0
    with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
        if response.status_code == 416:  # the file is complete, or became shorter
            whole = response.headers.get("Content-Range", "").rsplit("/", 1)[-1]
            if whole == str(present):
                return present
            if not present:
                raise InputError("can't be fetched: HTTP 416, though the whole file was asked for", path=url)
            _delete_partial(part)
            return _fetch_rest(url, part, name, on_progress)
        if not response.ok:
            status = f"HTTP {response.status_code} {response.reason}"
            if response.status_code in TRANSIENT_STATUSES:
                raise _TransientError(status)
            raise InputError(f"can't be fetched: {status}", path=url)
        begin, total = 0, None
        # What is compressed for transfer alone arrives decompressed; neither its length nor its version is the file's.
        compressed = response.headers.get("Content-Encoding", "identity") != "identity" and not name.endswith(".gz")
        if response.status_code == 206:
            sent = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
            if not sent or int(sent[1]) != present or compressed:
                if not present:
                    raise InputError("can't be fetched: the server sends a part that wasn't asked for", path=url)
                _delete_partial(part)
                return _fetch_rest(url, part, name, on_progress)
            begin, total = present, None if sent[2] == "*" else int(sent[2])
        elif not compressed and "Content-Length" in response.headers:
            total = int(response.headers["Content-Length"])
        with part.open("ab" if begin else "wb") as file:
            # Only now: beside the bytes of an older version, the new state would have them continued.
            state_path.write_text(json.dumps({"url": url, "version": None if compressed else _version(response)}))
            size = begin
            for data in response.raw.stream(_READ_BYTES, decode_content=compressed):
                file.write(data)
                size += len(data)
                if on_progress:
                    on_progress(name, size, total)
    if total is not None and size < total:
        raise requests.ConnectionError(f"the connection ended after {size:,} of {total:,} bytes")
    return total


def _defect(part: Path, name: str, total: int | None, digest: str | None) -> str | None:
    """Why a complete download isn't the file that was wanted; None where nothing is wrong."""
    with part.open("rb") as file:
        page = file.read(64).lstrip().lower().startswith(_HTML_STARTS) and not name.endswith((".html", ".htm"))
    if page:
        return "is a web page, not the file: open the address in a browser, and put the file there yourself"
    size = _size(part)
    if total is not None and size != total:
        return f"has {size:,} bytes, but the server announced {total:,}"
    if digest is not None and (actual := _digest(part, digest)) != digest:
        return f"has the digest {actual}, not {digest}: it has changed, or was damaged on its way"
    return None


def _root_cause(error: Exception) -> str:
    """The innermost reason of an error, without the objects that it went through."""
    inner = error.args[0] if error.args else error
    return re.sub(r"^\w+\(.*?\): ", "", str(getattr(inner, "reason", inner)))


def _version(response: requests.Response) -> str | None:
    """The header that changes with the file's bytes; a weak tag doesn't promise that."""
    version: str | None = response.headers.get("ETag") or response.headers.get("Last-Modified")
    return None if (version or "").startswith("W/") else version


def read_state(path: Path) -> dict[str, Any]:
    """Return the JSON object in a file of progress, {} where there is none to read: then the work is done again."""
    try:
        state = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _delete_partial(part: Path) -> None:
    """Delete a partial file and its state."""
    for path in (part, part.with_name(part.name + ".json")):
        path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _digest(path: Path, like: str) -> str:
    """The digest of a file by the algorithm of another digest, which begins with its name and a colon."""
    algorithm = like.partition(":")[0]
    with path.open("rb") as file:
        return f"{algorithm}:{hashlib.file_digest(file, algorithm).hexdigest()}"

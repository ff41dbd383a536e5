"""Paths and URIs: on which file system they are, and how they are put together."""

from __future__ import annotations

import os

import pyarrow as pa
from pyarrow import fs

from raybel.errors import ConfigError, without_secrets
from raybel.files import s3
from raybel.files.outages import patiently

_LOCAL = fs.LocalFileSystem()


def resolve(uri: str) -> tuple[fs.FileSystem, str]:
    """Return the file system of a path or URI, and the path in it; raises `AccessError` where it can't be reached."""
    if "://" not in uri:
        return _LOCAL, os.path.abspath(os.path.expanduser(uri))
    try:
        connect = s3.connect if s3.is_s3(uri) else fs.FileSystem.from_uri
        return patiently(uri, "reached", lambda: connect(uri))
    except (pa.ArrowInvalid, FileNotFoundError) as error:
        shown = without_secrets(uri)
        raise ConfigError(f"{shown}: isn't a path, or a URI of a file system that is known: {error}") from error


def absolute(uri: str) -> str:
    """Return a local path as an absolute one, which means the same in every process; a URI as it is."""
    return uri if "://" in uri else os.path.abspath(os.path.expanduser(uri))


def name_of(uri: str) -> str:
    """Return a path or URI without a URI's query: where its suffix is."""
    return uri.partition("?")[0] if "://" in uri else uri


def is_local(uri: str) -> bool:
    """True for a path on this machine's file systems (network mounts too)."""
    return isinstance(resolve(uri)[0], fs.LocalFileSystem)


def join(uri: str, *names: str) -> str:
    """Append names to a directory's path or URI (a URI's query stays at its end)."""
    base, mark, query = uri.partition("?") if "://" in uri else (uri, "", "")
    return "/".join([base.rstrip("/"), *names]) + mark + query

"""Links between pages: of a run, of the trainings and sweeps that its models are from."""

from __future__ import annotations

import os
from collections.abc import Iterable
from urllib.parse import quote

from raybel.errors import without_secrets
from raybel.files import storage
from raybel.files.storage import join
from raybel.report.config import PAGE


def directory_name(uri: str) -> str:
    """Return the last part of a path or URI, without the keys that it may hold: what people call a directory."""
    path = storage.name_of(without_secrets(uri)).rstrip("/")
    return path.rpartition("/")[2] or path


def pages_beside(page: str, directories: Iterable[str]) -> list[tuple[str, str]]:
    """Return links to the pages that lie in some directories: (relative path, text).

    Args:
        page: Where the page that links will be.
        directories: Paths or URIs, such as a run's models'; what has no page yet is left out, and the page itself.
    """
    links = {}
    for directory in directories:
        other = join(directory, PAGE)
        if other != page and storage.identity(other) is not None and (href := relative_link(page, other)):
            links[href] = directory_name(directory)
    return [(href, f"Report of {name}") for href, name in sorted(links.items())]


def relative_link(page: str, other: str) -> str | None:
    """Return the path from one page to another; None where they lie in different stores or buckets."""
    here, there = (storage.name_of(storage.absolute(each)) for each in (page, other))
    scheme_here, _, path_here = here.rpartition("://")
    scheme_there, _, path_there = there.rpartition("://")
    if scheme_here != scheme_there or (scheme_here and path_here.split("/")[0] != path_there.split("/")[0]):
        return None
    return quote(os.path.relpath(path_there, os.path.dirname(path_here)))


def siblings(directory: str, most: int = 50) -> list[str]:
    """Return the directories beside one, in order, at most so many: runs, models and sweeps often lie together."""
    parent, _, own = storage.name_of(directory).rstrip("/").rpartition("/")
    beside = [name for name in storage.entries(parent) if name != own and not name.startswith(".")] if parent else []
    return [join(parent, name) for name in beside[:most]]

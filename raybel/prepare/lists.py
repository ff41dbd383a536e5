"""Lists of document ids that say which split a document belongs to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from raybel.display import counted
from raybel.errors import InputError
from raybel.prepare.common import find_file, missing_message, read_lines

#: How many ids a note names.
MAX_NOTED = 10


def read_splits(
    directory: str, files: Mapping[str, tuple[str, ...]], prefix: str = ""
) -> tuple[dict[str, str], list[str]]:
    """Return the split of each document id, and notes on ids that a list repeats.

    Args:
        directory: Where the lists are.
        files: File names of each split's list, the preferred first.
        prefix: May precede an id's digits; it is left out.

    Raises:
        InputError: A list is missing, a line isn't an id, or an id is in two lists.
    """
    split_of: dict[str, str] = {}
    repeated: list[str] = []
    paths = {split: path for split, names in files.items() if (path := find_file(directory, names))}
    if absent := [missing_message(directory, names) for split, names in files.items() if split not in paths]:
        raise InputError(f"{'; '.join(absent)} (an id in each line)", path=directory)
    for split, path in paths.items():
        for number, line in read_lines(path):
            if not line.strip():
                continue
            doc_id = line.strip().removeprefix(prefix)
            if not (doc_id.isascii() and doc_id.isdecimal()):
                raise InputError(f"line {number}: {line.strip()[:40]!r} isn't a {prefix or 'PM'}ID", path=path)
            if split_of.get(doc_id, split) != split:
                raise InputError(f"line {number}: {doc_id} is in the list of {split_of[doc_id]} too", path=path)
            if doc_id in split_of:
                repeated.append(doc_id)
            split_of[doc_id] = split
    return split_of, note_ids(repeated, "id", "that a list repeats")


def note_ids(ids: Iterable[str], noun: str, condition: str, total: int | None = None) -> list[str]:
    """Return a note that counts ids and names the first ones: `2 PMIDs in no list: 17, 18`.

    Args:
        ids: The ids; where there are none, there is no note.
        noun: What one of them is.
        condition: What is the matter with them, worded to follow a singular or a plural.
        total: How many there are where `ids` are the first of them alone.
    """
    ids = list(ids)
    if not ids:
        return []
    count = len(ids) if total is None else total
    return [f"{counted(count, noun)} {condition}: {', '.join(ids[:MAX_NOTED])}" + (" ..." if count > MAX_NOTED else "")]

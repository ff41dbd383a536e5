"""Ray Train's list of the checkpoints that it knows: those it doesn't are deleted, and a damaged list is mended."""

from __future__ import annotations

from typing import Any

from raybel.errors import InputError
from raybel.files import storage
from raybel.files.storage import join
from raybel.jobs.train.directory import CHECKPOINTS

#: Ray Train's names of the list, and of the checkpoints' directories; both are in the same directory.
LIST, PREFIX = "checkpoint_manager_snapshot.json", "checkpoint_"
#: Ray writes its list in place: one that was interrupted, or had no room, is damaged, though all checkpoints are there.
COPY = "known_checkpoints.json"


def delete_unknown(home: str) -> None:
    """Delete checkpoints that Ray doesn't know: of workers that died while they wrote them."""
    folder = join(home, CHECKPOINTS)
    known = str(storage.find_json(join(folder, LIST)) or {})
    for name in storage.entries(folder):
        if name.startswith(PREFIX) and name != LIST and name not in known:
            storage.delete(join(folder, name))


def copy_list(home: str) -> None:
    """Keep a copy of the list, before Ray writes the next one; it deletes a checkpoint of before after that."""
    try:
        known = storage.find_json(join(home, CHECKPOINTS, LIST))
    except InputError:
        return
    if known:
        storage.publish_json(join(home, CHECKPOINTS, COPY), known)


def mend_list(home: str) -> bool:
    """Put the copy in the place of a damaged list, if its checkpoints are there; return whether that was done."""
    folder = join(home, CHECKPOINTS)
    try:
        storage.find_json(join(folder, LIST))
    except InputError:
        copy: dict[str, Any] = storage.find_json(join(folder, COPY)) or {}
        known = {each["checkpoint_dir_name"] for each in copy.get("checkpoint_results", ())}
        if known and known <= set(storage.entries(folder)):
            storage.publish_json(join(folder, LIST), copy)
            return True
    return False

"""A training job's directory: a Hugging Face model once it is finished, with `raybel.json` beside its own files.

The same job again goes on from the last checkpoint.
"""

from __future__ import annotations

from pathlib import Path

from raybel.encoders import pretrained
from raybel.files import storage
from raybel.files.fingerprints import fingerprint
from raybel.files.storage import join
from raybel.files.work_directory import DESCRIPTION, Status, WorkDirectory

#: Kinds of models that are trained on Ray Train.
KINDS = ("sapbert", "crossencoder", "detector")
CHECKPOINTS, PROGRESS, FAILURE, BASE, FEATURES = "checkpoints", "progress.json", "failure.json", "base", "features"
#: What only training needs.
TRAINING_FILES = (BASE, CHECKPOINTS, PROGRESS, FAILURE, FEATURES)


def training_directory(uri: str, kind: str) -> WorkDirectory:
    """Return the directory of a training job of one of `KINDS`."""
    return WorkDirectory(uri, kind, "a model")


def base_fingerprint(model: Path) -> str:
    """Return a hash of a model's files."""
    return fingerprint(
        {name: storage.size_and_digest(str(path))[1] for name, path in pretrained.model_files(model).items()}
    )


def copy_base(home: str, model: Path) -> None:
    """Copy the base model into the directory, where all workers see it."""
    for name, path in pretrained.model_files(model).items():
        if not storage.exists(join(home, BASE, name)):
            storage.publish(join(home, BASE, name), storage.copy_bytes(str(path)))


def copy_tokenizer_and_config(home: str) -> None:
    """Copy from the base model to the trained one what that needs beside its weights."""
    for name in storage.names(join(home, BASE)):
        if name not in ("model.safetensors", "README.md") and not name.endswith(".index.json"):
            storage.publish(join(home, name), storage.copy_bytes(join(home, BASE, name)))


def delete_training_files(home: str) -> None:
    """Delete what only training needed."""
    for name in TRAINING_FILES:
        storage.delete(join(home, name))


def status(work: WorkDirectory) -> Status:
    """Say how far a training job is: by epochs that are done, or by what its workers wrote last."""
    description = work.read() or {}
    if description.get("finished"):
        return work.status(True, [("epochs", len(description.get("epochs", ())))], [DESCRIPTION])
    path = join(work.uri, PROGRESS)
    progress = storage.read_json(path) if storage.exists(path) else {}
    figures: list[tuple[str, object]] = [("stage", progress["stage"])] if "stage" in progress else []
    if "epoch" in progress:
        figures += [("epoch", f"{progress['epoch']} of {progress['epochs']}"), ("loss", f"{progress['loss']:.4f}")]
    return work.status(False, figures, [PROGRESS, DESCRIPTION])

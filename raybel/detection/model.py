"""What a token classifier's directory says beside the Hugging Face model: `raybel.json`."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from raybel.detection.sequences import CASES
from raybel.encoders import pretrained
from raybel.errors import InputError, MismatchError
from raybel.files import storage
from raybel.files.fingerprints import fingerprint

STATE = "raybel.json"
KIND, VERSION = "detector", 1


@dataclass(frozen=True)
class Settings:
    """How a token classifier sees text; the defaults hold for those that raybel hasn't trained.

    Args:
        context_tokens: The most tokens of consecutive sentences that it sees at once; 0 for each sentence by itself.
        case: Whether its token types say how a word is written (`sequences.LOWER`, ...).
        least_scores: Type -> the least score of a mention that counts; 0 for other types.
        fingerprint: Of the model, as its training wrote it; "" for none.
        rules: How it is combined with dictionaries: fingerprint of a dictionary -> rule, as JSON values.
    """

    context_tokens: int = 0
    case: bool = False
    least_scores: dict[str, float] = field(default_factory=dict)
    fingerprint: str = ""
    rules: dict[str, Any] | None = None


def read_settings(directory: str) -> Settings:
    """Return what `raybel.json` says; the defaults for a directory without one.

    Raises:
        InputError: It is of another kind of model, or its training isn't finished, or it is damaged.
        MismatchError: It is of another version.
    """
    path = storage.join(directory, STATE)
    if not storage.exists(path):
        return Settings()
    state = storage.read_json(path)
    if not isinstance(state, dict) or state.get("kind") != KIND:
        raise InputError("doesn't say that it is a token classifier: `raybel train detector` makes one", path=path)
    if not state.get("finished"):
        raise InputError("its training isn't finished: run the same `raybel train detector` again", path=directory)
    if state.get("version") != VERSION:
        raise MismatchError(f"{directory} has the format {state.get('version')}, not {VERSION}: train it again")
    try:
        parameters = state["parameters"]
        rules = {rule["dictionary"]: rule["rule"] for rule in [state["combination"]] if rule}
        least = {str(kind): float(score) for kind, score in state["least_scores"].items()}
        return Settings(int(parameters["context_tokens"]), bool(state["case"]), least, str(state["fingerprint"]), rules)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"is damaged ({type(error).__name__}: {error}): train the model again", path=path) from error


def fingerprint_of(home: Path, settings: Settings) -> str:
    """Return a model's fingerprint: as its training wrote it, else that of its files."""
    if settings.fingerprint:
        return settings.fingerprint
    return fingerprint(
        {name: storage.size_and_digest(str(path))[1] for name, path in pretrained.model_files(home).items()}
    )


def has_cases(model: Any) -> bool:
    """Whether a model has token types, which can say how words are written."""
    return _types_of_tokens(model) is not None


def add_cases(model: Any) -> None:
    """Give a model a token type for each way of writing a word; until it is trained, they mean the same.

    Args:
        model: One that has token types.
    """
    place = _types_of_tokens(model)
    assert place is not None
    parent, old = place
    first = old.weight.detach()[:1]
    new = torch.nn.Embedding(CASES, first.shape[1], device=first.device, dtype=first.dtype)
    with torch.no_grad():
        new.weight.copy_(first.expand(CASES, -1))
    parent.token_type_embeddings = new
    model.config.type_vocab_size = CASES


def _types_of_tokens(model: Any) -> tuple[Any, torch.nn.Embedding] | None:
    """Return the module that has a model's embeddings of token types, and these."""
    for module in model.modules():
        embeddings = getattr(module, "token_type_embeddings", None)
        if isinstance(embeddings, torch.nn.Embedding) and hasattr(model.config, "type_vocab_size"):
            return module, embeddings
    return None

"""What lies under a path, a model, a run or a data file, and which option takes it: for errors that say so."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from raybel.errors import MismatchError
from raybel.files import kinds, storage

#: The files by which directories are known, and what those without a `kind` are: the manifest of a run, the state of a
#: training or a sweep, the description of a model (ours, or Hugging Face's).
_DESCRIPTIONS = ("manifest.json", "raybel.json", "config.json")
#: How a list of concepts begins: a name in the first one, before anything is nested.
_CONCEPTS = re.compile(rb"\s*\[\s*\{[^{}]*\"(?:name|aliases)\"\s*:")
#: Suffixes of the files of a directory of prepared data.
_CORPORA = (".bioc.xml.gz", ".bioc.xml")


class Thing(NamedTuple):
    """A kind of thing that a path may name.

    Args:
        name: What it is, with its article.
        advice: What to do with it, behind a colon; `PATH` stands for its path.
    """

    name: str
    advice: str = ""


def _taken(name: str, option: str) -> Thing:
    return Thing(name, f"give it as {option}")


#: All kinds that are told apart, by the word that their descriptions have for them.
THINGS = {
    "ngrams": _taken("an n-gram model", "--ngrams-model"),
    "dense": _taken("a dense index", "--dense-index"),
    "lookup": _taken("a stored lookup", "--candidates-lookup"),
    "dictionary": _taken("a dictionary", "--dictionary"),
    "detector": _taken("a token classifier", "--detector"),
    "crossencoder": _taken("a cross-encoder", "--reranker-model"),
    "sapbert": _taken("an encoder", "--model-name of `raybel index dense`"),
    "encoder": _taken("a Hugging Face model", "--model-name, or one that labels tokens as --detector"),
    "sweep": Thing("a sweep of `raybel tune`", "give --params PATH/best_params.json to a training"),
    "link run": Thing("a run directory", "`raybel show PATH` and `raybel evaluate --pred-corpus PATH` read it"),
    "ontology": _taken("an ontology", "--ontology"),
    "data": Thing(
        "a directory of prepared data",
        "give its files: --ontology PATH/ontology.arrow, --in-corpus PATH/val.bioc.xml.gz",
    ),
    "corpus": _taken("a corpus", "--in-corpus"),
}


def kind_at(uri: str) -> str | None:
    """Return the kind of a path, a key of `THINGS` or another word of its description's; None where none is known.

    Raises:
        InputError: A description isn't JSON.
    """
    if storage.identity(uri) is not None:
        return _kind_of_file(uri)
    found = {name: _described(uri, name) for name in _DESCRIPTIONS}
    for value in found.values():
        if isinstance(value.get("kind"), str):
            return str(value["kind"])
    if found["manifest.json"].keys() >= {"identity", "config"}:
        return "link run"
    # Where there is a description of ours, it is damaged.
    if "model_type" in found["config.json"] and storage.identity(storage.join(uri, "raybel.json")) is None:
        return "encoder"
    prepared = any(name.endswith(_CORPORA) or name == "ontology.arrow" for name in storage.entries(uri))
    return "data" if prepared else None


def expect(uri: str, *expected: str) -> None:
    """Refuse what is plainly something other than an option takes; what isn't known, or isn't there, is let through.

    Args:
        uri: What an option was given.
        expected: The kinds that it takes, keys of `THINGS`; the first one is named in the message.

    Raises:
        MismatchError: With what it is, and which option takes it.
        InputError: As `kind_at`.
    """
    kind = kind_at(uri)
    if kind in THINGS and kind not in expected:
        thing, wanted = THINGS[kind], THINGS.get(expected[0], Thing(f"a {expected[0]} model"))
        raise MismatchError(f"{uri} is {thing.name}, not {wanted.name}: {thing.advice.replace('PATH', uri)}")


def _described(uri: str, name: str) -> dict[str, Any]:
    path = storage.join(uri, name)
    value = storage.read_json(path) if storage.identity(path) is not None else None
    return value if isinstance(value, dict) else {}


def _kind_of_file(uri: str) -> str | None:
    kind = kinds.kind_of(uri)
    if kind == kinds.JSON_LIST:
        return "ontology" if _CONCEPTS.match(_head(uri)) else None
    if kind in (kinds.ARROW, kinds.PARQUET):
        return "ontology" if "concept_id" in _columns(uri, kind == kinds.PARQUET) else None
    return "corpus" if kind is not None and kind.advice == kinds.CORPUS else None


def _head(uri: str) -> bytes:
    with storage.open_bytes(uri) as file:
        return file.read(kinds.HEAD_BYTES)


def _columns(uri: str, parquet: bool) -> list[str]:
    """The names of a table's columns; none where it is damaged, which its reader says."""
    local = str(storage.localise(uri))
    try:
        schema = pq.read_schema(local) if parquet else pa.ipc.open_file(pa.memory_map(local)).schema
    except (pa.ArrowInvalid, OSError):
        return []
    return list(schema.names)

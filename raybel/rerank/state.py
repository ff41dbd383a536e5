"""What the `raybel.json` of a trained cross-encoder says: read, checked, and with rules that were fitted later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from raybel.candidates.base import Generator
from raybel.corpus.typography import check_folding
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage, things
from raybel.files.fingerprints import fingerprint
from raybel.ontology import Ontology
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.priors import Prior

STATE = "raybel.json"
KIND, VERSION = "crossencoder", 5
#: Models of before mentions were settled by a prior, and of before candidates were pruned by one.
_BEFORE = (3, 4)
WEIGHTS = "model.safetensors"
#: What `raybel.json` must hold.
_KEYS = (
    *("crosstype", "parameters", "edges", "calibration", "ontology_fingerprint"),
    *("generator", "fingerprint", "files", "weights"),
)


def describe(directory: str, ontology: Ontology | None = None, crosstype: str | None = None) -> dict[str, Any]:
    """Return what a directory's `raybel.json` says, without loading the model.

    Args:
        directory: The directory of a trained cross-encoder.
        ontology: The ontology that it must have been trained for; None for any.
        crosstype: The type that it must have; None for any.

    Raises:
        InputError: It holds no finished cross-encoder, or a damaged one.
        MismatchError: It is of another version, type or ontology.
    """
    if not storage.exists(directory):
        raise InputError("no such directory", path=directory)
    things.expect(directory, KIND)
    path = storage.join(directory, STATE)
    value = storage.read_json(path) if storage.exists(path) else {}
    state: dict[str, Any] = value if isinstance(value, dict) else {}
    if state.get("kind") != KIND:
        raise InputError("holds no cross-encoder of `raybel train crossencoder`", path=directory)
    if not state.get("finished"):
        raise InputError("its training isn't finished: run the same `raybel train crossencoder` again", path=directory)
    if state.get("version") not in (*_BEFORE, VERSION):
        raise MismatchError(f"{directory} has the format {state.get('version')}, not {VERSION}: train it again")
    if missing := [name for name in _KEYS if name not in state]:
        raise InputError(f"lacks {', '.join(missing)}: train the model again", path=path)
    check_folding(directory, state.get("folding"))
    try:
        CrossEncoderParameters.of_model(state["parameters"]).of_type(state["crosstype"])
        Calibration(**(state["calibration"] or {}))
        named = [
            *(each.generator for each in cascades_of(state)),
            *(each["generator"] for each in state.get("generators", ())),
            *(each.generator for each in priors_of(state)),
        ]
        if not all(name.split() for name in named):
            raise ValueError("a generator has no name")
        for each in (state, *state.get("generators", ())):
            np.asarray(each["edges"], np.float32)
        ontologies_of(state)
    except (AttributeError, ConfigError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{error}: train the model again", path=path) from error
    artefacts.check_sizes(directory, state["files"])
    if crosstype is not None and state["crosstype"] != crosstype:
        raise MismatchError(f"{directory} is of the type {state['crosstype']}, not {crosstype}")
    if ontology is not None and ontology.fingerprint not in ontologies_of(state):
        raise MismatchError(
            f"{directory} was trained for another ontology (fingerprint {state['ontology_fingerprint']}) than "
            f"{ontology.path} ({ontology.fingerprint}): train it for this one, or give --any-ontology to use it all "
            "the same"
        )
    return state


def ontologies_of(state: Mapping[str, Any]) -> list[str]:
    """Return the fingerprints of the ontologies that a model was trained for, the main corpus's first."""
    return [state["ontology_fingerprint"], *(each["ontology"] for each in state.get("generators", ()))]


def edges_for(state: Mapping[str, Any], generator: Generator) -> list[float]:
    """Return the borders between a generator's scores that a model was trained with.

    Those of that generator; else of one of its kind, or of any kind, for its ontology; else the main corpus's.
    """
    known = [each for each in state.get("generators", ()) if each["ontology"] == generator.ontology_fingerprint]
    kind = [each for each in known if each["generator"].split()[0] == generator.name]
    same = [each for each in known if each["generator"] == generator.description]
    edges: list[float] = next(iter([*same, *kind, *known, state]))["edges"]
    return edges


def cascades_of(state: Mapping[str, Any]) -> list[Cascade]:
    """Return the rules that a `raybel.json` holds, of each generator that some were fitted to; [] without any.

    One of before each generator had its own holds a single one, without the generator's fingerprint.
    """
    single = state.get("cascade")
    if single is not None:
        ontology = state.get("cascade_ontology", state["ontology_fingerprint"])
        return [Cascade.from_dict({"ontology": ontology, **single})]
    return [Cascade.from_dict(held) for held in state.get("cascades", ())]


def priors_of(state: Mapping[str, Any]) -> list[Prior]:
    """Return the priors that a `raybel.json` holds, of each generator that training mentions had candidates of."""
    return [Prior.from_dict(held) for held in state.get("priors", ())]


def with_cascades(state: Mapping[str, Any], cascades: Sequence[Cascade]) -> dict[str, Any]:
    """Return what a `raybel.json` says with further rules, and the model's fingerprint.

    A rule takes the place of one for the same generator; of one whose generator isn't known but for its kind, if both
    are for the same ontology.
    """
    fitted = {(each.ontology, name) for each in cascades for name in (each.generator, each.generator_name)}
    kept = [each for each in cascades_of(state) if (each.ontology, each.generator) not in fitted]
    held = {"cascades": [each.to_dict() for each in (*kept, *cascades)]} if kept or cascades else {}
    several = {name: state[name] for name in ("generators", "priors") if state.get(name)}
    result = {name: state[name] for name in ("weights", "edges", "calibration")} | several | held
    others = {name: value for name, value in state.items() if name not in ("cascade", "cascade_ontology", "cascades")}
    return {**others, **held, "version": VERSION, "fingerprint": fingerprint(result)}

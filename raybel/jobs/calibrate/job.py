"""Calibrates finished models: a generator's scores, a cross-encoder's rule of what is sure. Needs no Ray."""

from __future__ import annotations

from raybel.candidates.base import Generator
from raybel.candidates.calibrating import TOP_K, calibrate, store
from raybel.candidates.calibration import FittedCalibration
from raybel.candidates.recall import read_linkable
from raybel.candidates.registry import home_of, open_generator
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.jobs.calibrate.config import CalibrateConfig
from raybel.jobs.train.directory import training_directory
from raybel.ontology import Ontology
from raybel.rerank.cascade import Cascade
from raybel.rerank.state import KIND, STATE, describe, with_cascades


def calibrate_generator(config: CalibrateConfig) -> FittedCalibration:
    """Fit what a generator's scores are worth, and store it with the model; of a fusion, with its first generator.

    Raises:
        ConfigError: Model and corpus were made in other ways, or the lookup is a single file, which can't hold it.
        InputError: A file can't be read, or there is nothing to fit.
        MismatchError: Model and ontology don't belong together.
    """
    ontology, generator = _opened(config, TOP_K)
    home = home_of(config.generator)
    if storage.name_of(home).endswith((".json", ".json.gz")):
        raise ConfigError(f"{home}: a lookup in one file holds no calibration: make a lookup directory")
    fitted = calibrate(generator, read_linkable(config.val_corpus, ontology, config.mentions).judged)
    if fitted is None:
        raise _nothing_to_fit(config)
    store(home, generator.fingerprint, fitted)
    return fitted


def calibrate_reranker(config: CalibrateConfig) -> Cascade:
    """Fit which mentions are sure before a cross-encoder, and store the rule with it.

    Raises:
        ConfigError: Model and corpus were made in other ways, or the cross-encoder is of the published recipe.
        InputError: A file can't be read, or there is nothing to fit.
        LockedError: Another job works on the cross-encoder's directory.
        MismatchError: Models and ontology don't belong together.
    """
    from raybel.rerank.reranker import Reranker, device  # imports torch
    from raybel.rerank.training.cascading import fit_cascade, read_annotated

    assert config.reranker_model is not None, "checked by the caller"
    home = config.reranker_model
    with training_directory(home, KIND).lock():
        ontology = Ontology.open(config.ontology)
        state = describe(home)  # for any ontology: the rule says for which one it holds
        if not state["parameters"]["calibrate"]:
            raise ConfigError(f"{home} was trained without weights for both stages (calibrate): it ranks all mentions")
        _, generator = _opened(config, state["parameters"]["top_k"])
        loaded = Reranker.load(home, device(), config.precision)
        loaded.cascades = ()  # whose prior may be another generator's; the new rule will have this one's
        reranker = loaded.for_generator(generator)
        cascade = fit_cascade(reranker, generator, ontology, read_annotated(config.val_corpus, config.mentions))
        if cascade is None:
            raise _nothing_to_fit(config)
        fitted = with_cascades(state, [cascade])
        storage.publish_json(storage.join(home, STATE), fitted)
    return cascade


def _opened(config: CalibrateConfig, top_k: int) -> tuple[Ontology, Generator]:
    ontology = Ontology.open(config.ontology)
    generator = open_generator(ontology, config.generator)
    generator.check_usable(top_k, config.mentions.expand_abbreviations)
    return ontology, generator


def _nothing_to_fit(config: CalibrateConfig) -> InputError:
    return InputError(
        "nothing to fit: no mention has its concept among the candidates, or none has a wrong candidate; scores stay "
        "as they are",
        path=", ".join(config.val_corpus),
    )

from dataclasses import fields

import numpy as np
import pyarrow as pa
import pytest

from raybel.candidates import registry
from raybel.candidates.base import CANDIDATE_DTYPE, Generator
from raybel.candidates.hybrid import HybridGenerator
from raybel.candidates.registry import KINDS, Kind, open_generator, uses_encoder
from raybel.config import GeneratorPaths
from raybel.errors import ConfigError
from raybel.ontology import Concept, Ontology

ONTOLOGY = Ontology.from_concepts([Concept("D1", "anemia"), Concept("D2", "asthma")])


class FixedGenerator(Generator):
    """Has one concept for every surface; `most` says for how many candidates it can be used."""

    def __init__(self, name, concept, frequency=0, most=100):
        self.name, self.concept, self.frequency, self.most = name, concept, frequency, most
        self.fingerprint, self.ontology_fingerprint, self.expands_abbreviations = name, ONTOLOGY.fingerprint, None

    @property
    def alias_table(self):
        return pa.table({"alias": ["a"], "frequency": pa.array([self.frequency], pa.int32())})

    def search(self, surfaces, top_k, excluded=None):
        return [np.array([(self.concept, 1, 0)], CANDIDATE_DTYPE) for _ in surfaces]

    def check_usable(self, top_k, expand_abbreviations):
        if top_k > self.most:
            raise ConfigError(f"{self.name} has {self.most}")


def test_each_kind_has_its_option():
    assert {kind.option for kind in KINDS} == {item.name for item in fields(GeneratorPaths)}


def test_an_encoder_is_used_by_the_dense_one_alone():
    assert uses_encoder(GeneratorPaths(dense_index="d"))
    assert uses_encoder(GeneratorPaths(ngrams_model="n", dense_index="d"))
    assert not uses_encoder(GeneratorPaths(ngrams_model="n"))
    assert not uses_encoder(GeneratorPaths(candidates_lookup="l"))


def test_several_are_fused_with_their_weights(monkeypatch):
    first, second = FixedGenerator("first", 0), FixedGenerator("second", 1, frequency=2, most=20)
    kinds = (
        Kind("ngrams_model", lambda path, *_: first),
        Kind("dense_index", lambda path, *_: second, weight=3.0),
    )
    monkeypatch.setattr(registry, "KINDS", kinds)
    assert open_generator(ONTOLOGY, GeneratorPaths(ngrams_model="n")) is first
    both = open_generator(ONTOLOGY, GeneratorPaths(ngrams_model="n", dense_index="d"))
    assert isinstance(both, HybridGenerator)
    assert both.weights == [1.0, 3.0]
    assert both.search(["x"], 2)[0]["concept"].tolist() == [1, 0]
    assert (list(first.components), list(both.components)) == ([first], [first, second])
    assert (first.has_training_aliases, both.has_training_aliases) == (False, True)
    assert (first.depends_on_top_k, both.depends_on_top_k) == (False, True)
    both.check_usable(6, True)
    with pytest.raises(ConfigError, match="second has 20"):  # each is asked for three times as many
        both.check_usable(7, True)

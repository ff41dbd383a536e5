import gzip
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raybel.candidates import lookup
from raybel.candidates.base import CANDIDATE_DTYPE, NO_CANDIDATES
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths
from raybel.corpus.typography import FOLDING
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts
from raybel.ontology import Concept, Ontology

ONTOLOGY = Ontology.from_concepts([Concept(str(i), f"n{i}") for i in range(5)])
SURFACES = ["", "a", "b", "é😀", "long name"]
FOUND = [np.array([(i, 0.5, i), (0, 0.25, -1)][: i + 1], CANDIDATE_DTYPE) for i in range(len(SURFACES))]


def save(directory, count=3, ontology=ONTOLOGY):
    ranges = lookup.buckets(lookup.hashes(SURFACES), count)
    files = {}
    for bucket in range(count):
        own = np.flatnonzero(ranges == bucket)
        table = lookup.bucket_table([SURFACES[i] for i in own], [1] * len(own), [FOUND[i] for i in own])
        files[f"bucket-{bucket:05d}.arrow"] = artefacts.arrow_bytes(table)
    parameters = {"ontology_fingerprint": ontology.fingerprint, "top_k": 2, "generator": "ngrams", "folding": FOLDING}
    artefacts.save(str(directory), lookup.KIND, lookup.VERSION, parameters, files)
    return str(directory)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_what_is_stored_is_found(tmp_path, count):
    generator = open_generator(ONTOLOGY, GeneratorPaths(candidates_lookup=save(tmp_path, count)))
    assert len(generator) == len(SURFACES)
    found = generator.search([*reversed(SURFACES), "not there"], 10)
    assert [each.tolist() for each in found] == [each.tolist() for each in reversed(FOUND)] + [[]]
    assert [len(each) for each in generator.search(SURFACES, 1)] == [1] * len(SURFACES)
    assert generator.search([], 3) == []


@given(st.lists(st.text(), max_size=50), st.integers(1, 300))
def test_ranges_cover_all_hashes_in_order(surfaces, count):
    hashed = lookup.hashes(surfaces)
    assert hashed.dtype == np.uint64
    ranges = lookup.buckets(hashed, count)
    assert all(0 <= each < count for each in ranges)
    order = np.argsort(hashed)
    assert np.all(np.diff(ranges[order]) >= 0)


def test_the_ends_of_the_ranges():
    ends = np.array([0, 2**64 - 1, 2**63, 2**63 - 1], np.uint64)
    assert lookup.buckets(ends, 2).tolist() == [0, 1, 1, 0]
    assert lookup.buckets(ends, 1).tolist() == [0, 0, 0, 0]


def test_surfaces_of_one_hash_are_told_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(lookup, "hashes", lambda surfaces: np.full(len(surfaces), 7, np.uint64))
    generator = lookup.LookupGenerator.load(save(tmp_path), ONTOLOGY)
    found = generator.search([*SURFACES, "not there"], 10)
    assert [each.tolist() for each in found] == [each.tolist() for each in [*FOUND, NO_CANDIDATES]]


@pytest.mark.parametrize("suffix", [".json", ".json.gz"])
def test_the_published_form_round_trip(tmp_path, suffix):
    path = str(tmp_path / f"l{suffix}")
    table = lookup.bucket_table(SURFACES, [1] * len(SURFACES), FOUND)
    assert lookup.write_json(path, [table.slice(0, 2), table.slice(2)]) == len(SURFACES)
    generator = open_generator(ONTOLOGY, GeneratorPaths(candidates_lookup=path))
    found = dict(zip(SURFACES, generator.search(SURFACES, 10), strict=True))
    assert {one: each["concept"].tolist() for one, each in found.items()} == {
        one: each["concept"].tolist() for one, each in zip(SURFACES, FOUND, strict=True)
    }
    assert found["a"]["score"].tolist() == [1.0, 0.5]
    first = (tmp_path / f"l{suffix}").read_bytes()
    lookup.write_json(path, generator.tables)
    assert (tmp_path / f"l{suffix}").read_bytes() == first


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ([], InputError), ({"a": 1}, InputError), ({"a": ["1"]}, InputError), ({"a": [0, 5]}, MismatchError),
        ({"a": [-1]}, MismatchError),
    ],
)  # fmt: skip
def test_a_published_lookup_that_does_not_fit(tmp_path, value, error):
    (tmp_path / "l.json.gz").write_bytes(gzip.compress(json.dumps(value).encode()))
    with pytest.raises(error, match=r"l\.json\.gz"):
        lookup.LookupGenerator.load(str(tmp_path / "l.json.gz"), ONTOLOGY)


def test_an_empty_published_lookup(tmp_path):
    (tmp_path / "l.json").write_text("{}")
    assert lookup.LookupGenerator.load(str(tmp_path / "l.json"), ONTOLOGY).search(["a"], 3)[0].tolist() == []


def test_another_ontology_or_none(tmp_path):
    other = Ontology.from_concepts([Concept("x", "x")])
    with pytest.raises(MismatchError, match="made from another ontology"):
        open_generator(other, GeneratorPaths(candidates_lookup=save(tmp_path)))
    with pytest.raises(ConfigError, match="give a generator"):
        open_generator(other, GeneratorPaths())
    with pytest.raises(InputError, match="holds no lookup"):
        open_generator(other, GeneratorPaths(candidates_lookup=str(tmp_path / "none")))

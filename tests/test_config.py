import gzip
import re

import pytest

import raybel
from raybel import config
from raybel.config import GeneratorPaths, ModelPaths, Resources
from raybel.errors import ConfigError, InputError
from raybel.evaluation.evaluate import EvaluateConfig
from raybel.files.fingerprints import differences, fingerprint
from raybel.files.mappings import read_mapping
from raybel.files.provenance import git_hash, versions
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.run_options import InputOptions
from raybel.jobs.train.config import TrainNgramsConfig

BASE = {"in_corpus": ("a.xml",), "out_corpus": "run", "ontology": "o.arrow", "generator": GeneratorPaths("m")}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"in_corpus": ()}, "no input"),
        ({"top_k": 0}, "top_k must be at least 1, not 0"),
        ({"max_bad_fraction": -0.1}, "max_bad_fraction"),
        ({"max_bad_fraction": 1.1}, "max_bad_fraction"),
    ],
)
def test_a_configuration_that_cannot_be(change, reason):
    with pytest.raises(ConfigError, match=reason):
        LinkConfig(**{**BASE, **change})


def test_results_are_what_decides_the_output():
    one, two = LinkConfig(**BASE), LinkConfig(**{**BASE, "out_corpus": "other", "overwrite": True})
    assert config.deciding_fields(one) == config.deciding_fields(two)
    assert "top_k" in config.deciding_fields(one)
    assert not {"out_corpus", "overwrite", "resources", "max_bad_fraction"} & set(config.deciding_fields(one))
    options = LinkConfig(**BASE, input=InputOptions(max_document_mb=2, chunk_documents=7)).read_options
    assert (options.max_document_bytes, options.chunk_documents) == (2 << 20, 7)


@pytest.mark.parametrize("name", ["chunk_documents", "shard_documents", "max_document_mb"])
def test_numbers_of_documents_and_bytes_are_positive(name):
    with pytest.raises(ConfigError, match=f"{name} must be at least 1, not 0"):
        InputOptions(**{name: 0})


def test_a_group_that_may_be_left_out():
    values = {"in_corpus": "a.xml", "out_corpus": "run", "routes": "routes.yaml"}
    assert config.group_of(LinkConfig, "generator") is GeneratorPaths
    with pytest.raises(InputError, match=r"routes\.yaml: no such file"):
        config.configured(LinkConfig, values)
    made = config.configured(LinkConfig, {**BASE, "in_corpus": "a.xml", "ngrams_model": "m"} | {"generator": None})
    assert made.generator.ngrams_model.endswith("/m")


def test_fingerprints_and_differences():
    assert fingerprint({"a": 1, "b": [2]}) == fingerprint({"b": [2], "a": 1})
    assert fingerprint({"a": 1}) != fingerprint({"a": "1"})
    assert differences({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == [
        "b: 2 there, 3 now",
        "c: None there, 4 now",
    ]


@pytest.mark.parametrize("text", ["top-k: 5\nin-corpus: [a]\n", '{"top-k": 5, "in_corpus": ["a"]}'])
def test_a_file_is_yaml_or_json(tmp_path, text):
    (tmp_path / "c").write_text(text)
    assert read_mapping(str(tmp_path / "c")) == {"top_k": 5, "in_corpus": ["a"]}


@pytest.mark.parametrize("text", ["1e-05", "1e-5", "1E-5", "1.0e-5", "0.00001", "+1e-5"])
def test_numbers_in_a_file_are_numbers(tmp_path, text):
    """YAML 1.1 takes those without a point for text, which json.dumps writes."""
    (tmp_path / "c").write_text(f"{{rate: {text}, name: 1e-5x, whole: 10}}")
    found = read_mapping(str(tmp_path / "c"))
    assert found == {"rate": 1e-5, "name": "1e-5x", "whole": 10}
    assert isinstance(found["rate"], float)
    assert isinstance(found["whole"], int)


@pytest.mark.parametrize(
    "data",
    [
        b"a: [",
        b"- a",
        b"",
        b"x",
        b"\xff\xfe\xff",
        b"!!python/object:os.system {}",
        gzip.compress(b"a: 1", mtime=0)[:-5],
        b"\x1f\x8bxxxx",
    ],
)
def test_a_file_that_is_neither(tmp_path, data):
    (tmp_path / "c").write_bytes(data)
    with pytest.raises(InputError, match=str(tmp_path)):
        read_mapping(str(tmp_path / "c"))
    with pytest.raises(InputError, match="no such file"):
        read_mapping(str(tmp_path / "none"))


def test_versions_are_known():
    assert {"raybel", "ray", "python"} <= set(versions())
    assert git_hash() is None or len(git_hash()) == 40


def test_a_single_path_is_a_tuple_of_one():
    assert EvaluateConfig(gold_corpus="/a", pred_corpus=["/b", "/c"]).pred_corpus == ("/b", "/c")
    assert LinkConfig(in_corpus="/a", out_corpus="r", ontology="o", generator=GeneratorPaths("m")).in_corpus == ("/a",)
    assert TrainNgramsConfig("o", "m", "/a").train_corpus == ("/a",)
    with pytest.raises(ConfigError, match="in_corpus must be text"):
        LinkConfig(in_corpus=(1,), out_corpus="r", ontology="o", generator=GeneratorPaths("m"))


def test_the_public_names_are_there():
    assert set(dir(raybel)) == set(raybel.__all__)
    assert callable(raybel.link)
    assert callable(raybel.evaluate)


def test_a_generator_is_needed_and_a_lookup_stands_alone():
    with pytest.raises(ConfigError, match="give a generator: --ngrams-model or --dense-index"):
        ModelPaths()
    with pytest.raises(ConfigError, match=r"give a generator: .*--candidates-lookup"):
        GeneratorPaths()
    with pytest.raises(ConfigError, match="give --candidates-lookup alone"):
        GeneratorPaths("m", candidates_lookup="l")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"top_k": "10"}, "top_k must be a whole number, not '10'"),
        ({"top_k": True}, "top_k must be a whole number, not True"),
        ({"precision": "fp8"}, "precision must be 'fp32', 'bf16' or 'fp16', not 'fp8'"),
        ({"threshold": float("nan")}, "threshold must be a finite number"),
        ({"metric_file": "counts.txt"}, r"a table.s name must end in \.csv, \.parquet, \.json"),
        ({"reranker": "x"}, "reranker"),
    ],
)
def test_values_of_the_wrong_type_are_named(change, reason):
    with pytest.raises(ConfigError, match=reason):
        LinkConfig(**{**BASE, **change})


def test_paths_are_absolute_because_their_fields_say_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = LinkConfig(("a.xml", "s3://bucket/b.xml"), "run", "o.arrow", GeneratorPaths("m"))
    assert made.in_corpus == (str(tmp_path / "a.xml"), "s3://bucket/b.xml")
    assert (made.ontology, made.generator.ngrams_model) == (str(tmp_path / "o.arrow"), str(tmp_path / "m"))


def test_options_find_their_groups():
    given = {"in_corpus": "/a", "out_corpus": "/r", "ontology": "/o", "dense_index": "/d", "actors": 3, "top_k": 2}
    made = config.configured(LinkConfig, given)
    assert (made.generator.dense_index, made.resources.actors, made.top_k) == ("/d", 3, 2)
    assert made == LinkConfig(("/a",), "/r", "/o", GeneratorPaths(dense_index="/d"), top_k=2, resources=Resources(3))


@pytest.mark.parametrize(
    ("given", "expected", "bounds"),
    [
        (4, 4, (4, 4)),
        ("4", 4, (4, 4)),
        ("2:64", (2, 64), (2, 64)),
        ([2, 64], (2, 64), (2, 64)),  # as a manifest has it
        ("3:3", 3, (3, 3)),
        (None, None, None),
    ],
)
def test_actors_are_a_number_or_bounds(given, expected, bounds):
    made = Resources(actors=given)
    assert (made.actors, made.bounds) == (expected, bounds)


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (0, "actors must be at least 1, not 0"),
        ("0:3", "actors must be at least 1, not '0:3'"),
        ("5:2", "actors must have the least before the most, not '5:2'"),
        *(
            (wrong, "actors must be a whole number, or the least and the most, such as 2:64, not ")
            for wrong in ("x", " :4", ":4", "4:", "1:2:3", "-1", "", 2.0, True, [1, 2, 3], [1, "x"], {"least": 1})
        ),
    ],
)
def test_actors_that_cannot_be(given, reason):
    with pytest.raises(ConfigError, match=re.escape(reason)):
        Resources(actors=given)


@pytest.mark.parametrize(
    ("line", "expected"), [("2:8", (2, 8)), ("2:64", (2, 64)), ("'2:8'", (2, 8)), ("8", 8), ("[2, 8]", (2, 8))]
)
def test_bounds_in_a_file_are_no_numbers_to_base_60(tmp_path, line, expected):
    (tmp_path / "job.yaml").write_text(f"actors: {line}\n")
    assert Resources(**read_mapping(str(tmp_path / "job.yaml"))).actors == expected

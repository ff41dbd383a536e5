import json
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from ray_fixture import outputs
from samples import annotation, collection, document, passage, save

from raybel.cli import main
from raybel.config import DetectionOptions, MentionOptions, configured
from raybel.detection.dictionary import Dictionary
from raybel.errors import ConfigError
from raybel.jobs.detect.config import DetectConfig
from raybel.jobs.detect.job import detect
from raybel.jobs.link.job import link
from raybel.ontology import Ontology
from raybel.runs.run_directory import RunDirectory

TEXTS = ("A case of asthma and anaemia.", "Nothing here.", "Asthma again: asthma (AS). AS and AS.")


@pytest.fixture(scope="module")
def dictionary(model, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("dictionary") / "d")
    Dictionary.build(Ontology.open(model.ontology), type="Disease").save(path)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    home = tmp_path_factory.mktemp("corpus")
    for name in "ab":
        documents = [document(f"{name}{i}", passage(text)) for i, text in enumerate(TEXTS)]
        save(home / f"{name}.xml", collection(*documents))
    return str(home)


@pytest.fixture(scope="module")
def found(local_ray, dictionary, corpus, tmp_path_factory):
    """A run of the detection job: its configuration and result."""
    out = str(tmp_path_factory.mktemp("found") / "run")
    config = DetectConfig((corpus,), out, DetectionOptions(dictionary=dictionary))
    return config, detect(config)


def mentions(run):
    return pa.concat_tables(
        pq.read_table(path) for path in sorted(Path(run, "mentions").rglob("*.parquet"))
    ).to_pylist()


def test_mentions_are_found_and_not_linked(found):
    config, result = found
    rows = mentions(config.out_corpus)
    assert sum(result.counts["documents"].to_pylist()) == 6
    of_first = [(row["doc_id"], row["text"], row["type"], row["detector"]) for row in rows if row["doc_id"] == "a0"]
    assert of_first == [("a0", "asthma", "Disease", "dictionary"), ("a0", "anaemia", "Disease", "dictionary")]
    assert {row["link_id"] for row in rows} == {row["ontology"] for row in rows} == {None}
    assert {row["doc_id"] for row in rows} == {"a0", "a2", "b0", "b2"}
    assert result.counts["linked"].to_pylist() == [0, 0]


def test_the_same_command_again_does_nothing(found):
    config, _ = found
    before = outputs(Path(config.out_corpus))
    assert detect(config).progress.chunks == 0
    assert outputs(Path(config.out_corpus)) == before
    other = replace(config, mentions=MentionOptions(mention_types=("Disease",)))
    with pytest.raises(ConfigError, match="mention_types"):
        detect(other)


@pytest.mark.bench
def test_detection_inside_link_is_detection_and_then_link(found, model, dictionary, tmp_path):
    config, _ = found
    link(model.config([f"{config.out_corpus}/shards"], tmp_path / "two"))
    whole = model.config(list(config.in_corpus), tmp_path / "one", dictionary=dictionary)
    result = link(whole)
    assert sum(result.counts["linked"].to_pylist()) == len(mentions(tmp_path / "one")) > 0
    for name in ("shards/a.xml.gz", "shards/b.xml.gz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    keys = ("doc_id", "start", "end", "type", "link_id", "detector", "ontology")
    one, two = ([tuple(row[key] for key in keys) for row in mentions(tmp_path / run)] for run in ("one", "two"))
    assert one == two


def test_annotated_documents_are_refused_unless_an_option_says_what_to_do(local_ray, dictionary, tmp_path):
    marked = document("1", passage("asthma and anaemia", annotation("asthma", (0, 6), type="Old")))
    path = save(tmp_path / "a.xml", collection(marked))
    config = DetectConfig((path,), str(tmp_path / "run"), DetectionOptions(dictionary=dictionary))
    with pytest.raises(ConfigError, match=r"document 1: has annotations already.*--existing-annotations"):
        detect(config)
    merged = DetectionOptions(dictionary=dictionary, existing_annotations="merge")
    detect(replace(config, detection=merged, overwrite=True))
    assert [(row["text"], row["type"]) for row in mentions(config.out_corpus)] == [
        ("asthma", "Old"),
        ("anaemia", "Disease"),
    ]


def test_what_is_refused_before_ray_starts(dictionary, corpus, tmp_path):
    with pytest.raises(ConfigError, match="give what finds mentions"):
        configured(DetectConfig, {"in_corpus": corpus, "out_corpus": str(tmp_path)})
    with pytest.raises(ConfigError, match="existing_annotations is a detector's"):
        DetectionOptions(existing_annotations="keep")
    config = DetectConfig((corpus,), str(tmp_path / "run"), DetectionOptions(dictionary=dictionary))
    with pytest.raises(ConfigError, match="finds mentions of the types Disease, not of Gene"):
        detect(replace(config, mentions=MentionOptions(mention_types=("Gene",))))


def test_routes_link_each_type_to_its_own_ontology(found, model, tmp_path):
    config, _ = found
    other = save(tmp_path / "o.json", [{"id": "X:1", "name": "asthma"}, {"id": "X:2", "name": "anaemia"}])
    done = CliRunner().invoke(
        main, ["train", "ngrams", "--ontology", other, "--output-dir", str(tmp_path / "ng")], catch_exceptions=False
    )
    assert done.exit_code == 0
    routes = save(tmp_path / "routes.json", {"Disease": {"ontology": other, "ngrams-model": str(tmp_path / "ng")}})
    arguments = ["link", "--in-corpus", f"{config.out_corpus}/shards", "--out-corpus", str(tmp_path / "run")]
    done = CliRunner().invoke(main, [*arguments, "--routes", routes], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    rows = mentions(tmp_path / "run")
    assert {row["ontology"] for row in rows} == {"o.json"}
    assert {row["link_id"] for row in rows} == {"X:1", "X:2"}
    assert RunDirectory(str(tmp_path / "run")).routes() == ((("Disease",), other),)
    refused = CliRunner().invoke(main, [*arguments, "--routes", routes, "--ontology", model.ontology])
    assert "leave out --ontology" in " ".join(refused.output.split())
    wrong = save(tmp_path / "wrong.json", {"Disease": {"ontology": other, "model": "x"}})
    refused = CliRunner().invoke(main, [*arguments, "--routes", wrong])
    assert "Disease: no option model; there are ontology" in " ".join(refused.output.split())


def test_the_command(local_ray, dictionary, corpus, tmp_path):
    arguments = ["detect", "--in-corpus", corpus, "--dictionary", dictionary, "--out-corpus", str(tmp_path / "run")]
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    words = " ".join(done.output.split())
    assert done.exit_code == 0
    assert "documents 6 mentions" in words
    assert "linked" not in words
    assert json.loads((tmp_path / "run/manifest.json").read_text())["identity"]["detector"].startswith("dictionary ")

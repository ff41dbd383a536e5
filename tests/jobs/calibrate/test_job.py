"""The calibration of generators that were made before, and what linking makes of it."""

import gzip
import json
import shutil

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from ray_fixture import three_files, xml_infons

from raybel.candidates.calibrating import stored
from raybel.candidates.registry import open_generator
from raybel.cli import main
from raybel.config import GeneratorPaths, MentionOptions
from raybel.errors import ConfigError, InputError
from raybel.jobs.calibrate.config import CalibrateConfig
from raybel.jobs.calibrate.job import calibrate_generator
from raybel.jobs.link import job as link_job
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.lookup.job import make_lookup
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology


@pytest.fixture
def corpus(tmp_path):
    return three_files(tmp_path / "corpus")


@pytest.fixture
def copied(model, tmp_path):
    """A copy of the model, which a test may change."""
    return shutil.copytree(model.ngrams, tmp_path / "ngrams")


def config(model, copied, corpus, **changed):
    paths = GeneratorPaths(ngrams_model=str(copied))
    return CalibrateConfig(**{"ontology": model.ontology, "generator": paths, "val_corpus": (str(corpus / "c.json"),),
                              **changed})  # fmt: skip


def test_links_have_probabilities_once_a_generator_is_calibrated(local_ray, model, copied, corpus, tmp_path):
    run = model.config(corpus / "b.xml", tmp_path / "before", ngrams_model=str(copied))
    link_job.link(run)
    fitted = calibrate_generator(config(model, copied, corpus))
    assert set(stored(str(copied))) == {json.loads((copied / "config.json").read_text())["fingerprint"]}
    with pytest.raises(ConfigError, match="another configuration"):
        link_job.link(run)
    link_job.link(model.config(corpus / "b.xml", tmp_path / "after", ngrams_model=str(copied)))
    before, after = (pq.read_table(tmp_path / name / "mentions").to_pylist() for name in ("before", "after"))
    for row, other in zip(before, after, strict=True):
        assert [each["concept_id"] for each in row["ranking"]] == [each["concept_id"] for each in other["ranking"]]
        assert [each["score"] for each in row["ranking"]] == [each["first_score"] for each in other["ranking"]]
        assert row["link_score"] == row["first_score"] == other["first_score"]
        if row["ranking"]:
            assert other["link_score"] == other["ranking"][0]["score"] != other["first_score"]
            assert sum(each["score"] for each in other["ranking"]) <= 1.0001
    assert fitted.figures["mentions"] == 12
    infons = xml_infons(tmp_path / "after" / "shards" / "b.xml.gz")
    assert infons["b1"]["link_score"] == f"{after[1]['link_score']:.4f}"


def test_a_lookup_has_its_generator_s_probabilities(local_ray, model, copied, corpus, tmp_path):
    calibrate_generator(config(model, copied, corpus))
    where = str(tmp_path / "lookup")
    paths = GeneratorPaths(ngrams_model=str(copied))
    make_lookup(LookupConfig((str(corpus / "b.xml"),), where, model.ontology, paths))
    ontology = Ontology.open(model.ontology)
    looked, searched = (open_generator(ontology, each) for each in (GeneratorPaths(candidates_lookup=where), paths))
    assert looked.calibration == searched.calibration is not None
    single = GeneratorPaths(candidates_lookup=save_lookup(tmp_path))
    with pytest.raises(ConfigError, match="holds no calibration"):
        calibrate_generator(config(model, copied, corpus, generator=single))


def save_lookup(tmp_path):
    path = tmp_path / "published.json.gz"
    path.write_bytes(gzip.compress(b'{"anemia": [0]}'))
    return str(path)


def test_training_calibrates_where_it_can(model, corpus, tmp_path):
    made = {
        name: train_ngrams(TrainNgramsConfig(model.ontology, str(tmp_path / name), (), val_corpus))
        for name, val_corpus in (("with", (str(corpus / "c.json"),)), ("without", ()))
    }
    assert stored(str(tmp_path / "with")) == {made["with"].fingerprint: made["with"].calibration.to_dict()}
    assert made["without"].calibration is None
    assert stored(str(tmp_path / "without")) == {}
    assert made["with"].fingerprint == made["without"].fingerprint


def test_nothing_to_fit(model, copied, corpus):
    with pytest.raises(ConfigError, match="give --val-corpus"):
        config(model, copied, corpus, val_corpus=())
    with pytest.raises(InputError, match="nothing to fit"):
        calibrate_generator(config(model, copied, corpus, mentions=MentionOptions(gold_infon="other")))
    assert stored(str(copied)) == {}


def test_the_command(model, copied, corpus):
    given = ["--ontology", model.ontology, "--ngrams-model", str(copied)]
    done = CliRunner().invoke(main, ["calibrate", *given, "--val-corpus", str(corpus / "c.json")])
    assert done.exit_code == 0, done.output
    said = " ".join(done.stdout.split())
    assert "fitted on 12 validation mentions" in said
    assert "no --threshold to recommend" in said


@pytest.mark.parametrize("threshold", ["1.5", "-0.1"])
def test_a_threshold_is_a_probability(model, corpus, tmp_path, threshold):
    given = ["--ontology", model.ontology, "--ngrams-model", model.ngrams, "--out-corpus", str(tmp_path / "run")]
    done = CliRunner().invoke(main, ["link", str(corpus), *given, "--threshold", threshold])
    assert done.exit_code == 2
    assert "threshold" in done.stderr

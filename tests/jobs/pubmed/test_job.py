import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from archive_samples import packed
from click.testing import CliRunner
from ray_fixture import outputs
from samples import collection, document, passage, save

from raybel.candidates.parameters import NgramParameters
from raybel.cli import main
from raybel.config import DetectionOptions, ModelPaths
from raybel.detection.dictionary import Dictionary
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.evaluation.predictions import prediction_files
from raybel.files import storage
from raybel.jobs.pubmed import job
from raybel.jobs.pubmed.config import PubmedConfig
from raybel.jobs.pubmed.directory import STEPS
from raybel.jobs.pubmed.job import pubmed
from raybel.jobs.run_options import InputOptions
from raybel.jobs.status import status
from raybel.jobs.train.config import TrainNgramsConfig
from raybel.jobs.train.ngrams import train_ngrams
from raybel.ontology import Ontology
from raybel.runs.run_directory import RunDirectory

TEXTS = ("A case of asthma and anaemia.", "Nothing here.", "Asthma again: asthma.")


@pytest.fixture(scope="module")
def config(local_ray, model, tmp_path_factory):
    home = tmp_path_factory.mktemp("pubmed")
    Dictionary.build(Ontology.open(model.ontology), type="Disease").save(str(home / "dictionary"))
    for name in "ab":
        documents = [document(f"{name}{i}", passage(text)) for i, text in enumerate(TEXTS)]
        save(home / f"in/{name}.xml", collection(*documents))
    return PubmedConfig(
        (str(home / "in"),),
        str(home / "out"),
        model.ontology,
        ModelPaths(model.ngrams),
        detection=DetectionOptions(dictionary=str(home / "dictionary")),
    )


@pytest.fixture(scope="module")
def result(config):
    return pubmed(config)


def test_all_steps(config, result):
    assert [step["step"] for step in result.steps] == list(STEPS)
    assert [step["skipped"] for step in result.steps] == [False] * 4
    assert (result.steps[0]["documents"], result.steps[2]["linked"], result.steps[1]["surfaces"]) == (6, 8, 2)
    rows = pq.read_table(f"{config.out_dir}/concepts.parquet").to_pylist()
    assert [(row["name"], row["mentions"], row["documents"]) for row in rows] == [("Asthma", 6, 4), ("Anemia", 2, 2)]
    assert {row["ontology"].rpartition("/")[2] for row in rows} == {"ontology.arrow"}
    assert storage.read_json(f"{config.out_dir}/steps.json") == result.steps


def made(out_dir):
    """The bytes of what the pipeline makes: all but logs, locks and descriptions, which say where and when."""
    every = outputs(Path(out_dir), ("steps.json",))
    parts = ("logs", ".lock", "manifest.json", "config.json")
    return {
        name: data for name, data in every.items() if not set(Path(name).parts) & set(parts) and "done.json" not in name
    }


def test_steps_that_are_done_are_skipped(config, result):
    before = made(config.out_dir)
    again = pubmed(config)
    assert [step["skipped"] for step in again.steps] == [True] * 4
    assert made(config.out_dir) == before


def test_a_pipeline_that_stops_in_the_middle_goes_on(config, result, tmp_path, monkeypatch):
    other = replace(config, out_dir=str(tmp_path / "out"))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "link", killed)
        with pytest.raises(KeyboardInterrupt):
            pubmed(other)
    stopped = status(other.out_dir)
    assert stopped.state.startswith("stopped")
    assert stopped.figures[:-1] == [
        ("find mentions", "done: 6 documents, 8 mentions"),
        ("look distinct surfaces up", "done: 8 mentions, 2 surfaces"),
        ("link", "stopped"),
        ("count links", "to do"),
    ]
    done = pubmed(other)
    assert [step["skipped"] for step in done.steps] == [True, True, False, False]
    assert status(other.out_dir).state == "finished"
    whole, stopped = made(config.out_dir), made(other.out_dir)
    assert whole.keys() == stopped.keys()
    same = {name for name in whole if "state/" not in name}  # a state names its input
    assert {name: stopped[name] for name in same} == {name: whole[name] for name in same}


@pytest.mark.bench
def test_a_shorter_archive_leaves_no_links_and_no_counts_of_the_longer_one(config, tmp_path, monkeypatch):
    files = {f"{name}.xml": collection(document(name, passage(TEXTS[0]))).encode() for name in "abc"}
    path = tmp_path / "dump.tar.gz"
    path.write_bytes(packed(".tar.gz", files))
    cut = replace(
        config,
        in_corpus=(str(path),),
        out_dir=str(tmp_path / "out"),
        input=InputOptions(chunk_documents=1, shard_documents=1),
    )
    counted = f"{cut.out_dir}/concepts.parquet"
    pubmed(cut)
    assert pq.read_table(counted)["documents"].to_pylist() == [3, 3]
    path.write_bytes(packed(".tar.gz", {"a.xml": files["a.xml"]}))

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(job, "linked_concepts", killed)
        with pytest.raises(KeyboardInterrupt):
            pubmed(cut)
    assert [step["skipped"] for step in pubmed(cut).steps] == [True, True, True, False]
    assert RunDirectory(f"{cut.out_dir}/links").shard_names() == ["dump.tar.gz/00000.xml.gz"]
    assert pq.read_table(counted)["documents"].to_pylist() == [1, 1]


@pytest.mark.bench
def test_routes(config, model, tmp_path):
    routes = save(tmp_path / "routes.yaml", f"Disease: {{ontology: {model.ontology}, ngrams_model: {model.ngrams}}}\n")
    routed = replace(config, ontology=None, generator=None, routes=routes, out_dir=str(tmp_path / "out"))
    assert pubmed(routed).steps[2]["linked"] == 8
    assert storage.read_json(f"{tmp_path}/out/routes.json")["Disease"]["candidates_lookup"].startswith(str(tmp_path))


@pytest.mark.bench
def test_an_ontology_in_json_gives_the_same_links(config, result, model, tmp_path):
    ontology = str(tmp_path / "ontology.json.gz")
    Ontology.open(model.ontology).save(ontology)
    other = replace(config, ontology=ontology, out_dir=str(tmp_path / "out"))
    pubmed(other)

    def scores(home):
        tables = sorted(Path(home, "links/mentions").glob("*.parquet"))
        columns = ["surface", "link_id", "link_score"]
        return [row for each in tables for row in pq.read_table(each, columns=columns).to_pylist()]

    assert scores(other.out_dir) == scores(config.out_dir)


@pytest.mark.bench
def test_other_options_or_models_are_refused_before_anything_changes(config, result, model, tmp_path):
    before = made(config.out_dir)
    for changed in ({"top_k": 3}, {"threshold": 0.5}, {"detection": DetectionOptions(dictionary=f"{tmp_path}/d")}):
        Dictionary.build(Ontology.open(model.ontology), type="Illness").save(f"{tmp_path}/d")
        with pytest.raises(MismatchError, match=r"holds what was made with other options or other models"):
            pubmed(replace(config, **changed))
    ngrams = tmp_path / "ngrams"
    shutil.copytree(model.ngrams, ngrams)
    own = replace(config, generator=ModelPaths(str(ngrams)), out_dir=str(tmp_path / "out"))
    pubmed(own)
    shutil.rmtree(ngrams)
    train_ngrams(TrainNgramsConfig(model.ontology, str(ngrams), parameters=NgramParameters(ngram_range=(2, 3))))
    with pytest.raises(MismatchError, match="other models"):
        pubmed(own)
    assert made(config.out_dir) == before


def test_what_cant_be_used_is_refused_before_mentions_are_found(config, model, tmp_path):
    routes = save(tmp_path / "routes.yaml", f"Disease: {{ontology: {model.ontology}, ngrams_model: {tmp_path}/none}}\n")
    of_routes = {"ontology": None, "generator": None, "out_dir": str(tmp_path / "out")}
    with pytest.raises(InputError):
        pubmed(replace(config, **of_routes, routes=routes))
    assert not (tmp_path / "out/found").exists()
    for options in ({"threshold": 0.5}, {"reranker_model": "x"}):
        with pytest.raises(ConfigError, match="leave out --ontology and its models"):
            replace(config, **of_routes, **options, routes=routes)
    with pytest.raises(InputError, match=r"none.yaml"):
        replace(config, **of_routes, routes=str(tmp_path / "none.yaml"))
    for options in ({"rerank": "all"}, {"precision": "fp32"}):
        with pytest.raises(ConfigError, match="rerank and precision are a cross-encoder's: give --reranker-model"):
            replace(config, **options)


def test_what_is_refused(config):
    with pytest.raises(ConfigError, match="give what finds mentions"):
        replace(config, detection=DetectionOptions())
    with pytest.raises(ConfigError, match="give --ontology and a generator"):
        replace(config, generator=None)


def test_what_is_made_is_shown_and_scored_by_the_pipelines_directory(config, result):
    files, routes = prediction_files([config.out_dir])
    assert files == [f"{config.out_dir}/links/shards/{name}.xml.gz" for name in "ab"]
    assert routes == [(((), config.ontology),)]
    shown = CliRunner().invoke(main, ["show", config.out_dir], catch_exceptions=False)
    assert "«asthma»" in shown.output


@pytest.mark.bench
def test_a_file_that_cant_be_read_is_named_by_the_job_and_by_status(config, tmp_path):
    save(tmp_path / "in/a.xml", collection(document("1", passage(TEXTS[0]))))
    save(tmp_path / "in/b.xml", collection(document("2", passage(TEXTS[0])))[:-30])
    result = pubmed(replace(config, in_corpus=(str(tmp_path / "in"),), out_dir=str(tmp_path / "out")))
    assert result.incomplete
    (reason,) = result.unread
    assert reason.startswith(f"not read: {tmp_path}/in/b.xml: ")
    said = status(str(tmp_path / "out"))
    assert (said.state, said.notes) == ("finished, but some input files couldn't be read", (reason,))


def test_the_command(config, result):
    arguments = ["pubmed", "--in-corpus", config.in_corpus[0], "--dictionary", config.detection.dictionary]
    arguments += ["--ontology", config.ontology, "--ngrams-model", config.generator.ngrams_model]
    done = CliRunner().invoke(main, [*arguments, "--out-dir", config.out_dir], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.output.count("done before") == 4

import contextlib
import json
import shutil
import signal
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import psutil
import pyarrow.parquet as pq
import pytest
import ray
import torch
from ray_fixture import command, outputs, three_files
from safetensors.torch import load_file, save_file
from samples import collection, put, simple
from transformers import AutoModelForTokenClassification, AutoTokenizer

from raybel import link_job, lookup
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.vectorizer import NgramParameters
from raybel.config import GeneratorPaths
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.ontology import Concept, Ontology
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import Reranker, describe
from raybel.train_crossencoder import TrainCrossEncoderConfig, train_crossencoder
from raybel.training_run import Workers

PARAMETERS = CrossEncoderParameters(top_k=3, learning_rate=1e-3, max_epochs=2, batch_tokens=128)


@pytest.fixture(scope="module")
def made(local_ray, model, encoder, tmp_path_factory):
    """A tree, trained on candidates of a generator that has the training mentions as aliases."""
    corpus = three_files(tmp_path_factory.mktemp("cross_corpus"))
    ontology = Ontology.open(model.ontology)
    pairs = [("anemia", 0), ("bronchial asthma", 0), ("xqzwk", 0)]
    ngrams = str(tmp_path_factory.mktemp("cross_ngrams") / "m")
    NgramGenerator.build(ontology, NgramParameters(), pairs).save(ngrams)
    config = TrainCrossEncoderConfig(
        "tree",
        model.ontology,
        str(tmp_path_factory.mktemp("cross") / "out"),
        (str(corpus / "c.json"),),
        (str(corpus / "c.json"),),
        GeneratorPaths(ngrams_model=ngrams),
        str(encoder),
        PARAMETERS,
        metric_file=str(tmp_path_factory.mktemp("cross_metrics") / "m.json"),
    )
    seen = []
    return config, train_crossencoder(config, seen.append), seen


def test_what_training_leaves(made):
    config, done, seen = made
    assert [each["epoch"] for each in done.epochs] == [1, 2]
    assert all(np.isfinite(each["loss"]) for each in done.epochs)
    assert done.counts["train"] == done.counts["val"] | {"without_gold": done.counts["train"]["without_gold"]}
    assert done.counts["train"]["mentions"] == 12
    assert {"Acc@1", "first_stage_Acc@1", "alone_Acc@1", "F1", "loss", "first_share"} <= set(done.best["scores"])
    assert seen[0] == {"stage": "candidates of the train corpus"}
    home = Path(config.output_dir)
    held = sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file() and path.name != ".lock")
    assert {"config.json", "model.safetensors", "tokenizer.json", "README.md", "raybel.json"} <= set(held)
    assert not [name for name in held if name.startswith(("base/", "checkpoints/", "features/")) or "best" in name]
    card = (home / "README.md").read_text()
    for said in (
        "type tree",
        "| learning_rate | 0.001 |",
        "Weights of the evidence",
        "| Acc@1 |",
        "| train | 12 | 12 |",
    ):
        assert said in card
    assert json.loads(Path(config.metric_file).read_text())["epochs"] == done.epochs


def test_the_directory_loads_with_plain_transformers(made):
    config, _, _ = made
    model, told = AutoModelForTokenClassification.from_pretrained(config.output_dir, output_loading_info=True)
    assert not told["missing_keys"]
    tokenizer = AutoTokenizer.from_pretrained(config.output_dir)
    with torch.no_grad():
        assert model(**tokenizer("a [MASK] b", return_tensors="pt")).logits.shape[-1] == 2


def test_again_does_nothing(made):
    config, done, _ = made
    again = train_crossencoder(config)
    assert (again.resumed, again.epochs) == (2, done.epochs)


@pytest.mark.bench
def test_a_killed_driver_goes_on_and_ends_in_the_same_bytes(made, tmp_path):
    config, done, _ = made
    (tmp_path / "p.json").write_text(json.dumps({"treecrossencoder": asdict(PARAMETERS)}))
    out = tmp_path / "out"
    arguments = [
        *("train", "crossencoder", "--ontology", config.ontology, "--output_dir", out),
        *("--train-corpus", config.train_corpus[0], "--val-corpus", config.val_corpus[0]),
        *("--ngrams-model", config.generator.ngrams_model, "--model-name", config.model_name),
        *("--params", tmp_path / "p.json"),
    ]
    with command(*arguments) as process:
        deadline = time.monotonic() + 200
        known = out / "checkpoints" / "checkpoint_manager_snapshot.json"
        while not (known.exists() and "checkpoint_" in known.read_text()) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
    assert json.loads((out / "raybel.json").read_text())["finished"] is False
    with pytest.raises(InputError, match="training isn't finished"):
        Reranker.load(str(out))
    again = train_crossencoder(replace(config, output_dir=str(out)))
    assert again.resumed >= 1
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in done.epochs]
    assert (out / "model.safetensors").read_bytes() == (Path(config.output_dir) / "model.safetensors").read_bytes()
    assert describe(str(out))["fingerprint"] == describe(config.output_dir)["fingerprint"]


@pytest.mark.bench
def test_a_killed_worker_goes_on_with_the_epoch_it_was_in(made, tmp_path):
    config, _, _ = made
    many = replace(PARAMETERS, max_epochs=12, patience=12)
    whole = train_crossencoder(replace(config, output_dir=str(tmp_path / "whole"), parameters=many, metric_file=None))
    out = tmp_path / "killed"
    killed = []

    def kill():
        """Kill the worker once the first epoch's checkpoint is known."""
        known = out / "checkpoints" / "checkpoint_manager_snapshot.json"
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and not (known.exists() and "checkpoint_" in known.read_text()):
            time.sleep(0.02)
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.Error):
                if "RayTrainWorker" in " ".join(process.cmdline()):
                    process.kill()
                    killed.append(process.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    again = train_crossencoder(replace(config, output_dir=str(out), parameters=many, metric_file=None))
    killer.join()
    assert len(killed) == 1
    assert 1 <= again.resumed < 12
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in whole.epochs]
    assert again.best["value"] == whole.best["value"]
    assert (out / "model.safetensors").read_bytes() == (tmp_path / "whole" / "model.safetensors").read_bytes()


@pytest.mark.bench
def test_two_workers_give_the_losses_of_one_with_the_doubled_batch(made, tmp_path):
    config, done, _ = made
    halved = replace(PARAMETERS, batch_tokens=64)
    two = train_crossencoder(
        replace(config, output_dir=str(tmp_path / "two"), workers=Workers(2), parameters=halved, metric_file=None)
    )
    np.testing.assert_allclose([e["loss"] for e in two.epochs], [e["loss"] for e in done.epochs], rtol=0.02)
    assert two.best["epoch"] == done.best["epoch"]


@pytest.fixture(scope="module")
def linked(made, model, tmp_path_factory):
    config, _, _ = made
    corpus = three_files(tmp_path_factory.mktemp("cross_in"))
    run = tmp_path_factory.mktemp("cross_run")
    job = model.config(
        corpus,
        run / "a",
        ngrams_model=config.generator.ngrams_model,
        reranker_model=config.output_dir,
        crosstype="tree",
        top_k=3,
        chunk_documents=5,
    )
    link_job.link(job)
    return job, run


def test_link_with_a_reranker(linked, made, model):
    job, run = linked
    first = model.config(job.in_corpus, run / "first", ngrams_model=job.ngrams_model, top_k=3)
    link_job.link(replace(first, in_corpus=job.in_corpus))
    rows, before = (pq.read_table(where / "mentions").to_pylist() for where in (run / "a", run / "first"))
    for row, other in zip(rows, before, strict=True):
        ranking = row["ranking"]
        assert {each["concept_id"] for each in ranking} == {each["concept_id"] for each in other["ranking"]}
        places = {each["concept_id"]: each["first_rank"] for each in other["ranking"]}
        assert [each["first_rank"] for each in ranking] == [places[each["concept_id"]] for each in ranking]
        scores = [each["score"] for each in ranking]
        assert scores == sorted(scores, reverse=True)
        assert 0 <= sum(scores) <= 1.0001
        assert [each["rank"] for each in ranking] == list(range(len(ranking)))
    assert any(each["first_rank"] != each["rank"] for row in rows for each in row["ranking"])


def test_the_number_of_actors_changes_nothing(linked):
    job, run = linked
    link_job.link(replace(job, out_corpus=str(run / "b"), resources=replace(job.resources, actors=1)))
    assert outputs(run / "a", ("state/",)) == outputs(run / "b", ("state/",))


def test_a_stored_lookup_gives_the_same_ranking(linked, model):
    """It keeps the aliases that matched, which the cross-encoder sees."""
    job, run = linked
    where = str(run / "lookup")
    lookup.make_lookup(lookup.LookupConfig(job.in_corpus, where, job.ontology, job.ngrams_model, top_k=3))
    looked = replace(job, out_corpus=str(run / "looked"), ngrams_model=None, candidates_lookup=where)
    link_job.link(looked)
    for name in ("a.xml.gz", "b.xml.gz"):
        assert (run / "looked" / "shards" / name).read_bytes() == (run / "a" / "shards" / name).read_bytes()


def test_an_error_of_the_model_stops_the_job(linked, made, tmp_path):
    config, _, _ = made

    shutil.copytree(config.output_dir, tmp_path / "broken")
    weights = load_file(tmp_path / "broken" / "model.safetensors")
    save_file(
        {k: v * torch.nan for k, v in weights.items()}, tmp_path / "broken" / "model.safetensors", {"format": "pt"}
    )
    job, _ = linked
    with pytest.raises(InputError, match="scores that are no numbers"):
        link_job.link(replace(job, out_corpus=str(tmp_path / "run"), reranker_model=str(tmp_path / "broken")))
    assert not list((tmp_path / "run").rglob("quarantine/*"))


@pytest.fixture
def no_ray(monkeypatch):
    def started(*_args, **_more):
        raise AssertionError("Ray was asked for")

    monkeypatch.setattr(ray, "init", started)
    monkeypatch.setattr(ray, "is_initialized", started)


def test_a_reranker_that_does_not_fit(made, linked, tmp_path, no_ray):
    job, _ = linked
    fresh = replace(job, out_corpus=str(tmp_path / "run"))
    with pytest.raises(MismatchError, match="of the type tree, not base"):
        link_job.link(replace(fresh, crosstype="base"))
    with pytest.raises(InputError, match="holds no cross-encoder of `raybel train crossencoder`, but a 'ngrams' model"):
        link_job.link(replace(fresh, reranker_model=job.ngrams_model))
    with pytest.raises(InputError, match="no such directory"):
        link_job.link(replace(fresh, reranker_model=str(tmp_path / "none")))
    other = Ontology.from_concepts([Concept("D1", "Anaemia")])
    with pytest.raises(MismatchError, match="another ontology"):
        describe(made[0].output_dir, other)
    with pytest.raises(ConfigError, match="precision must be"):
        replace(job, precision="int8")
    with pytest.raises(ConfigError, match="give --reranker-model"):
        replace(job, reranker_model=None)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in Path(made[0].output_dir).iterdir():
        if path.is_file():
            (damaged / path.name).write_bytes(path.read_bytes()[: -100 if path.suffix == ".safetensors" else None])
    with pytest.raises(InputError, match="isn't a usable"):
        Reranker.load(str(damaged))


def test_bad_settings(made, encoder, tmp_path, no_ray):
    config, _, _ = made
    fresh = replace(config, output_dir=str(tmp_path / "new"), metric_file=None)
    with pytest.raises(ConfigError, match="another configuration"):
        train_crossencoder(replace(config, seed=1))
    with pytest.raises(ConfigError, match="crosstype must be one of"):
        replace(config, crosstype="best")
    with pytest.raises(ConfigError, match="give --train-corpus"):
        replace(config, train_corpus=())
    with pytest.raises(ConfigError, match="give a generator"):
        replace(config, generator=GeneratorPaths())
    with pytest.raises(ConfigError, match="no such model"):
        train_crossencoder(replace(fresh, model_name="./none"))
    with pytest.raises(ConfigError, match="too short"):
        train_crossencoder(replace(fresh, parameters=replace(PARAMETERS, max_length=20)))
    with pytest.raises(ConfigError, match="unknown cross-encoder parameters: lr"):
        PARAMETERS.changed({"lr": 1})
    with pytest.raises(ConfigError, match="learning_rate must be above 0"):
        PARAMETERS.changed({"learning_rate": 0})


def test_a_corpus_without_anything_to_learn(made, local_ray, tmp_path):
    config, _, _ = made
    fresh = replace(config, output_dir=str(tmp_path / "new"), metric_file=None, val_corpus=())
    far = put(tmp_path / "far.xml", collection(simple("1", "A case of gout here.", "gout")))  # D1 is no candidate
    with pytest.raises(InputError, match="all labels would be negative"):
        train_crossencoder(replace(fresh, train_corpus=(far,)))
    none = put(tmp_path / "none.xml", collection(simple("1", "A case of gout here.", "gout").replace("D1", "X")))
    with pytest.raises(InputError, match="no mention has a single id"):
        train_crossencoder(replace(fresh, train_corpus=(none,), overwrite=True))


def test_a_lookup_of_training_mentions_is_refused(made, linked, tmp_path):
    config, _, _ = made
    job, _ = linked
    where = str(tmp_path / "lookup")
    lookup.make_lookup(lookup.LookupConfig(job.in_corpus, where, job.ontology, job.ngrams_model, top_k=3))
    with pytest.raises(ConfigError, match="hand them their own answers"):
        train_crossencoder(
            replace(config, output_dir=str(tmp_path / "new"), generator=GeneratorPaths(candidates_lookup=where))
        )

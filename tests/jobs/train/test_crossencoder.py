import contextlib
import json
import shutil
import signal
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import ray
import torch
from killed_training import interrupted_training, killed_within_its_epoch, known_checkpoint
from ray_fixture import command, corpus_of, outputs, three_files, wait_for
from safetensors.torch import load_file, save_file
from samples import collection, save, simple_document
from tiny_crossencoder import example
from transformers import AutoModelForTokenClassification, AutoTokenizer

from raybel.candidates.calibration import CandidateCalibration
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.config import GeneratorPaths, MentionOptions, ModelPaths
from raybel.errors import ConfigError, InputError, MismatchError
from raybel.files import artefacts, storage
from raybel.jobs.calibrate.config import CalibrateConfig
from raybel.jobs.calibrate.job import calibrate_reranker
from raybel.jobs.link import job as link_job
from raybel.jobs.lookup import job as lookup
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.status import status
from raybel.jobs.train.config import TrainCrossEncoderConfig, Workers
from raybel.jobs.train.crossencoder import train_crossencoder
from raybel.jobs.train.directory import KINDS
from raybel.jobs.train.run import load_checkpoint, save_checkpoint
from raybel.ontology import Concept, Ontology
from raybel.rerank.calibration import Calibration
from raybel.rerank.cascade import Cascade
from raybel.rerank.parameters import BEFORE, CrossEncoderParameters
from raybel.rerank.prior_features import FEATURES, PriorFeatures
from raybel.rerank.reranker import Reranker
from raybel.rerank.state import KIND, cascades_of, describe, priors_of, with_cascades
from raybel.rerank.training.alias_scopes import check_generator
from raybel.rerank.training.epochs import Epochs
from raybel.rerank.training.features import SCHEMA, Features
from raybel.rerank.training.validation import ValidationResult

PARAMETERS = CrossEncoderParameters(
    top_k=3, learning_rate=1e-3, max_epochs=2, batch_tokens=128, averaging=0.5, further_names=2, definition=9
)


@pytest.fixture(scope="module")
def made(local_ray, model, encoder, tmp_path_factory):
    """A tree, trained on candidates of a generator that has the training mentions as aliases."""
    corpus = three_files(tmp_path_factory.mktemp("cross_corpus"))
    ontology = Ontology.open(model.ontology)
    pairs = [("anemia", 0), ("bronchial asthma", 0), ("xqzwk", 0)]
    ngrams = str(tmp_path_factory.mktemp("cross_ngrams") / "m")
    NgramGenerator.build(ontology, NgramParameters(), pairs).save(ngrams)
    config = TrainCrossEncoderConfig(
        model.ontology,
        str(tmp_path_factory.mktemp("cross") / "out"),
        (str(corpus / "c.json"),),
        GeneratorPaths(ngrams_model=ngrams),
        "tree",
        (str(corpus / "c.json"),),
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
    other = ("without_gold", "cut")  # candidates, and their further names, are cross-fitted in training alone
    assert done.counts["train"] == done.counts["val"] | {name: done.counts["train"][name] for name in other}
    assert done.counts["train"]["mentions"] == 12
    assert {"Acc@1", "first_stage_Acc@1", "alone_Acc@1", "F1", "loss", "first_share"} <= set(done.best["scores"])
    assert seen[0] == {"stage": "candidates of the train and val corpus"}
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
    assert KIND in KINDS
    model_status = status(config.output_dir)
    assert (model_status.title, model_status.state) == (f"model {config.output_dir}", "finished")
    assert model_status.figures[0] == ("epochs", 2)


def test_the_directory_loads_with_plain_transformers(made):
    config, _, _ = made
    model, loading = AutoModelForTokenClassification.from_pretrained(config.output_dir, output_loading_info=True)
    assert not loading["missing_keys"]
    tokenizer = AutoTokenizer.from_pretrained(config.output_dir)
    with torch.no_grad():
        assert model(**tokenizer("a [MASK] b", return_tensors="pt")).logits.shape[-1] == 2


def test_again_does_nothing(made):
    config, done, _ = made
    again = train_crossencoder(config)
    assert (again.resumed, again.epochs) == (2, done.epochs)


def test_a_driver_that_is_interrupted_again_and_again_goes_on_from_the_last_checkpoint(made, tmp_path):
    config, _, _ = made
    many = replace(config, parameters=replace(PARAMETERS, max_epochs=8, patience=8), metric_file=None)
    many = replace(many, workers=Workers(1, checkpoint_seconds=0.2))
    out, done = tmp_path / "out", tmp_path / "done"
    config = replace(many, output_dir=str(out))
    interrupted_training(lambda: train_crossencoder(config), lambda: known_checkpoint(out))
    first = known_checkpoint(out)
    (out / "progress.json").unlink(missing_ok=True)
    interrupted_training(lambda: train_crossencoder(config), (out / "progress.json").exists)  # before the next, maybe
    assert known_checkpoint(out).name >= first.name
    known = json.loads((known_checkpoint(out) / "state.json").read_text())["epochs"]
    again, whole = train_crossencoder(config), train_crossencoder(replace(many, output_dir=str(done)))
    assert again.resumed >= len(known)
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in whole.epochs]
    assert (out / "model.safetensors").read_bytes() == (done / "model.safetensors").read_bytes()


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
        wait_for(lambda: known_checkpoint(out), process)
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
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline and not known_checkpoint(out):
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
@pytest.mark.timeout(900)
@pytest.mark.parametrize("workers", [1, 2])
def test_a_killed_worker_goes_on_within_its_epoch(made, tmp_path, workers):
    config, _, _ = made
    corpus = corpus_of(tmp_path, 1, 600)
    single = replace(
        config,
        train_corpus=(str(corpus / "f0.xml.gz"),),
        parameters=replace(PARAMETERS, max_epochs=1, dropout=0.1),
        workers=Workers(workers, checkpoint_seconds=0.5),
        metric_file=None,
    )
    whole = train_crossencoder(replace(single, output_dir=str(tmp_path / "whole")))
    again = killed_within_its_epoch(train_crossencoder, single, tmp_path / "killed")
    assert [each["loss"] for each in again.epochs] == [each["loss"] for each in whole.epochs]
    weights = [tmp_path / name / "model.safetensors" for name in ("killed", "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


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
    first = model.config(job.in_corpus, run / "first", ngrams_model=job.generator.ngrams_model, top_k=3)
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


@pytest.mark.bench
def test_the_number_of_actors_changes_nothing(linked):
    job, run = linked
    link_job.link(replace(job, out_corpus=str(run / "b"), resources=replace(job.resources, actors=2)))
    assert outputs(run / "a", ("state/",)) == outputs(run / "b", ("state/",))


@pytest.fixture(scope="module")
def stored(linked):
    """The corpus's candidates as a lookup."""
    job, run = linked
    where = str(run / "lookup")
    lookup.make_lookup(
        LookupConfig(job.in_corpus, where, job.ontology, ModelPaths(job.generator.ngrams_model), top_k=3)
    )
    return GeneratorPaths(candidates_lookup=where)


@pytest.mark.bench
def test_a_stored_lookup_gives_the_same_ranking(linked, stored):
    """It keeps the aliases that matched, which the cross-encoder sees."""
    job, run = linked
    looked = replace(job, out_corpus=str(run / "looked"), generator=stored)
    link_job.link(looked)
    for name in ("a.xml.gz", "b.xml.gz"):
        assert (run / "looked" / "shards" / name).read_bytes() == (run / "a" / "shards" / name).read_bytes()


def copied(made, tmp_path, **changed):
    """A copy of the model, and its description, in which some values are others; None for none at all."""
    home = tmp_path / "copied"
    shutil.copytree(made[0].output_dir, home)
    state = json.loads((home / "raybel.json").read_text()) | changed
    state = {name: value for name, value in state.items() if value is not None}
    (home / "raybel.json").write_text(json.dumps(state))
    return home, state


def test_a_model_of_before_there_were_details_shows_none(made, tmp_path):
    since = (*BEFORE, "train_on", "sure_share", "averaging")
    before = {name: value for name, value in asdict(PARAMETERS).items() if name not in since}
    home, _ = copied(made, tmp_path, parameters=before)
    parameters = Reranker.load(str(home)).parameters
    assert {name: getattr(parameters, name) for name in BEFORE} == BEFORE
    assert (parameters.further_names, parameters.definition, parameters.top_k) == (0, 0, 3)


def test_what_the_ontology_lacks_is_said(made):
    config, done, _ = made
    none, shared = done.notes
    assert none == f"{config.ontology} has no definition: none are shown of candidates (definition)"
    assert shared.startswith("12 documents of the corpus val with an id that training documents have too")


def test_training_fits_a_rule(made):
    config, done, _ = made
    state = describe(config.output_dir)
    (cascade,) = cascades_of(state)
    assert done.cascades == {"main": cascade}
    assert (cascade.generator_name, cascade.figures["mentions"]) == ("ngrams", 12)
    assert cascade.ontology == state["ontology_fingerprint"]
    assert cascade.sure_from is None  # twelve mentions tell too little


def test_training_fits_a_prior_that_linking_adds(made):
    config, done, _ = made
    (prior,) = priors_of(describe(config.output_dir))
    generator = NgramGenerator.load(config.generator.ngrams_model, Ontology.open(config.ontology))
    assert (prior.generator, prior.ontology) == (generator.description, generator.ontology_fingerprint)
    assert done.best["scores"]["prior_Acc@1"] is not None
    reranker = Reranker.load(config.output_dir).for_generator(generator)
    assert reranker.prior == prior
    one = example("anemia", ["anemia", "asthma"])
    assert reranker.priors([one]) == [None]
    values = np.zeros((2, len(FEATURES)), np.float32)
    decided = replace(prior, categories={"right": 50.0, "wrong": -50.0})
    reranker.prior = decided
    for categories, order in ((["right", "wrong"], [0, 1]), (["wrong", "right"], [1, 0])):
        known = PriorFeatures(values, [(each,) for each in categories])
        assert reranker.rank([replace(one, known=known)])[0].order.tolist() == order


def of_before(state, cascade):
    """What a model says whose only rule tells the kind of its generator alone."""
    held = {name: value for name, value in cascade.to_dict().items() if name != "ontology"}
    return {name: value for name, value in state.items() if name != "cascades"} | {"cascade": held}


def test_a_rule_of_before_each_generator_had_its_own(made):
    state = describe(made[0].output_dir)
    (cascade,) = cascades_of(state)
    before = of_before(state, replace(cascade, generator="ngrams", threshold=0.25))
    (held,) = cascades_of(before)
    assert held == replace(cascade, generator="ngrams", threshold=0.25)
    assert cascades_of(before | {"cascade_ontology": "other"}) == [replace(held, ontology="other")]
    fitted = with_cascades(before, [cascade])
    assert cascades_of(fitted) == [cascade]
    assert "cascade" not in fitted
    other = replace(cascade, ontology="other")
    assert cascades_of(with_cascades(before, [other])) == [held, other]


def test_only_unsure_mentions_are_reranked(linked, made, tmp_path):
    job, _ = linked
    home, state = copied(made, tmp_path)
    rule = Cascade(
        *(CandidateCalibration(exact=5.0, none=1.0), 0.9, Calibration(**state["calibration"]), "ngrams"),
        figures={"tokens_saved": 0.421},
    )
    (home / "raybel.json").write_text(json.dumps(of_before(state, rule)))
    job = replace(job, reranker_model=str(home))
    some = link_job.link(replace(job, out_corpus=str(tmp_path / "some")))
    everything = link_job.link(replace(job, out_corpus=str(tmp_path / "all"), rerank="all"))
    sums = {name: sum(some.counts[name].to_pylist()) for name in ("sure", "unsure", "pairs", "pairs_saved")}
    rows = pq.read_table(tmp_path / "some" / "mentions").to_pylist()
    assert sums["sure"] == sum(row["sure"] for row in rows) > 0
    assert sums["unsure"] == sum(not row["sure"] for row in rows) > 0
    assert 0 < sums["pairs_saved"] < sums["pairs"] == sum(len(row["ranking"]) for row in rows)
    assert 0 < some.tokens["reranking"] < everything.tokens["reranking"]
    saved = "what is sure or pruned was 42.1 % of the tokens of the re-ranker's validation mentions"
    assert saved in some.notes
    assert saved not in everything.notes
    reranked = pq.read_table(tmp_path / "all" / "mentions").to_pylist()
    for row, other in zip(rows, reranked, strict=True):
        ranking = row["ranking"]
        assert {each["concept_id"] for each in ranking} == {each["concept_id"] for each in other["ranking"]}
        if row["sure"]:
            assert [each["first_rank"] for each in ranking] == [each["rank"] for each in ranking]
            assert row["link_score"] >= 0.9
        else:
            assert ranking == other["ranking"]  # a tree's scores are each candidate's own
        assert other["sure"] is None
    assert sum(everything.counts["pairs"].to_pylist()) == 0


@pytest.mark.bench
def test_what_is_sure_does_not_depend_on_the_actors(linked, made, tmp_path):
    job, _ = linked
    for name, actors in (("one", 1), ("two", 2)):
        resources = replace(job.resources, actors=actors)
        link_job.link(
            replace(job, reranker_model=made[0].output_dir, out_corpus=str(tmp_path / name), resources=resources)
        )
    assert outputs(tmp_path / "one", ("state/",)) == outputs(tmp_path / "two", ("state/",))


@pytest.mark.bench
def test_a_reranker_without_a_rule_reranks_everything_until_it_is_calibrated(linked, made, tmp_path):
    config, done, _ = made
    job, _ = linked
    home, state = copied(made, tmp_path)
    (home / "raybel.json").write_text(json.dumps(without_cascades(state)))
    job = replace(job, reranker_model=str(home), out_corpus=str(tmp_path / "run"))
    result = link_job.link(job)
    assert any("`raybel calibrate --reranker-model` fits one" in note for note in result.notes)
    assert pq.read_table(tmp_path / "run" / "mentions")["sure"].null_count == sum(result.counts["mentions"].to_pylist())
    fitting = CalibrateConfig(config.ontology, config.generator, config.val_corpus, str(home))
    assert {"main": calibrate_reranker(fitting)} == done.cascades
    assert describe(str(home))["fingerprint"] == describe(config.output_dir)["fingerprint"]
    with pytest.raises(ConfigError, match="another configuration"):
        link_job.link(job)
    with pytest.raises(InputError, match="nothing to fit"):
        calibrate_reranker(replace(fitting, val_corpus=(without_concepts(tmp_path),)))
    shutil.rmtree(home)
    home, _ = copied(made, tmp_path, parameters=asdict(PARAMETERS.changed({"calibrate": False})))
    with pytest.raises(ConfigError, match="it ranks all mentions"):
        calibrate_reranker(fitting)


def without_cascades(state):
    return with_cascades({name: value for name, value in state.items() if name != "cascades"}, [])


def without_concepts(tmp_path):
    return save(tmp_path / "nil.xml", collection(simple_document("1")))


@pytest.mark.bench
def test_a_rule_of_other_candidates_is_not_used(linked, made, tmp_path):
    job, _ = linked
    home, state = copied(made, tmp_path)
    rule = Cascade(CandidateCalibration(exact=5.0, none=1.0), 0.5, Calibration(), "dense 0", "o")
    (home / "raybel.json").write_text(json.dumps(with_cascades(without_cascades(state), [rule])))
    result = link_job.link(replace(job, reranker_model=str(home), out_corpus=str(tmp_path / "run")))
    assert not any(result.counts["sure"].to_pylist())


def test_a_model_that_gives_no_numbers(made, tmp_path):
    broken = tmp_path / "broken"
    shutil.copytree(made[0].output_dir, broken)
    weights = load_file(broken / "model.safetensors")
    save_file({k: v * torch.nan for k, v in weights.items()}, broken / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="isn't what training wrote"):
        Reranker.load(str(broken))
    state = json.loads((broken / "raybel.json").read_text())
    state["weights"] = storage.size_and_digest(str(broken / "model.safetensors"))[1]
    (broken / "raybel.json").write_text(json.dumps(state))
    with pytest.raises(InputError, match="scores that aren't numbers"):
        Reranker.load(str(broken)).rank([example("anemia", ["Anemia", "Asthma"])])


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
    with pytest.raises(MismatchError, match="is an n-gram model, not a cross-encoder: give it as --ngrams-model"):
        link_job.link(replace(fresh, reranker_model=job.generator.ngrams_model))
    with pytest.raises(InputError, match="no such directory"):
        link_job.link(replace(fresh, reranker_model=str(tmp_path / "none")))
    other = Ontology.from_concepts([Concept("D1", "Anaemia")])
    with pytest.raises(MismatchError, match="another ontology"):
        describe(made[0].output_dir, other)
    with pytest.raises(ConfigError, match="precision must be"):
        replace(job, precision="int8")
    with pytest.raises(ConfigError, match="give --reranker-model"):
        replace(job, reranker_model=None)
    with pytest.raises(ConfigError, match="give --reranker-model"):
        replace(job, reranker_model=None, crosstype=None, any_ontology=True)


@pytest.fixture
def damaged(made, tmp_path):
    """A copy of the trained directory, to be damaged; and the configuration that it is of."""
    config, _, _ = made
    shutil.copytree(config.output_dir, tmp_path / "damaged")
    return tmp_path / "damaged", replace(config, output_dir=str(tmp_path / "damaged"))


def test_damaged_weights(damaged, no_ray):
    home, config = damaged
    weights = (home / "model.safetensors").read_bytes()
    (home / "model.safetensors").write_bytes(weights[:-100])
    for opened in (lambda: Reranker.load(str(home)), lambda: train_crossencoder(config)):
        with pytest.raises(InputError, match=r"model.safetensors has \d+ bytes in place of \d+: train the model again"):
            opened()
    (home / "model.safetensors").write_bytes(weights[:-100] + bytes(100))
    with pytest.raises(InputError, match="isn't what training wrote"):
        Reranker.load(str(home))
    (home / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"tokenizer.json is missing: train the model again"):
        train_crossencoder(config)


@pytest.mark.parametrize(
    ("state", "linking", "training"),
    [
        ("[1]", "holds no cross-encoder", "doesn't say what the directory holds: delete"),
        ({"kind": "crossencoder", "finished": True}, "has the format None", "has the format None"),
        ({"kind": "crossencoder", "finished": True, "version": 3}, "lacks crosstype, parameters", "lacks crosstype"),
        ("{", "isn't readable JSON", "isn't readable JSON"),
        ({"parameters": {"new": 1}}, "unknown cross-encoder parameters: new.*train the model again", "new"),
        ({"crosstype": "best"}, "crosstype must be one of .*train the model again", "crosstype must be"),
        ({"calibration": {"x": 1}}, "train the model again", "train the model again"),
        ({"edges": "a"}, "train the model again", "train the model again"),
        ({"priors": [{"features": {}}]}, "train the model again", "train the model again"),
        ({"cascade": {"first_stage": {}}}, "train the model again", "train the model again"),
        ({"cascades": [{"first_stage": {}}]}, "train the model again", "train the model again"),
        ({"generators": [{"ontology": "o", "edges": []}]}, "train the model again", "train the model again"),
        ({"generators": [{"generator": " ", "ontology": "o", "edges": []}]}, "has no name", "has no name"),
    ],
)
def test_a_damaged_description(damaged, state, linking, training, no_ray):
    home, config = damaged
    held = json.loads((home / "raybel.json").read_text())
    if isinstance(state, dict):
        kept = {"identity": held["identity"]} if "kind" in state else held
        state = json.dumps(kept | state)
    (home / "raybel.json").write_text(state)
    with pytest.raises((InputError, MismatchError), match=linking):
        describe(str(home))
    with pytest.raises((InputError, MismatchError), match=training):
        train_crossencoder(config)


def test_a_damaged_checkpoint(tmp_path):
    model = torch.nn.Linear(2, 2)
    optimiser = torch.optim.AdamW(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    save_checkpoint(str(tmp_path), model, optimiser, {"epochs": [1]})
    assert load_checkpoint(tmp_path, model, optimiser) == {"epochs": [1]}
    for name in ("weights.safetensors", "optimiser.safetensors", "state.json"):
        whole = (tmp_path / name).read_bytes()
        for cut in (whole[:-5], b"", None):
            (tmp_path / name).unlink() if cut is None else (tmp_path / name).write_bytes(cut)
            with pytest.raises(InputError, match=r"the checkpoint is damaged .*: delete the directory `checkpoints`"):
                load_checkpoint(tmp_path, model, optimiser)
            (tmp_path / name).write_bytes(whole)


def test_features_that_are_missing_or_damaged(tmp_path):
    assert len(Features("mock:///none", "val")) == len(Features(str(tmp_path), "val")) == 0
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "a.arrow").write_bytes(b"ARROW1")
    with pytest.raises(InputError, match=r"a.arrow: is damaged .*: delete the directory `features`"):
        Features(str(tmp_path), "train")
    (tmp_path / "train" / "a.arrow").write_bytes(artefacts.arrow_bytes(pa.table({"contexts": [1]})))
    with pytest.raises(InputError, match=r"a.arrow: is of another version: delete the directory `features`"):
        Features(str(tmp_path), "train")
    of_other_features = SCHEMA.with_metadata({"prior_features": "others"}).empty_table()
    (tmp_path / "train" / "a.arrow").write_bytes(artefacts.arrow_bytes(of_other_features))
    with pytest.raises(InputError, match=r"a.arrow: is of another version: delete the directory `features`"):
        Features(str(tmp_path), "train")


def test_equal_scores_are_decided_by_the_loss():
    epochs = SimpleNamespace(parameters=PARAMETERS, records=[])
    for value, loss, best in [
        (0.5, 2.0, True),
        (0.5, 1.0, True),
        (0.5, 1.5, False),
        (0.4, 0.1, False),
        (0.6, 3.0, True),
    ]:
        checked = ValidationResult({"Acc@1": value, "loss": loss}, Calibration(2.0))
        record = Epochs._judged(epochs, {"main": checked}, "main")
        assert record["best"] == best
        assert record["calibration"]["logit"] == 2.0
        epochs.records.append(record)
    nothing = ValidationResult({"Acc@1": None, "loss": None}, None)
    assert Epochs._judged(epochs, {"main": nothing}, "main")["calibration"] == Calibration().to_dict()
    assert Epochs._judged(epochs, {}, "main")["best"]
    binary = SimpleNamespace(parameters=replace(PARAMETERS, loss="binary"), records=[])
    assert Epochs._judged(binary, {"main": nothing}, "main")["calibration"] is None


def test_a_generator_made_with_other_surfaces(made, model, tmp_path, no_ray):
    """Unexpanded, an expanded training mention wouldn't be known as itself."""
    config, _, _ = made
    ontology = Ontology.open(model.ontology)
    where = str(tmp_path / "m")
    NgramGenerator.build(ontology, NgramParameters(), [("anemia", 0)]).save(where, {"expand_abbreviations": True})
    paths = GeneratorPaths(ngrams_model=where)
    fresh = replace(
        config, output_dir=str(tmp_path / "new"), generator=paths, mentions=MentionOptions(expand_abbreviations=False)
    )
    with pytest.raises(ConfigError, match="added with expanding abbreviations: train in the same way"):
        train_crossencoder(fresh)
    NgramGenerator.build(ontology, NgramParameters()).save(str(tmp_path / "n"), {"expand_abbreviations": True})
    check_generator(NgramGenerator.load(str(tmp_path / "n")), 3, expand_abbreviations=False)


def test_bad_settings(made, encoder, tmp_path, no_ray):
    config, _, _ = made
    fresh = replace(config, output_dir=str(tmp_path / "new"), metric_file=None)
    with pytest.raises(ConfigError, match="another configuration"):
        train_crossencoder(replace(config, seed=1))
    with pytest.raises(ConfigError, match=r"crosstype must be 'base', .* or 'tree', not 'best'"):
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
    for wrong, reason in (
        ({"learning_rate": 0}, "learning_rate must be greater than 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a finite number"),
        ({"weight_decay": float("inf")}, "weight_decay must be a finite number"),
    ):
        with pytest.raises(ConfigError, match=reason):
            PARAMETERS.changed(wrong)
    with pytest.raises(ConfigError, match="top_k must be a whole number, not True"):
        PARAMETERS.changed({"top_k": True})
    with pytest.raises(ConfigError, match=r"another configuration .*workers"):
        train_crossencoder(replace(config, workers=Workers(2)))


@pytest.mark.bench
def test_a_corpus_without_anything_to_learn(made, local_ray, tmp_path):
    config, _, _ = made
    fresh = replace(config, output_dir=str(tmp_path / "new"), metric_file=None, val_corpus=())
    far = save(
        tmp_path / "far.xml", collection(simple_document("1", "A case of gout here.", "gout"))
    )  # D1 is no candidate
    with pytest.raises(InputError, match="all labels would be negative"):
        train_crossencoder(replace(fresh, train_corpus=(far,)))
    none = save(
        tmp_path / "none.xml", collection(simple_document("1", "A case of gout here.", "gout").replace("D1", "X"))
    )
    with pytest.raises(InputError, match=r"none\.xml: no mention has a single id"):  # the directory was left free
        train_crossencoder(replace(fresh, train_corpus=(none,)))
    assert not (tmp_path / "new").exists()


def test_workers_that_do_not_fit(made, local_ray, tmp_path):
    config, _, _ = made
    fresh = replace(config, output_dir=str(tmp_path / "new"))
    for workers, reason in (
        (Workers(1, None, 99), "no room for 1 worker of 99 CPUs each"),
        (Workers(99), "no room for 99 workers with a CPU each"),
        (Workers(None, True), "no room for 1 worker with a CPU and a GPU each"),
    ):
        with pytest.raises(ConfigError, match=reason):
            train_crossencoder(replace(fresh, workers=workers))
        assert not (tmp_path / "new").exists()
    shutil.copytree(config.output_dir, tmp_path / "old")
    with pytest.raises(ConfigError, match="no room for 99 workers with a CPU each"):
        train_crossencoder(
            replace(config, output_dir=str(tmp_path / "old"), seed=9, workers=Workers(99), overwrite=True)
        )
    assert json.loads((tmp_path / "old" / "raybel.json").read_text())["finished"]
    with pytest.raises(ConfigError, match="cpus_per_worker must be at least 1"):
        Workers(1, None, 0)


@pytest.mark.bench
def test_a_lookup_of_training_mentions_is_refused(made, stored, tmp_path):
    config, _, _ = made
    with pytest.raises(ConfigError, match="hand them their own answers"):
        train_crossencoder(replace(config, output_dir=str(tmp_path / "new"), generator=stored))

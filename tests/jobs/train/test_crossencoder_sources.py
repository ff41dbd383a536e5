"""One training on several corpora, each with its own ontology, and on ontologies' names before."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import ray
import yaml
from ray_fixture import CONCEPTS, make_model, three_files
from samples import annotation, collection, document, passage, save

from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, MentionOptions, configured
from raybel.errors import ConfigError, InputError
from raybel.jobs.calibrate.config import CalibrateConfig
from raybel.jobs.calibrate.job import calibrate_reranker
from raybel.jobs.link import job as link_job
from raybel.jobs.link.config import LinkConfig
from raybel.jobs.train import crossencoder as job_module
from raybel.jobs.train.config import TrainCrossEncoderConfig
from raybel.jobs.train.corpora import read_corpora
from raybel.jobs.train.crossencoder import train_crossencoder
from raybel.jobs.train.run import run_workers
from raybel.ontology import Concept, Ontology
from raybel.rerank.parameters import CrossEncoderParameters
from raybel.rerank.reranker import Reranker
from raybel.rerank.state import cascades_of, describe, edges_for
from raybel.rerank.training.epochs import Epochs
from raybel.rerank.training.sources import JoinedSources, open_sources

PARAMETERS = CrossEncoderParameters(
    top_k=3, learning_rate=1e-3, max_epochs=2, batch_tokens=128, pretrain_examples=9, pretrain_epochs=2
)
GENES = (
    Concept("G1", "alpha kinase", ["kinase alpha subunit", "alpha kinase one"]),
    Concept("G2", "beta kinase", ["kinase beta subunit", "Kinase, beta"]),
    Concept("G3", "gamma kinase"),
    Concept("G4", "delta receptor", ["delta receptors", "the delta receptor protein"]),
)
DISEASES = (*CONCEPTS, Concept("D6", "Lung cancer", ["cancer of the lung", "lung carcinoma"]))


def of_gene(name, mention, concept_id):
    text = f"Here {mention} was seen."
    return document(name, passage(text, annotation(mention, (5, len(mention)), type="Gene", concept_id=concept_id)))


@pytest.fixture(scope="module")
def files(encoder, tmp_path_factory):
    """A configuration of a main corpus of diseases, and of one of genes."""
    home = tmp_path_factory.mktemp("several")
    for name in ("diseases", "genes"):
        (home / name).mkdir()
    diseases, genes = make_model(home / "diseases", DISEASES), make_model(home / "genes", GENES)
    mentions = [("alpha kinases", "G1"), ("kinase beta", "G2"), ("gamma kinase", "G3"), ("delta", "G4")]
    texts = [of_gene(f"g{number}", *mentions[number % 4]) for number in range(8)]
    corpus = save(home / "genes.xml", collection(*texts))
    options = {"ontology": genes.ontology, "ngrams-model": genes.ngrams, "mention_types": ["Gene"]}
    held = {"genes": options | {"train_corpus": corpus, "val-corpus": [corpus]}}
    (home / "corpora.yaml").write_text(yaml.safe_dump(held))
    main = str(three_files(home / "in", 6) / "b.xml")
    config = TrainCrossEncoderConfig(
        diseases.ontology,
        str(home / "out"),
        (main,),
        GeneratorPaths(ngrams_model=diseases.ngrams),
        "tree",
        (main,),
        str(encoder),
        PARAMETERS,
        str(home / "corpora.yaml"),
        (diseases.ontology, genes.ontology),
    )
    return home, config, diseases, genes


@pytest.fixture(scope="module")
def trained(files, local_ray, tmp_path_factory):
    """A configuration, its training, and the settings of its workers, whose files are kept to go on with."""
    config, kept, copied = files[1], {}, tmp_path_factory.mktemp("kept")

    def keep(worker, home, settings, workers, watch):
        for name in ("base", "features"):
            shutil.copytree(f"{home}/{name}", copied / name)
        kept.update(settings | {"base": str(copied / "base"), "features": str(copied / "features"), "threads": 1})
        return run_workers(worker, home, settings, workers, watch)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job_module, "run_workers", keep)
        return config, train_crossencoder(config), kept


@pytest.fixture(scope="module")
def made(trained):
    return trained[:2]


@pytest.fixture(scope="module")
def settings(trained):
    return trained[2]


def test_what_several_sources_leave(made, files):
    config, done = made
    shared = [note for note in done.notes if "training documents have too" in note]
    assert [note.split(" with ")[0] for note in shared] == [
        "6 documents of the corpus val",
        "8 documents of the corpus genes val",
    ]
    _, _, diseases, genes = files
    assert [(each["epoch"], each.get("stage")) for each in done.epochs][:3] == [(1, "names"), (2, "names"), (3, None)]
    assert "stage" not in done.best
    assert {*done.cascades} == {"main", "genes"}
    assert {*done.counts} == {"train", "val", "genes train", "genes val"}
    assert (done.counts["train"]["mentions"], done.counts["genes train"]["mentions"]) == (6, 8)
    for epoch in done.epochs:
        scores = epoch["corpora"]
        assert {*scores} == {"main", "genes"}
        assert epoch["scores"] == scores["main"]
        assert epoch["value"] == pytest.approx((scores["main"]["Acc@1"] + scores["genes"]["Acc@1"]) / 2)
    of_genes, of_diseases = done.names[genes.ontology], done.names[diseases.ontology]
    assert of_genes["names"] == 4  # "Kinase, beta" and "delta receptors" are what the concepts' names are
    assert of_genes["drawn"] + of_diseases["drawn"] == 9
    assert of_genes["drawn"] == of_genes["mentions"] + of_genes["without_gold"]
    state = describe(config.output_dir, Ontology.open(genes.ontology))
    assert describe(config.output_dir, Ontology.open(diseases.ontology)) == state
    assert [each["generator"].split()[0] for each in state["generators"]] == ["ngrams"] * 4
    card = (Path(config.output_dir) / "README.md").read_text()
    for said in ("| genes train | 8 | 8 |", "On the validation corpus of genes:", "| ontology.arrow |"):
        assert said in card
    held = {path.name for path in Path(config.output_dir).iterdir()}
    assert not held & {"features", "base", "checkpoints"}
    again = train_crossencoder(config)
    assert (again.epochs, again.names, again.counts) == (done.epochs, done.names, done.counts)


def test_scores_are_shown_by_the_ranges_of_their_own_generator(made, files):
    config, _ = made
    _, _, diseases, genes = files
    state, loaded = describe(config.output_dir), Reranker.load(config.output_dir)
    for model, place in ((diseases, 0), (genes, 1)):
        ontology = Ontology.open(model.ontology)
        generator = open_generator(ontology, GeneratorPaths(ngrams_model=model.ngrams))
        edges = state["generators"][place]["edges"]
        assert edges_for(state, generator) == edges
        np.testing.assert_array_equal(loaded.for_generator(generator).scorer.tokens.edges, np.float32(edges))
        assert loaded.for_generator(generator).cascade.ontology == generator.ontology_fingerprint
        other = NgramGenerator.load(model.ngrams)
        other.fingerprint = "made anew"
        assert edges_for(state, other) == edges
        assert loaded.for_generator(other).cascade == loaded.for_generator(generator).cascade
    assert state["generators"][0]["edges"] == state["edges"] != state["generators"][1]["edges"]
    assert loaded.scorer.tokens.edges.tolist() == np.float32(state["edges"]).tolist()
    generator.ontology_fingerprint = "another"
    assert edges_for(state, generator) == state["edges"]
    assert loaded.for_generator(generator).cascade == loaded.cascades[0]
    generator.name = "dense"
    assert loaded.for_generator(generator).cascade is None


def test_a_rule_is_fitted_with_the_prior_of_its_own_generator(made, files, tmp_path):
    """Not with that of another one's rule, which holds for it as long as it has none."""
    config, done = made
    home, _, _, genes = files
    copied = shutil.copytree(config.output_dir, tmp_path / "copied")
    state = json.loads((copied / "raybel.json").read_text())
    state["cascades"] = [each for each in state["cascades"] if each["ontology"] == state["ontology_fingerprint"]]
    (copied / "raybel.json").write_text(json.dumps(state))
    corpus = (str(home / "genes.xml"),)
    generator = GeneratorPaths(ngrams_model=genes.ngrams)
    mentions = MentionOptions(mention_types=("Gene",))
    fitted = calibrate_reranker(CalibrateConfig(genes.ontology, generator, corpus, str(copied), mentions=mentions))
    assert fitted == done.cascades["genes"]


@pytest.mark.bench
def test_links_to_both_ontologies(made, files, tmp_path):
    config, _ = made
    home, _, diseases, genes = files
    routes = {
        kind: {"ontology": model.ontology, "ngrams_model": model.ngrams, "reranker_model": config.output_dir}
        for kind, model in (("Disease", diseases), ("Gene", genes))
    }
    (tmp_path / "routes.yaml").write_text(yaml.safe_dump(routes))
    values = {"in_corpus": (str(home / "genes.xml"), str(home / "in" / "b.xml")), "top_k": 3}
    values |= {"routes": str(tmp_path / "routes.yaml"), "rerank": "all"}
    result = link_job.link(configured(LinkConfig, values | {"out_corpus": str(tmp_path / "run")}))
    assert not result.failed
    rows = pq.read_table(tmp_path / "run" / "mentions").to_pylist()
    of_genes = [row for row in rows if row["type"] == "Gene"]
    assert len(of_genes) == 8
    assert {row["link_id"][0] for row in of_genes} == {"G"}
    unsure = configured(LinkConfig, values | {"out_corpus": str(tmp_path / "other"), "rerank": "unsure"})
    assert not any("fitted" in note for note in link_job.link(unsure).notes)  # each corpus's generator has its own rule


def test_what_is_sure_can_be_fitted_to_another_corpus(made, files):
    config, _ = made
    home, _, _, genes = files
    before = (Path(config.output_dir) / "raybel.json").read_bytes()
    paths = GeneratorPaths(ngrams_model=genes.ngrams)
    calibrate_reranker(CalibrateConfig(genes.ontology, paths, (str(home / "genes.xml"),), config.output_dir))
    state = describe(config.output_dir)
    ontologies = [each.ontology for each in cascades_of(state)]
    held = json.loads(before)["cascades"]
    assert [each["ontology"] for each in held] == ontologies  # the new one in the place of its generator's
    assert ontologies[-1] == Ontology.open(genes.ontology).fingerprint
    assert [each.figures["mentions"] for each in cascades_of(state)] == [each["figures"]["mentions"] for each in held]
    assert state["generators"] == json.loads(before)["generators"]
    (Path(config.output_dir) / "raybel.json").write_bytes(before)


def test_names_come_first_and_a_killed_training_goes_on_with_them(settings, made):
    _, done = made
    assert (Path(settings["features"]) / "names-0" / "train" / "counts.json").exists()
    whole = Epochs(settings)
    assert (whole.stage, whole.max_epochs, whole.pretraining) == ("pre-training on names", 4, 2)
    records = []
    while not whole.ended:
        records.append(whole.train_next())
        if len(records) == 1:
            state = copy.deepcopy((whole.trainer.model.state_dict(), whole.trainer.optimiser.state_dict()))
    assert [each["loss"] for each in records] == pytest.approx([each["loss"] for each in done.epochs], rel=0.02)
    assert whole.stage == "training"
    resumed = Epochs(settings)
    resumed.trainer.model.load_state_dict(state[0])
    resumed.trainer.optimiser.load_state_dict(state[1])
    resumed.records = records[:1]
    while not resumed.ended:
        resumed.train_next()
    assert [each["loss"] for each in resumed.records] == [each["loss"] for each in records]
    assert all(each["best"] for each in records[:3])  # the first epoch on corpora, however it compares


def test_a_model_of_the_first_layers_is_trained(settings):
    whole, cut = (Epochs({**settings, "parameters": settings["parameters"] | {"layers": n}}) for n in (None, 1))
    assert whole.trainer.model.config.num_hidden_layers == 2
    assert cut.trainer.model.config.num_hidden_layers == 1
    assert cut.train_next()["loss"] > 0


def test_documents_of_all_sources_are_told_apart(settings):
    sources = open_sources(settings["features"], settings["corpora"])
    joined = JoinedSources(sources)
    assert len(joined) == sum(len(source.train) for source in sources) == 14
    groups = [mention.dictionary.group for number in range(14) for mention in joined.document(number)]
    assert sorted(group[0] for group in groups) == [*range(14)]
    for number, source, own in ((0, sources[0], 0), (6, sources[1], 0), (13, sources[1], 7)):
        shown, stored = joined.document(number)[0], source.train.document(own)[0]
        assert shown.dictionary.candidates == stored.dictionary.candidates
        wanted = np.searchsorted(np.float32(source.edges), stored.dictionary.scores, side="right")
        assert shown.dictionary.scores.tolist() == wanted.tolist()
    empty = open_sources(settings["features"], [{**settings["corpora"][0], "folder": "none"}])
    assert (len(JoinedSources(empty)), len(JoinedSources([])), empty[0].edges) == (0, 0, [])


def alone(files, out, **sources):
    """A configuration without a main corpus."""
    start = files[1].model_name
    return TrainCrossEncoderConfig(None, str(out), (), None, "tree", (), start, PARAMETERS, **sources)


@pytest.mark.bench
def test_names_alone(files, local_ray, tmp_path):
    genes = files[3]
    config = alone(files, tmp_path / "o", pretrain=(genes.ontology,))
    done = train_crossencoder(config)
    assert [each["stage"] for each in done.epochs] == ["names", "names"]
    assert (done.best["epoch"], done.best["scores"], done.counts, done.cascades) == (2, None, {}, {})
    ontology = Ontology.open(genes.ontology)
    state = describe(config.output_dir, ontology)
    assert (state["generator"], state["ontology_fingerprint"]) == ("ngrams", ontology.fingerprint)
    assert train_crossencoder(config).epochs == done.epochs


def test_a_corpus_of_another_ontology_is_named(files, local_ray, tmp_path):
    home, _, diseases, _ = files
    wrong = {"ontology": diseases.ontology, "ngrams_model": diseases.ngrams, "train_corpus": str(home / "genes.xml")}
    (tmp_path / "c.yaml").write_text(yaml.safe_dump({"misplaced": wrong}))
    fresh = alone(files, tmp_path / "new", corpora=str(tmp_path / "c.yaml"))
    with pytest.raises(InputError, match=r"genes\.xml: corpus misplaced: no mention has a single id that .*diseases"):
        train_crossencoder(fresh)
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    ("concepts", "reason"),
    [
        ([Concept("a", "gout"), Concept("b", "asthma", ["Asthmas"])], "no concept has an alias that differs"),
        (
            [Concept("a", "gout", ["podagra", "a"]), Concept("b", "foot pain", ["Podagra"])],
            "of 3 aliases none is left: 2 are names of several concepts, 1 are ids",
        ),
        pytest.param(
            [Concept("a", "gout", ["xyz"]), Concept("b", "xyzz")],
            "none of 1 names has its concept among 3 candidates",
            marks=pytest.mark.bench,
        ),
    ],
)
def test_ontologies_without_names_to_learn(files, local_ray, tmp_path, concepts, reason):
    Ontology.from_concepts(concepts).save(str(tmp_path / "bare.arrow"))
    fresh = alone(files, tmp_path / "new", pretrain=(str(tmp_path / "bare.arrow"),))
    with pytest.raises(InputError, match=rf"bare\.arrow: nothing to pre-train on: {reason}"):
        train_crossencoder(fresh)
    assert not (tmp_path / "new").exists()


def test_configurations_that_can_not_be(files, tmp_path, monkeypatch):
    _, config, _, genes = files
    monkeypatch.setattr(ray, "init", None)
    nothing = {"train_corpus": (), "val_corpus": (), "ontology": None, "generator": None, "pretrain": ()}
    for changed, reason in (
        (nothing | {"corpora": None}, "give --train-corpus, --corpora or --pretrain"),
        ({"ontology": None}, "give the ontology of --train-corpus and --val-corpus"),
        ({"generator": None}, "give a generator"),
        ({"train_corpus": (), "val_corpus": ()}, "give --train-corpus, whose --ontology and generator these are"),
        ({"pretrain": (genes.ontology, genes.ontology)}, "named twice"),
        ({"train_corpus": (), "corpora": None, "pretrain": ()}, "nothing to learn from"),
    ):
        with pytest.raises(ConfigError, match=reason):
            replace(config, **changed)
    of_file = replace(config, **nothing)
    assert [*of_file.all_corpora] == ["genes"]
    assert [*config.all_corpora] == ["main", "genes"]
    with pytest.raises(ConfigError, match="another configuration"):
        train_crossencoder(replace(config, pretrain=()))
    good = {"ontology": genes.ontology, "ngrams_model": genes.ngrams, "train_corpus": "c.xml"}
    for value, reason in (
        ({"main": good}, "main: that is the corpus of --train-corpus"),
        ({"a": {**good, "routes": "x"}}, "a: no option routes; there are ontology, ngrams_model"),
        ({"a": {**good, "ngrams_model": None}}, "a: give a generator"),
        ({"a": {**good, "train_corpus": None}}, "a: give train_corpus, val_corpus or both"),
        ({"a": ["c.xml"]}, "a: must hold the options ontology"),
        ({}, "holds no corpus"),
    ):
        (tmp_path / "c.yaml").write_text(yaml.safe_dump(value))
        with pytest.raises(ConfigError, match=reason):
            read_corpora(str(tmp_path / "c.yaml"))

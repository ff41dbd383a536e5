import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ray_fixture import CONCEPTS, LINKS, SURFACES, make_model, three_files, xml_infons
from samples import collection, save
from tiny_model import WIDTH, make_encoder

from raybel.candidates.aliases import AliasTable
from raybel.candidates.dense import DenseGenerator
from raybel.candidates.registry import open_generator
from raybel.config import GeneratorPaths, ModelPaths, Resources
from raybel.corpus.text import surface
from raybel.errors import ConfigError, InputError, LockedError, MismatchError
from raybel.files.locks import lock
from raybel.jobs.index.config import IndexDenseConfig
from raybel.jobs.index.job import index_dense
from raybel.jobs.index.stage import EmbedStage
from raybel.jobs.link import job as link_job
from raybel.jobs.lookup import job as lookup
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.runtime import Allocation
from raybel.jobs.status import status
from raybel.ontology import Concept, Ontology

pytestmark = pytest.mark.usefixtures("local_ray")


@pytest.fixture(scope="module")
def made(local_ray, model, encoder, tmp_path_factory):
    config = IndexDenseConfig(
        model.ontology,
        str(tmp_path_factory.mktemp("dense") / "index"),
        str(encoder),
        chunk_strings=3,
        out_vectors=str(tmp_path_factory.mktemp("vectors") / "v.npy"),
        resources=Resources(actors=1),
    )
    return config, index_dense(config)


@pytest.fixture
def copy(made, tmp_path):
    """A configuration that writes a copy of the index."""
    shutil.copytree(made[0].out_index, tmp_path / "copy")
    return replace(made[0], out_index=str(tmp_path / "copy"), out_vectors=None)


def files(config):
    home = Path(config.out_index)
    kept = (path for path in sorted(home.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(home)): path.read_bytes() for path in kept}


@pytest.mark.bench
def test_every_name_finds_its_concept(made, model):
    config, done = made
    names = [(concept.concept_id, name) for concept in CONCEPTS for name in (concept.name, *concept.aliases)]
    assert (done.strings, done.embedding.strings, done.parameters["width"]) == (len(names), len(names), WIDTH)
    generator = DenseGenerator.load(config.out_index)
    ontology = Ontology.open(model.ontology)
    for (concept_id, _), found in zip(names, generator.search([surface(n) for _, n in names], 3), strict=True):
        assert ontology.concept(int(found["concept"][0])).concept_id == concept_id
        assert found["score"][0] == 1
        assert len(set(found["concept"].tolist())) == 3


def test_again_embeds_nothing(made):
    config, done = made
    before = files(config)
    again = index_dense(replace(config, out_vectors=None))
    assert (again.fingerprint, again.embedding.strings) == (done.fingerprint, 0)
    assert files(config) == before


def test_goes_on_where_it_was_killed(copy, made):
    """A chunk's file is there or not; the others are not embedded again."""
    before = files(made[0])
    home = Path(copy.out_index)
    for name in ("config.json", "index.faiss", "vectors-00001.npy"):
        (home / name).unlink()
    (home / ".vectors-00001.npy.0000.tmp").write_bytes(b"half")
    (home / "scores.csv").write_text("a file of the user's, which is no part of the index")
    kept = (home / "vectors-00000.npy").stat().st_mtime_ns
    done = index_dense(copy)
    assert (done.embedding.chunks, done.embedding.strings) == (1, 3)
    assert (home / "vectors-00000.npy").stat().st_mtime_ns == kept
    assert done.fingerprint == made[1].fingerprint
    (home / "scores.csv").unlink()
    assert files(copy) == before


def test_other_types_of_index_take_the_same_vectors(copy, made):
    done = index_dense(replace(copy, index_type="hnsw"))
    assert done.embedding.strings == 0
    assert DenseGenerator.load(copy.out_index).parameters["index_type"] == "hnsw"
    names = [surface(name) for name in SURFACES]
    one, other = (DenseGenerator.load(c.out_index).search(names, 2) for c in (copy, made[0]))
    assert [each.tolist() for each in one] == [each.tolist() for each in other]


def test_another_configuration_is_refused(copy, tmp_path):
    other = replace(copy, model_name=str(make_encoder(tmp_path / "other", seed=1)))
    with pytest.raises(ConfigError, match=r"another configuration \(encoder: .* there, .* now\)"):
        index_dense(other)
    first = files(copy)["vectors-00000.npy"]
    own = Path(copy.out_index) / "scores.csv"
    own.write_text("mine")
    assert index_dense(replace(other, overwrite=True)).embedding.chunks == 3
    assert files(copy)["vectors-00000.npy"] != first
    assert own.read_text() == "mine"


@pytest.mark.bench
def test_given_vectors(made, tmp_path):
    config, _ = made
    held = np.load(config.out_vectors)
    names = [name for concept in CONCEPTS for name in (concept.name, *concept.aliases)]
    assert held.shape == (len(names), WIDTH)
    assert held.dtype == np.float32
    given = replace(config, out_index=str(tmp_path / "given"), vectors=config.out_vectors, out_vectors=None)
    index_dense(given)
    for name, data in files(given).items():
        if name.startswith("vectors-"):
            one, other = (np.frombuffer(each, np.float16, offset=128) for each in (data, files(config)[name]))
            np.testing.assert_allclose(one, other, atol=2e-3)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda v: v[:-1], "each of which needs a row"),
        (lambda v: v.ravel(), "shape"),
        (lambda v: v[:, :5], "was made by another"),
    ],
)
def test_given_vectors_that_do_not_fit(made, tmp_path, change, reason):
    config, _ = made
    np.save(tmp_path / "v.npy", change(np.load(config.out_vectors)))
    wrong = replace(config, out_index=str(tmp_path / "i"), vectors=str(tmp_path / "v.npy"), out_vectors=None)
    with pytest.raises(InputError, match=reason):
        index_dense(wrong)


def test_given_vectors_that_are_no_numbers(made, model):
    config, _ = made
    aliases = AliasTable.load(config.out_index)
    stage = EmbedStage(config.out_index, 3, None, {"pooling": "mean", "precision": "fp32"}, Allocation(1, 1, 1))
    stage.given, stage.path = np.load(config.out_vectors), config.out_vectors
    stage.rows = aliases.rows_of_names(Ontology.open(model.ontology))
    stage.given[0, 7] = np.nan
    with pytest.raises(InputError, match=r"v\.npy: holds NaN or infinite vectors"):
        stage(pa.table({"number": [0]}))


def test_given_vectors_that_are_none(made, tmp_path):
    (tmp_path / "v.npy").write_bytes(b"no array")
    with pytest.raises(InputError, match=r"\.npy"):
        index_dense(replace(made[0], out_index=str(tmp_path / "i"), vectors=str(tmp_path / "v.npy")))


@pytest.mark.bench
def test_training_mentions_become_aliases(model, encoder, tmp_path):
    corpus = three_files(tmp_path / "corpus") / "c.json"  # gold D1 everywhere
    config = IndexDenseConfig(
        model.ontology, str(tmp_path / "i"), str(encoder), train_corpus=str(corpus), val_corpus=str(corpus)
    )
    done = index_dense(config)
    assert done.training_aliases == len(SURFACES)
    assert done.scores["val"]["Acc@1"] == 1.0
    assert done.mentions == {"train": 12, "val": 12}
    assert DenseGenerator.load(config.out_index).search(["xqzwk"], 1)[0]["score"].tolist() == [1.0]


@pytest.mark.bench
def test_long_names_are_cut_and_told(encoder, tmp_path):
    ontology = Ontology.from_concepts([Concept("1", "x " * 5000), Concept("2", "y" * 10_000), Concept("3", "anemia")])
    ontology.save(str(tmp_path / "o.arrow"))
    config = IndexDenseConfig(str(tmp_path / "o.arrow"), str(tmp_path / "i"), str(encoder), metric_file="m.json")
    config = replace(config, metric_file=str(tmp_path / "m.json"))
    done = index_dense(config)
    assert (done.strings, done.embedding.cut) == (3, 1)
    assert json.loads((tmp_path / "m.json").read_text())["strings"] == 3


def test_an_empty_ontology(encoder, tmp_path):
    Ontology.from_concepts([Concept("1", "")]).save(str(tmp_path / "o.arrow"))
    with pytest.raises(ConfigError, match="no names"):
        index_dense(IndexDenseConfig(str(tmp_path / "o.arrow"), str(tmp_path / "i"), str(encoder)))


def test_a_directory_of_something_else(model, encoder, tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match=r"than an index \(notes.txt\): choose a new or empty --out-index"):
        index_dense(IndexDenseConfig(model.ontology, str(tmp_path), str(encoder)))


def test_one_job_at_a_time(copy):
    with lock(copy.out_index), pytest.raises(LockedError):
        index_dense(copy)


@pytest.mark.bench
def test_a_killed_overwrite_mixes_nothing(copy, made, tmp_path):
    """While the old vectors were deleted."""
    (Path(copy.out_index) / "raybel.json").write_text(json.dumps({"kind": "dense", "identity": {}}))
    (Path(copy.out_index) / "config.json").unlink()
    other = replace(copy, model_name=str(make_encoder(tmp_path / "other", seed=1)))
    assert index_dense(other).embedding.chunks == 3
    assert files(other)["vectors-00000.npy"] != files(made[0])["vectors-00000.npy"]


def test_status(copy, made):
    assert status(copy.out_index).state == "finished"
    assert status(copy.out_index).figures[0] == ("chunks embedded", "3 of 3")
    for name in ("config.json", "vectors-00001.npy"):
        (Path(copy.out_index) / name).unlink()
    assert status(copy.out_index).state.startswith("stopped")
    assert status(copy.out_index).figures[0] == ("chunks embedded", "2 of 3")


def test_a_wrong_plan_leaves_a_finished_index_alone(copy):
    before = files(copy)
    wrong = replace(copy, overwrite=True, chunk_strings=2, resources=replace(copy.resources, actors=99))
    with pytest.raises(ConfigError, match="99 actors"):
        index_dense(wrong)
    assert files(copy) == before


def test_a_model_inside_the_index_is_refused(copy):
    inside = replace(copy, model_name=f"{copy.out_index}/encoder", overwrite=True)
    with pytest.raises(ConfigError, match="choose another directory"):
        index_dense(inside)


def test_a_damaged_index_is_mended(copy, made):
    for name in ("vectors-00001.npy", "encoder/model.safetensors"):
        (Path(copy.out_index) / name).write_bytes(b"cut")
    assert index_dense(copy).fingerprint == made[1].fingerprint
    assert files(copy) == files(made[0])


@pytest.mark.bench
def test_a_generator_that_cannot_work_stops_the_job(copy, made, model, tmp_path):
    """It isn't the documents' fault: none goes to the quarantine, and no shard is written."""
    (Path(copy.out_index) / "index.faiss").write_bytes(b"x" * (Path(copy.out_index) / "index.faiss").stat().st_size)
    corpus = three_files(tmp_path / "corpus")
    config = model.config(corpus, tmp_path / "run", ngrams_model=None, dense_index=copy.out_index)
    with pytest.raises(InputError, match="isn't a readable FAISS index") as kept:
        link_job.link(config)
    assert not list((tmp_path / "run").rglob("quarantine/*"))
    assert not list((tmp_path / "run").rglob("shards/*"))
    shutil.copy(Path(made[0].out_index) / "index.faiss", copy.out_index)
    # The error refers to the failed stream; its actors' CPUs are free all the same.
    assert link_job.link(config).counts.num_rows == 3
    del kept


def test_an_index_of_another_ontology(made, tmp_path):
    other = Ontology.from_concepts([Concept("D1", "Anaemia")])
    with pytest.raises(MismatchError, match="made from another ontology"):
        open_generator(other, GeneratorPaths(dense_index=made[0].out_index))


@pytest.mark.parametrize("name", ["index.faiss", "vectors-00001.npy", "encoder/model.safetensors", "aliases.arrow"])
def test_an_incomplete_index(copy, name):
    (Path(copy.out_index) / name).unlink()
    with pytest.raises(InputError, match=f"{name} is missing"):
        DenseGenerator.load(copy.out_index)


def test_an_encoder_of_another_width(copy, tmp_path):
    other = make_encoder(tmp_path / "wide", width=2 * WIDTH)
    config = json.loads((Path(copy.out_index) / "config.json").read_text())
    for name in ("config.json", "model.safetensors"):
        shutil.copy(other / name, Path(copy.out_index) / "encoder" / name)
        config["files"][f"encoder/{name}"] = (other / name).stat().st_size
    (Path(copy.out_index) / "config.json").write_text(json.dumps(config))
    with pytest.raises(MismatchError, match="the encoder gives vectors of 32"):
        DenseGenerator.load(copy.out_index).search(["no alias"], 1)


@pytest.fixture(scope="module")
def linked(made, model, tmp_path_factory):
    """A corpus, and a shard of it, linked with the index."""
    home = tmp_path_factory.mktemp("dense_run")
    corpus = three_files(home / "corpus")
    link_job.link(model.config(corpus, home / "run", ngrams_model=None, dense_index=made[0].out_index, top_k=3))
    return corpus, home / "run" / "shards" / "a.xml.gz"


def test_link_with_a_dense_index(linked):
    infons = xml_infons(linked[1])
    for i, (mention, concept_id) in enumerate(LINKS.items()):
        assert len(infons[f"a{i}"]["all_links"].split("|")) == 3, mention
        if concept_id:
            assert infons[f"a{i}"]["link_id"] == concept_id
            assert infons[f"a{i}"]["link_score"] == "1.0000"


@pytest.mark.bench
def test_both_generators_are_fused(made, model, tmp_path):
    corpus = three_files(tmp_path / "corpus")
    runs = []
    for actors in (1, 2):
        config = model.config(corpus, tmp_path / f"run{actors}", dense_index=made[0].out_index, chunk_documents=5)
        link_job.link(replace(config, resources=replace(config.resources, actors=actors)))
        runs.append(
            {p.name: p.read_bytes() for p in sorted((tmp_path / f"run{actors}" / "mentions").rglob("*.parquet"))}
        )
    assert runs[0] == runs[1]
    table = pq.read_table(tmp_path / "run1" / "mentions")
    for row in table.to_pylist():
        if LINKS[row["text"]]:
            assert row["ranking"][0]["concept_id"] == LINKS[row["text"]]


@pytest.mark.bench
def test_a_dense_lookup_links_as_the_index_does(linked, made, model, tmp_path):
    corpus, shard = linked
    index = made[0].out_index
    done = lookup.make_lookup(
        LookupConfig((str(corpus),), str(tmp_path / "l"), model.ontology, ModelPaths(dense_index=index), ranges=3)
    )
    assert (done.surfaces, done.found) == (len(SURFACES), len(SURFACES))
    link_job.link(model.config(corpus, tmp_path / "a", candidates_lookup=str(tmp_path / "l"), top_k=3))
    assert (tmp_path / "a" / "shards" / "a.xml.gz").read_bytes() == shard.read_bytes()


def test_the_ontology_decides_which_lookup(tmp_path, made):
    other = make_model(tmp_path, (Concept("D9", "Gout"),))
    corpus = save(tmp_path / "a.xml", collection())
    with pytest.raises(MismatchError, match="another ontology"):
        lookup.make_lookup(
            LookupConfig((corpus,), str(tmp_path / "l"), other.ontology, ModelPaths(dense_index=made[0].out_index))
        )

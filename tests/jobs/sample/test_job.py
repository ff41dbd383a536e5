import gzip
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from ray_fixture import LINKS, SURFACES, documents, make_model, one, three_files, xml_infons
from samples import collection, rows, save

from raybel.config import MentionOptions, Resources
from raybel.corpus.text import surface
from raybel.errors import ConfigError
from raybel.jobs.link.job import link
from raybel.jobs.pubmed.counts import linked_concepts
from raybel.jobs.run_options import InputOptions
from raybel.jobs.sample import job as sample_job
from raybel.jobs.sample.config import SampleConfig
from raybel.jobs.sample.job import sample
from raybel.jobs.status import status
from raybel.ontology import Concept
from raybel.runs.run_directory import RunDirectory

pytestmark = pytest.mark.usefixtures("local_ray")
FOLDED = [surface(each) for each in SURFACES]


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return three_files(tmp_path_factory.mktemp("sample_corpus"))


@pytest.fixture(scope="module")
def made(local_ray, corpus, tmp_path_factory):
    config = SampleConfig((str(corpus),), str(tmp_path_factory.mktemp("sample") / "s"), 2)
    return config, sample(config)


def files(home):
    """All that must be the same in two samples: not the lock, nor what says of which configuration it is."""
    paths = (path for path in sorted(Path(home).rglob("*")) if path.is_file())
    return {str(path.relative_to(home)): path.read_bytes() for path in paths if path.parent != Path(home)}


def drawn(home):
    return (
        pq.read_table(Path(home) / "mentions").sort_by([("surface", "ascending"), ("doc_id", "ascending")]).to_pylist()
    )


def annotated(home):
    """(document, surface) of each annotation in the shards."""
    paths = sorted(path for path in (Path(home) / "shards").rglob("*") if path.is_file())
    return [(row["doc_id"], each["surface"]) for path in paths for row in rows(str(path)) for each in row["mentions"]]


def test_two_of_each_surface_with_their_documents(made):
    config, done = made
    table = drawn(config.out_corpus)
    kinds = Counter((row["surface"], row["type"]) for row in table)
    # `c.json` has no types: its mentions are others, of the type "".
    assert kinds == {(each, kind): 2 for each in FOLDED for kind in ("", "Disease")}
    assert {row["mentions"] for row in table if row["type"] == "Disease"} == {4}
    assert {row["mentions"] for row in table if row["type"] == ""} == {2}
    assert (done.surfaces, done.mentions, done.sampled, done.documents) == (12, 36, 24, 24)
    assert sorted(annotated(config.out_corpus)) == sorted((row["doc_id"], row["surface"]) for row in table)
    assert (done.shards, done.bad_documents, done.failed) == (3, 0, [])
    assert status(config.out_corpus).state == "finished"


def test_the_sample_does_not_depend_on_workers_chunks_or_files(made, corpus, tmp_path):
    config, _ = made
    other = replace(
        config,
        out_corpus=str(tmp_path / "s"),
        ranges=3,
        resources=Resources(actors=1, cpus_per_task=1),
        input=InputOptions(chunk_documents=5),
    )
    sample(other)
    assert files(config.out_corpus) == files(other.out_corpus)
    one_file = save(tmp_path / "all.xml", collection(*documents("b", 12), *documents("a", 12)))
    third = replace(config, in_corpus=(one_file, str(corpus / "c.json")), out_corpus=str(tmp_path / "t"))
    sample(third)
    both = [sorted((row["doc_id"], row["start"]) for row in drawn(each.out_corpus)) for each in (config, third)]
    assert both[0] == both[1]
    seeded = replace(config, out_corpus=str(tmp_path / "seeded"), seed=1)
    sample(seeded)
    assert drawn(seeded.out_corpus) != drawn(config.out_corpus)


def test_surfaces_and_types_that_are_wanted(corpus, tmp_path):
    listed = save(tmp_path / "listed.txt", "\ufeff ANEMIA \n\nnowhere\nCystic  Fibrosis\n")
    options = MentionOptions(mention_types=("Disease",))
    config = SampleConfig((str(corpus),), str(tmp_path / "s"), 9, surfaces=listed, mentions=options)
    done = sample(config)
    assert {row["surface"] for row in drawn(config.out_corpus)} == {"anemia", "cystic fibrosis"}
    assert (done.surfaces, done.sampled) == (2, 8)
    save(tmp_path / "listed.txt", "asthma")
    with pytest.raises(ConfigError, match=r"another configuration \(surfaces"):
        sample(config)
    assert sample(replace(config, overwrite=True)).sampled == 0
    assert not (tmp_path / "s" / "mentions").exists()


def test_a_killed_job_goes_on(made, corpus, tmp_path, monkeypatch):
    config, done = made
    shutil.copytree(config.out_corpus, tmp_path / "s")
    there = replace(config, out_corpus=str(tmp_path / "s"))
    (tmp_path / "s" / "state" / "b.xml.gz.json").unlink()
    (tmp_path / "s" / "shards" / "b.xml.gz").unlink()
    assert status(there.out_corpus).state.startswith("stopped")
    monkeypatch.setattr(sample_job, "draw_mentions", lambda *_: pytest.fail("drawn again"))
    assert sample(there) == done
    assert files(there.out_corpus) == files(config.out_corpus)


def test_confident_links_become_labels(model, corpus, tmp_path):
    link(model.config(corpus, tmp_path / "run"))
    config = SampleConfig((str(tmp_path / "run"),), str(tmp_path / "s"), 1, confident=0.9)
    sample(config)
    table = drawn(config.out_corpus)
    links = {surface(text): concept for text, concept in LINKS.items() if concept}
    assert {row["surface"]: row["link_id"] for row in table} == links  # without a link, none is drawn
    assert all(row["link_score"] >= 0.9 for row in table)
    (a,) = [row for row in table if row["surface"] == "diabetes mellitus" and row["type"] == "Disease"]
    shards = {
        name: each for path in (tmp_path / "s/shards").glob("*.xml.gz") for name, each in xml_infons(path).items()
    }
    infons = shards[a["doc_id"]]
    assert (infons["concept_id"], infons["label"], infons["label_score"]) == ("D4", "predicted", "1.0000")
    assert "link_id" not in infons
    assert "all_links" not in infons
    with pytest.raises(ConfigError, match="isn't a link run"):
        sample(replace(config, in_corpus=(str(corpus),)))


def test_composites_are_labelled_and_counted_as_such(tmp_path):
    concepts = (Concept("D1", "Breast Cancer"), Concept("D|2", "Ovarian Cancer"), Concept("D3", "Asthma"))
    model = make_model(tmp_path, concepts)
    texts = ["breast and ovarian cancer", "ovarian cancer", "asthma"]
    path = save(tmp_path / "a.xml", collection(*(one(str(i), each) for i, each in enumerate(texts))))
    link(model.config(path, tmp_path / "run", split_composites=True))
    run = RunDirectory(str(tmp_path / "run"))
    counted = {row["concept_id"]: row["mentions"] for row in linked_concepts(run).to_pylist()}
    assert counted == {"D1": 1, "D|2": 2, "D3": 1}
    sample(SampleConfig((run.uri,), str(tmp_path / "s"), 1, confident=0.9))
    (shard,) = (tmp_path / "s/shards").iterdir()
    golds = {row["doc_id"]: row["mentions"][0]["gold"] for row in rows(str(shard))}
    assert golds == {"0": ["D1", "D|2"], "1": ["D|2"], "2": ["D3"]}
    with pytest.raises(ConfigError, match="holds no candidates of composites' parts"):
        model.config(path, tmp_path / "run", split_composites=True, candidates_lookup=str(tmp_path / "l"))


def test_a_run_gives_the_sample_of_its_corpus(made, model, corpus, tmp_path):
    config, done = made
    link(model.config(corpus, tmp_path / "run"))
    from_run = replace(config, in_corpus=(str(tmp_path / "run"),), out_corpus=str(tmp_path / "s"))
    assert sample(from_run) == done
    assert drawn(from_run.out_corpus) == drawn(config.out_corpus)
    with pytest.raises(ConfigError, match="lies inside the input"):
        sample(replace(from_run, out_corpus=str(tmp_path / "run" / "s")))
    with pytest.raises(ConfigError, match="made with expand_abbreviations True"):
        sample(replace(from_run, mentions=MentionOptions(expand_abbreviations=False)))


def test_archives_groups_and_damaged_files(tmp_path):
    import tarfile

    save(tmp_path / "m" / "a.xml", collection(*documents("a", 12)))
    save(tmp_path / "m" / "b.xml", collection(*documents("b", 12)))
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "x.tar", "w") as archive:
        for name in ("a.xml", "b.xml"):
            archive.add(tmp_path / "m" / name, name)
    save(tmp_path / "in" / "bad.xml", collection(one("z", "asthma"))[:-60])
    options = InputOptions(shard_documents=5, chunk_documents=2)
    done = sample(SampleConfig((str(tmp_path / "in"),), str(tmp_path / "s"), 1, input=options))
    (reason,) = done.failed
    assert reason.startswith(f"{tmp_path}/in/bad.xml: ")
    assert (done.surfaces, done.sampled) == (6, 6)
    shards = [path for path in (tmp_path / "s/shards").rglob("*") if path.is_file()]
    assert all(gzip.decompress(path.read_bytes()).count(b"<annotation ") for path in shards)
    grouped = replace(options, group_files=True)
    both = sample(SampleConfig((str(tmp_path / "m"),), str(tmp_path / "g"), 1, input=grouped))
    assert (both.surfaces, both.sampled) == (6, 6)
    assert sorted(annotated(tmp_path / "s")) == sorted(annotated(tmp_path / "g"))

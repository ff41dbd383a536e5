from collections import Counter

import pyarrow as pa
import pytest
from ray_fixture import CONCEPTS
from samples import annotation, collection, document, passage, save

from raybel.candidates.lookup import LookupGenerator
from raybel.config import ModelPaths
from raybel.errors import ConfigError
from raybel.jobs.link.job import link
from raybel.jobs.lookup.config import LookupConfig
from raybel.jobs.lookup.frequent import count_concepts, frequent_candidates
from raybel.jobs.lookup.job import make_lookup
from raybel.ontology import Ontology
from raybel.runs.run_directory import RunDirectory

ONTOLOGY = Ontology.from_concepts(CONCEPTS)


def test_what_counts():
    surfaces = ["as"] * 6 + ["b"]
    ids = [["D1"], ["D1"], ["D1", "D2"], [], ["X9"], None, None]
    assert count_concepts(surfaces, ids, ONTOLOGY) == Counter({("as", -1): 5, ("as", 0): 3, ("as", 1): 1})


def test_the_most_frequent_first_and_equal_ones_by_their_index():
    rows = [("a", -1, 4), ("a", 3, 1), ("a", 1, 2), ("a", 2, 1), ("b", -1, 1), ("a", -1, 1)]
    table = pa.table(dict(zip(("surface", "concept", "mentions"), zip(*rows, strict=True), strict=True)))
    a, b, c = frequent_candidates(table, ["a", "b", "c"], 2)
    assert a["concept"].tolist() == [1, 2]
    assert a["score"].tolist() == pytest.approx([0.4, 0.2])
    assert (len(b), len(c)) == (0, 0)


def mention(name, concept_id):
    spot = annotation("AS", (0, 2), type="Disease", **({"concept_id": concept_id} if concept_id else {}))
    return document(name, passage("AS is meant.", spot))


@pytest.mark.usefixtures("local_ray")
def test_a_lookup_of_gold_ids_links_a_corpus_and_its_run_gives_the_links(model, tmp_path):
    ids = ["D1", "D2", "D2", "-1", None]
    path = save(tmp_path / "train.xml", collection(*(mention(str(i), each) for i, each in enumerate(ids))))
    config = LookupConfig((path,), str(tmp_path / "l"), model.ontology, frequent=True)
    done = make_lookup(config)
    assert (done.surfaces, done.mentions, done.found) == (1, 4, 1)
    lookup = LookupGenerator.load(config.output, Ontology.open(model.ontology))
    (candidates,) = lookup.search(["as"], 10)
    assert candidates["concept"].tolist() == [1, 0]
    assert candidates["score"].tolist() == [0.5, 0.25]
    assert lookup.name == "frequent"
    link(model.config(path, tmp_path / "run", candidates_lookup=config.output))
    (name,) = RunDirectory(str(tmp_path / "run")).shard_names()
    assert name == "train.xml.gz"
    of_links = LookupConfig((str(tmp_path / "run"),), str(tmp_path / "m"), model.ontology, frequent=True, confident=0.5)
    assert make_lookup(of_links).mentions == 5
    (again,) = LookupGenerator.load(of_links.output, Ontology.open(model.ontology)).search(["as"], 10)
    assert (again["concept"].tolist(), again["score"].tolist()) == ([1], [1.0])
    with pytest.raises(ConfigError, match="isn't a link run"):
        make_lookup(LookupConfig((path,), str(tmp_path / "n"), model.ontology, frequent=True, confident=0.5))


def test_what_cannot_be(model):
    with pytest.raises(ConfigError, match="leave out the generator"):
        LookupConfig(("x",), "y", model.ontology, ModelPaths(model.ngrams), frequent=True)
    with pytest.raises(ConfigError, match="give a generator"):
        LookupConfig(("x",), "y", model.ontology)
    with pytest.raises(ConfigError, match="give --frequent"):
        LookupConfig(("x",), "y", model.ontology, ModelPaths(model.ngrams), confident=0.5)

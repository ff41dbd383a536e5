import gzip

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import annotation, chunks, collection, document, passage, save

from raybel.candidates.base import CandidateCache
from raybel.candidates.ngrams import NgramGenerator
from raybel.candidates.parameters import NgramParameters
from raybel.config import GeneratorPaths
from raybel.evaluation.predictions import ranking_of
from raybel.linking.composites import CompositeSplitter, similarity
from raybel.linking.linker import Linker
from raybel.linking.render import render
from raybel.ontology import Concept, Ontology

CONCEPTS = (
    Concept("D1", "Breast Cancer", ["breast carcinoma"]),
    Concept("D2", "Ovarian Cancer"),
    Concept("D3", "Head and Neck Cancer"),
    Concept("D|4", "Cleft Lip"),
    Concept("D5", "Cleft Palate"),
    Concept("D6", "Hereditary Nonpolyposis Cancer of the Colon"),
)
TEXT = "Hereditary breast and ovarian cancer, breast and ovarian cancer, head and neck cancer, cleft lip/palate."


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("composites")
    ontology = Ontology.from_concepts(CONCEPTS)
    ontology.save(str(home / "ontology.arrow"))
    NgramGenerator.build(ontology, NgramParameters()).save(str(home / "ngrams"))
    return home


def linker(home, splits=True, threshold=None):
    generator = GeneratorPaths(ngrams_model=str(home / "ngrams"))
    path = str(home / "ontology.arrow")
    return Linker(path, "o.arrow", generator, None, 3, threshold, None, "cpu", 1, splits_composites=splits)


def linked(home, tmp_path, *mentions, text=TEXT, splits=True, threshold=None):
    places = [(text.index(each), len(each)) for each in mentions]
    spots = [
        annotation(each, place, name=f"T{i}") for i, (each, place) in enumerate(zip(mentions, places, strict=True))
    ]
    path = save(tmp_path / "a.xml", collection(document("d", passage("Title"), passage(text, *spots, offset=6))))
    (chunk,) = chunks(path)
    chunk, rankings = linker(home, splits, threshold).link(chunk)
    part = render(chunk, rankings)
    return part.mentions.to_pylist(), gzip.decompress(part.data).decode()


def test_parts_are_linked_and_the_mention_has_both(home, tmp_path):
    (one, two), xml = linked(home, tmp_path, "cleft lip/palate", "breast and ovarian cancer")
    assert (two["link_id"], two["link_name"]) == ("D1|D2", "Breast Cancer|Ovarian Cancer")
    assert one["link_id"] == "D%7C4|D5"  # an id with a separator is quoted in a composite
    start = 6 + TEXT.index("ovarian cancer")
    first, second = two["parts"]
    assert (first["surface"], first["start"], first["link_id"]) == ("breast cancer", None, "D1")
    assert (second["surface"], second["start"], second["end"], second["link_id"]) == (
        "ovarian cancer",
        start,
        start + len("ovarian cancer"),
        "D2",
    )
    assert two["link_score"] == min(first["link_score"], second["link_score"])
    assert [each["concept_id"] for each in two["ranking"][:2]] == ["D1", "D2"]
    assert [each["rank"] for each in two["ranking"]] == list(range(len(two["ranking"])))
    assert len({each["concept_id"] for each in two["ranking"]}) == len(two["ranking"])
    assert '<infon key="link_id">D1|D2</infon>' in xml
    (infon,) = [each for each in xml.split("<infon key=") if each.startswith('"all_links">D1=')]
    ranking = ranking_of({"all_links": infon.split(">")[1].split("<")[0]})
    assert ranking == [each["concept_id"] for each in two["ranking"]]


def test_an_exact_name_stays_whole(home, tmp_path):
    mentions = ("head and neck cancer", "cleft lip")
    split, _ = linked(home, tmp_path, *mentions)
    whole, _ = linked(home, tmp_path, *mentions, splits=False)
    assert split == whole
    assert [row["parts"] for row in split] == [None, None]
    assert split[0]["link_id"] == "D3"


def test_the_other_mentions_are_linked_as_ever(home, tmp_path):
    mentions = ("cleft lip", "breast and ovarian cancer", "head and neck cancer")
    split, _ = linked(home, tmp_path, *mentions)
    whole, _ = linked(home, tmp_path, *mentions, splits=False)
    assert [split[0], split[2]] == [whole[0], whole[2]]
    assert split[1]["link_id"] != whole[1]["link_id"]


def test_a_part_below_the_threshold_is_not_linked(home, tmp_path):
    text = "breast and ovarian canzer"
    ((row,), _) = linked(home, tmp_path, text, text=text, threshold=0.65)
    links = [part["link_id"] for part in row["parts"]]
    assert links in (["D1", None], [None, "D2"], [None, None], ["D1", "D2"])
    assert row["link_id"] == ("|".join(filter(None, links)) or None)


def test_parts_of_one_concept_are_no_composite(home):
    generator = NgramGenerator.load(str(home / "ngrams"))
    splitter = CompositeSplitter(CandidateCache(generator, 3), generator.alias_table)
    assert splitter.split(["breast cancer or carcinoma", "sudden and gradual cleft lip", "x"]) == [(), (), ()]
    (parts,) = splitter.split(["breast and ovarian cancer"])
    assert [part.text for part in parts] == ["breast cancer", "ovarian cancer"]
    assert splitter.split(["breast and ovarian cancer"] * 2) == [parts, parts]  # remembered


def test_a_chunk_without_mentions(home, tmp_path):
    path = save(tmp_path / "a.xml", collection(document("d", passage("Nothing."))))
    (chunk,) = chunks(path)
    chunk, rankings = linker(home).link(chunk)
    assert isinstance(chunk, pa.Table)
    assert len(rankings.counts) == 0
    assert chunk["failures"].to_pylist() == [[None]]


@given(st.text(max_size=12), st.text(max_size=12))
def test_similarity_is_symmetric_and_one_for_the_same(one, other):
    assert 0 <= similarity(one, other) == similarity(other, one) <= 1
    assert similarity(one, one) == (1.0 if one else 0.0)

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raybel.errors import ConfigError, InputError, MismatchError, RaybelError
from raybel.ontology import ONTOLOGY_SUFFIXES, Concept, Ontology
from raybel.ontology.store import content_fingerprint
from raybel.schemas import ONTOLOGY

CONCEPTS = [
    Concept("D1", "Anemia", ["Anaemia", "low blood"], "A lack.", ["Disease"], ["OMIM:1", "x"]),
    Concept("a|b=c&d", "Ähm 😀", ["low blood"], "", ["Disease", "Other"], ["x", "D1"]),
    Concept("nameless", "", [], "only defined"),
]


@pytest.fixture
def ontology():
    return Ontology.from_concepts(CONCEPTS)


@pytest.mark.parametrize("suffix", ONTOLOGY_SUFFIXES)
@pytest.mark.parametrize("concepts", [CONCEPTS, []], ids=["three", "empty"])
def test_every_format_reads_back_the_same_with_the_same_fingerprint(tmp_path, suffix, concepts):
    path = str(tmp_path / f"o{suffix}")
    original = Ontology.from_concepts(concepts)
    original.save(path)
    first = (tmp_path / f"o{suffix}").read_bytes()
    read = Ontology.open(path)
    assert read.fingerprint == original.fingerprint
    assert content_fingerprint(read.table) == original.fingerprint
    assert [read.concept(i) for i in range(len(read))] == concepts
    read.save(path)
    assert (tmp_path / f"o{suffix}").read_bytes() == first


def test_the_fingerprint_knows_content_not_chunking(ontology):
    table = ontology.table
    pieces = pa.concat_tables([table.slice(0, 1), table.slice(1, 0), table.slice(1)])
    assert pieces["name"].num_chunks > 1
    assert content_fingerprint(pieces) == content_fingerprint(table.slice(0)) == ontology.fingerprint
    joined = pa.concat_tables([table, table]).slice(3)
    assert content_fingerprint(joined) == ontology.fingerprint


NAME = st.text("ab ", max_size=3)
CONCEPT = st.builds(Concept, NAME, NAME, st.lists(NAME, max_size=2), NAME, st.lists(NAME, max_size=2))


@given(st.lists(CONCEPT, max_size=3), st.lists(CONCEPT, max_size=3))
@settings(max_examples=150)
def test_different_content_has_another_fingerprint(concepts, others):
    def build(concepts):
        for number, concept in enumerate(concepts):
            concept.concept_id = f"{number}{concept.concept_id}"
        return Ontology.from_concepts(concepts)

    first, second = build(concepts), build(others)
    assert (first.fingerprint == second.fingerprint) == first.table.equals(second.table)


def test_names_that_are_null_are_no_names(tmp_path):
    columns = {"concept_id": ["D1", "D2", "D3"], "name": ["Ague", None, None], "aliases": [[], ["ague ", None], None]}
    columns |= {"definition": ["", None, ""], "types": [[], [], []], "alt_ids": [[], [], [None]]}
    schema = pa.schema([ONTOLOGY.field(name) for name in columns])  # as written before there were the other columns
    pq.write_table(pa.table(columns, schema=schema), tmp_path / "o.parquet")
    read = Ontology.open(str(tmp_path / "o.parquet"))
    assert [read.concept(row) for row in range(3)] == [Concept("D1", "Ague"), Concept("D2", "ague"), Concept("D3", "")]
    stats = read.stats()
    assert (stats["shared by several concepts"], stats["concepts without a name"]) == (1, 1)


def test_a_repeated_id_names_both_places(tmp_path):
    concepts = [Concept("D1", "a"), Concept("D2", "b"), Concept("D1", "c")]
    with pytest.raises(InputError, match=r"D1 appears twice \(concepts 0 and 2\)"):
        Ontology.from_concepts(concepts)
    rows = [{"id": concept.concept_id, "name": concept.name} for concept in concepts]
    (tmp_path / "o.json").write_text(json.dumps(rows))
    with pytest.raises(InputError, match=r"o\.json: the id D1 appears twice"):
        Ontology.open(str(tmp_path / "o.json"))
    pq.write_table(pa.Table.from_pylist(list(map(vars, concepts)), schema=ONTOLOGY), tmp_path / "o.parquet")
    with pytest.raises(InputError, match="D1 appears twice"):
        Ontology.open(str(tmp_path / "o.parquet"))


@pytest.mark.parametrize("concept_id", ["", "  ", "\u200b", "\ufeff \x00"])
def test_an_empty_id_is_an_error(concept_id):
    with pytest.raises(InputError, match=r"concept 1 \('a'\) has no id"):
        Ontology.from_concepts([Concept("1", "b"), Concept(concept_id, "a")])


def test_names_in_which_nothing_can_be_seen_are_none():
    ontology = Ontology.from_concepts([Concept("1", "\u200b", ["\ufeff\u200d ", "\xad", "a\u200db"])])
    assert ontology.concept(0) == Concept("1", "a\u200db")


def test_half_a_character_and_sources_without_aliases_are_errors():
    with pytest.raises(InputError, match=r"concept '2' holds half a character"):
        Ontology.from_concepts([Concept("1", "a"), Concept("2", "b", ["c\udc00"])])
    with pytest.raises(InputError, match=r"concept 0 \(1\): not one alias source for each alias"):
        Ontology.from_concepts([Concept("1", "a", ["b", "c"], alias_sources=["x"])])


def test_names_are_stripped_and_empty_ones_left_out():
    ontology = Ontology.from_concepts([Concept("1", " ", ["", " a ", "a", "b "])])
    assert ontology.concept(0) == Concept("1", "a", ["b"])


def test_ids_and_alternative_ids(ontology):
    assert ontology.indices(["a|b=c&d", "no", "D1", "x", "OMIM:1"]).tolist() == [1, -1, 0, 0, 0]
    assert ontology.indices([]).tolist() == []
    assert [ontology.index(concept_id) for concept_id in ("D1", "x", "OMIM:1", "no")] == [0, 0, 0, None]
    assert ontology.alternatives == {"OMIM:1": 0, "x": 0}
    assert Ontology.from_concepts([]).index("D1") is None


def test_names_keep_their_order_and_a_shared_alias_is_there_twice(ontology):
    rows, names = ontology.names()
    assert rows.tolist() == [0, 0, 0, 1, 1, 2]
    assert names == ["Anemia", "Anaemia", "low blood", "Ähm 😀", "low blood", ""]
    stats = ontology.stats()
    assert (stats["concepts"], stats["shared by several concepts"], stats["concepts without a name"]) == (3, 1, 1)
    assert Ontology.from_concepts([]).stats()["concepts"] == 0


def test_the_published_form_is_read(tmp_path):
    rows = [{"id": 7, "name": "Anemia", "aliases": None, "definition": None}, {"id": "8", "tags": ["T"]}]
    (tmp_path / "o.json.gz").write_bytes(gzip.compress(json.dumps(rows).encode()))
    read = Ontology.open(str(tmp_path / "o.json.gz"))
    assert [read.concept(i) for i in range(2)] == [Concept("7", "Anemia"), Concept("8", "", types=["T"])]


@pytest.mark.parametrize("content", ["{}", "[1]", '[{"name": "a"}]', "no json", ""])
def test_json_that_is_no_ontology(tmp_path, content):
    (tmp_path / "o.json").write_text(content)
    with pytest.raises(InputError, match=r"o\.json"):
        Ontology.open(str(tmp_path / "o.json"))


@pytest.mark.parametrize("suffix", ONTOLOGY_SUFFIXES)
@pytest.mark.parametrize("keep", [0, 10, 0.5, -4])
def test_a_truncated_file(tmp_path, ontology, suffix, keep):
    path = tmp_path / f"o{suffix}"
    ontology.save(str(path))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep) if isinstance(keep, float) else keep])
    with pytest.raises(InputError, match=r"o\."):
        Ontology.open(str(path))


def test_wrong_columns_types_names_and_places(tmp_path):
    pq.write_table(pa.table({"concept_id": ["1"]}), tmp_path / "o.parquet")
    with pytest.raises(MismatchError, match="lacks the columns name"):
        Ontology.open(str(tmp_path / "o.parquet"))
    columns = {name: [[1]] if name in ("aliases", "types", "alt_ids") else ["1"] for name in ONTOLOGY.names}
    pq.write_table(pa.table({**columns, "name": [["a"]]}), tmp_path / "o.parquet")
    with pytest.raises(MismatchError):
        Ontology.open(str(tmp_path / "o.parquet"))
    with pytest.raises(InputError, match="no such ontology"):
        Ontology.open(str(tmp_path / "none.arrow"))
    with pytest.raises(ConfigError, match="name ends in"):
        Ontology.open(str(tmp_path / "o.csv"))
    with pytest.raises(ConfigError, match="must end in"):
        Ontology.from_concepts([]).save(str(tmp_path / "o.csv"))
    (tmp_path / "d.arrow").mkdir()
    with pytest.raises(RaybelError):
        Ontology.open(str(tmp_path / "d.arrow"))


@pytest.mark.parametrize("name", ["o.arrow", "o.parquet", "o.json.gz"])
def test_sources_of_aliases_parents_and_tree_numbers_are_kept(name, tmp_path):
    concept = Concept("D1", "Anemia", ["Anaemia", " ", "low blood", "Anaemia"], alias_sources=["", "", "mondo", "x"])
    concept.parents, concept.tree_numbers = ["D0"], ["C15.378.071"]
    ontology = Ontology.from_concepts([concept, Concept("D2", "Asthma", ["wheezing"])])
    ontology.save(str(tmp_path / name))
    read = Ontology.open(str(tmp_path / name))
    assert read.fingerprint == ontology.fingerprint
    first, second = read.concept(0), read.concept(1)
    assert (first.aliases, first.alias_sources) == (["Anaemia", "low blood"], ["", "mondo"])
    assert (first.parents, first.tree_numbers) == (["D0"], ["C15.378.071"])
    assert second.alias_sources == second.parents == second.tree_numbers == []


def test_ids_are_known_in_other_spellings_of_their_prefix():
    medic = Ontology.from_concepts([Concept("D1", "a", alt_ids=["OMIM:600000"]), Concept("C2", "b"), Concept("7", "c")])
    asked = ["MESH:D1", "mesh:C2", "D1", "omim:600000", "600000", "NCBIGene:7", "MESH:D9", "NCIT:C2"]
    assert medic.indices(asked).tolist() == [0, 1, 0, 0, -1, -1, -1, -1]  # NCIt's C2 isn't MeSH's
    mondo = Ontology.from_concepts([Concept("MESH:D1", "a"), Concept("MONDO:0005", "b"), Concept("UMLS:D1", "c")])
    asked = ["mesh:D1", "mondo:0005", "D1", "0005", "MONDO:D1", "umls:D1"]
    assert mondo.indices(asked).tolist() == [0, 1, -1, -1, -1, 2]  # D1 is two concepts here
    assert Ontology.from_concepts([]).indices(["MESH:D1"]).tolist() == [-1]

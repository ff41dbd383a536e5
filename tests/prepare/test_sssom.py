"""SSSOM files, and ids in their several spellings."""

import gzip
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from raybel.errors import InputError
from raybel.prepare.curies import id_key, obo_curie
from raybel.prepare.sssom import read_exact

TSV = """\
# comment: no: yaml: here
#curie_map:
#  BOG: http://bog.org/id/
#  BOGGY: http://bog.org/id/x
#
#  skos: http://www.w3.org/2004/02/skos/core#
#mapping_set_id: "x"
object_id\tsubject_id\tpredicate_id\tpredicate_modifier\tsubject_label
mesh:D1\tBOG:1\tskos:exactMatch\t\t"an unbalanced label
MESH:D2\thttp://bog.org/id/2\thttp://www.w3.org/2004/02/skos/core#exactMatch\t\t
http://id.nlm.nih.gov/mesh/D3\t<http://bog.org/id/x3>\towl:equivalentClass\t\t
OMIM:4\tBOG:4\tskos:closeMatch\t\t
OMIM:5\tBOG:5\tskos:exactMatch\tNot\t
sssom:NoTermFound\tBOG:6\tskos:exactMatch\t\t

"omim:7"\tbog:7\thttp://www.w3.org/2002/07/owl#equivalentClass\t\t
"""
EXPECTED = [("bog:1", "D1"), ("bog:2", "D2"), ("boggy:3", "D3"), ("bog:7", "omim:7")]


@pytest.mark.parametrize("compressed", [False, True])
def test_exact_mappings_alone_are_read(tmp_path: Path, compressed: bool) -> None:
    path = tmp_path / "m.sssom.tsv.gz"
    path.write_bytes(gzip.compress(TSV.encode()) if compressed else TSV.encode())
    assert list(read_exact(str(path))) == EXPECTED


def test_commas(tmp_path: Path) -> None:
    path = tmp_path / "m.csv"
    path.write_text(
        'subject_id,predicate_id,object_id,subject_label\nA:1,skos:exactMatch,B:1,"one, two\nthree"\n'
        "A:2,skos:exactMatch,B:2,\n"
    )
    assert list(read_exact(str(path))) == [("a:1", "b:1"), ("a:2", "b:2")]


ROW = "subject_id\tpredicate_id\tobject_id\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("# only\n", "is empty"),
        ("subject_id\tobject_id\nA:1\tB:1\n", "line 1: isn't SSSOM: the column predicate_id"),
        (ROW + "A:1\tskos:exactMatch\n", "line 2: has 2 columns, the header 3"),
        (ROW + "A:1\tskos:exactMatch\t \n", "line 2: has no object_id"),
        ("#curie_map: [a\n" + ROW, "line 1: the curie_map isn't YAML"),
        ("#curie_map:\n#  a: 2020-13-45\n" + ROW, "line 1: the curie_map isn't YAML"),
        ("#curie_map:\n#  a: &a {x: y}\n#  <<: [*a, *a]\n" + ROW, "line 1: the curie_map merges keys"),
        ("#x: 1\n#curie_map: [a]\n" + ROW, "line 2: the curie_map must hold"),
        (ROW.replace("\t", ",") + 'A:1,skos:exactMatch,"B\n', "isn't CSV"),
        (ROW.replace("\t", ",") + "A:1,skos:exactMatch\n", "line 2: has 2 columns"),
    ],
)
def test_bad_files_are_refused_with_the_line(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "m.tsv"
    path.write_text(text)
    with pytest.raises(InputError, match=r"m\.tsv") as caught:
        list(read_exact(str(path)))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "same",
    [
        ("mesh:D003924", "MESH:D003924", "D003924", "MSH:D003924", "http://id.nlm.nih.gov/mesh/D003924"),
        ("D003924", "http://identifiers.org/mesh/D003924", "https://identifiers.org/MESH:D003924", "mesh:mesh:D003924"),
        ("OMIM:1", "omim:1", "MIM:1", "https://omim.org/entry/1", "https://www.omim.org/entry/1"),
        ("UMLS:C0011860", "C0011860"),
        ("MONDO:1", "mondo:1", "http://purl.obolibrary.org/obo/MONDO_1", " MONDO:1 "),
    ],
)
def test_spellings_of_an_id_are_the_same(same: tuple[str, ...]) -> None:
    assert len({id_key(each) for each in same}) == 1


def test_different_ids_stay_apart() -> None:
    different = ["OMIM:1", "OMIMPS:1", "DOID:1", "1", "MESH:d1", "MESH:D1", "http://example.org/1"]
    assert len({id_key(each) for each in different}) == len(different)
    assert id_key("NCBIGene:1", None, ("ncbigene",)) == id_key("1", None, ("ncbigene",))


@given(st.text(max_size=30))
@example("<")
@example("<>")
def test_a_key_of_a_key_is_itself(text: str) -> None:
    assert id_key("MESH:" + text) == id_key(text) or ":" in text
    assert obo_curie(obo_curie(text)) == obo_curie(text)

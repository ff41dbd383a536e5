"""Tables as an ontology: OMOP's, SKOS's, and others."""

import gzip
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from raybel.cli import main
from raybel.errors import ConfigError, InputError
from raybel.ontology import Concept, Ontology
from raybel.prepare import table_rows
from raybel.prepare.table import TableConfig, prepare_table

CONCEPT = """concept_id\tconcept_name\tdomain_id\tvocabulary_id\tconcept_class_id\tstandard_concept\tconcept_code
00123\tBog "fever, "mild"\tCondition\tSNOMED\tDisorder\tS\t77
00124\t"Ague\tCondition\tSNOMED\tDisorder\tS\t78
"""
SYNONYM = "concept_id\tconcept_synonym_name\tlanguage_concept_id\n00124\tmarsh|ague\t4180186\n00123\tpox\t4180186\n"
SKOS = (
    "uri,skos:notation,skos:prefLabel@en,skos:prefLabel@de,skos:altLabel@en,skos:altLabel@de,skos:broader\n"
    'http://x/1,1,"Bog, fever",Sumpf,a|b ,c,\n'
    'http://x/2,2,Eel pox,Aal,"say ""x""",d,1\n'
)


@pytest.fixture
def prepare(tmp_path):
    def prepare(tables, **options):
        paths = []
        for name, content in tables.items():
            path = tmp_path / name
            if isinstance(content, pa.Table):
                pq.write_table(content, path)
            else:
                path.write_bytes(content if isinstance(content, bytes) else content.encode())
            paths.append(str(path))
        out = str(tmp_path / "o.arrow")
        summary = prepare_table(TableConfig(tuple(paths), out, **options))
        ontology = Ontology.open(out)
        return [ontology.concept(row) for row in range(len(ontology))], summary

    return prepare


def test_omop(prepare):
    concepts, summary = prepare({"CONCEPT.csv": CONCEPT, "CONCEPT_SYNONYM.csv.gz": gzip.compress(SYNONYM.encode())})
    assert concepts == [
        Concept("00123", 'Bog "fever, "mild"', ["pox"], types=["Condition"]),
        Concept("00124", '"Ague', ["marsh|ague"], types=["Condition"]),
    ]
    assert [(Path(path).name, rows, holds) for path, rows, holds, _ in summary.tables] == [
        ("CONCEPT.csv", 2, "id=concept_id, name=concept_name, types=domain_id"),
        ("CONCEPT_SYNONYM.csv.gz", 2, "id=concept_id, aliases=concept_synonym_name"),
    ]
    assert summary.tables[1][3] == ["language_concept_id"]
    by_code = {"columns": ("id=concept_code", "id=concept_id", "name=concept_name")}
    assert prepare({"CONCEPT.csv": CONCEPT}, **by_code)[0][0].concept_id == "00123"  # the first column counts


def test_skos(prepare):
    concepts, _ = prepare({"skos.csv": SKOS})
    assert concepts == [
        Concept("1", "Bog, fever", ["a", "b"]),
        Concept("2", "Eel pox", ['say "x"'], parents=["1"]),
    ]
    concepts, _ = prepare({"skos.csv": SKOS}, languages=("de",), columns=("id=uri",), separator="")
    assert concepts == [Concept("http://x/1", "Sumpf", ["c"]), Concept("http://x/2", "Aal", ["d"], parents=["1"])]


def test_rows_of_a_concept_lie_apart(prepare):
    first = "code,title,terms,def\nB,Eel pox,x,\nA,Bog fever,y; z ,one\nB,Pox of eels,x,two\n"
    second = "terms,code\nw,A\n,B\nv,C\n"
    columns = ("id=code", "name=title", "aliases=terms", "definition=def")
    concepts, summary = prepare({"a.csv": first, "b.csv": second}, columns=columns, separator=";")
    assert concepts == [
        Concept("B", "Eel pox", ["Pox of eels", "x"], "two"),
        Concept("A", "Bog fever", ["y", "z", "w"], "one"),
        Concept("C", "v"),
    ]
    assert summary.ontology["concepts"] == 3


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_tsv_and_csv_say_the_same(prepare, newline, mark):
    rows = [["id", "label", "tree_numbers", "alt_ids"], ["1", "Ague", "C1.5|C2", "X:1|1|nan"], ["2", "NaN", "", "null"]]
    expected = [Concept("1", "Ague", alt_ids=["X:1"], tree_numbers=["C1.5", "C2"]), Concept("2", "")]
    for delimiter in ("\t", ",", ";"):
        text = mark + newline.join(delimiter.join(row) for row in rows) + newline * 2
        options = {"delimiter": ";"} if delimiter == ";" else {}
        concepts, summary = prepare({"t.txt": text}, **options)
        assert concepts == expected
        assert summary.ontology["names: stand for nothing, left out"] == 1


def test_quotes_are_an_option(prepare):
    text = 'id\tname\n1\t"a\tb"\n2\t"say ""x"""\n'
    concepts, _ = prepare({"t.tsv": text}, quoted=True)
    assert [concept.name for concept in concepts] == ["a b", 'say "x"']
    with pytest.raises(InputError, match=r"t\.tsv: row 1 below the header: .*--quoted"):
        prepare({"t.tsv": text})
    concepts, _ = prepare({"t.csv": 'id,name\n1,"a\n2,b"\n'}, quoted=False)
    assert [concept.name for concept in concepts] == ['"a', 'b"']
    for damaged in ('1,"a\n2,b\n', '1,"a\n2,"b\n', '1,"a\n2,b"\n', '1,"a"b"\n2,b\n', '1,a\n"2,b\n3,c\n'):
        with pytest.raises(InputError, match=r"t\.csv.*--no-quoted"):
            prepare({"t.csv": "id,name\n" + damaged})
    concepts, _ = prepare({"t.csv": 'id,name,definition\n1,"a\nb","c,\nd, e"\n'})
    assert concepts == [Concept("1", "a b", definition="c,\nd, e")]


@pytest.mark.parametrize("delimiter", [";", "|"])
def test_the_header_says_the_delimiter(prepare, delimiter):
    rows = [["id", '"name, title"', "name"], ["007", "x", f'"a{delimiter}b, c"']]
    content = "".join(delimiter.join(row) + "\n" for row in rows)
    assert prepare({"t.csv": content})[0] == [Concept("007", f"a{delimiter}b, c")]


def test_gzipped_parquet(prepare, tmp_path, monkeypatch):
    pq.write_table(pa.table({"id": ["007"], "name": ["Ague"]}), tmp_path / "plain")
    zipped = gzip.compress((tmp_path / "plain").read_bytes(), mtime=0)
    assert prepare({"t.parquet.gz": zipped})[0] == [Concept("007", "Ague")]
    with pytest.raises(InputError, match=r"t\.parquet\.gz: is cut off"):
        prepare({"t.parquet.gz": zipped[:-6]})
    monkeypatch.setattr(table_rows, "MAX_BYTES", 100)
    with pytest.raises(InputError, match=r"t\.parquet\.gz: holds more than 100 bytes"):
        prepare({"t.parquet.gz": zipped})


def test_parquet_with_a_name_twice(prepare):
    arrays = [pa.array(["1"]), pa.array(["a"]), pa.array(["b"]), pa.array(["c"])]
    table = pa.Table.from_arrays(arrays, names=["id", "name", "note", "note"])
    assert prepare({"t.pq": table})[0] == [Concept("1", "a")]
    with pytest.raises(InputError, match=r"t\.pq: has several columns name: rename"):
        prepare({"t.pq": table.rename_columns(["id", "name", "name", "note"])})


def test_parquet(prepare):
    columns = {
        "concept_id": pa.array([12.0, 7.0, 12.0]),
        "concept_name": pa.array(["Ague", None, "Fever"]).dictionary_encode(),
        "synonyms": pa.array([["x|y", None], ["z"], None]),
        "types": ["a|b", None, "b"],
        "parents": pa.array([7, None, 3]),
    }
    concepts, _ = prepare({"t.pq": pa.table(columns)})
    assert concepts == [
        Concept("12", "Ague", ["Fever", "x|y"], types=["a", "b"], parents=["7", "3"]),
        Concept("7", "z"),
    ]
    for wrong in (pa.array([True]), pa.array([{"a": 1}]), pa.array([b"\xff"]), pa.array([["1"]])):
        with pytest.raises(InputError, match=r"t\.pq: the column id"):
            prepare({"t.pq": pa.table({"id": wrong, "name": ["a"]})})


@pytest.mark.parametrize(
    ("content", "parts"),
    [
        ("id,name\n1,a\n ,b\n", ["row 2 below the header has no id in the column id"]),
        ("id,name\n1,a\n2,b\nnan,c\n", ["row 3 below the header has no id"]),
        ("id,name\n1,a\n2\n", ["row 2 below the header: expected 2 columns, got 1"]),
        ("id\tname\n1\ta\n2\tb\tc\n", ["row 2 below the header: expected 2 columns, got 3", "--quoted"]),
        (b"id,name\n1,a\n2,\xff\n", ["line 3", "UTF-8"]),
        ("id,name\n", ["holds no concepts"]),
        ("", ["no header"]),
        ("\nid,name\n1,a\n", ["no header in its first line"]),
        ("format-version: 1.2\n[Term]\nid: X:1\n", ["isn't a table", "looks like OBO", "raybel prepare obo"]),
        ("1|t|Ague\n1|a|x\n", ["isn't a table", "looks like PubTator"]),
        (gzip.compress(b"id,name\n1,a\n" * 9, mtime=0)[:-6], ["cut off"]),
        (b"PAR1 and more", ["Parquet"]),
    ],
)
def test_complaints_say_where(prepare, content, parts):
    with pytest.raises(InputError) as caught:
        prepare({"t.csv": content})
    assert [part for part in ["t.csv", *parts] if part not in str(caught.value)] == [], caught.value


@pytest.mark.parametrize(
    ("options", "content", "match"),
    [
        ({"columns": ("id",)}, "id,name\n", "FIELD=HEADER"),
        ({"columns": ("key=id",)}, "id,name\n", "FIELD one of id, name"),
        ({"columns": ("id=code",)}, "id,name\n", "no table has the column code; there are id, name"),
        ({}, "a,b\n1,2\n", "no column is known to hold the id; it has a, b: say which"),
        ({}, "id,b\n1,2\n", "no column is known to hold the name"),
        ({"columns": ("name=x",)}, "id,x,x\n1,2,3\n", "several columns x"),
        ({"delimiter": ",,"}, "id,name\n", "one ASCII character"),
        ({"delimiter": '"'}, "id,name\n", "one ASCII character"),
        ({"delimiter": "€"}, "id,name\n", "one ASCII character"),
    ],
)
def test_options_that_do_not_fit(prepare, options, content, match):
    with pytest.raises(ConfigError, match=match):
        prepare({"t.csv": content}, **options)
    with pytest.raises(ConfigError, match="must end in"):
        TableConfig(("t.csv",), "o.txt")


CELL = st.text("ab| \"'é", max_size=4)
ROWS = st.lists(st.tuples(st.sampled_from("123"), CELL, CELL), min_size=1, max_size=8)


@given(ROWS, st.integers(16, 64))
@settings(max_examples=40)
def test_any_rows_in_blocks_of_any_size(tmp_path_factory, rows, block):
    home = tmp_path_factory.mktemp("table")
    (home / "t.tsv").write_text("id\tname\taliases\n" + "".join("\t".join(row) + "\n" for row in rows))
    whole, pieces = str(home / "whole.arrow"), str(home / "pieces.arrow")
    prepare_table(TableConfig((str(home / "t.tsv"),), whole))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_rows, "BLOCK_BYTES", block)
        prepare_table(TableConfig((str(home / "t.tsv"),), pieces))
    ontology = Ontology.open(whole)
    assert Ontology.open(pieces).fingerprint == ontology.fingerprint
    assert ontology.table["concept_id"].to_pylist() == list(dict.fromkeys(row[0] for row in rows))
    for row in range(len(ontology)):
        concept = ontology.concept(row)
        own = [each for each in rows if each[0] == concept.concept_id]
        cells = [each[1] for each in own] + [part for each in own for part in each[2].split("|")]
        names = dict.fromkeys(name for cell in cells if (name := " ".join(cell.split())))
        assert [concept.name, *concept.aliases] == ([*names] or [""])


def test_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "t.tsv").write_text("code\ttitle\tnote\n1\tAgue &amp; pox\tx\n")
    arguments = ["prepare", "table", "--table", "t.tsv", "--out", "o.arrow"]
    done = CliRunner().invoke(main, [*arguments, "--columns", "id=code,name=title", "--delimiter", r"\t"])
    assert done.exit_code == 0, done.output
    mapping, written = "t.tsv     1  id=code, name=title", "o.arrow: 1 concept"
    for part in (mapping, "HTML entities decoded", "t.tsv: not read: note", written):
        assert part in done.stdout
    assert Ontology.open("o.arrow").concept(0) == Concept("1", "Ague & pox")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_a_column_may_hold_two_fields(prepare, name):
    content = pa.table({"code": ["X:1"], "label": ["bog"]}) if name.endswith("parquet") else "code,label\nX:1,bog\n"
    concepts, _ = prepare({name: content}, columns=("id=code", "name=label", "definition=label"))
    assert concepts == [Concept("X:1", "bog", definition="bog")]


@pytest.mark.parametrize("number", [900000000000012345.0, float("inf")])
def test_ids_that_a_floating_point_column_cannot_hold_are_refused(prepare, tmp_path, number):
    table = pa.table({"id": ["1", "2"], "name": ["a", "b"], "parents": [number, None]})
    with pytest.raises(InputError, match="can't hold exactly"):
        prepare({"t.parquet": table})
    pq.write_table(pa.table({"concept_id": [number, 1.0], "name": ["a", "b"]}), tmp_path / "o.parquet")
    with pytest.raises(InputError, match=r"o\.parquet: has ids in a floating-point column"):
        Ontology.open(str(tmp_path / "o.parquet"))

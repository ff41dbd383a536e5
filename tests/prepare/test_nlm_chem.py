"""NLM-Chem: full texts as BioC XML, three lists of PMCIDs, MeSH 2021."""

import gzip
import re
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from raybel.cli import main
from raybel.corpus.documents import ReadOptions
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.reading import SetAside, read_rows
from raybel.errors import InputError
from raybel.files import storage
from raybel.prepare import ids
from raybel.prepare.nlm_chem import NlmChemConfig, prepare_nlm_chem
from raybel.prepare.outputs import Outputs

FIXTURES = Path(__file__).parents[1] / "fixtures" / "prepare"
REAL = Path(__file__).parents[3] / "shared" / "data" / "formats" / "bioc"
TITLE, TABLE, REFERENCE = "Marsh tonic & bogwortine", "tonic\t5 mg", "Eel, A. Bogwortine salts."


def annotation(number, start, text, identifier, kind="Chemical"):
    return (
        f'<annotation id="{number}"><infon key="identifier">{identifier}</infon><infon key="type">{kind}</infon>'
        f'<location offset="{start}" length="{len(text)}"/><text>{text}</text></annotation>'
    )


def passage(offset, text, annotations, kind, section):
    text = text.replace("&", "&amp;")
    infons = f'<infon key="section_type">{section}</infon><infon key="type">{kind}</infon><infon key="year">1</infon>'
    return f"<passage>{infons}<offset>{offset}</offset><text>{text}</text>{annotations}</passage>"


def article(key):
    title = annotation(1, 0, "Marsh tonic", "MESH:D900002") + annotation(2, 14, "bogwortine", "MESH:C900001")
    title += annotation(3, 0, "Marsh tonic", "MESH:D900002", "MeSH_Indexing_Chemical")
    table = annotation(4, 40, "tonic", "MESH:D900002,MESH:C900001") + annotation(5, 46, "5 mg", "-")
    reference = annotation(6, 68, "Bogwortine", "MESH:C900001|MESH:D7") + annotation(7, 79, "salts", "MESH:D7")
    passages = passage(0, TITLE, title, "front", "TITLE") + passage(40, TABLE, table, "table", "TABLE")
    passages += passage(60, REFERENCE, reference, "ref", "REF")
    return f"<?xml version='1.0'?><collection><document><id>{key}</id>{passages}</document></collection>"


@pytest.fixture
def source(tmp_path):
    home = tmp_path / "chem"
    (home / "ALL").mkdir(parents=True)
    for key in (11, 12, 13):
        (home / "ALL" / f"{key}_v1.xml").write_text(article(key))
    for name, keys in (("train", "11\n"), ("dev", "PMC12\r\n"), ("test", "13")):
        (home / f"pmcids_{name}.txt").write_bytes(keys.encode())
    mesh = tmp_path / "mesh"
    mesh.mkdir()
    for start in ("desc", "supp"):
        shutil.copy(FIXTURES / f"{start}2015.xml", mesh / f"{start}2021.xml")
    return home


def prepare(source, **options):
    out = Outputs.in_directory(str(source.parent / "out"))
    return prepare_nlm_chem(NlmChemConfig(str(source), str(source.parent / "mesh"), out, **options))


def written(path):
    with storage.open_bytes(str(path)) as file:
        return [item[0] for item in BIOC_XML.read(file, 1 << 20) if not isinstance(item, bytes)]


def test_articles_become_documents(source):
    summary = prepare(source)
    train = summary.split("train")
    assert (train.documents, train.mentions) == (1, 6)
    assert train.kinds == {ids.LINKABLE: 2, ids.COMPOSITE: 2, ids.NO_CONCEPT: 1, ids.UNKNOWN: 1}
    assert "3 annotations of the type MeSH_Indexing_Chemical left out" in summary.notes
    (document,) = written(source.parent / "out" / "train.bioc.xml.gz")
    assert [passage.text for passage in document.passages] == [TITLE, TABLE, REFERENCE]
    assert [passage.infons for passage in document.passages] == [
        {"type": "front", "section_type": "TITLE"},
        {"type": "table", "section_type": "TABLE"},
        {"type": "ref", "section_type": "REF"},
    ]
    golds = [[mention.infons["concept_id"] for mention in passage.annotations] for passage in document.passages]
    assert golds == [["D900002", "C900001"], ["D900002|C900001", "-1"], ["C900001|D7", "D7"]]
    assert [written(source.parent / "out" / f"{name}.bioc.xml.gz")[0].id for name in ("val", "test")] == ["12", "13"]


def test_a_discontinuous_mention_keeps_its_pieces_and_can_be_read(source):
    pieces = '<location offset="0" length="5"/><location offset="14" length="10"/>'
    whole = annotation(1, 0, "Marsh bogwortine", "MESH:D900002").replace('<location offset="0" length="16"/>', pieces)
    path = source / "ALL" / "11_v1.xml"
    path.write_text(article(11).replace(annotation(1, 0, "Marsh tonic", "MESH:D900002"), whole))
    prepare(source)
    (row,) = read_rows([str(source.parent / "out" / "train.bioc.xml.gz")], ReadOptions(), SetAside())
    assert row.error is None
    first = row.mentions[0]
    assert (first["start"], first["end"], first["text"]) == (0, 24, "Marsh bogwortine")


def test_only_what_can_be_linked_is_kept_on_demand(source):
    assert prepare(source, drop_unlinkable=True).split("test").kept_mentions == 2


def test_what_lists_and_files_lack_is_noted(source):
    (source / "ALL" / "14_v1.xml").write_text(article(14))
    (source / "pmcids_dev.txt").write_text("12\n99\n")
    notes = prepare(source).notes
    assert "1 article in no list, left out: 14" in notes
    assert "1 PMCID of the lists without a file: 99" in notes


def test_gzipped_articles_are_read(source):
    path = source / "ALL" / "11_v1.xml"
    (source / "ALL" / "11_v1.xml.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert prepare(source).split("train").documents == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda home: (home / "pmcids_test.txt").unlink(), "has no pmcids_test.txt"),
        (lambda home: (home / "pmcids_test.txt").write_text("11\n"), "11 is in the list of train too"),
        (lambda home: (home / "pmcids_test.txt").write_text("x\n"), "'x' isn't a PMCID"),
        (lambda home: (home / "ALL" / "PMC11_v2.xml").write_text(article(11)), "the same PMCID"),
        (lambda home: (home / "ALL" / "notes.xml").write_text(article(1)), "doesn't begin with a PMCID"),
        (lambda home: (home / "ALL" / "11_v1.xml").write_text("<collection>"), "11_v1.xml"),
        (lambda home: (home / "ALL" / "11_v1.xml").write_text(article(12)), "its name says PMCID 11, its document"),
        (lambda home: shutil.rmtree(home / "ALL"), "ALL"),
        (lambda home: (home.parent / "mesh" / "supp2021.xml").unlink(), "has no supp2021.xml"),
    ],
)
def test_bad_input_is_an_error(source, change, message):
    change(source)
    with pytest.raises(InputError) as error:
        prepare(source)
    assert message in str(error.value)


def test_from_the_command_line(source, tmp_path):
    given = [
        "--nlmchem_dir",
        str(source),
        "--mesh2021_dir",
        str(source.parent / "mesh"),
        "--out-dir",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(main, ["prepare", "nlm-chem", *given])
    assert done.exit_code == 0, done.stderr
    assert "NLM-Chem" in done.stdout
    assert (tmp_path / "o" / "ontology.arrow").exists()


@pytest.mark.skipif(not REAL.exists(), reason="no real full texts in ../shared/data")
def test_real_full_texts(source):
    for path in source.joinpath("ALL").iterdir():
        path.unlink()
    for number, path in enumerate(sorted(REAL.glob("*.xml"))):
        text = re.sub(rb"<id>\d+</id>", b"<id>%d</id>" % (11 + number), path.read_bytes(), count=1)
        (source / "ALL" / f"{11 + number}_v1.xml").write_bytes(text)
    assert sum(split.documents for split in prepare(source).splits) == 3
    assert sum(len(document.passages) for document in written(source.parent / "out" / "train.bioc.xml.gz")) > 10

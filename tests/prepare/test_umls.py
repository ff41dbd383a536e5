"""UMLS' RRF files as an ontology."""

import gzip
from pathlib import Path

import pytest
from click.testing import CliRunner

from raybel.cli import main
from raybel.errors import ConfigError, InputError
from raybel.ontology import Concept, Ontology
from raybel.prepare.umls import UmlsConfig, prepare_umls

REAL = Path(__file__).parents[3] / "shared" / "data" / "formats" / "umls" / "META"


def name(cui, string, aui, lat="ENG", ts="P", stt="PF", pref="Y", sab="MSH", suppress="N"):
    return f"{cui}|{lat}|{ts}|L1|{stt}|S1|{pref}|{aui}||M1|D1|{sab}|PT|D1|{string}|0|{suppress}|256|"


CONSO = [
    name("C0000001", "ague, bog", "A2", ts="S"),
    name("C0000001", "Bog ague", "A1", pref="N", sab="NCI"),
    name("C0000001", "Bog fever", "A3"),
    name("C0000001", "Bog fever", "A4", sab="NCI"),
    name("C0000001", "Fiebre del pantano", "A5", lat="SPA"),
    name("C0000001", "Swamp pest", "A6", ts="S", suppress="O"),
    name("C0000002", r"Eel\|pox", "A7", stt="VO"),
    name("C0000003", "Alter Name", "A8", suppress="E"),
    name("C0000004", "Höhenkrankheit", "A9", lat="GER"),
    name("C0000005", "Marsh tonic", "A10", sab="NCI"),
]
DEF = [
    "C0000001|A5|AT1||MSHSPA|Fiebre.|N||",
    "C0000001|A1|AT2||NCI| |N||",
    "C0000001|A1|AT3||NCI|Old.|O||",
    "C0000001|A3|AT4||MSH| A fever of bogs. |N||",
    "C0000009|A99|AT5||MSH|Nothing.|N||",
]
STY = [
    "C0000001|T047|B2.2.1.2.1|Disease or Syndrome|AT1||",
    "C0000001|T184|A2.2.2|Sign or Symptom|AT2|256|",
    "C0000002|T047|B2.2.1.2.1|Disease or Syndrome|AT3||",
    "C0000005|T121|A1.4.1.1.1|Pharmacologic Substance|AT4||",
]
CUI = [
    "C0900001|2015AA|SY|||C0000001|Y|",
    "C0900002|2015AA|SY|||C0000001|Y|",
    "C0900002|2015AA|SY|||C0000002|Y|",
    "C0900003|2015AA|RB|||C0000002|Y|",
    "C0900004|2015AA|DEL|||||",
]
FEVER = Concept("C0000001", "Bog fever", ["Bog ague", "ague, bog"], "A fever of bogs.", ["T047", "T184"], ["C0900001"])
POX = Concept("C0000002", "Eel|pox", [], "", ["T047"])
TONIC = Concept("C0000005", "Marsh tonic", [], "", ["T121"])


@pytest.fixture
def prepare(tmp_path):
    def run(conso=CONSO, definitions=DEF, types=STY, cuis=CUI, end="\n", packed=False, **options):
        home = tmp_path / "META"
        home.mkdir(exist_ok=True)
        for file, rows in (("CONSO", conso), ("DEF", definitions), ("STY", types), ("CUI", cuis)):
            if rows is None:
                continue
            text = rows if isinstance(rows, str) else "".join(row + end for row in rows)
            data = text.encode()
            (home / f"MR{file}.RRF{'.gz' if packed else ''}").write_bytes(gzip.compress(data) if packed else data)
        out = tmp_path / "umls.arrow"
        summary = prepare_umls(UmlsConfig(str(home), str(out), **options))
        ontology = Ontology.open(str(out))
        return summary, [ontology.concept(row) for row in range(len(ontology))]

    return run


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_release_becomes_an_ontology(prepare, packed, end):
    summary, concepts = prepare(packed=packed, end=end)
    assert concepts == [FEVER, POX, TONIC]
    assert summary.names == {"rows": 10, "in another language": 2, "suppressed": 2}
    assert summary.concepts == {"without a name that is kept": 2}
    assert summary.notes == [
        "2 concepts without a name that is kept: C0000003, C0000004",
        "1 concept of MRDEF.RRF not in MRCONSO.RRF",
    ]
    assert summary.ontology["alternative ids"] == 1


def test_a_byte_order_mark_and_no_last_line_end(prepare):
    text = "\ufeff" + "\n".join(CONSO)
    assert prepare(conso=text)[1] == [FEVER, POX, TONIC]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"languages": ("SPA",)}, ["Fiebre del pantano"]),
        ({"languages": ("SPA", "ENG")}, ["Fiebre del pantano", "Eel|pox", "Marsh tonic"]),
        ({"languages": ("ENG", "SPA")}, ["Bog fever", "Eel|pox", "Marsh tonic"]),
        ({"languages": ("ENG", "GER")}, ["Bog fever", "Eel|pox", "Höhenkrankheit", "Marsh tonic"]),
        ({"sources": ("NCI",)}, ["Bog fever", "Marsh tonic"]),
        ({"semantic_types": ("T184", "T121")}, ["Bog fever", "Marsh tonic"]),
        ({"keep_suppressed": True}, ["Bog fever", "Eel|pox", "Alter Name", "Marsh tonic"]),
    ],
)
def test_what_is_kept(prepare, options, names):
    assert [concept.name for concept in prepare(**options)[1]] == names


def test_the_definition_is_of_a_name_that_is_kept(prepare):
    assert prepare(languages=("SPA",))[1][0].definition == "Fiebre."
    assert prepare(sources=("NCI",))[1][0].definition == ""
    assert prepare(keep_suppressed=True)[1][0].definition == "Old."


def test_files_that_are_not_there(prepare):
    summary, concepts = prepare(definitions=None, types=None, cuis=None)
    assert [concept.definition for concept in concepts] == ["", "", ""]
    assert sum("no MR" in note for note in summary.notes) == 3
    with pytest.raises(InputError, match="--semantic-types needs"):
        prepare(definitions=None, types=None, semantic_types=("T047",))


def test_languages_and_sources_that_do_not_occur_are_noted(prepare):
    summary, _ = prepare(languages=("ENG", "XXX"), sources=("MSH", "NOPE"))
    assert "1 requested language in no row of MRCONSO.RRF: XXX" in summary.notes
    assert "1 requested source in no row of MRCONSO.RRF: NOPE" in summary.notes


def test_a_backslash_at_the_end_of_a_column_is_its_own(prepare):
    _, concepts = prepare(conso=[ESCAPED.replace("Eel\\|pox", "Eel pox\\")])
    assert concepts[0].name == "Eel pox\\"
    _, concepts = prepare(conso=[ESCAPED])
    assert concepts[0].name == "Eel|pox"


#: A row with an escaped bar, which has as many bars as a whole one when its last column is cut off.
ESCAPED = "C0000001|ENG|P|L1|PF|S1|Y|A1||M1|D1|MSH|MH|D1|Eel\\|pox|0|N|256|"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"conso": None}, "has no MRCONSO.RRF"),
        ({"conso": CONSO[::-1]}, "C0000004 after C0000005: releases are sorted"),
        ({"conso": [*CONSO, "C0000006|ENG|P"]}, "line 11: 2 columns, MRCONSO.RRF has 18.*cut off"),
        ({"conso": [CONSO[0], "", CONSO[1]]}, "line 2: is empty"),
        ({"conso": [ESCAPED, ESCAPED.removesuffix("256|")]}, r"line 2: 17 columns, MRCONSO.RRF has 18.*cut off"),
        ({"conso": [ESCAPED, ESCAPED.removesuffix("|")]}, r"line 2: 17 columns, MRCONSO.RRF has 18.*cut off"),
        ({"conso": [ESCAPED, ESCAPED + "junk"]}, "line 2: text after the last bar"),
        ({"conso": ["X|" + CONSO[0].split("|", 1)[1]]}, "'X' isn't a CUI"),
        ({"conso": STY}, "6 columns, MRCONSO.RRF has 18"),
        ({"definitions": ["C0000001|A1|x|"]}, "3 columns, MRDEF.RRF has 8"),
        ({"types": STY[::-1]}, "are sorted"),
        ({"conso": CONSO[8:9]}, "no concept that is to be kept"),
        ({"conso": ""}, "no concept that is to be kept"),
    ],
)
def test_bad_input_is_an_error(prepare, change, message):
    with pytest.raises(InputError, match=message):
        prepare(**change)


def test_wrong_options_are_errors():
    with pytest.raises(ConfigError, match="like T047, not Disease"):
        UmlsConfig("d", "o.arrow", semantic_types=("Disease",))
    with pytest.raises(ConfigError, match="at least one language"):
        UmlsConfig("d", "o.arrow", languages=())
    with pytest.raises(ConfigError, match=r"must end in \.arrow"):
        UmlsConfig("d", "o.csv")


def test_the_parts_of_a_full_release_come_with_how_to_join_them(tmp_path):
    for part in ("aa", "ab"):
        (tmp_path / f"MRCONSO.RRF.{part}.gz").write_bytes(gzip.compress(b"x"))
    with pytest.raises(InputError, match=r"join its parts: cat MRCONSO\.RRF"):
        prepare_umls(UmlsConfig(str(tmp_path), "o.arrow"))


def test_joined_parts_are_read(tmp_path):
    rows = ("\n".join(CONSO) + "\n").encode()
    joined = gzip.compress(rows[:333]) + gzip.compress(rows[333:])
    (tmp_path / "MRCONSO.RRF.gz").write_bytes(joined)
    prepare_umls(UmlsConfig(str(tmp_path), str(tmp_path / "o.arrow")))
    assert len(Ontology.open(str(tmp_path / "o.arrow"))) == 3


def test_from_the_command_line(prepare, tmp_path):
    prepare()
    out = tmp_path / "o.json.gz"
    given = ["--umls", str(tmp_path / "META"), "--out", str(out), "--languages", "ENG,GER", "--semantic-types", "T047"]
    done = CliRunner().invoke(main, ["prepare", "umls", *given])
    assert done.exit_code == 0, done.stderr
    assert "in another language" in done.stdout
    assert [concept.concept_id for concept in map(Ontology.open(str(out)).concept, range(2))] == [
        "C0000001",
        "C0000002",
    ]


@pytest.mark.skipif(not REAL.exists(), reason="no real sample of UMLS' files in ../shared/data")
def test_the_real_sample(tmp_path):
    summary = prepare_umls(UmlsConfig(str(REAL), str(tmp_path / "o.arrow")))
    concept = Ontology.open(str(tmp_path / "o.arrow")).concept(1)
    assert (concept.concept_id, concept.types) == ("C0001361", ["T047"])
    assert concept.definition.startswith("An acute inflammation of the tonsils")
    assert summary.names["suppressed"] == 1

"""From source files to BioC files, an ontology and a summary."""

import gzip
import re
from pathlib import Path

import pytest

from raybel.corpus.documents import ReadOptions
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.corpus.reading import SetAside, read_rows
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.ontology import Ontology
from raybel.prepare import ids
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import MISPLACED, Summary

FIXTURES = Path(__file__).parents[1] / "fixtures" / "prepare"
CTD = "Bog Fever\tMESH:D01\tOMIM:1\tIll.\t\t\t\tAgue\t\nEel Pox\tMESH:D02\t\t\t\t\t\t\t\n"
TITLE, ABSTRACT = "🐟 Bog fever & eel pox", "Ague kills. So does ague's kin, eel pox."
HEAD = f"1|t|{TITLE}\n1|a|{ABSTRACT}\n"
#: (line, what its ids are, concept_id)
MENTIONS = [
    ("1\t2\t11\tBog fever\tDisease\tD01", ids.LINKABLE, "D01"),
    ("1\t14\t21\teel pox\tDisease\tMESH:D02 ", ids.LINKABLE, "D02"),
    ("1\t22\t26\tAgue\tModifier\tOMIM:1", ids.LINKABLE, "D01"),
    ("1\t2\t21\tBog fever & eel pox\tDisease\tD01|D02", ids.COMPOSITE, "D01|D02"),
    ("1\t2\t21\tBog fever & eel pox\tDisease\tD01+D02", ids.COMPOSITE_PLUS, "D01|D02"),
    ("1\t22\t26\tAgue\tDisease\tD77", ids.UNKNOWN, "D77"),
    ("1\t22\t26\tAgue\tDisease\t-1", ids.NO_CONCEPT, "-1"),
    ("1\t22\t26\tAgue\tDisease\t", ids.NO_CONCEPT, "-1"),
]
GOOD = HEAD + "".join(line + "\n" for line, _, _ in MENTIONS)


@pytest.fixture
def ncbi(tmp_path: Path):
    """Return a function that writes the given splits and prepares them."""

    def prepare(drop: bool = False, outputs: Outputs | None = None, **splits: str | bytes) -> Summary:
        names = {"train": "NCBItrainset", "val": "NCBIdevelopset", "test": "NCBItestset"}
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        for split, content in splits.items():
            suffix = "_corpus.txt.gz" if isinstance(content, bytes) else "_corpus.txt"
            (source / (names[split] + suffix)).write_bytes(content if isinstance(content, bytes) else content.encode())
        (tmp_path / "ctd.tsv").write_text(CTD)
        chosen = outputs or Outputs.in_directory(str(tmp_path / "out"))
        return prepare_ncbi_disease(NcbiDiseaseConfig(str(source), str(tmp_path / "ctd.tsv"), chosen, drop))

    return prepare


def written(path: Path) -> list:
    with storage.open_bytes(str(path)) as file:
        return [item[0] for item in BIOC_XML.read(file, 1 << 20) if not isinstance(item, bytes)]


def annotations(path: Path) -> list:
    return [mention for document in written(path) for passage in document.passages for mention in passage.annotations]


def test_every_mention_is_kept(ncbi, tmp_path: Path) -> None:
    train = ncbi(train=GOOD).split("train")
    assert train.kinds == {kind: [k for _, k, _ in MENTIONS].count(kind) for kind in ids.ID_KINDS}
    assert (train.documents, train.mentions, train.kept_mentions) == (1, len(MENTIONS), len(MENTIONS))
    assert (train.alternatives, train.repaired_ids, dict(train.unknown_ids)) == (1, 1, {"D77": 1})
    by_id = {mention.id: mention for mention in annotations(tmp_path / "out/train.bioc.xml.gz")}
    assert list(by_id) == ["0", "1", "3", "4", "2", "5", "6", "7"]  # by passage; the ids tell the file's order
    for number, (line, _, concept_id) in enumerate(MENTIONS):
        _, start, end, text, kind, source_id = line.split("\t")
        mention = by_id[str(number)]
        infons = {"type": kind, "concept_id": concept_id}
        if source_id not in ("", concept_id):
            infons["source_id"] = source_id
        assert (mention.text, mention.infons) == (text, infons)
        assert (mention.locations[0].offset, mention.locations[0].end) == (int(start), int(end))


def test_passages(ncbi, tmp_path: Path) -> None:
    ncbi(train=GOOD)
    (document,) = written(tmp_path / "out/train.bioc.xml.gz")
    assert (document.id, document.infons) == ("1", {})
    assert [(p.infons, p.offset, p.text) for p in document.passages] == [
        ({"type": "title"}, 0, TITLE),
        ({"type": "abstract"}, len(TITLE) + 1, ABSTRACT),
    ]


def test_the_output_is_a_corpus_for_the_other_commands(ncbi, tmp_path: Path) -> None:
    ncbi(train=GOOD)
    (row,) = read_rows([str(tmp_path / "out/train.bioc.xml.gz")], ReadOptions(), SetAside())
    gold = {mention["mention_id"]: mention["gold"] for mention in row.mentions}
    assert row.repairs == 0
    assert [gold[str(n)] for n in range(8)] == [
        ["D01"],
        ["D02"],
        ["D01"],
        ["D01", "D02"],
        ["D01", "D02"],
        ["D77"],
        [],
        [],
    ]


def test_drop_unlinkable(ncbi, tmp_path: Path) -> None:
    train = ncbi(drop=True, train=GOOD).split("train")
    assert train.dropped == {ids.COMPOSITE: 1, ids.COMPOSITE_PLUS: 1, ids.UNKNOWN: 1, ids.NO_CONCEPT: 2}
    assert [mention.id for mention in annotations(tmp_path / "out/train.bioc.xml.gz")] == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("line", "text", "start"),
    [
        ("1\t2\t12\tBog fever \tDisease\tD01", "Bog fever ", 2),
        ("1\t2\t11\tBOG  FEVER\tDisease\tD01", "Bog fever", 2),
        ("1\t3\t12\tBog fever\tDisease\tD01", "Bog fever", 2),  # UTF-16 units
        ("1\t24\t28\tAgue\tDisease\tD01", "Ague", 22),
        ("1\t20\t24\tAgue\tDisease\tD01", "Ague", 22),  # starts in the title
        ("1\t0\t4\tAgue\tDisease\tD01", "Ague", 22),  # from the abstract's start
    ],
)
def test_spans_are_repaired(ncbi, tmp_path: Path, line: str, text: str, start: int) -> None:
    train = ncbi(train=HEAD + line + "\n").split("train")
    (mention,) = annotations(tmp_path / "out/train.bioc.xml.gz")
    assert (mention.text, mention.locations[0].offset) == (text, start)
    assert (train.dropped.total(), train.details) == (0, [])


@pytest.mark.parametrize(
    "line",
    [
        "1\t2\t11\tMarsh ill\tDisease\tD01",
        "1\t900\t904\tAgue\tDisease\tD01",
        "1\t14\t26\teel pox Ague\tDisease\tD01",  # from the title into the abstract
        "1\t11\t2\tx\tDisease\tD01",
    ],
)
def test_a_misplaced_mention_is_dropped_and_listed(ncbi, tmp_path: Path, line: str) -> None:
    train = ncbi(train=HEAD + line + "\n" + MENTIONS[0][0] + "\n").split("train")
    assert train.dropped == {MISPLACED: 1}
    assert (train.mentions, train.kept_mentions) == (2, 1)
    (detail,) = train.details
    assert detail.startswith("line 3, document 1: ")
    assert repr(line.split("\t")[3]) in detail
    (kept,) = annotations(tmp_path / "out/train.bioc.xml.gz")
    assert kept.id == "1"


def test_an_identical_repeat_is_left_out(ncbi) -> None:
    train = ncbi(train=GOOD + "\n" + GOOD).split("train")
    assert (train.documents, train.repeated, train.mentions) == (1, 1, len(MENTIONS))
    assert train.details == ["line 12, document 1: the same as at line 1, left out"]


def test_a_document_with_two_contents_is_an_error(ncbi, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"document 1: line 12: .*line 1 too"):
        ncbi(train=GOOD + "\n" + GOOD.replace("D77", "D78"))
    assert not (tmp_path / "out").exists()


def test_a_document_in_two_splits_is_noted(ncbi) -> None:
    summary = ncbi(train=GOOD, val=GOOD, test=re.sub(r"(?m)^1(?=[\t|])", "2", GOOD))
    assert summary.notes[-1] == "document 1 is in train and val"


def test_the_wrong_ontology_is_noted(ncbi) -> None:
    summary = ncbi(train=GOOD.replace("D0", "D5"), val=GOOD, test=HEAD.replace("1|", "2|"))
    assert [note for note in summary.notes if "belong to this" in note] == [summary.notes[0]]
    assert summary.notes[0].startswith("train: more ids are unknown")


def test_a_missing_split_is_noted(ncbi, tmp_path: Path) -> None:
    summary = ncbi(train=gzip.compress(GOOD.encode()))
    assert summary.split("val").path is None
    note = summary.notes[0]
    assert "val: skipped" in note
    assert "NCBIdevelopset_corpus.txt(.gz)" in note
    assert "val.bioc.xml.gz is not written" in note
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["ontology.arrow", "train.bioc.xml.gz"]


def test_no_split_at_all(ncbi) -> None:
    with pytest.raises(InputError, match=r"NCBItrainset.*NCBIdevelopset.*NCBItestset"):
        ncbi()


def test_only_what_is_asked_for_is_written(ncbi, tmp_path: Path) -> None:
    target = tmp_path / "out" / "medic.json.gz"
    summary = ncbi(train=GOOD, outputs=Outputs(out_ontology=str(target)))
    assert summary.written == ((str(target), "2 concepts"),)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["medic.json.gz"]
    assert Ontology.open(str(target)).concept(0).alt_ids == ["OMIM:1"]


@pytest.mark.parametrize(
    "outputs",
    [
        Outputs(out_train="x.json"),
        Outputs(out_ontology="x.xml"),
        Outputs(out_train="x.xml", out_val="x.xml"),
        Outputs(out_test="x"),
    ],
)
def test_outputs_are_checked_first(ncbi, outputs: Outputs) -> None:
    with pytest.raises(ConfigError, match=r"/x"):
        ncbi(outputs=outputs)


def test_the_same_bytes_every_time(ncbi, tmp_path: Path) -> None:
    def content() -> dict[str, bytes]:
        ncbi(train=GOOD, val=GOOD)
        return {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    first = content()
    assert len(first) == 3
    assert content() == first


def test_summary_rows_add_up(ncbi) -> None:
    train = ncbi(drop=True, train=GOOD + "1\t2\t11\tMarsh ill\tDisease\tD01\n").split("train")
    assert train.mentions == train.kinds.total() + train.dropped[MISPLACED]
    assert dict(train.rows())["mentions kept"] == train.kept_mentions == 3


CDR_TEXT = (
    "9|t|Bogwortine & purple fever\n9|a|Marsh tonic | violet ague.\n"
    "9\t0\t10\tBogwortine\tChemical\tC900001\n9\t13\t25\tpurple fever\tDisease\t-1\n"
    "9\t26\t51\tMarsh tonic | violet ague\tDisease\tD900001|D900002\tMarsh tonic|violet ague\n"
    "9\tCID\tC900001\tD900001\n"
)
CDR_XML = """<collection><source/><date/><key/><document><id>9</id>
<passage><infon key="type">title</infon><offset>0</offset><text>Bogwortine &amp; purple fever</text>
<annotation id="A"><infon key="type">Chemical</infon><infon key="MESH">C900001</infon>
<location offset="0" length="10"/><text>Bogwortine</text></annotation>
<annotation id="B"><infon key="type">Disease</infon><infon key="MESH">-1</infon>
<location offset="13" length="12"/><text>purple fever</text></annotation></passage>
<passage><offset>26</offset><text>Marsh tonic | violet ague.</text>
<annotation id="C"><infon key="type">Disease</infon><infon key="CompositeRole">CompositeMention</infon>
<infon key="MESH">D900001|D900002</infon><location offset="26" length="25"/>
<text>Marsh tonic | violet ague</text></annotation>
<annotation id="D"><infon key="type">Disease</infon><infon key="CompositeRole">IndividualMention</infon>
<infon key="MESH">D900001</infon><location offset="40" length="11"/><text>violet ague</text></annotation></passage>
<relation id="R0"><infon key="relation">CID</infon></relation></document></collection>"""


def cdr(tmp_path: Path, out: str, **files: str) -> Summary:
    source = tmp_path / f"{out}-source"
    source.mkdir()
    for name, content in files.items():
        (source / f"CDR_{name.replace('_', '.')}").write_text(content)
    return prepare_bc5cdr(Bc5cdrConfig(str(source), str(FIXTURES), Outputs.in_directory(str(tmp_path / out))))


def test_bc5cdr_from_either_format_is_the_same(tmp_path: Path) -> None:
    text = cdr(tmp_path, "text", TrainingSet_PubTator_txt=CDR_TEXT)
    xml = cdr(tmp_path, "xml", TrainingSet_BioC_xml=CDR_XML)
    assert text.split("train").rows() == xml.split("train").rows()
    assert text.split("train").kinds == {ids.LINKABLE: 1, ids.NO_CONCEPT: 1, ids.COMPOSITE: 1}
    assert text.split("train").relations == 1
    for name in ("train.bioc.xml.gz", "ontology.arrow"):
        assert (tmp_path / "text" / name).read_bytes() == (tmp_path / "xml" / name).read_bytes()
    types = Ontology.open(str(tmp_path / "xml" / "ontology.arrow")).table["types"].to_pylist()
    assert types == [["descriptor"], ["descriptor"], ["supplementary"]]


def test_bc5cdr_prefers_pubtator_split_by_split(tmp_path: Path) -> None:
    summary = cdr(
        tmp_path, "out", TrainingSet_PubTator_txt=CDR_TEXT, TrainingSet_BioC_xml="<nonsense", TestSet_BioC_xml=CDR_XML
    )
    assert [Path(split.path).name if split.path else None for split in summary.splits] == [
        "CDR_TrainingSet.PubTator.txt",
        None,
        "CDR_TestSet.BioC.xml",
    ]
    assert "document 9 is in train and test" in summary.notes


@pytest.mark.parametrize("content", ["<collection/>", "<html/>", CDR_XML[:-60]])
def test_bc5cdr_bad_xml(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match="TrainingSet"):
        cdr(tmp_path, "out", TrainingSet_BioC_xml=content)


def test_the_demo_corpus(tmp_path: Path) -> None:
    demo = FIXTURES.parent / "demo"
    config = NcbiDiseaseConfig(str(demo), str(demo / "CTD_diseases.tsv"), Outputs.in_directory(str(tmp_path / "out")))
    summary = prepare_ncbi_disease(config)
    assert all("unknown to the ontology: D999" in note for note in summary.notes)
    for split in summary.splits:
        assert split.details == []
        assert split.repaired_spans == 0
        assert split.kinds[ids.LINKABLE] > 100

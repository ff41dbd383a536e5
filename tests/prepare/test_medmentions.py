"""MedMentions: one file, three lists of PMIDs."""

import gzip
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

from raybel.cli import main
from raybel.corpus.formats.bioc_xml import BIOC_XML
from raybel.errors import ConfigError, InputError
from raybel.files import storage
from raybel.ontology import Concept, Ontology
from raybel.prepare.medmentions import MedMentionsConfig, prepare_medmentions
from raybel.prepare.outputs import Outputs


def document(pmid, *annotations):
    lines = [f"{pmid}|t|Ague in eels", f"{pmid}|a|Eels shake. They have bog fever."]
    return "\n".join([*lines, *(f"{pmid}\t{annotation}" for annotation in annotations)]) + "\n\n"


FEVER = "38\t47\tbog fever\tT047\tUMLS:C0000002"
AGUE = "0\t4\tAgue\tT047,T046\tC0000001"
#: A repeat, one within another, one that only touches.
UNTIDY = (
    AGUE,
    FEVER,
    AGUE,
    "42\t47\tfever\tT184\tUMLS:C0000003",
    "0\t4\tAgue\tT047\tC0000009",
    "5\t7\tin\tT080\tC0000004",
)
TEXT = document(1, AGUE, FEVER) + document(2, *UNTIDY) + document(3)
LISTS = {"trng": "1\n", "dev": "2\n", "test": "3"}


@pytest.fixture
def prepare(tmp_path):
    def run(text=TEXT, lists=LISTS, outputs=None, packed=False, **options):
        source = tmp_path / "source"
        source.mkdir(exist_ok=True)
        if packed:
            (source / "corpus_pubtator.txt.gz").write_bytes(gzip.compress(text.encode()))
        elif text is not None:
            (source / "corpus_pubtator.txt").write_text(text)
        for name, pmids in lists.items():
            (source / f"corpus_pubtator_pmids_{name}.txt").write_bytes(pmids.encode())
        names = ("train", "val", "test")
        chosen = outputs or Outputs(**{f"out_{name}": str(tmp_path / f"{name}.xml") for name in names})
        return prepare_medmentions(MedMentionsConfig(str(source), chosen, **options))

    return run


def written(path):
    with storage.open_bytes(str(path)) as file:
        return [item[0] for item in BIOC_XML.read(file, 1 << 20) if not isinstance(item, bytes)]


def mentions(path):
    return [
        (mention.text, *map(mention.infons.get, ("type", "concept_id", "source_id")))
        for document in written(path)
        for passage in document.passages
        for mention in passage.annotations
    ]


@pytest.mark.parametrize("packed", [False, True])
def test_documents_go_where_their_list_says(prepare, tmp_path, packed):
    summary = prepare(packed=packed)
    assert [(split.documents, split.mentions) for split in summary.splits] == [(1, 2), (1, 6), (1, 0)]
    assert mentions(tmp_path / "train.xml") == [
        ("Ague", "T047,T046", "C0000001", None),
        ("bog fever", "T047", "C0000002", "UMLS:C0000002"),
    ]
    assert any("ids were not checked" in note for note in summary.notes)


def test_clean_leaves_out_repeats_overlaps_and_then_empty_documents(prepare, tmp_path):
    summary = prepare(clean=True)
    assert [split.documents for split in summary.splits] == [1, 1, 0]
    assert [concept_id for _, _, concept_id, _ in mentions(tmp_path / "val.xml")] == ["C0000004"]
    assert (
        "cleaned: 1 repeated and 4 overlapping annotations left out, then 1 document without annotations"
        in summary.notes
    )


def test_clean_knows_overlaps_over_others_between(prepare, tmp_path):
    long, inside, later = "0\t12\tAgue in eels\tT\tC0000001", "5\t7\tin\tT\tC0000002", "8\t12\teels\tT\tC0000003"
    prepare(text=document(1, later, long, inside, "13\t17\tEels\tT\tC0000004") + document(2, AGUE), clean=True)
    assert [concept_id for _, _, concept_id, _ in mentions(tmp_path / "train.xml")] == ["C0000004"]


def test_clean_leaves_misplaced_annotations_to_be_noted(prepare, tmp_path):
    """An annotation that isn't where it says overlaps nothing, and doesn't keep its document."""
    lost = "42\t47\tZZZZZ\tT\tC0000003"
    twice = "0\t4\tAgue\tT047,T046\tUMLS:C0000001"
    summary = prepare(text=document(1, AGUE, twice, FEVER, lost) + document(2, lost) + document(3, AGUE), clean=True)
    assert [concept_id for _, _, concept_id, _ in mentions(tmp_path / "train.xml")] == ["C0000001", "C0000002"]
    assert [split.documents for split in summary.splits] == [1, 0, 1]
    assert summary.split("train").dropped.total() == 1
    assert (
        "cleaned: 1 repeated and 0 overlapping annotations left out, then 1 document without annotations, "
        "1 misplaced annotation with them" in summary.notes
    )


def test_the_subset_takes_the_lists_of_the_full_corpus(prepare, tmp_path):
    prepare()
    both = [tmp_path / "repo" / name / "data" for name in ("full", "st21pv")]
    for home in both:
        home.mkdir(parents=True)
    for path in (tmp_path / "source").iterdir():
        path.rename(both["pmids" not in path.name] / path.name)
    summary = prepare_medmentions(MedMentionsConfig(str(both[1]), Outputs()))
    assert [split.documents for split in summary.splits] == [1, 1, 1]


def test_unknown_ids_are_listed(prepare, tmp_path):
    known = tmp_path / "umls.arrow"
    Ontology.from_concepts([Concept("C0000001", "Ague")]).save(str(known))
    notes = prepare(ontology=str(known)).notes
    assert "1 distinct id of train unknown to the ontology: C0000002 (1)" in notes


REAL = Path(__file__).parents[3] / "shared" / "data" / "formats" / "medmentions" / "corpus_pubtator.txt"


@pytest.mark.skipif(not REAL.exists(), reason=f"no {REAL}")
def test_the_real_sample(prepare):
    text = REAL.read_text()
    ids = re.findall(r"^(\d+)\|t\|", text, re.MULTILINE)
    summary = prepare(text=text, lists=dict(zip(LISTS, ids, strict=True)), clean=True)
    assert [split.documents for split in summary.splits] == [1, 1, 1]
    assert all(split.mentions > 10 and not split.dropped for split in summary.splits)


def test_ids_are_checked_against_an_ontology(prepare, tmp_path):
    known = tmp_path / "umls.arrow"
    Ontology.from_concepts([Concept("C0000001", "Ague")]).save(str(known))
    summary = prepare(ontology=str(known), drop_unlinkable=True)
    assert [concept_id for _, _, concept_id, _ in mentions(tmp_path / "train.xml")] == ["C0000001"]
    assert summary.split("val").unknown_ids == {"C0000002": 1, "C0000003": 1, "C0000009": 1, "C0000004": 1}


def test_documents_without_a_list_and_pmids_without_a_document_are_noted(prepare):
    summary = prepare(lists={"trng": "\ufeff1\r\n1\r\n\r\n", "dev": "77\n78", "test": ""})
    assert "2 documents in no list of PMIDs, left out: 2, 3" in summary.notes
    assert "2 PMIDs of the lists without a document: 77, 78" in summary.notes
    assert "1 id that a list repeats: 1" in summary.notes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"text": None}, "has no corpus_pubtator.txt"),
        ({"lists": {"trng": "1", "dev": "2"}}, "has no corpus_pubtator_pmids_test.txt"),
        ({"lists": {"trng": "1"}}, r"pmids_dev\.txt\(\.gz\); has no corpus_pubtator_pmids_test\.txt"),
        ({"lists": LISTS | {"dev": "2\n1\n"}}, r"line 2: 1 is in the list of train too"),
        ({"lists": LISTS | {"dev": "2\nPMID3\n"}}, "line 2: 'PMID3' isn't a PMID"),
        ({"lists": {"trng": "7", "dev": "8", "test": "9"}}, "do corpus and lists belong together"),
        ({"text": document(1, "0\t4\tAgue")}, "columns"),
    ],
)
def test_bad_input_is_an_error(prepare, change, message):
    with pytest.raises(InputError, match=message):
        prepare(**change)


def test_wrong_options_are_errors():
    with pytest.raises(ConfigError, match="no ontology to write"):
        MedMentionsConfig("d", Outputs(out_ontology="o.arrow"))
    with pytest.raises(ConfigError, match="give --ontology"):
        MedMentionsConfig("d", drop_unlinkable=True)


def test_from_the_command_line(prepare, tmp_path):
    prepare()
    arguments = [
        "prepare",
        "medmentions",
        "--medmentions_dir",
        str(tmp_path / "source"),
        "--out-dir",
        str(tmp_path / "o"),
    ]
    done = CliRunner().invoke(main, [*arguments, "--clean"])
    assert done.exit_code == 0, done.stderr
    assert "cleaned: 1 repeated" in done.stdout
    assert "Ontology" not in done.stdout
    assert len(written(tmp_path / "o" / "val.bioc.xml.gz")) == 1

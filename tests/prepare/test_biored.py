import pytest

from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.errors import InputError
from raybel.ontology import Concept, Ontology
from raybel.prepare import mesh
from raybel.prepare.biored import BioredConfig, prepare_biored
from raybel.prepare.outputs import Outputs

DOCUMENT = """{0}|t|Gout and c.20G>A
{0}|a|TP53 and aspirin in gout.
{0}\t0\t4\tGout\tDisease\tD006073
{0}\t9\t16\tc.20G>A\tVariant\tc|SUB|G|20|A
{0}\t17\t21\tTP53\tGene\t7157
{0}\t26\t33\taspirin\tChemical\tMESH:D001241,D000001
{0}\t37\t41\tgout\tDisease\t-
{0}\tAssociation\tD006073\t7157\tNovel

"""


@pytest.fixture(autouse=True)
def small_mesh(monkeypatch):
    ontology = Ontology.from_concepts([Concept("D006073", "Gout"), Concept("D001241", "Aspirin")])
    monkeypatch.setattr(mesh, "read_ontology", lambda directory: ontology)


def prepare(tmp_path, **files):
    for name, documents in files.items():
        (tmp_path / f"{name}.PubTator").write_text("".join(DOCUMENT.format(n) for n in documents))
    out = Outputs.in_directory(str(tmp_path / "out"))
    return prepare_biored(BioredConfig(str(tmp_path), str(tmp_path), outputs=out))


def read(tmp_path, split):
    return list(read_rows([str(tmp_path / f"out/{split}.bioc.xml.gz")], ReadOptions(), SetAside()))


def test_diseases_and_chemicals_are_kept_with_their_ids(tmp_path):
    summary = prepare(tmp_path, Train=[1], Dev=[2])
    (row,) = read(tmp_path, "val")
    assert [(m["text"], m["type"], m["gold"]) for m in row.mentions] == [
        ("Gout", "Disease", ["D006073"]),
        ("aspirin", "Chemical", ["D001241", "D000001"]),
        ("gout", "Disease", []),
    ]
    assert [split.path is None for split in summary.splits] == [False, False, True]


def test_train_and_dev_in_one_file_are_split(tmp_path):
    summary = prepare(tmp_path, BioRED_TrainDev=range(103), Test=[900])
    assert [row.doc_id for row in read(tmp_path, "train")] == ["0", "1", "2"]
    assert len(read(tmp_path, "val")) == 100
    assert [row.doc_id for row in read(tmp_path, "test")] == ["900"]
    assert "its last 100 documents are dev" in summary.notes[0]


def test_all_types_where_none_is_named(tmp_path):
    (tmp_path / "Train.PubTator").write_text(DOCUMENT.format(1))
    out = Outputs.in_directory(str(tmp_path / "out"))
    prepare_biored(BioredConfig(str(tmp_path), str(tmp_path), mention_types=(), outputs=out))
    assert [m["type"] for m in read(tmp_path, "train")[0].mentions] == [
        "Disease", "Variant", "Gene", "Chemical", "Disease",
    ]  # fmt: skip


def test_no_file_of_the_corpus(tmp_path):
    with pytest.raises(InputError, match=r"has no Train\.PubTator"):
        prepare(tmp_path)

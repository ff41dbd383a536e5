"""The official corpora, where they are at hand."""

from pathlib import Path

import pytest

from raybel.prepare import bc5cdr, ids, pubtator
from raybel.prepare.bc5cdr import Bc5cdrConfig, prepare_bc5cdr
from raybel.prepare.ncbi_disease import NcbiDiseaseConfig, prepare_ncbi_disease
from raybel.prepare.outputs import Outputs
from raybel.prepare.summary import Summary

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not DATA.is_dir(), reason=f"the real corpora are not in {DATA}"),
]


@pytest.fixture(scope="module")
def ncbi() -> Summary:
    return prepare_ncbi_disease(NcbiDiseaseConfig(str(DATA / "ncbi-disease"), str(DATA / "ctd/CTD_diseases.tsv.gz")))


@pytest.fixture(scope="module")
def cdr(tmp_path_factory: pytest.TempPathFactory) -> Summary:
    out = Outputs.in_directory(str(tmp_path_factory.mktemp("cdr")))
    return prepare_bc5cdr(Bc5cdrConfig(str(DATA / "bc5cdr"), str(DATA / "mesh2015"), out, drop_unlinkable=True))


def test_ncbi_disease_train(ncbi: Summary) -> None:
    train = ncbi.split("train")
    assert (train.documents, train.repeated) == (592, 1)
    assert train.kinds == {ids.LINKABLE: 5019, ids.COMPOSITE: 93, ids.COMPOSITE_PLUS: 22}
    assert (train.repaired_ids, train.repaired_spans, train.dropped.total()) == (2, 1, 0)


def test_ncbi_disease_val(ncbi: Summary) -> None:
    val = ncbi.split("val")
    assert (val.documents, val.mentions, len(val.unknown_ids)) == (100, 787, 0)
    assert val.kinds == {ids.LINKABLE: 757, ids.COMPOSITE: 20, ids.COMPOSITE_PLUS: 10}
    assert ncbi.ontology["concepts"] == 11915


@pytest.mark.parametrize("name", ["train", "val"])
def test_bc5cdr(cdr: Summary, name: str) -> None:
    split = cdr.split(name)
    share = {kind: 100 * count / split.mentions for kind, count in split.kinds.items()}
    assert split.documents == 500
    assert 0.5 < share[ids.NO_CONCEPT] < 1.5
    assert 0.5 < share[ids.COMPOSITE] < 1.5
    assert share[ids.UNKNOWN] < 5
    assert split.kept_mentions == split.kinds[ids.LINKABLE]
    assert (split.repaired_spans, split.details) == (0, [])


@pytest.mark.parametrize("name", ["Training", "Development"])
def test_bc5cdr_says_the_same_in_both_formats(name: str) -> None:
    text = list(pubtator.read(str(DATA / f"bc5cdr/CDR_{name}Set.PubTator.txt")))
    xml = list(bc5cdr.read_bioc(str(DATA / f"bc5cdr/CDR_{name}Set.BioC.xml")))
    assert [(document.doc_id, document.passages, document.mentions) for document in text] == [
        (document.doc_id, document.passages, document.mentions) for document in xml
    ]

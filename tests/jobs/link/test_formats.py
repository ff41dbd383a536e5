"""Formats that can't hold links themselves, linked by the job: their shards are BioC XML."""

import gzip

from lxml import etree
from ray_fixture import xml_infons
from samples import save
from synthetic_pubmed import write_baseline

from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import read_documents
from raybel.jobs.link.job import link
from raybel.runs.run_directory import RunDirectory

GONE = b'<DeleteCitation><PMID Version="1">5</PMID></DeleteCitation></PubmedArticleSet>'


def test_pubmed_xml_and_pubtator_text_are_linked(local_ray, model, tmp_path):
    corpus, run = tmp_path / "corpus", tmp_path / "run"
    corpus.mkdir()
    write_baseline(corpus / "p.xml.gz", 1, 7, 1, [("A title.", ["One.", "Two."]), ("Another.", [])])
    content = gzip.decompress((corpus / "p.xml.gz").read_bytes()).replace(b"</PubmedArticleSet>", GONE)
    save(corpus / "p.xml.gz", content)
    lines = [
        f"{n}|t|Title.\n{n}|a|An asthma.\n{n}\t10\t16\tasthma\tDisease\tD2|D3\n{n}\tCID\tD2\tD9\n" for n in range(5)
    ]
    save(corpus / "t.PubTator", "\n".join(lines))
    result = link(model.config(corpus, run, chunk_documents=3))
    assert not result.failed
    assert sorted(path.name for path in (run / "shards").iterdir()) == ["p.xml.gz", "t.PubTator.xml.gz"]
    assert not [path for path in (run / "quarantine").rglob("*") if path.stat().st_size]

    infons = xml_infons(run / "shards" / "t.PubTator.xml.gz")
    assert list(infons) == [str(number) for number in range(5)]
    assert {(each["concept_id"], each["link_id"]) for each in infons.values()} == {("D2|D3", "D2")}
    shard = RunDirectory(str(run)).shard_file("p.xml.gz")
    documents = [piece[0] for piece in read_documents(shard, ReadOptions()) if not isinstance(piece, bytes)]
    assert [each.id for each in documents] == [str(number) for number in range(1, 8)]
    assert [[p.text for p in each.passages] for each in documents[:2]] == [["A title.", "One.", "Two."], ["Another."]]
    relations = etree.fromstring(gzip.decompress((run / "shards" / "t.PubTator.xml.gz").read_bytes())).iter("relation")
    assert len(list(relations)) == 5

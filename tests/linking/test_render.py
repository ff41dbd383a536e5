import gzip

import numpy as np
import pytest
from lxml import etree
from samples import (
    FixedGenerator,
    annotation,
    chunks,
    collection,
    document,
    passage,
    save,
    simple_document,
    two_concepts,
)

from raybel.candidates.base import CandidateCache
from raybel.linking.candidates import add_candidates
from raybel.linking.poison import CrashRecord
from raybel.linking.render import render
from raybel.schemas import MENTIONS


def with_mention(name: str, mention: str) -> str:
    return simple_document(name, f"A {mention} here.", mention)


WRONG = document("wrong", passage("Anemia", annotation("Asthma", (0, 6))))


def link(tmp_path, *documents, threshold=None, crashes=None, **options):
    path = save(tmp_path / "a.xml", collection(*documents))
    (chunk,) = chunks(path, **options)
    generator = FixedGenerator()
    found = add_candidates(chunk, CandidateCache(generator, 10), "fixed", crashes)
    return render(found, two_concepts(), threshold), generator


def link_ids(part):
    return [
        (each.findtext("id"), [infon.text for infon in each.findall(".//infon[@key='link_id']")])
        for each in etree.fromstring(gzip.decompress(part.data)).iterfind("document")
    ]


def test_mentions_documents_and_counts(tmp_path):
    part, _ = link(tmp_path, with_mention("1", "Anemia"), WRONG, with_mention("3", "unknown"), document("4"))
    assert link_ids(part) == [("1", ["a|b=c"]), ("wrong", []), ("3", []), ("4", [])]
    assert part.summary == {
        "chunk": 0, "last": True, "error": None, "documents": 4, "mentions": 2, "linked": 1, "without_candidates": 1,
        "repairs": 0, "quarantined": 1,
    }  # fmt: skip
    assert part.documents["linked"] == [1, 0, 0, 0]
    assert "the text there is" in part.documents["error"][1]
    assert [(q["doc_id"], q["document"], q["stage"]) for q in part.quarantine] == [("wrong", 1, "read")]
    assert part.mentions.schema.equals(MENTIONS)
    first, second = part.mentions.to_pylist()
    assert (first["doc_id"], first["document"], second["document"]) == ("1", 0, 2)
    assert [(r["concept_id"], r["rank"], r["first_rank"], r["score"]) for r in first["ranking"]] == [
        ("a|b=c", 0, 0, 0.75),
        ("D1", 1, 1, 0.5),
    ]
    assert second["ranking"] == []


@pytest.mark.parametrize(("threshold", "kept"), [(None, 2), (0.5, 2), (0.6, 1), (0.75, 1), (0.8, 0)])
def test_a_threshold_leaves_candidates_out(tmp_path, threshold, kept):
    part, _ = link(tmp_path, with_mention("1", "Anemia"), threshold=threshold)
    assert [len(each) for each in part.mentions["ranking"].to_pylist()] == [kept]
    assert part.summary["linked"] == (kept > 0)
    assert part.summary["without_candidates"] == (kept == 0)


def test_a_document_that_fails_costs_only_itself(tmp_path):
    part, generator = link(
        tmp_path, with_mention("1", "Anemia"), with_mention("2", "poison"), with_mention("3", "asthma")
    )
    assert link_ids(part) == [("1", ["a|b=c"]), ("2", []), ("3", ["a|b=c"])]
    assert part.documents["error"] == [None, "ValueError: poisoned", None]
    (record,) = part.quarantine
    assert record["stage"] == "linking"
    assert "Traceback" in record["traceback"]
    assert len(generator.calls) == 4


def test_a_document_that_kills_the_worker_is_skipped(tmp_path):
    path = str(tmp_path / "crashes")
    for _ in range(2):
        CrashRecord(path, "s").begin()
    CrashRecord(path, "s").enter(1)  # and dies
    CrashRecord(path, "s").enter(1)  # and once more
    part, generator = link(
        tmp_path, with_mention("1", "a"), with_mention("2", "b"), with_mention("3", "c"), crashes=CrashRecord(path, "s")
    )
    assert link_ids(part) == [("1", ["a|b=c"]), ("2", []), ("3", ["a|b=c"])]
    assert "worker died" in part.quarantine[0]["reason"]
    assert generator.calls == [["a"], ["c"]]
    assert CrashRecord(path, "s").deaths == {1: 2}


def test_nothing_to_link(tmp_path):
    part, generator = link(tmp_path)
    assert (part.summary["documents"], part.mentions.num_rows, generator.calls) == (0, 0, [])
    assert etree.fromstring(gzip.decompress(part.data)).findall("document") == []


def test_a_document_with_an_error_is_written_as_it_came(tmp_path):
    part, _ = link(tmp_path, WRONG)
    assert WRONG.encode() in gzip.decompress(part.data)


def test_scores_are_compared_as_they_are_stored(tmp_path):
    part, _ = link(tmp_path, with_mention("1", "Anemia"), threshold=float(np.float32(0.75)))
    assert part.summary["linked"] == 1

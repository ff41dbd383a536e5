import gzip

import numpy as np
import pytest
from archive_samples import packed
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

from raybel.candidates.aliases import AliasTable
from raybel.candidates.base import CandidateCache
from raybel.corpus import chunks as chunks_module
from raybel.corpus.documents import ReadOptions
from raybel.corpus.sources import find_sources
from raybel.linking.candidates import add_candidates
from raybel.linking.matched_names import MatchedNames
from raybel.linking.poison import CrashRecord
from raybel.linking.rankings import Rankings, Target
from raybel.linking.render import render
from raybel.ontology import Concept, Ontology
from raybel.schemas import MENTIONS


def with_mention(name: str, mention: str) -> str:
    return simple_document(name, f"A {mention} here.", mention)


WRONG = document("wrong", passage("Anemia", offset=-2))


def link(tmp_path, *documents, threshold=None, crashes=None, **options):
    path = save(tmp_path / "a.xml", collection(*documents))
    (chunk,) = chunks(path, **options)
    generator = FixedGenerator()
    found = add_candidates(chunk, CandidateCache(generator, 10), "fixed", crashes)
    target = Target(two_concepts(), "o.arrow", threshold=threshold)
    return render(found, Rankings.of(found, target)), generator


def link_ids(part):
    return [
        (each.findtext("id"), [infon.text for infon in each.findall(".//infon[@key='link_id']")])
        for each in etree.fromstring(gzip.decompress(part.data)).iterfind("document")
    ]


def test_mentions_documents_and_counts(tmp_path):
    part, _ = link(tmp_path, with_mention("1", "Anemia"), WRONG, with_mention("3", "unknown"), document("4"))
    assert link_ids(part) == [("1", ["a|b=c"]), ("wrong", []), ("3", []), ("4", [])]
    assert part.summary == {
        "chunk": 0, "last": True, "next": None, "error": None, "documents": 4, "mentions": 2, "linked": 1,
        "without_candidates": 1, "repairs": 0, "set_aside": 0, "quarantined": 1, "deleted": 0, "unreadable": 0,
        "passed_over": 0, "sure": 0, "unsure": 0, "pairs": 0, "pairs_saved": 0,
    }  # fmt: skip
    assert part.documents["linked"] == [1, 0, 0, 0]
    assert 'offset="-2" is negative' in part.documents["error"][1]
    assert [(q["doc_id"], q["document"], q["stage"]) for q in part.quarantine] == [("wrong", 1, "read")]
    assert part.mentions.schema.equals(MENTIONS)
    first, second = part.mentions.to_pylist()
    assert (first["doc_id"], first["document"], second["document"]) == ("1", 0, 2)
    assert [(r["concept_id"], r["rank"], r["first_rank"], r["score"]) for r in first["ranking"]] == [
        ("a|b=c", 0, 0, 0.75),
        ("D1", 1, 1, 0.5),
    ]
    assert second["ranking"] == []


@pytest.mark.parametrize(
    ("threshold", "kept"), [(None, 2), (0.5, 2), (0.6, 1), (0.75, 1), (0.7500001, 1), (0.7501, 0), (0.8, 0)]
)
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


def test_an_annotation_that_cannot_be_used_is_written_as_it_came_counted_and_recorded(tmp_path):
    misplaced = annotation("Asthma", (0, 6), name="X")
    good = annotation("Anemia", (0, 6), name="T")
    part, _ = link(tmp_path, with_mention("0", "Anemia"), document("1", passage("Anemia", misplaced, good)))
    linked = etree.fromstring(gzip.decompress(part.data)).findall("document")[1]
    assert [(a.get("id"), a.findtext("infon[@key='link_id']")) for a in linked.iter("annotation")] == [
        ("X", None),
        ("T", "a|b=c"),
    ]
    assert [part.summary[name] for name in ("mentions", "linked", "set_aside", "quarantined")] == [2, 2, 1, 0]
    assert part.documents["set_aside"] == [0, 1]
    assert part.documents["error"] == [None, None]
    (record,) = part.quarantine
    assert (record["doc_id"], record["document"], record["stage"]) == ("1", 1, "annotation")
    assert "annotation X says 'Asthma', the text there is 'Anemia'" in record["reason"]


def test_the_best_link_has_columns_of_its_own(tmp_path):
    part, _ = link(tmp_path, with_mention("1", "Anemia"), with_mention("3", "unknown"))
    columns = ("link_id", "link_name", "link_score", "alias", "alias_source")
    first, second = ([row[name] for name in columns] for row in part.mentions.to_pylist())
    assert first == ["a|b=c", "Asthma & co <x>", 0.75, None, None]
    assert second == [None] * 5


def test_the_name_that_matched_is_told_as_the_ontology_writes_it():
    concept = Concept("D1", "β-Thalassemia", ["Cooley’s anemia", "Mediterranean anemia"], alias_sources=["", "mondo"])
    ontology = Ontology.from_concepts([concept])
    table = AliasTable.build(ontology, [("thal", 0)]).table
    row = {alias: number for number, alias in enumerate(table["alias"].to_pylist())}
    names = MatchedNames(ontology, table)
    queries = ["beta thalassemia", "cooley's anemia", "mediterranean anemia", "thal", "cooley's anemia"]
    assert names.look_up([0] * 6, [*(row[query] for query in queries), -1]) == [
        ("β-Thalassemia", "name"),
        ("Cooley’s anemia", "alias"),
        ("Mediterranean anemia", "mondo"),
        ("thal", "training"),
        ("Cooley’s anemia", "alias"),
        (None, None),
    ]
    assert MatchedNames(ontology, None).look_up([0], [3]) == [(None, None)]


def test_files_that_arent_named_one_by_one_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module, "MAX_NAMED", 2)
    path = tmp_path / "dump.zip"
    path.write_bytes(packed(".zip", {f"{number}.xml": b"<" for number in range(5)}))
    (source,) = find_sources([str(path)])
    (chunk,) = chunks_module.read_chunks(source, source.name, ReadOptions())
    part = render(chunk, Rankings.none(0))
    assert part.summary["unreadable"] == 5
    reasons = [record["reason"] for record in part.quarantine]
    assert [reason.partition(":")[0] for reason in reasons[:2]] == [f"{path}!0.xml", f"{path}!1.xml"]
    assert reasons[2:] == ["3 more files couldn't be read; so many in a row aren't named one by one"]

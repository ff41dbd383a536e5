import gzip
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import annotation, chunks, collection, document, json_document, passage, save, simple_document

from raybel.config import MentionOptions
from raybel.corpus.documents import ReadOptions
from raybel.corpus.formats.bioc_xml import BiocXml
from raybel.detection.base import Detection, Detector
from raybel.errors import ConfigError, InputError
from raybel.linking.detection import add_mentions
from raybel.linking.poison import MAX_DEATHS, MAX_WHOLE_ATTEMPTS, CrashRecord
from raybel.linking.rankings import Rankings
from raybel.linking.render import render


class Words(Detector):
    """Finds given words; a document with the word `bomb` fails."""

    name = "words"
    fingerprint = "f"

    def __init__(self, **words):
        self.words, self.types = words, tuple(sorted(set(words.values())))

    def detect(self, documents):
        assert all(isinstance(text, str) for texts in documents for text in texts)
        if any("bomb" in text for texts in documents for text in texts):
            raise ValueError("bomb")
        return [[self._in(text) for text in texts] for texts in documents]

    def _in(self, text):
        return [
            Detection(match.start(), match.end(), self.words[match.group()], 0.5, self.name)
            for match in re.finditer("|".join(self.words), text)
        ]


WORDS = Words(anemia="Disease", iron="Chemical")


def found(path, existing=None, detector=WORDS, **options):
    """The documents after detection, and the chunk."""
    (chunk,) = chunks(path, source_only=True)
    read = ReadOptions(MentionOptions(**options))
    chunk = add_mentions(chunk, detector, read, existing)
    return chunk["docs"][0].as_py(), chunk


def spans(row):
    return [(m["start"], m["end"], m["text"], m["type"], m["mention_id"]) for m in row["mentions"]]


@pytest.mark.parametrize("name", ["a.xml", "a.json"])
def test_mentions_become_annotations(tmp_path, name):
    if name == "a.xml":
        content = collection(document("1", passage("No iron: anemia."), passage("anemia", offset=17)), document("2"))
    else:
        first = {"id": "1", "passages": [{"offset": 0, "text": "No iron: anemia."}, {"offset": 17, "text": "anemia"}]}
        content = {"documents": [first, {"id": "2", "passages": []}]}
    path = save(tmp_path / name, content)
    rows, chunk = found(path)
    assert spans(rows[0]) == [
        (3, 7, "iron", "Chemical", "D1"), (9, 15, "anemia", "Disease", "D2"), (17, 23, "anemia", "Disease", "D3"),
    ]  # fmt: skip
    assert [(m["detector"], m["detection_score"]) for m in rows[0]["mentions"]] == [("words", 0.5)] * 3
    assert rows[1]["mentions"] == []
    part = render(chunk, Rankings.none(3))
    assert part.summary["mentions"] == 3
    saved = save(tmp_path / f"out{name[1:]}", gzip.decompress(part.data))
    assert [row["mentions"] for row in chunks(saved)[0]["docs"][0].as_py()] == [row["mentions"] for row in rows]


def test_types_and_the_type_infon(tmp_path):
    path = save(tmp_path / "a.xml", collection(document("1", passage("iron, anemia"))))
    (row,), _ = found(path, mention_types=("Disease",))
    assert spans(row) == [(6, 12, "anemia", "Disease", "D1")]
    assert b"iron</text>" not in row["source"]
    (row,), _ = found(path, type_infon="kind")
    assert b'<infon key="kind">Chemical</infon>' in row["source"]
    assert row["mentions"][0]["type"] == "Chemical"


ANNOTATED = document("1", passage("anemia and iron", annotation("iron", (11, 4), name="D1", type="Metal")))


def test_annotations_that_are_there_already(tmp_path):
    path = save(tmp_path / "a.xml", collection(ANNOTATED, document("2", passage("iron"))))
    with pytest.raises(ConfigError, match=r"a\.xml, document 1: has annotations already.*--existing-annotations keep"):
        found(path)
    kept, _ = found(path, "keep")
    assert [spans(row) for row in kept] == [[(11, 15, "iron", "Metal", "D1")], [(0, 4, "iron", "Chemical", "D1")]]
    replaced, _ = found(path, "replace")
    assert spans(replaced[0]) == [(0, 6, "anemia", "Disease", "D1"), (11, 15, "iron", "Chemical", "D2")]
    merged, _ = found(path, "merge")
    assert spans(merged[0]) == [(11, 15, "iron", "Metal", "D1"), (0, 6, "anemia", "Disease", "D2")]
    nothing, _ = found(path, "replace", detector=Words(zinc="Chemical"))
    assert nothing[0]["mentions"] == []


def test_bad_documents_stay_as_they_came(tmp_path):
    damaged = document("2", passage("anemia", offset=-2))
    path = save(tmp_path / "a.xml", collection(simple_document("0"), damaged, document("3", passage("a bomb, anemia"))))
    rows, chunk = found(path, "merge")
    assert [len(row["mentions"]) for row in rows] == [1, 0, 0]
    assert "is negative" in rows[1]["error"]
    failures = chunk["failures"][0].as_py()
    assert [bool(failure) for failure in failures] == [False, False, True]
    part = render(chunk, Rankings.none(1))
    assert [(record["doc_id"], record["stage"]) for record in part.quarantine] == [("2", "read"), ("3", "linking")]
    assert b"a bomb, anemia" in gzip.decompress(part.data)


@pytest.mark.parametrize("stage", ["parse", "annotate"])
@pytest.mark.parametrize("error", [ValueError("no way"), InputError("no way")])
def test_a_document_that_cant_be_parsed_or_annotated_costs_itself(tmp_path, monkeypatch, stage, error):
    path = save(tmp_path / "a.xml", collection(*(document(name, passage("anemia")) for name in ("1", "2", "3"))))
    real = getattr(BiocXml, stage)

    def failing(self, source, *more):
        if b"<id>2</id>" in source:
            raise error
        return real(self, source, *more)

    monkeypatch.setattr(BiocXml, stage, failing)
    rows, chunk = found(path)
    assert [len(row["mentions"]) for row in rows] == [1, 0, 1]
    part = render(chunk, Rankings.none(2))
    (record,) = part.quarantine
    assert (record["doc_id"], record["document"]) == ("2", 1)
    assert "no way" in record["reason"]
    assert (part.summary["documents"], part.summary["quarantined"], part.summary["mentions"]) == (3, 1, 2)
    assert gzip.decompress(part.data).count(b"<annotation") == 2


def test_a_document_whose_parsing_kills_the_process_costs_itself(tmp_path, monkeypatch):
    path = save(tmp_path / "a.xml", collection(*(document(name, passage("anemia")) for name in ("1", "2", "3"))))
    real = BiocXml.parse

    class Killed(BaseException):
        """Stands for the end of a process: nothing handles it."""

    def deadly(self, source):
        if b"<id>2</id>" in source:
            raise Killed
        return real(self, source)

    leave = CrashRecord.leave
    monkeypatch.setattr(BiocXml, "parse", deadly)
    # A process that has ended writes nothing more.
    monkeypatch.setattr(CrashRecord, "leave", lambda self: None if self.current == 1 else leave(self))
    (chunk,) = chunks(path, source_only=True)
    record = str(tmp_path / "a.crashes")
    for _ in range(MAX_WHOLE_ATTEMPTS + MAX_DEATHS):
        crashes = CrashRecord(record, "now")
        crashes.begin()
        with pytest.raises(Killed):
            add_mentions(chunk, WORDS, ReadOptions(), None, crashes)
    crashes = CrashRecord(record, "now")
    crashes.begin()
    done = add_mentions(chunk, WORDS, ReadOptions(), None, crashes)
    assert [len(row["mentions"]) for row in done["docs"][0].as_py()] == [1, 0, 1]
    assert done["failures"][0].as_py() == [None, "the worker died each time it came to this document", None]


TEXTS = st.lists(st.lists(st.sampled_from(["anemia", " iron", "ä x ", "é"]), max_size=4).map("".join), max_size=3)


@given(made=st.lists(TEXTS, max_size=3), existing=st.sampled_from(["keep", "replace", "merge"]))
@settings(max_examples=40, deadline=None)
def test_a_document_after_detection_is_as_if_it_had_been_read(tmp_path_factory, made, existing):
    content = []
    for number, texts in enumerate(made):
        offset, passages = 0, []
        for text in texts:
            own = [annotation("é", (offset + text.index("é"), 1), name="D2")] if "é" in text else []
            passages.append(passage(text, *own, offset=offset))
            offset += len(text) + 1
        content.append(document(str(number), *passages))
    home = tmp_path_factory.mktemp("made")
    path = save(home / "a.xml", collection(*content))
    rows, chunk = found(path, existing)
    part = render(chunk, Rankings.none(sum(len(row["mentions"]) for row in rows)))
    saved = save(home / "out.xml", gzip.decompress(part.data))
    again = chunks(saved)[0]["docs"][0].as_py()
    leave = {"source", "file"}
    assert [{k: v for k, v in row.items() if k not in leave} for row in again] == [
        {k: v for k, v in row.items() if k not in leave} for row in rows
    ]
    ids = [[mention["mention_id"] for mention in row["mentions"]] for row in rows]
    assert all(len(set(names) - {"D2"}) == len(names) - names.count("D2") for names in ids)


def test_json_documents_keep_what_is_not_modelled(tmp_path):
    value = json_document("1", "anemia")
    value["passages"][0]["sentences"] = []
    value["relations"] = [{"id": "R1"}]
    path = save(tmp_path / "a.json", {"documents": [value]})
    (row,), _ = found(path)
    assert b'"relations":[{"id":"R1"}]' in row["source"]

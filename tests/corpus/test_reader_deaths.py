"""Readers that die at a document, again and again: played with an exception in place of a kill."""

import zipfile

import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import collection, save, simple_document

from raybel.corpus import chunks as chunks_module
from raybel.corpus.chunks import read_chunks
from raybel.corpus.documents import ReadOptions, to_row
from raybel.corpus.reader_deaths import MAX_LEFT_OUT, ReaderRecord
from raybel.corpus.sources import find_sources
from raybel.errors import InputError


class Killed(BaseException):
    """What a kill is here."""


def killing(*poison):
    """Return a `to_row` that kills the reader at documents of these ids."""

    def row(document, source, options):
        if document.id in poison:
            raise Killed
        return to_row(document, source, options)

    return row


def corpus(home, name="a.xml", prefix="d", count=12):
    return save(
        home / name, collection(*(simple_document(f"{prefix}{i}", "Anemia here.", "Anemia") for i in range(count)))
    )


def read(source, record_file, restarts, session="s", chunk=3, lost=()):
    """Start readers until one ends as a reader does; return its chunks, those before it, and how many died.

    Each has a machine of its own, by its number; `lost` are those that are lost with their readers.
    """
    died = []
    while True:
        assert len(died) < 60, "readers die without end"
        record = ReaderRecord(
            str(record_file), session, restarts, node=str(len(died)), is_lost=lambda node: int(node) in lost
        )
        options, got = ReadOptions(chunk_documents=chunk), []
        try:
            for each in read_chunks(source, source.name, options, None, record):
                got.append(each.to_pylist()[0])
            return got, died
        except Killed:
            died.append(got)


def ids(chunks):
    return [document["doc_id"] for chunk in chunks for document in chunk["docs"]]


@pytest.fixture
def source(tmp_path):
    corpus(tmp_path)
    (source,) = find_sources([str(tmp_path / "a.xml")])
    return source


@given(poison=st.integers(0, 11), restarts=st.integers(0, 6), chunk=st.integers(1, 13))
def test_a_file_at_which_readers_die_is_set_aside(tmp_path_factory, poison, restarts, chunk):
    home = tmp_path_factory.mktemp("deaths")
    corpus(home)
    (source,) = find_sources([str(home / "a.xml")])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunks_module, "to_row", killing(f"d{poison}"))
        got, died = read(source, home / "record", restarts, chunk=chunk)
    assert len(died) == restarts + 1
    last = got[-1]
    assert f"{source.path}: its reader died {restarts + 1} time" in last["error"]
    first_of_chunk = poison - poison % chunk
    if restarts >= 2:
        assert f", at document {poison + 1}: it takes more memory" in last["error"]
        assert ids(got) == [f"d{i}" for i in range(poison)]
    else:
        assert f", at document {first_of_chunk + 1} or one of those after it: " in last["error"]
    for earlier in died:  # Ray counts on the chunks that it got
        assert [each["docs"] for each in got[: len(earlier)]] == [each["docs"] for each in earlier]
        assert last["chunk"] >= len(earlier)


def test_a_reader_that_dies_less_often_reads_on(source, tmp_path, monkeypatch):
    deaths = iter([True, True, False])
    monkeypatch.setattr(
        chunks_module,
        "to_row",
        lambda document, text, options: (killing("d5") if document.id == "d5" and next(deaths) else to_row)(
            document, text, options
        ),
    )
    got, died = read(source, tmp_path / "record", 2)
    assert len(died) == 2
    assert (got[-1]["error"], ids(got)) == (None, [f"d{i}" for i in range(12)])


def test_readers_that_are_lost_with_their_machines_do_not_count(source, tmp_path, monkeypatch):
    turns = iter(range(100))
    monkeypatch.setattr(
        chunks_module,
        "to_row",
        lambda document, text, options: (killing("d5") if document.id == "d5" and next(turns) < 10 else to_row)(
            document, text, options
        ),
    )
    got, died = read(source, tmp_path / "record", 0, lost=range(10))
    assert len(died) == 10
    assert (got[-1]["error"], ids(got)) == (None, [f"d{i}" for i in range(12)])


def test_lost_machines_between_deaths_leave_out_what_kills(source, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module, "to_row", killing("d5"))
    got, died = read(source, tmp_path / "record", 2, lost=(0, 2, 3))
    assert len(died) == 6
    assert ids(got) in ([f"d{i}" for i in range(place)] for place in (3, 5))  # in front of its chunk, or of itself
    assert "its reader died 3 times" in got[-1]["error"]


def test_deaths_of_an_earlier_start_do_not_count(source, tmp_path, monkeypatch):
    monkeypatch.setattr(chunks_module, "to_row", killing("d5"))
    got, died = read(source, tmp_path / "record", 1)
    assert (got[-1]["error"] is not None, len(died)) == (True, 2)
    monkeypatch.undo()
    got, died = read(source, tmp_path / "record", 1, session="the next")
    assert (got[-1]["error"], len(died), len(ids(got))) == (None, 0, 12)


def test_an_archive_goes_on_with_its_other_files(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in "abcd":
            archive.write(corpus(tmp_path / name, f"{name}.xml", name, 5), f"{name}.xml")
    (source,) = find_sources([str(tmp_path / "a.zip")])
    monkeypatch.setattr(chunks_module, "to_row", killing("a4", "c2"))
    got, died = read(source, tmp_path / "record", 2)
    unreadable = [reason for each in got for reason in each["unreadable"]]
    assert got[-1]["error"] is None
    assert len(unreadable) == 2
    assert "a.xml: its reader died" in unreadable[0]
    assert "at document 5" in unreadable[0]
    assert "c.xml: its reader died" in unreadable[1]
    kept = ids(got)
    assert {each for each in kept if each[0] in "bd"} == {f"{name}{i}" for name in "bd" for i in range(5)}
    assert {"a0", "a1", "a2", "a3"} <= set(kept)
    assert not {"a4", "c2"} & set(kept)
    assert len(died) <= 6


def test_readers_that_die_before_any_document_end_too(source, tmp_path, monkeypatch):
    def no_file(source, meter):
        raise Killed

    monkeypatch.setattr(chunks_module, "files_of", no_file)
    got, died = read(source, tmp_path / "record", 3)
    assert len(died) == 4
    assert [each["error"].partition(":")[0] for each in got] == [
        "its reader died 4 times, more often than --max-restarts allows"
    ]


def test_a_machine_that_kills_at_every_document_ends_too(tmp_path):
    path, dead = str(tmp_path / "record"), 0
    while dead < 100:
        dead += 1
        record = ReaderRecord(path, "s", 0)
        try:
            record.begin()
        except InputError:
            break
        for place in range(100):
            try:
                record.enter((place, 0))
            except InputError:
                continue
            break  # it dies there
    assert dead == MAX_LEFT_OUT + 2

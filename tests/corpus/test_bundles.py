"""Chunks of archives and of groups of files."""

import gzip
import json
from pathlib import Path

import pytest
from archive_samples import SUFFIXES, packed, padded, tar_bytes
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from samples import collection, save, simple_document

from raybel.corpus import archives
from raybel.corpus import chunks as chunks_module
from raybel.corpus.chunks import Finished, FinishedChunk, read_chunks
from raybel.corpus.documents import ReadOptions
from raybel.corpus.reading import SetAside, read_rows
from raybel.corpus.sources import Source, find_sources
from raybel.files import s3, storage, stored


def xml(*ids) -> bytes:
    return collection(*map(simple_document, ids)).encode()


def as_json(*ids) -> bytes:
    passages = [{"offset": 0, "text": "Anemia.", "annotations": []}]
    return json.dumps({"source": "s", "documents": [{"id": i, "passages": passages} for i in ids]}).encode()


def archive(tmp_path, files, suffix=".tar.gz"):
    path = tmp_path / f"dump{suffix}"
    path.write_bytes(packed(suffix, files))
    (source,) = find_sources([str(path)])
    return source


def read(source, finished=None, **options):
    return list(read_chunks(source, source.name, ReadOptions(**options), finished))


def value(chunk, name):
    return chunk[name][0].as_py()


def ids_by_shard(read):
    found = {}
    for chunk in read:
        found.setdefault(value(chunk, "shard"), []).append([row["doc_id"] for row in value(chunk, "docs")])
    return found


def shards(read):
    """The bytes of each shard."""
    found = {}
    for chunk in read:
        data = b"".join(row["source"] for row in value(chunk, "docs"))
        whole = (value(chunk, "header") or b"") + data + (value(chunk, "footer") or b"")
        found[value(chunk, "shard")] = found.get(value(chunk, "shard"), b"") + whole
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_becomes_a_folder_of_shards(tmp_path, suffix):
    source = archive(tmp_path, {"a.xml": xml("1", "2", "3"), "b.xml.gz": gzip.compress(xml("4", "5"))}, suffix)
    found = read(source, chunk_documents=2, shard_documents=3)
    assert ids_by_shard(found) == {
        f"dump{suffix}/00000.xml.gz": [["1", "2"], ["3"]],
        f"dump{suffix}/00001.xml.gz": [["4", "5"]],
    }
    assert [value(chunk, "last") for chunk in found] == [False, True, True]
    assert [value(chunk, "next") for chunk in found] == [
        {"file": 1, "document": 2}, {"file": 2, "document": 0}, None,
    ]  # fmt: skip
    assert [row["file"] for row in value(found[2], "docs")] == ["b.xml.gz"] * 2
    for name, data in shards(found).items():
        saved = save(tmp_path / "shard.xml", data)
        ids = [row.doc_id for row in read_one(saved)]
        assert ids == [doc_id for chunk in ids_by_shard(found)[name] for doc_id in chunk]
        assert etree.fromstring(data).findtext("source") == source.name


def read_one(path):
    return list(read_rows([path], ReadOptions(), SetAside()))


def test_what_stands_around_documents_stays_behind(tmp_path):
    noted = xml("1", "2").replace(b"<document><id>2", b"<!-- note --><document><id>2")
    (chunk,) = read(archive(tmp_path, {"a.xml": noted, "b.xml": xml("3")}))
    (data,) = shards([chunk]).values()
    assert b"note" not in data
    assert [each.findtext("id") for each in etree.fromstring(data).iterfind("document")] == ["1", "2", "3"]


def test_json_becomes_lines_and_another_format_begins_another_shard(tmp_path):
    source = archive(
        tmp_path, {"a.json": as_json("1", "2"), "b.xml": xml("3"), "c.jsonl": as_json("4"), "d.json": b"[]"}
    )
    found = read(source)
    assert ids_by_shard(found) == {
        "dump.tar.gz/00000.jsonl.gz": [["1", "2"]],
        "dump.tar.gz/00001.xml.gz": [["3"]],
        "dump.tar.gz/00002.jsonl.gz": [["4"]],
    }
    lines = shards(found)["dump.tar.gz/00000.jsonl.gz"].decode().splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["1", "2"]
    saved = save(tmp_path / "shard.jsonl", shards(found)["dump.tar.gz/00000.jsonl.gz"])
    assert [row.doc_id for row in read_one(saved)] == ["1", "2"]


def test_a_withdrawn_document_of_an_archive_has_no_serialisation(tmp_path):
    gone = b"<PubmedArticleSet><DeleteCitation><PMID>7</PMID><PMID>8</PMID></DeleteCitation></PubmedArticleSet>"
    source = archive(tmp_path, {"a.xml": gone, "b.xml": xml("1")})
    (chunk,) = read(source)
    rows = [(row["doc_id"], row["deleted"], bool(row["source"])) for row in value(chunk, "docs")]
    assert rows == [("7", True, False), ("8", True, False), ("1", False, True)]


def test_a_member_is_what_its_content_says(tmp_path):
    lines = b'{"id": "4", "passages": []}\n{"id": "5", "passages": []}\n'
    source = archive(tmp_path, {"a.json": xml("1"), "b.xml": as_json("2", "3"), "c.xml.gz": lines})
    read_chunks = read(source, chunk_documents=9)
    assert ids_by_shard(read_chunks) == {
        "dump.tar.gz/00000.xml.gz": [["1"]],
        "dump.tar.gz/00001.jsonl.gz": [["2", "3", "4", "5"]],
    }
    assert not any(value(chunk, "unreadable") for chunk in read_chunks)


def test_bad_members_cost_themselves(tmp_path):
    cut = xml("2", "3")[:-30]
    files = {
        "README": b"hello", ".DS_Store": b"x", "._a.xml": b"x", "a.xml": xml("1"), "cut.xml": cut,
        "zeros.xml": b"\0" * 900_000, "inner.tar.gz": b"x", "empty.xml": b"", "junk.json": b"junk",
        "../b.xml": xml("4"), "/abs.xml": xml("5"),
    }  # fmt: skip
    (chunk,) = read(archive(tmp_path, files))
    assert [(row["doc_id"], row["file"]) for row in value(chunk, "docs")] == [
        ("1", "a.xml"), ("2", "cut.xml"), ("4", "../b.xml"), ("5", "/abs.xml"),
    ]  # fmt: skip
    assert value(chunk, "passed_over") == 3
    reasons = value(chunk, "unreadable")
    place = str(tmp_path / "dump.tar.gz!")
    assert [reason.removeprefix(place).partition(":")[0] for reason in reasons] == [
        "cut.xml", "zeros.xml", "inner.tar.gz", "empty.xml", "junk.json",
    ]  # fmt: skip
    assert "is an archive in an archive" in reasons[2]
    assert value(chunk, "error") is None


def test_nothing_but_passed_over_members_and_nothing_at_all(tmp_path):
    (chunk,) = read(archive(tmp_path, {"README": b"hello"}))
    assert (value(chunk, "docs"), value(chunk, "passed_over"), value(chunk, "last")) == ([], 1, True)
    assert len(etree.fromstring(*shards([chunk]).values()).findall("document")) == 0
    (chunk,) = read(archive(tmp_path, {}))
    assert (value(chunk, "docs"), value(chunk, "next")) == ([], None)


def test_an_archive_that_is_cut_off_keeps_its_finished_shards(tmp_path):
    path = tmp_path / "dump.tar"
    path.write_bytes(tar_bytes({f"{number}.xml": xml(str(number)) for number in range(6)})[:-14_000])
    found = read(find_sources([str(path)])[0], shard_documents=2)
    *whole, last = found
    assert [value(chunk, "error") for chunk in whole] == [None] * len(whole)
    assert value(last, "last")
    assert "dump.tar: is no archive, or is cut off or damaged" in value(last, "error")


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_an_archive_on_an_object_store(tmp_path, endpoint, suffix):
    local = archive(tmp_path, {"a.xml": xml("1", "2"), "b.json": as_json("3")}, suffix)
    uri = endpoint(f"{tmp_path.name}/dump{suffix}")
    storage.publish(uri, Path(local.path).read_bytes())
    (source,) = find_sources([uri])
    assert (source.name, source.is_bundle) == (local.name, True)
    assert [value(chunk, "docs") for chunk in read(source)] == [value(chunk, "docs") for chunk in read(local)]


def test_a_group_of_files(tmp_path):
    for name, data in {"a.xml": xml("1"), "b.xml": b"<collection>", "c.xml": xml("2", "3")}.items():
        save(tmp_path / name, data)
    (source,) = find_sources([str(tmp_path)], True)
    found = read(source, shard_documents=2)
    assert ids_by_shard(found) == {"group-00000/00000.xml.gz": [["1", "2"]], "group-00000/00001.xml.gz": [["3"]]}
    assert [row["file"] for row in value(found[0], "docs")] == ["a.xml", "c.xml"]
    (reason,) = value(found[0], "unreadable")
    assert reason.startswith(str(tmp_path / "b.xml"))


class Flaky:
    """A store's file that can't be read beyond some bytes, as when the network fails."""

    def __init__(self, file, after):
        self.file, self.after = file, after

    def __getattr__(self, name):
        return getattr(self.file, name)

    def read(self, size=None):
        self._fail()
        return self.file.read(size)

    def readinto(self, buffer):
        self._fail()
        return self.file.readinto(buffer)

    def _fail(self):
        if self.file.tell() >= self.after:
            raise OSError(5, "Input/output error")


def flaky(monkeypatch, name, after):
    """Let files of a name fail when they are read on after some bytes; until the patch is undone."""
    real = stored.open_stored

    def opened(filesystem, path, uri, seekable=False):
        file = real(filesystem, path, uri, seekable)
        if uri.endswith(name):
            file.file = Flaky(file.file, after)
        return file

    for module in (storage, archives):
        monkeypatch.setattr(module, "open_stored", opened)


def finished_by(read):
    """What a run that stopped after a reading keeps of it: the whole shards, and no chunk of another one."""
    broken = {value(chunk, "shard") for chunk in read if value(chunk, "error")}
    last = {value(chunk, "shard"): chunk for chunk in read}
    ends = {name: value(chunk, "next") for name, chunk in last.items() if name not in broken}
    places = {name: place and (place["file"], place["document"]) for name, place in ends.items()}
    return Finished({int(name.rpartition("/")[2][:5]): FinishedChunk(place) for name, place in places.items()})


@pytest.mark.parametrize("trouble", ["gone", "not to be opened", "not to be read", "not to be read on"])
def test_a_file_of_a_group_that_cant_be_read_for_a_moment_is_read_by_the_next_start(tmp_path, monkeypatch, trouble):
    for name, data in {"a.xml": xml("0", "1"), "b.xml": b"<collection>", "d.xml": xml("4"), "e.xml": xml("5")}.items():
        save(tmp_path / name, data)
    path = save(tmp_path / "c.xml.gz", gzip.compress(xml("2", "3")))
    (source,) = find_sources([str(tmp_path)], True)
    whole = read(source, shard_documents=1)
    content = Path(path).read_bytes()
    with monkeypatch.context() as patch:
        if trouble == "gone":
            Path(path).unlink()
        elif trouble == "not to be opened":
            Path(path).unlink()
            Path(path).mkdir()
        else:
            flaky(patch, "c.xml.gz", 0 if trouble == "not to be read" else 60)
            patch.setattr(storage, "COPY_BYTES", 60)
        stopped = read(source, shard_documents=1)
    *before, last = stopped
    assert [value(chunk, "error") for chunk in before] == [None] * len(before)
    assert value(last, "error").startswith(f"{path}: ")
    assert (value(last, "last"), value(last, "next")) == (True, None)
    assert ids_by_shard(before) == {"group-00000/00000.xml.gz": [["0"]]}
    if Path(path).is_dir():
        Path(path).rmdir()
    Path(path).write_bytes(content)
    rest = read(source, finished_by(stopped), shard_documents=1)
    assert [*map(without_bytes, before), *map(without_bytes, rest)] == list(map(without_bytes, whole))
    assert [len(value(chunk, "unreadable")) for chunk in whole] == [0, 1, 0, 0, 0, 0]


@pytest.mark.parametrize("files", [(), (("s3://bucket/a.xml", "a.xml"),)])
def test_a_store_that_cant_be_reached_ends_the_source_alone(monkeypatch, files):
    def unreachable(place, query):
        raise OSError("no network")

    monkeypatch.setattr(s3, "_filesystem", unreachable)
    (chunk,) = read(Source("s3://bucket/a.tar", "a.tar", files=files))
    assert "can't be reached: no network; tried for" in value(chunk, "error")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_member_that_the_store_doesnt_give_is_not_taken_for_a_damaged_one(tmp_path, monkeypatch, suffix):
    files = {f"{number}.xml": padded(xml(str(number))) for number in range(30)}
    source = archive(tmp_path, files, suffix)
    whole = read(source, shard_documents=2)
    with monkeypatch.context() as patch:
        flaky(patch, suffix, source.size // 2)
        if suffix == ".zip":  # its directory stands at its end
            patch.setattr(Flaky, "_fail", failing_from_a_member(source.size // 2))
        stopped = read(source, shard_documents=2)
    *before, last = stopped
    assert "can't be read: Input/output error" in value(last, "error")
    assert len(before) > 2
    assert all(value(chunk, "unreadable") == [] for chunk in stopped)
    rest = read(source, finished_by(stopped), shard_documents=2)
    assert [*map(without_bytes, before), *map(without_bytes, rest)] == list(map(without_bytes, whole))


def failing_from_a_member(after):
    """A zip's trouble: in its members alone, of which the second half can't be read."""

    def fail(self):
        place = self.file.tell()
        if place >= after and self.file.size() - place > 5_000:
            raise OSError(5, "Input/output error")

    return fail


@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_damaged_members_without_number_are_counted_and_the_first_are_named(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(chunks_module, "MAX_NAMED", 3)
    files = {f"{number}.xml": b"<" for number in range(9)}
    files |= {"a.xml": xml("1"), "b.xml": xml("2"), "c.xml": b"<"}
    first, second = read(archive(tmp_path, files, suffix), chunk_documents=1)
    assert [reason.partition("!")[2][:5] for reason in value(first, "unreadable")] == ["0.xml", "1.xml", "2.xml"]
    assert (value(first, "unnamed"), value(second, "unnamed")) == (6, 0)
    assert len(value(second, "unreadable")) == 1


def test_rows_of_an_archive(tmp_path):
    source = archive(tmp_path, {"a.xml": xml("1"), "README": b"", "b.json": as_json("2")})
    assert [row.doc_id for row in read_one(source.path)] == ["1", "2"]


MEMBERS = st.lists(
    st.one_of(
        st.tuples(st.just("xml"), st.integers(0, 4)),
        st.tuples(st.just("json"), st.integers(0, 3)),
        st.tuples(st.just("bad"), st.integers(0, 4)),
        st.tuples(st.just("txt"), st.just(0)),
    ),
    max_size=6,
)


@given(made=MEMBERS, sizes=st.tuples(st.integers(1, 3), st.integers(1, 5)), data=st.data())
def test_a_resumed_reading_yields_what_is_missing_and_nothing_else(tmp_path_factory, made, sizes, data):
    files, count = {}, 0
    for number, (kind, documents) in enumerate(made):
        ids = [str(count + i) for i in range(documents)]
        count += documents
        content = {"xml": xml, "json": as_json}.get(kind, lambda *ids: xml(*ids).removesuffix(b"</collection>"))(*ids)
        files[f"{number}.{'xml' if kind == 'bad' else kind}"] = content
    source = archive(tmp_path_factory.mktemp("made"), files, data.draw(st.sampled_from([".tar", ".tar.gz", ".zip"])))
    options = {"chunk_documents": sizes[0], "shard_documents": sizes[1]}
    whole = read(source, **options)
    assert sum(len(value(chunk, "docs")) for chunk in whole) == count
    done = [data.draw(st.booleans()) for _ in whole]
    last = {value(chunk, "shard"): number for number, chunk in enumerate(whole)}
    published = {name for name in last if all(d for d, c in zip(done, whole, strict=True) if value(c, "shard") == name)}
    published = {name for name in published if data.draw(st.booleans())}
    shards_done, chunks_done, names = {}, {}, {}
    for chunk, is_done in zip(whole, done, strict=True):
        name, ends = value(chunk, "shard"), value(chunk, "next")
        number = int(name.rpartition("/")[2][:5])
        entry = FinishedChunk(
            ends and (ends["file"], ends["document"]), value(chunk, "last"), len(value(chunk, "docs"))
        )
        if name in published:
            shards_done[number] = entry
        elif is_done:
            chunks_done[name, value(chunk, "chunk")], names[number] = entry, name
    rest = read(source, Finished(shards_done, chunks_done, names), **options)
    expected = [chunk for chunk in whole if value(chunk, "shard") not in published]
    assert len(rest) == len(expected)
    for got, wanted in zip(rest, expected, strict=True):
        if (value(wanted, "shard"), value(wanted, "chunk")) in chunks_done:
            assert (value(got, "done"), value(got, "docs")) == (True, [])
            for name in ("source", "shard", "chunk", "last", "next"):
                assert value(got, name) == value(wanted, name)
        else:
            assert without_bytes(got).equals(without_bytes(wanted))


def without_bytes(chunk):
    """A chunk without what says how far was read."""
    return chunk.drop_columns(["read_bytes", "skipped_bytes"])


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_chunk_says_how_far_the_archive_is_read(tmp_path, suffix):
    names = [f"{number:03d}" for number in range(40)]
    files = {f"{name}.xml": padded(xml(name)) for name in names}
    source = archive(tmp_path, files, suffix)
    whole = read(source, chunk_documents=4, shard_documents=1000)
    read_bytes = [value(chunk, "read_bytes") for chunk in whole]
    assert sorted(read_bytes) == read_bytes
    assert read_bytes[-1] <= source.size
    for number, place in enumerate(read_bytes[:-1], 1):
        assert place == pytest.approx(source.size * 4 * number / 40, abs=1.3e6)
    assert {value(chunk, "skipped_bytes") for chunk in whole} == {0}
    done = FinishedChunk((20, 0), False, 20)
    name = value(whole[0], "shard")
    finished = Finished(chunks={(name, 0): done}, names={0: name})
    passed, *rest = read(source, finished, chunk_documents=4, shard_documents=1000)
    assert (value(passed, "read_bytes"), value(passed, "skipped_bytes")) == (None, None)
    (skipped,) = {value(chunk, "skipped_bytes") for chunk in rest}
    assert skipped == pytest.approx(source.size * 20 / 40, abs=1.3e6)
    assert value(rest[-1], "read_bytes") == read_bytes[-1]


def test_finished_members_are_not_opened(tmp_path, monkeypatch):
    source = archive(tmp_path, {f"{number}.xml": xml(str(number)) for number in range(4)}, ".zip")
    opened = []
    real = chunks_module.files_of

    def watched(source, meter):
        for item in real(source, meter):
            opened.append(item.name)
            yield item

    monkeypatch.setattr(chunks_module, "files_of", watched)
    rest = read(source, Finished(shards={0: FinishedChunk(None)}), shard_documents=9)
    assert (rest, opened) == ([], [])  # all of it is finished
    rest = read(source, Finished(shards={0: FinishedChunk((4, 0))}), shard_documents=3)
    assert [row["doc_id"] for row in value(rest[0], "docs")] == ["3"]


def test_a_bundle_is_one_by_its_name_or_its_files():
    assert Source("x/A.Tar.Gz", "A.Tar.Gz").is_bundle
    assert Source("x/a.xml", "g", files=(("x/a.xml", "a.xml"),)).is_bundle
    assert not Source("x/a.xml", "a.xml").is_bundle

"""Fetching from a server of our own that does what servers do."""

import gzip
import hashlib
import io
import os
import socket
import stat
import tarfile
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests
from click.testing import CliRunner

from raybel.cli import main
from raybel.errors import ConfigError, InputError
from raybel.prepare import download as module
from raybel.prepare.download import download
from raybel.prepare.fetch import fetch
from raybel.prepare.sources import DOWNLOADS, Download, RemoteFile
from raybel.prepare.unpack import unpack

DATA = bytes(range(256)) * 4096
SHA256 = "sha256:" + hashlib.sha256(DATA).hexdigest()


class Server(ThreadingHTTPServer):
    """Serves DATA; `requests` are the ranges that were asked for."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.data, self.tag, self.ranges, self.break_after, self.length = DATA, '"one"', True, [], True
        self.most, self.encoding = None, None
        self.asked, self.busy = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_GET(self):
        server, data, begin = self.server, self.server.data, 0
        asked = self.headers.get("Range")
        server.asked.append((self.path, asked))
        if self.path == "/gone":
            self.send_error(404)
            return
        if server.busy:
            self.send_error(server.busy.pop(0))
            return
        if self.path == "/part":
            self.send_response(206)
            self.send_header("Content-Length", "3")
            self.end_headers()
            self.wfile.write(b"abc")
            return
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/file.bin")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        if self.path.endswith("page.bin"):
            data = b"\n<!DOCTYPE html><html>Are you a robot?</html>"
        if asked and server.ranges and self.headers.get("If-Range") == server.tag:
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            if begin >= len(data):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(data)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            self.send_response(206)
            end = min(len(data), begin + (server.most or len(data)))
            self.send_header("Content-Range", f"bytes {begin}-{end - 1}/{len(data)}")
            data = data[:end]
        else:
            self.send_response(200)
        if server.encoding:
            self.send_header("Content-Encoding", server.encoding)
            data = gzip.compress(data) if server.packs else data
        if server.length:
            self.send_header("Content-Length", str(len(data) - begin))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.send_header("ETag", server.tag)
        self.end_headers()
        body = data[begin:]
        if server.break_after:
            self.wfile.write(body[: server.break_after.pop(0)])
            self.wfile.flush()
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
            return
        self.wfile.write(body)


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT", (5.0, 5.0))
    server = Server()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def download_whole(server, path, **options):
    download(f"{server.url}/file.bin", path, pause=0.01, **options)
    assert path.read_bytes() == server.data
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


def test_a_file_comes_whole_and_is_not_fetched_twice(server, tmp_path):
    seen = []
    download_whole(server, tmp_path / "d" / "f", on_progress=lambda *state: seen.append(state), digest=SHA256)
    assert seen[-1] == ("f", len(DATA), len(DATA))
    download_whole(server, tmp_path / "d" / "f")
    assert len(server.asked) == 1


def test_an_interrupted_download_goes_on_within_a_start(server, tmp_path):
    server.break_after = [300_000, 200_000]
    download_whole(server, tmp_path / "f")
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", "bytes=500000-"]


def test_an_interrupted_download_goes_on_at_the_next_start(server, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_TRIES", 1)
    server.break_after = [300_000]
    with pytest.raises(InputError, match="300,000 bytes are kept"):
        download(f"{server.url}/file.bin", tmp_path / "f", pause=0.01)
    assert not (tmp_path / "f").exists()
    download_whole(server, tmp_path / "f")
    assert server.asked[-1][1] == "bytes=300000-"


def test_a_busy_server_is_asked_again(server, tmp_path):
    server.busy = [503, 429, 500]
    download_whole(server, tmp_path / "f")
    assert len(server.asked) == 4
    server.busy = [502] * module.MAX_TRIES
    with pytest.raises(InputError, match="HTTP 502 Bad Gateway; try later"):
        download(f"{server.url}/file.bin", tmp_path / "g", pause=0.01)
    assert len(server.asked) == 4 + module.MAX_TRIES
    assert not server.busy


@pytest.mark.parametrize("change", ["ranges", "tag", "weak", "length"])
def test_a_download_begins_anew_where_it_cannot_go_on(server, tmp_path, monkeypatch, change):
    monkeypatch.setattr(module, "MAX_TRIES", 1)
    server.tag = 'W/"one"' if change == "weak" else '"one"'
    server.break_after = [300_000]
    with pytest.raises(InputError):
        download(f"{server.url}/file.bin", tmp_path / "f", pause=0.01)
    if change == "ranges":
        server.ranges = False
    elif change == "tag":
        server.tag, server.data = '"two"', DATA[::-1]
    elif change == "length":
        server.length = False
    download_whole(server, tmp_path / "f")


def test_a_range_shorter_than_what_was_asked_for_is_not_the_end(server, tmp_path):
    server.break_after, server.most = [300_000], 400_000
    download_whole(server, tmp_path / "f")
    assert [asked for _, asked in server.asked] == [None, "bytes=300000-", "bytes=700000-"]


@pytest.mark.parametrize("mark", ["{", "[]", '{"url": 1}'])
def test_a_part_whose_note_cannot_be_read_is_fetched_anew(server, tmp_path, mark):
    (tmp_path / "f.part").write_bytes(b"other bytes")
    (tmp_path / "f.part.json").write_text(mark)
    download_whole(server, tmp_path / "f")


@pytest.mark.parametrize("packs", [True, False], ids=["packed-for-the-way", "a-gz-file"])
def test_an_encoding_of_the_way_is_undone_and_a_packed_file_stays(server, tmp_path, packs):
    server.encoding, server.packs = "gzip", packs
    if not packs:
        server.data = gzip.compress(b"text")
    download_whole(server, tmp_path / ("f" if packs else "f.gz"))


def test_a_part_that_was_not_asked_for_is_refused(server, tmp_path):
    with pytest.raises(InputError, match="a part that wasn't asked for"):
        download(f"{server.url}/part", tmp_path / "f")


def test_a_place_that_cannot_be_written_to_is_an_error(server, tmp_path):
    (tmp_path / "d").write_text("a file")
    with pytest.raises(InputError, match=r"d/f: can't be written"):
        download(f"{server.url}/file.bin", tmp_path / "d" / "f")


def test_a_part_that_is_already_whole(server, tmp_path):
    download_whole(server, tmp_path / "f")
    os.replace(tmp_path / "f", tmp_path / "f.part")
    (tmp_path / "f.part.json").write_text(f'{{"url": "{server.url}/file.bin", "version": "\\"one\\""}}')
    download_whole(server, tmp_path / "f")
    assert server.asked[-1][1] == f"bytes={len(DATA)}-"


def test_a_redirect_is_followed(server, tmp_path):
    download(f"{server.url}/moved", tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


@pytest.mark.parametrize(
    ("path", "digest", "message"),
    [
        ("gone", None, "HTTP 404"),
        ("file.bin", "sha256:" + "0" * 64, "has changed, or was damaged"),
        ("file.bin", "md5:" + "0" * 32, "has changed, or was damaged"),
        ("page.bin", None, "is a web page, not the file"),
    ],
)
def test_what_is_not_the_file_is_refused_and_leaves_nothing(server, tmp_path, path, digest, message):
    with pytest.raises(InputError, match=message):
        download(f"{server.url}/{path}", tmp_path / "f", digest, pause=0.01)
    assert not list(tmp_path.iterdir())


def test_no_server(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "MAX_TRIES", 2)
    with pytest.raises(InputError, match="can't be fetched"):
        download("http://127.0.0.1:9/f", tmp_path / "f", pause=0.01)


def test_a_file_that_is_there_and_wrong_is_an_error(server, tmp_path):
    (tmp_path / "f").write_bytes(b"other")
    with pytest.raises(InputError, match="delete it"):
        download(f"{server.url}/file.bin", tmp_path / "f", "sha256:" + "0" * 64)


@contextmanager
def tar(path):
    with tarfile.open(path, "w:gz") as file:
        yield file


def entry(name, kind=tarfile.REGTYPE, link="", size=0):
    header = tarfile.TarInfo(name)
    header.type, header.linkname, header.size = kind, link, size
    return header


def test_archives_are_unpacked(tmp_path):
    with tar(tmp_path / "a.tar.gz") as file:
        file.addfile(entry("d", tarfile.DIRTYPE))
        file.addfile(entry("d/a.txt", size=3), io.BytesIO(b"abc"))
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as file:
        file.writestr("e/", "")
        file.writestr("e/b.txt", "new")
    out = tmp_path / "out"
    (out / "e").mkdir(parents=True)
    (out / "e" / "b.txt").write_text("old")
    assert unpack(tmp_path / "a.tar.gz", out) == ["d/a.txt"]
    assert unpack(tmp_path / "b.zip", out) == ["e/b.txt"]
    assert (out / "d" / "a.txt").read_text() == "abc"
    assert (out / "e" / "b.txt").read_text() == "new"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["a.tar.gz", "b.zip", "out"]


def test_an_archive_may_hold_a_file_twice(tmp_path):
    with tar(tmp_path / "a.tar.gz") as file:
        for content in (b"one", b"two"):
            file.addfile(entry("a.txt", size=3), io.BytesIO(content))
    assert unpack(tmp_path / "a.tar.gz", tmp_path / "out") == ["a.txt"]
    assert (tmp_path / "out" / "a.txt").read_text() == "two"


@pytest.mark.parametrize(
    "hostile",
    [
        entry("../up.txt"),
        entry("/tmp/root.txt"),
        entry("a/../../up.txt"),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("link", tarfile.LNKTYPE, "ok.txt"),
        entry("device", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
        entry("C:\\up.txt"),
    ],
    ids=lambda member: f"{member.name}-{member.type.decode()}",
)
def test_a_hostile_tar_leaves_nothing(tmp_path, hostile):
    with tar(tmp_path / "a.tar.gz") as file:
        file.addfile(entry("ok.txt", size=2), io.BytesIO(b"ok"))
        file.addfile(hostile, io.BytesIO(b""))
    with pytest.raises(InputError, match=r"leads out of the directory|isn.t a plain file"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_tar_whose_header_is_a_bomb(tmp_path):
    """A header is read whole, whatever the limits for files."""
    large = entry("ok.txt", size=2)
    large.pax_headers = {"comment": "x" * (2 << 20)}
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz", format=tarfile.PAX_FORMAT) as file:
        file.addfile(large, io.BytesIO(b"ok"))
    with pytest.raises(InputError, match=r"a.tar.gz: holds a header of 2,097,\d+ bytes, more than 1,048,576"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "out")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.tar.gz"]


def test_a_hostile_zip_leaves_nothing(tmp_path):
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    for number, name in enumerate(("../up.txt", "/up.txt", link)):
        archive = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr(name, "x")
        with pytest.raises(InputError, match=r"leads out of the directory|isn.t a plain file"):
            unpack(archive, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_bombs_and_damaged_archives_are_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", b"\0" * 2_000_000)
    with pytest.raises(InputError, match="holds more than 1,000,000 bytes"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out", 1_000_000)
    (tmp_path / "no.zip").write_bytes(b"nothing of the kind")
    for wrong in (b"nothing of the kind", b"\x1f\x8b\x08 cut", b"BZh9 cut", b"\xfd7zXZ\0 cut"):
        (tmp_path / "no.zip").write_bytes(wrong)
        with pytest.raises(InputError, match="isn't an archive"):
            unpack(tmp_path / "no.zip", tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "empty.zip", "w"):
        pass
    with pytest.raises(InputError, match="holds no files"):
        unpack(tmp_path / "empty.zip", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_downloads_are_fetched_and_unpacked_once(server, tmp_path):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("in/corpus.txt", "text")
    server.data = packed.getvalue()
    remote = RemoteFile(f"{server.url}/corpus.zip", unpack=True)
    downloads = {"one": Download("One", (remote,), "free", "Us (2026)", "")}
    unpacked = tmp_path / "one" / "in" / "corpus.txt"
    for _ in range(2):
        (done,) = fetch(("all",), str(tmp_path), downloads=downloads)
        assert (done.name, done.files, done.problem) == ("one", (("corpus.zip", len(server.data)),), None)
        assert unpacked.read_text() == "text"
    assert len(server.asked) == 1
    unpacked.unlink()  # what is gone is unpacked again
    list(fetch(("all",), str(tmp_path), downloads=downloads))
    assert unpacked.read_text() == "text"
    unpacked.write_text("changed by hand")
    list(fetch(("all",), str(tmp_path), downloads=downloads))
    assert unpacked.read_text() == "changed by hand"
    (tmp_path / "one" / "corpus.zip").unlink()
    list(fetch(("all",), str(tmp_path), downloads=downloads))
    assert unpacked.read_text() == "text"
    with pytest.raises(ConfigError, match="can't fetch two: there are one"):
        fetch(("two",), str(tmp_path), downloads=downloads)
    with pytest.raises(ConfigError, match="local directory"):
        fetch(("one",), "s3://bucket/x", downloads=downloads)


def test_a_download_that_cannot_be_had_does_not_keep_the_others_away(server, tmp_path, monkeypatch):
    for name, file in (("mesh2015", "gone"), ("mesh2021", "page.bin"), ("ctd-medic", "file.bin")):
        monkeypatch.setitem(DOWNLOADS, name, Download(name, (RemoteFile(f"{server.url}/{file}"),), "free", "Us", ""))
    done = CliRunner().invoke(main, ["fetch", "mesh2015", "mesh2021", "ctd-medic", "--out-dir", str(tmp_path)])
    assert done.exit_code != 0
    assert "licence: free" in done.stdout
    for said in ("HTTP 404", "is a web page", "mesh2015, mesh2021 couldn't be fetched"):
        assert said in done.stderr
    assert (tmp_path / "ctd-medic" / "file.bin").read_bytes() == DATA
    for name in DOWNLOADS:
        monkeypatch.setitem(DOWNLOADS, name, Download(name, (RemoteFile(f"{server.url}/gone"),), "free", "Us", ""))
    every = CliRunner().invoke(main, ["fetch", "all", "--out-dir", str(tmp_path / "all")])
    assert every.stderr.count("HTTP 404") == len(DOWNLOADS)
    assert "UMLS can't be fetched" in every.stdout
    alone = CliRunner().invoke(main, ["fetch", "mesh2015", "--out-dir", str(tmp_path)])
    assert alone.stderr.count("HTTP 404") == 1


def test_the_command_prints_licence_citation_and_what_comes_next(server, tmp_path, monkeypatch):
    remote = RemoteFile(f"{server.url}/desc.xml")
    monkeypatch.setitem(DOWNLOADS, "mesh2015", Download("MeSH", (remote,), "free", "NLM", "raybel x {dir}/y"))
    done = CliRunner().invoke(main, ["fetch", "mesh2015", "umls", "--out_dir", str(tmp_path)])
    assert done.exit_code == 0, done.stderr
    for said in ("licence: free", "cite: NLM", f"next: raybel x {tmp_path}/y", "1.0 MB", "UMLS can't be fetched"):
        assert said in done.stdout
    assert CliRunner().invoke(main, ["fetch", "nothing"]).exit_code == 2


def test_every_download_has_an_address_a_licence_and_a_citation(monkeypatch):
    def refuse(*_args, **_more):
        raise AssertionError("the network was used")

    monkeypatch.setattr(requests, "get", refuse)
    assert {"ncbi-disease", "bc5cdr", "nlm-chem", "medmentions-full", "ctd-medic", "mesh2021"} <= set(DOWNLOADS)
    for entry in DOWNLOADS.values():
        assert all(file.url.startswith("https://") for file in entry.files)
        assert entry.licence
        assert entry.citation
    names = [file.name for entry in DOWNLOADS.values() for file in entry.files]
    assert "desc2021.xml" in names

"""Dumps from a server of our own that lists a directory as NCBI's does, and some that don't."""

import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from raybel.cli import main
from raybel.corpus.sources import corpus_files
from raybel.errors import ConfigError, InputError
from raybel.prepare import download as download_module
from raybel.prepare.dumps import CHECKED_NAME, fetch_dump, plan_dump
from raybel.prepare.file_ranges import chosen_numbers, described
from raybel.prepare.listing import Web, digest_in, read_listing
from raybel.prepare.sources import DUMPS, Dump

PUBMED, PUBTATOR = DUMPS["pubmed-baseline"].pattern, DUMPS["pubtator3"].pattern
URL = "https://host/pubmed/baseline/"


class Server(ThreadingHTTPServer):
    """Serves `files` below /dump/; `cut` says how often a file's connection breaks, `busy` how often it is refused."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.files, self.cut, self.busy, self.sizes, self.asked, self.page = {}, {}, {}, True, [], None
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/dump/"

    def dump(self, pattern=PUBMED):
        return Dump("A dump", self.url, pattern, "free", "Us (2026)", "raybel link --in-corpus {dir}")

    def add(self, name, content, md5=""):
        """Add a file, with its `.md5`: the right one, another one, or none (None)."""
        self.files[name] = content
        if md5 is not None:
            self.files[f"{name}.md5"] = f"MD5({name})= {md5 or hashlib.md5(content).hexdigest()}\n".encode()

    def listing(self):
        if self.page is not None:
            return self.page
        lines = "".join(
            f'<a href="{name}">{name}</a>     2026-01-29 14:48  {len(content)} \n'
            for name, content in sorted(self.files.items())
        )
        return f'<html><body><pre><a href="/">Parent</a> -\n{lines}<hr></pre></body></html>'.encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        """Say nothing."""

    def do_HEAD(self):
        self.answer(False)

    def do_GET(self):
        self.answer(True)

    def answer(self, with_body):
        server, name = self.server, self.path.removeprefix("/dump/")
        server.asked.append(f"{self.command} {name}")
        with server.lock:
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        self.counts = True
        try:
            self.send(server, name, with_body)
        finally:
            self.ends()

    def ends(self):
        """Count this answer as given: before its last byte is, after which the next one may be asked for."""
        with self.server.lock:
            self.server.at_once -= self.counts
        self.counts = False

    def send(self, server, name, with_body):
        if server.busy.get(name):
            server.busy[name] -= 1
            self.send_error(503)
            return
        content = server.listing() if name == "" else server.files.get(name)
        if content is None or not self.path.startswith("/dump/"):
            self.send_error(404)
            return
        begin = 0
        if asked := self.headers.get("Range"):
            begin = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("ETag", f'"{hashlib.md5(content).hexdigest()}"')
        if server.sizes or not name:
            self.send_header("Content-Length", str(len(content) - begin))
        else:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        body = content[begin:]
        if not with_body:
            self.ends()
            return
        if server.cut.get(name):
            server.cut[name] -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body[:-1])
        self.wfile.flush()
        self.ends()
        self.wfile.write(body[-1:])


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setattr(download_module, "TIMEOUT", (5.0, 5.0))
    server = Server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def pubmed(server):
    for number in (1, 2, 3, 5):
        server.add(f"pubmed26n{number:04d}.xml.gz", b"document %d " % number * 500)
    server.files["README.txt"] = b"read me"
    return server


def fetched(server, directory, ranges=(), pattern=PUBMED):
    plan = plan_dump(server.dump(pattern), str(directory), ranges, pause=0.001)
    return list(fetch_dump(plan, pause=0.001))


def names_in(directory):
    return sorted(path.name for path in directory.iterdir() if path.name != CHECKED_NAME)


def test_all_files_come_one_after_the_other_and_are_checked(pubmed, tmp_path):
    done = fetched(pubmed, tmp_path / "d")
    assert [(file.name[-11:], file.check, file.fetched, file.problem) for file in done] == [
        (f"{number:04d}.xml.gz", "md5", True, None) for number in (1, 2, 3, 5)
    ]
    assert all((tmp_path / "d" / file.name).read_bytes() == pubmed.files[file.name] for file in done)
    assert [file.bytes for file in done] == [len(pubmed.files[file.name]) for file in done]
    assert names_in(tmp_path / "d") == [file.name for file in done]
    assert pubmed.most_at_once == 1
    assert len(corpus_files([str(tmp_path / "d")])) == 4  # nothing else is taken for a part of the corpus


def test_what_was_checked_is_neither_fetched_nor_read_again(pubmed, tmp_path):
    fetched(pubmed, tmp_path)
    pubmed.asked.clear()
    assert {(file.check, file.fetched) for file in fetched(pubmed, tmp_path)} == {("md5", False)}
    assert pubmed.asked == ["GET "]
    (tmp_path / CHECKED_NAME).unlink()
    assert {(file.check, file.fetched) for file in fetched(pubmed, tmp_path)} == {("md5", False)}
    assert [line for line in pubmed.asked if line.endswith(".gz")] == []


def test_a_file_that_was_changed_is_fetched_again(pubmed, tmp_path):
    (first, *_) = fetched(pubmed, tmp_path)
    (tmp_path / first.name).write_bytes(b"cut")
    again = fetched(pubmed, tmp_path)
    assert [file.fetched for file in again] == [True, False, False, False]
    assert (tmp_path / first.name).read_bytes() == pubmed.files[first.name]


def test_a_record_that_was_cut_off_costs_a_check(pubmed, tmp_path):
    fetched(pubmed, tmp_path, ["1-3"])
    record = tmp_path / CHECKED_NAME
    record.write_bytes(record.read_bytes()[:-20])
    assert [file.fetched for file in fetched(pubmed, tmp_path)] == [False, False, False, True]
    assert len([json.loads(line) for line in record.read_text().splitlines() if line.endswith("}")]) == 4
    pubmed.asked.clear()
    fetched(pubmed, tmp_path)
    assert pubmed.asked == ["GET "]


def test_a_wrong_digest_is_tried_once_more_and_reported_and_costs_only_its_file(pubmed, tmp_path):
    pubmed.add("pubmed26n0002.xml.gz", b"two", md5="0" * 32)
    done = fetched(pubmed, tmp_path)
    assert [file.problem is None for file in done] == [True, False, True, True]
    assert "it has changed, or was damaged on its way" in str(done[1].problem)
    assert pubmed.asked.count("GET pubmed26n0002.xml.gz") == 2
    assert "pubmed26n0002.xml.gz" not in names_in(tmp_path)
    pubmed.add("pubmed26n0002.xml.gz", b"two")
    assert [file.fetched for file in fetched(pubmed, tmp_path)] == [False, True, False, False]


def test_a_file_that_is_there_and_wrong_is_replaced(pubmed, tmp_path):
    (tmp_path / "pubmed26n0003.xml.gz").write_bytes(b"half of it")
    (done,) = fetched(pubmed, tmp_path, ["3"])
    assert (done.check, done.fetched, done.problem) == ("md5", True, None)


@pytest.mark.parametrize("listed", [True, False])
def test_without_an_md5_file_the_size_is_checked(pubmed, tmp_path, listed):
    pubmed.add("pubmed26n0007.xml.gz", b"seven", md5=None)
    if listed:
        pubmed.page = pubmed.listing().replace(b"<hr>", b'<a href="pubmed26n0007.xml.gz.md5">x</a><hr>')
    (done,) = fetched(pubmed, tmp_path, ["7"])
    assert (done.check, done.problem) == ("size", None)
    (tmp_path / done.name).write_bytes(b"sev")  # as a copy that was cut off
    (done,) = fetched(pubmed, tmp_path, ["7"])
    assert (done.check, done.fetched) == ("size", True)
    assert (tmp_path / done.name).read_bytes() == b"seven"


def test_without_an_md5_file_and_a_size_nothing_is_checked(pubmed, tmp_path):
    pubmed.add("pubmed26n0007.xml.gz", b"seven", md5=None)
    pubmed.sizes = False
    (done,) = fetched(pubmed, tmp_path, ["7"])
    assert (done.check, done.fetched) == ("none", True)
    (done,) = fetched(pubmed, tmp_path, ["7"])
    assert (done.check, done.fetched) == ("none", False)


def test_a_truncated_download_resumes(pubmed, tmp_path):
    pubmed.cut = {"pubmed26n0001.xml.gz": 3}
    (done,) = fetched(pubmed, tmp_path, ["1"])
    assert (done.check, done.problem) == ("md5", None)
    assert pubmed.asked.count("GET pubmed26n0001.xml.gz") == 4


def test_a_truncated_download_whose_size_is_not_stated_shows_by_its_digest(pubmed, tmp_path):
    pubmed.sizes = False
    pubmed.cut = {"pubmed26n0001.xml.gz": 1, "pubmed26n0002.xml.gz": 9}
    one, two = fetched(pubmed, tmp_path, ["1-2"])
    assert (one.check, one.problem) == ("md5", None)
    assert "damaged on its way" in str(two.problem)


def test_a_busy_server_is_asked_again(pubmed, tmp_path):
    pubmed.busy = {"": 2, "pubmed26n0001.xml.gz.md5": 2, "pubmed26n0001.xml.gz": 2}
    (done,) = fetched(pubmed, tmp_path, ["1"])
    assert done.problem is None
    pubmed.busy = {"pubmed26n0002.xml.gz.md5": 99}
    (done,) = fetched(pubmed, tmp_path, ["2"])
    assert "HTTP 503" in str(done.problem)  # what can't be checked isn't taken


def test_an_md5_file_of_something_else_is_a_problem(pubmed, tmp_path):
    pubmed.files["pubmed26n0001.xml.gz.md5"] = pubmed.files["pubmed26n0002.xml.gz.md5"]
    (done,) = fetched(pubmed, tmp_path, ["1"])
    assert "isn't the MD5 digest of pubmed26n0001.xml.gz" in str(done.problem)


def test_many_failures_in_a_row_end_the_work(server, tmp_path):
    for number in range(8):
        server.add(f"pubmed26n{number:04d}.xml.gz", b"x", md5="0" * 32)
    server.add("pubmed26n0002.xml.gz", b"good")
    server.add("pubmed26n0009.xml.gz", b"never tried")
    files = fetch_dump(plan_dump(server.dump(), str(tmp_path)), pause=0.001)
    seen = [next(files) for _ in range(8)]
    assert [file.problem is None for file in seen] == [False, False, True, *[False] * 5]
    with pytest.raises(InputError, match="5 files in a row couldn't be fetched; 1 more weren't tried"):
        next(files)
    assert not [asked for asked in server.asked if "n0009" in asked]


def test_pubtators_archives(server, tmp_path):
    for number in (0, 1, 9):
        server.add(f"BioCXML.{number}.tar.gz", b"archive %d" % number, md5=None)
    done = fetched(server, tmp_path, ["0-1"], PUBTATOR)
    assert [(file.name, file.check) for file in done] == [("BioCXML.0.tar.gz", "size"), ("BioCXML.1.tar.gz", "size")]


def page(*links):
    return "".join(f'<a href="{href}">x</a>  2026-01-29 14:48  19M\n' for href in links).encode()


@pytest.mark.parametrize(
    "href",
    [
        "..%2fpubmed26n0002.xml.gz",
        "%2e%2e/pubmed26n0002.xml.gz",
        "../pubmed26n0002.xml.gz",
        "../other/pubmed26n0002.xml.gz",
        "sub/pubmed26n0002.xml.gz",
        "/etc/pubmed26n0002.xml.gz",
        "//evil/pubmed/baseline/pubmed26n0002.xml.gz",
        "https://evil/pubmed26n0002.xml.gz",
        "https://host/pubmed/baseline/../pubmed26n0002.xml.gz",
        "pubmed26n0002.xml.gz/../../x",
        "pubmed26n0002.xml.gz?C=M;O=A",
        "pubmed26n0002.xml.gz#x",
        "pubmed26n000%32.xml.gz",
        "pubmed26n٠٠٠٢.xml.gz",
        "pubmed26n0002.xml.gz\\..\\x",
        "pubmed26n0002.xml.gz\x00",
        "xpubmed26n0002.xml.gz",
        "pubmed26n0002.xml.gz.exe",
        "file:///pubmed26n0002.xml.gz",
        "http://[",
        "",
    ],
)
def test_links_to_anything_else_are_passed_over(href):
    found = read_listing(page("pubmed26n0001.xml.gz", href.replace("\x00", "&#0;")), URL, PUBMED)
    assert list(found.files) == [1]


@given(st.text(max_size=40), st.sampled_from(["", "../", "..%2f", "%2e%2e%2f", "/", "\\"]))
def test_no_name_leads_out_of_a_directory(name, way):
    found = read_listing(
        page("pubmed26n0001.xml.gz") + f'<a href="{way}{name}">x</a>'.encode("utf-8", "replace"),
        URL,
        ".*(?P<number>1).*",
    )
    assert all("/" not in file.name and "\\" not in file.name for file in found.files.values())


@pytest.mark.parametrize(
    "link",
    [
        '<a href="pubmed26n0012.xml.gz">pubmed26n0012.xml.gz</a>   2026-01-29 14:48  19M\n',
        '<A HREF="/pubmed/baseline/pubmed26n0012.xml.gz">...</A> 29-Jan-2026 14:48  19M',
        "<tr><td><a href='https://host/pubmed/baseline/pubmed26n0012.xml.gz'>p</a></td><td>2026-01-29</td><td>19M</td></tr>",
        '<li><a href=" ./pubmed26n0012.xml.gz "><b>p</b></a> 19 MiB',
    ],
)
def test_listings_of_several_servers(link):
    found = read_listing(f"<h1>Index</h1><pre>{link}".encode(), URL, PUBMED)
    (file,) = found.files.values()
    assert (file.name, file.number, file.bytes, file.has_md5) == ("pubmed26n0012.xml.gz", 12, 19 << 20, False)


def test_sizes_that_are_not_stated():
    for tail in ("", " -", " 2026-01-29 14:48", " new!"):
        found = read_listing(f'<a href="pubmed26n0001.xml.gz">x</a>{tail}'.encode(), URL, PUBMED)
        assert found.files[1].bytes is None, tail


def test_the_newest_release_counts():
    links = page("pubmed25n0001.xml.gz", "pubmed26n0001.xml.gz", "pubmed25n0002.xml.gz", "pubmed26n0001.xml.gz.md5")
    found = read_listing(links, URL, PUBMED)
    assert [file.name for file in found.files.values()] == ["pubmed26n0001.xml.gz"]
    assert (found.older, found.files[1].has_md5) == (2, True)


@pytest.mark.parametrize("content", [b"", b"<html></html>", b"\xff\xfe\x00", b"<a href='x'>x</a>", b"plain text"])
def test_a_page_that_lists_nothing(content):
    with pytest.raises(InputError, match=r"lists no file|isn't a listing"):
        read_listing(content, URL, PUBMED)


def test_a_page_without_end_is_refused(server, monkeypatch):
    monkeypatch.setattr("raybel.prepare.listing.MAX_PAGE", 100_000)
    server.files["endless"] = b"x" * 1_000_000
    with pytest.raises(InputError, match="larger than 100,000 bytes"):
        Web().page(f"{server.url}endless")


def test_digest_files():
    digits = "fb7c05737f47f7e07245f0c064c6e00a"
    for text in (f"MD5(a.gz)= {digits}\n", f"MD5 (a.gz) = {digits.upper()}", f"{digits}  a.gz\n", digits):
        assert digest_in(text.encode(), "a.gz", "u") == f"md5:{digits}"
    for text in (
        f"MD5(b.gz)= {digits}",
        f"MD5(a.gz)= {digits[1:]}",
        "",
        "<html>",
        f"{digits} b.gz",
        f"MD5(aXgz)= {digits}",
    ):
        with pytest.raises(InputError, match=r"isn't the MD5 digest of a\.gz"):
            digest_in(text.encode(), "a.gz", "u")


@pytest.mark.parametrize(
    ("ranges", "numbers"),
    [
        ([], [1, 2, 3, 5]),
        (["2"], [2]),
        (["1-3", "2-3"], [1, 2, 3]),
        (["5-", "1"], [1, 5]),
    ],
)
def test_ranges(ranges, numbers):
    assert chosen_numbers(ranges, {1, 2, 3, 5}) == numbers


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "isn't a number or a range"),
        ("-3", "isn't a number or a range"),
        ("1-2-3", "isn't a number or a range"),
        ("٣", "isn't a number or a range"),
        ("3-1", "goes backwards"),
        ("4", "4 isn't there; there are files 1-3, 5"),
        ("3-", "4 isn't there"),
        ("2-9", "there are files 1-3, 5"),
        ("9-", "there are files 1-3, 5"),
        ("999999999", "there are files 1-3, 5"),
        ("0", "0 isn't there"),
    ],
)
def test_ranges_of_what_is_not_there(text, said):
    with pytest.raises(ConfigError, match=said):
        chosen_numbers([text], {1, 2, 3, 5})


def test_numbers_as_ranges():
    assert described([5, 1, 2, 3, 7, 8]) == "1-3, 5, 7-8"
    assert described(range(0, 50, 2)).endswith("18 and 15 more ranges")


def test_the_command(pubmed, tmp_path, monkeypatch):
    monkeypatch.setitem(DUMPS, "pubmed-baseline", pubmed.dump())
    pubmed.add("pubmed26n0002.xml.gz", b"two", md5="0" * 32)
    arguments = ["fetch", "pubmed-baseline", "--out-dir", str(tmp_path)]
    run = CliRunner().invoke(main, [*arguments, "--files", "1-2", "--files", "5"])
    assert run.exit_code == 1
    words = " ".join(run.stdout.split())
    for said in (
        "fetched 2",
        "there already 0",
        "failed 1",
        "checked by the MD5 that the server gives 2",
        "licence: free",
    ):
        assert said in words
    assert f"next: raybel link --in-corpus {tmp_path}/pubmed-baseline" in words
    assert "pubmed-baseline: 3 files, about 0.0 MB" in run.stderr
    assert "pubmed26n0002.xml.gz couldn't be fetched" in run.stderr
    pubmed.add("pubmed26n0002.xml.gz", b"two")
    run = CliRunner().invoke(main, arguments)
    assert run.exit_code == 0, run.stderr
    assert "fetched 2 there already 2 failed 0" in " ".join(run.stdout.split())


@pytest.mark.parametrize(
    "names",
    [("ncbi-disease",), ("pubmed-baseline", "pubmed-updates"), ("pubmed-baseline", "ncbi-disease"), ("all",)],
)
def test_files_go_with_one_dump(names, tmp_path):
    run = CliRunner().invoke(main, ["fetch", *names, "--files", "1", "--out-dir", str(tmp_path)])
    assert run.exit_code == 1
    assert "--files chooses files of one dump" in run.stderr


def test_dumps_need_a_local_directory():
    with pytest.raises(ConfigError, match="local directory"):
        plan_dump(DUMPS["pubtator3"], "s3://bucket/x")


def test_all_leaves_dumps_out(monkeypatch, tmp_path):
    def refuse(*_args, **_more):
        raise AssertionError("a dump was asked for")

    monkeypatch.setattr("raybel.prepare.dumps.plan_dump", refuse)
    monkeypatch.setattr("raybel.prepare.fetch.fetch", lambda names, *_: iter(()))
    assert CliRunner().invoke(main, ["fetch", "all", "--out-dir", str(tmp_path)]).exit_code == 0


def test_addresses_of_dumps():
    for dump in DUMPS.values():
        assert dump.url.startswith("https://")
        assert dump.url.endswith("/")
        assert dump.licence
        assert dump.citation

import glob
import logging
import os

import pytest

from raybel.errors import ConfigError
from raybel.files import places, storage
from raybel.files.patterns import expand

SUFFIXES = (".xml", ".xml.gz")


def write(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("x")


def names(*patterns) -> list[str]:
    return [name for _, name in expand(map(str, patterns), SUFFIXES)]


def test_suffixes_in_any_case_are_taken(tmp_path, caplog):
    write(tmp_path, "0.BioC.XML", "a.xml", "b.XML.GZ", "c.Xml.gz")
    assert names(tmp_path) == ["0.BioC.XML", "a.xml", "b.XML.GZ", "c.Xml.gz"]
    assert not caplog.records


def test_files_that_are_left_out_are_told(tmp_path, caplog):
    write(tmp_path, "a.xml", "1.txt", "2.bioc", "3.XMLL", "4", ".hidden", "_x/y", "o.arrow", "t.parquet")
    with caplog.at_level(logging.WARNING):
        assert names(tmp_path) == ["a.xml"]
    (record,) = caplog.records
    assert record.getMessage() == (
        f"{tmp_path}: 4 files are left out, not named *.xml, *.xml.gz: 1.txt, 2.bioc, 3.XMLL, ..."
    )
    with pytest.raises(ConfigError, match=r"holds no file named \*\.xml, \*\.xml\.gz \(y\)"):
        names(tmp_path / "_x")
    assert names(tmp_path / "2.bioc") == ["2.bioc"]


def test_links_that_loop_give_each_file_once(tmp_path, caplog):
    write(tmp_path, "in/a.xml", "in/sub/b.xml", "else/c.xml")
    (tmp_path / "in/self").symlink_to(".")
    (tmp_path / "in/sub/up").symlink_to("..")
    (tmp_path / "in/0first").symlink_to("sub")
    (tmp_path / "in/outside").symlink_to("../else")
    (tmp_path / "in/again").symlink_to("../else")
    (tmp_path / "in/0.xml").symlink_to("a.xml")
    (tmp_path / "in/d.xml").symlink_to("../else/c.xml")
    (tmp_path / "in/broken.xml").symlink_to("none")
    (tmp_path / "in/eternal.xml").symlink_to("eternal.xml")
    assert names(tmp_path / "in") == ["a.xml", "again/c.xml", "sub/b.xml"]
    assert [record.getMessage() for record in caplog.records] == [
        f"{tmp_path / 'in'}: 2 links to no file, such as broken.xml: passed over"
    ]
    assert storage.names(str(tmp_path / "in")) == ["0.xml", "a.xml", "again/c.xml", "d.xml", "sub/b.xml"]
    assert sorted(names(tmp_path / "in/**/*.xml")) == ["a.xml", "b.xml", "c.xml"]


def test_a_linked_file_and_a_linked_directory_are_taken(tmp_path):
    write(tmp_path, "store/1.xml", "other/2.xml")
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.xml").symlink_to("../store/1.xml")
    (tmp_path / "in/o").symlink_to("../other")
    (tmp_path / "link").symlink_to("in")
    assert names(tmp_path / "in") == names(tmp_path / "link") == ["a.xml", "o/2.xml"]


def test_a_file_by_several_paths_is_one(tmp_path, monkeypatch):
    write(tmp_path, "in/a.xml", "in/sub/b.xml")
    (tmp_path / "link").symlink_to("in")
    monkeypatch.chdir(tmp_path)
    paths = ["in/a.xml", "in/sub/../a.xml", "link/a.xml", str(tmp_path / "in/a.xml"), "in", "link"]
    assert expand(paths, SUFFIXES) == [("in/a.xml", "a.xml"), ("in/sub/b.xml", "sub/b.xml")]


def test_hard_links_are_files_of_their_own(tmp_path):
    write(tmp_path, "a.xml")
    os.link(tmp_path / "a.xml", tmp_path / "b.xml")
    assert names(tmp_path) == ["a.xml", "b.xml"]


def test_run_directories_are_no_input(tmp_path, caplog):
    write(
        tmp_path,
        "a.xml",
        "run/manifest.json",
        "run/logs/plan.json",
        "run/shards/a.xml.gz",
        "x/manifest.json",
        "x/b.xml",
    )
    assert names(tmp_path) == ["a.xml", "x/b.xml"]
    assert [record.getMessage().split(": ")[-1] for record in caplog.records] == ["x/manifest.json"]
    with pytest.raises(ConfigError, match=r"run: is a run directory; its linked documents are in .*/run/shards"):
        names(tmp_path / "run")
    assert names(tmp_path / "run/shards") == ["a.xml.gz"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may list every directory")
def test_a_directory_that_cannot_be_listed_is_an_error(tmp_path):
    write(tmp_path, "a.xml", "closed/b.xml")
    (tmp_path / "closed").chmod(0)
    with pytest.raises(ConfigError, match="closed: can't be listed"):
        names(tmp_path)
    (tmp_path / "closed").chmod(0o700)


def test_a_pipe_and_a_name_that_is_no_text_are_refused(tmp_path, caplog):
    os.mkfifo(tmp_path / "pipe.xml")
    with pytest.raises(ConfigError, match="is neither a file nor a directory"):
        names(tmp_path / "pipe.xml")
    (tmp_path / "in").mkdir()
    (tmp_path / os.fsdecode(b"in/\xff.xml")).write_text("x")
    with pytest.raises(ConfigError, match="name must be UTF-8"):
        names(tmp_path / "in")
    assert storage.entries(str(tmp_path / "in")) == [os.fsdecode(b"\xff.xml")]
    (tmp_path / "in/a.xml").write_text("x")
    (tmp_path / os.fsdecode(b"in/\xff.xml")).rename(tmp_path / os.fsdecode(b"in/\xff.txt"))
    assert names(tmp_path / "in") == ["a.xml"]  # as any other file that isn't of a corpus
    assert caplog.messages[-1].endswith(r": \xff.txt")


def test_what_lies_in_a_directory(tmp_path, monkeypatch):
    (tmp_path / "in/sub").mkdir(parents=True)
    (tmp_path / "link").symlink_to("in")
    (tmp_path / "inner").symlink_to("in/sub")
    monkeypatch.chdir(tmp_path)
    for inside in ("in", "in/", "./in/new/deep", "in/sub/..", "link", "link/new", "inner", str(tmp_path / "in/x")):
        assert places.lies_in(inside, "in"), inside
        assert places.lies_in(inside, "link"), inside
    for outside in ("input", "in/../out", "inn", ".", "s3://in/x?region=y"):
        assert not places.lies_in(outside, "in"), outside
    assert places.lies_in("s3://b/in/x?region=y", "s3://b/in?region=y")
    assert not places.lies_in("s3://b/input?region=y", "s3://b/in?region=y")


@pytest.mark.parametrize(
    "pattern",
    ["**", "**/*.xml", "*/**/*.xml", "a/**/c/*.xml", "**/b/**", "**/.h/*", "a/**/**/[cd].xml", "?/b/**/*.xml"],
)
def test_a_recursive_glob_is_pythons(tmp_path, pattern):
    write(tmp_path, "1.xml", "a/d.xml", "a/b/c/d.xml", "a/c/c.xml", "a/.h/e.xml", ".f.xml", "b/a/b/g.txt")
    expected = [path for path in glob.glob(str(tmp_path / pattern), recursive=True) if os.path.isfile(path)]
    assert [path for path, _ in expand([str(tmp_path / pattern)], SUFFIXES)] == sorted(set(expected))

import os

import pytest
from samples import save

from raybel.corpus import sources
from raybel.corpus.sources import corpus_files, find_sources
from raybel.errors import ConfigError


def test_archives_are_files_of_a_corpus_in_any_case(tmp_path):
    for name in ("a.TAR.GZ", "b.tgz", "c.zip", "d.tar.zst", "e.tar", "f.xml", "g.txt"):
        save(tmp_path / name, b"x")
    assert [name for _, name in corpus_files([str(tmp_path)])] == [
        "a.TAR.GZ", "b.tgz", "c.zip", "d.tar.zst", "e.tar", "f.xml",
    ]  # fmt: skip
    found = find_sources([str(tmp_path)])
    assert [source.is_bundle for source in found] == [True] * 5 + [False]


def small_files(tmp_path, count):
    for number in range(count):
        save(tmp_path / f"{number:02d}.xml", b"x" * (number + 1))


def test_small_files_are_grouped_where_there_are_many(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SINGLE_SMALL_FILES", 5)
    small_files(tmp_path, 5)
    assert len(find_sources([str(tmp_path)], None)) == 5
    save(tmp_path / "05.xml", b"x")
    (group,) = find_sources([str(tmp_path)], None)
    assert (group.name, group.size, group.is_bundle) == ("group-00000", 16, True)
    assert [name for _, name in group.files] == [f"{number:02d}.xml" for number in range(6)]
    assert len(find_sources([str(tmp_path)], False)) == 6


def test_what_ends_a_group(tmp_path, monkeypatch):
    monkeypatch.setattr(sources, "SMALL_FILE_BYTES", 20)
    monkeypatch.setattr(sources, "GROUP_FILES", 3)
    monkeypatch.setattr(sources, "GROUP_BYTES", 22)
    small_files(tmp_path, 8)
    save(tmp_path / "01-large.xml", b"x" * 21)
    save(tmp_path / "03.tar", b"x")
    save(tmp_path / "04.json", b"{}")
    save(tmp_path / "06b", b"")  # without a name that says its format: as a file of its own
    found = find_sources([str(tmp_path), str(tmp_path / "06b")], True)
    assert [[name for _, name in source.files] or source.name for source in found] == [
        ["00.xml"], "01-large.xml", ["01.xml", "02.xml"], "03.tar", ["03.xml"], ["04.json"],
        ["04.xml", "05.xml", "06.xml"], "06b", ["07.xml"],
    ]  # fmt: skip
    assert [source.name for source in found if source.files] == [f"group-{number:05d}" for number in range(6)]


def test_a_group_never_has_the_name_of_a_folder_that_is_there(tmp_path):
    save(tmp_path / "a.xml", b"x")
    save(tmp_path / "group-00000/large.xml", b"x" * (sources.SMALL_FILE_BYTES + 1))
    save(tmp_path / "group-00001/small.xml", b"x")
    save(tmp_path / "group-00002/x/dump.tar", b"x")
    save(tmp_path / "z.json", b"{}")
    found = find_sources([str(tmp_path), save(tmp_path / "group-00004", b"x")], True)
    assert {source.name: [name for _, name in source.files] for source in found} == {
        "group-00001": ["a.xml"], "group-00000/large.xml": [], "group-00003": ["group-00001/small.xml"],
        "group-00002/x/dump.tar": [], "group-00004": [], "group-00005": ["z.json"],
    }  # fmt: skip


def test_a_group_knows_when_one_of_its_files_changes(tmp_path):
    small_files(tmp_path, 3)
    (before,) = find_sources([str(tmp_path)], True)
    assert find_sources([str(tmp_path)], True) == [before]
    os.utime(tmp_path / "00.xml", (1, 1))
    (after,) = find_sources([str(tmp_path)], True)
    assert (after.size, after.files) == (before.size, before.files)
    assert after.version != before.version


def test_two_inputs_of_one_name_are_refused(tmp_path):
    first, second = (save(tmp_path / folder / "a.tar", b"") for folder in "xy")
    with pytest.raises(ConfigError, match=r"would both be written as a\.tar"):
        find_sources([first, second])

import json

import pytest
from export_samples import exported, lines, two_files
from run_samples import make_run
from samples import collection, save, simple_document

from raybel.errors import ConfigError
from raybel.exports.directory import fill_directory
from raybel.files import storage


def description(out):
    return json.loads((out / ".raybel.json").read_text())


def fill(out, *names, overwrite=False, fails_at=None, **identity):
    def write(uri):
        if fails_at is not None and uri.endswith(fails_at):
            raise KeyboardInterrupt
        storage.publish(uri, b"new")

    fill_directory(str(out), identity or {"of": 1}, names, overwrite, write)


def visible(out):
    return [name for name in storage.names(str(out)) if name not in (".lock", ".raybel.json")]


def test_shards_that_are_gone_leave_no_file(tmp_path):
    run = two_files(tmp_path)
    result = exported(run, tmp_path / "out")
    run.delete_shards(lambda name: name == "b.xml.gz")
    exported(run, tmp_path / "out")
    assert [storage.exists(path) for path in result.files] == [True, False]
    assert description(tmp_path / "out")["files"] == ["a.xml.jsonl.gz"]


def test_what_is_not_the_exports_stays(tmp_path):
    run, out = two_files(tmp_path), tmp_path / "out"
    exported(run, out)
    save(out / "notes.txt", "mine")
    save(out / "sub/c.xml.jsonl.gz", "mine")
    save(tmp_path / "elsewhere/a.xml.jsonl.gz", "mine")
    (out / "linked").symlink_to(tmp_path / "elsewhere")
    others = ["linked/a.xml.jsonl.gz", "notes.txt", "sub/c.xml.jsonl.gz"]
    run.delete_shards(lambda name: name == "b.xml.gz")
    exported(run, out)
    assert visible(out) == ["a.xml.jsonl.gz", *others]
    exported(run, out, "belb", overwrite=True)
    assert visible(out) == ["a.xml.belb.jsonl.gz", *others]


def test_a_file_of_a_shards_name_is_not_replaced(tmp_path):
    out = tmp_path / "out"
    fill(out, "a")
    save(out / "b", "mine")
    with pytest.raises(ConfigError, match=r"b is there already, and isn't an export's.*--overwrite"):
        fill(out, "a", "b")
    assert (out / "b").read_text() == "mine"
    fill(out, "a", "b", overwrite=True)
    assert description(out)["files"] == ["a", "b"]
    fill(out, "a")
    assert visible(out) == ["a"]


def test_another_run_of_the_same_configuration(tmp_path):
    out = tmp_path / "out"
    one = two_files(tmp_path / "1")
    other = make_run(tmp_path / "2", collection(simple_document("9")))
    assert one.manifest() == other.manifest()
    exported(one, out)
    with pytest.raises(ConfigError, match=r"another configuration \(run: .*1/run there, .*2/run now\).*--overwrite"):
        exported(other, out)
    exported(other, out, overwrite=True)
    assert visible(out) == ["a.xml.jsonl.gz"]
    assert [each["id"] for each in lines(out / "a.xml.jsonl.gz")] == ["9"]


@pytest.mark.parametrize("identity", [{"of": 1}, {"of": 2}])
def test_an_export_that_was_killed(tmp_path, identity):
    """Another export's files are gone before the first new one is there; the same export's are replaced one by one."""
    out = tmp_path / "out"
    fill(out, "a", "b", "c")
    assert description(out) == {"kind": "export", "identity": {"of": 1}, "files": ["a", "b", "c"], "finished": True}
    with pytest.raises(KeyboardInterrupt):
        fill(out, "a", "b", "d", fails_at="/b", overwrite=True, **identity)
    assert visible(out) == (["a", "b"] if identity == {"of": 1} else ["a"])
    assert (description(out)["files"], description(out)["finished"]) == (["a", "b", "c", "d"], False)
    save(out / ".d.0123abcd.tmp", "half")
    save(out / ".e.0123abcd.tmp", "mine")
    fill(out, "d", **identity)
    assert visible(out) == [".e.0123abcd.tmp", "d"]
    assert (description(out)["files"], description(out)["finished"]) == (["d"], True)


def test_a_description_cannot_lead_elsewhere(tmp_path):
    out = tmp_path / "out"
    fill(out, "a")
    save(tmp_path / "mine", "mine")
    save(tmp_path / "elsewhere/mine", "mine")
    (out / "linked").symlink_to(tmp_path / "elsewhere")
    (out / "link").symlink_to(tmp_path / "mine")
    save(out / "folder/mine", "mine")
    names = ["../mine", str(tmp_path / "mine"), "linked/mine", "link", "folder", "a", 3]
    save(out / ".raybel.json", description(out) | {"files": names})
    fill(out, "b")
    assert visible(out) == ["b", "folder/mine", "link", "linked/mine"]
    assert (tmp_path / "mine").read_text() == (tmp_path / "elsewhere/mine").read_text() == "mine"

"""The machine's copies lie in a directory that nobody else can write to; what others put in its place is refused."""

import os
import stat

import pytest

from raybel.errors import ConfigError
from raybel.files import private, storage


@pytest.fixture
def home(tmp_path, monkeypatch):
    """Where the directory is made, which isn't there yet."""
    machine = tmp_path / "machine"
    machine.mkdir()
    monkeypatch.setattr(private.tempfile, "tempdir", str(machine))
    return machine / f"raybel-{os.getuid()}"


def test_it_is_made_for_its_owner_alone_and_used_again(home):
    before = os.umask(0)
    try:
        assert private.directory() == home
    finally:
        os.umask(before)
    assert stat.S_IMODE(home.stat().st_mode) == 0o700
    (home / "copy").write_text("kept")
    assert (private.directory() / "copy").read_text() == "kept"


@pytest.mark.parametrize("mode", [0o770, 0o702, 0o777, 0o720])
def test_one_that_others_can_write_to_is_refused(home, mode):
    home.mkdir()
    home.chmod(mode)
    with pytest.raises(ConfigError, match=f"{home}: others can write to it.*delete it, or set TMPDIR"):
        private.directory()


def test_one_that_others_can_only_read_is_used(home):
    home.mkdir()
    home.chmod(0o755)
    assert private.directory() == home


def test_another_owners_is_refused(home, monkeypatch):
    home.mkdir(mode=0o700)
    monkeypatch.setattr(private.os, "geteuid", lambda: os.stat(home).st_uid + 1)
    monkeypatch.setattr(private.os, "getuid", lambda: os.stat(home).st_uid)
    with pytest.raises(ConfigError, match=f"{home}: belongs to another user.*set TMPDIR"):
        private.directory()


def test_a_link_and_a_file_in_its_place_are_refused(home, tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    home.symlink_to(elsewhere)
    with pytest.raises(ConfigError, match=r"isn't a directory of its own.*delete it, or set TMPDIR"):
        private.directory()
    home.unlink()
    home.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="isn't a directory of its own"):
        private.directory()
    home.unlink()
    home.write_text("in the way")
    with pytest.raises(ConfigError, match="isn't a directory of its own"):
        private.directory()
    assert os.listdir(elsewhere) == []
    assert not (tmp_path / "nowhere").exists()


def test_where_none_can_be_made_it_says_so(home):
    home.parent.rmdir()
    with pytest.raises(ConfigError, match=f"{home}: can't be made: No such file or directory.*set TMPDIR"):
        private.directory()


def test_a_file_that_a_link_names_is_never_truncated(home, tmp_path, endpoint):
    """Whoever planted a link where the copy's lock is to lie doesn't have raybel write through it."""
    uri = endpoint("planted")
    storage.publish(storage.join(uri, "a"), b"a")
    victim = tmp_path / "victim"
    victim.write_text("precious")
    home.mkdir(mode=0o700)
    lock = storage.localise(uri).with_suffix(".lock")
    lock.unlink()
    lock.symlink_to(victim)
    with pytest.raises(ConfigError, match=f"{lock}: can't be opened: .*symbolic links"):
        storage.localise(uri)
    assert victim.read_text() == "precious"


def test_locks_are_the_owners_alone(home):
    path = private.directory() / "a.lock"
    with private.locked(path):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with private.locked(path):
        pass

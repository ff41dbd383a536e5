import stat
import zipfile

import pytest
from archive_samples import SUFFIXES, packed, tar_bytes, zip_bytes

from raybel.corpus import archives
from raybel.corpus.archives import members
from raybel.errors import InputError

FILES = {"b.xml": b"<b/>", "deep/a.xml": b"<a/>" * 500, "../up.xml": b"<up/>", "/etc/root.xml": b"<root/>"}


def read(path):
    found = {}
    for member in members(str(path)):
        with member.open() as file:
            found[member.name] = file.read()
    return found


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_members_in_order_and_nothing_is_written(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(packed(suffix, FILES))
    assert read(path) == FILES
    assert list(read(path)) == list(FILES)
    assert [member.number for member in members(str(path))] == [1, 2, 3, 4]  # none of them opened; 0 is the folder
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_members_may_be_read_in_part(tmp_path, suffix):
    path = tmp_path / f"a{suffix}"
    path.write_bytes(packed(suffix, FILES))
    starts = []
    for member in members(str(path)):
        with member.open() as file:
            starts.append(file.read(3))
    assert starts == [data[:3] for data in FILES.values()]


def test_links_are_left_out(tmp_path):
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes({"a.xml": b"<a/>"}, links=["passwords.xml"]))
    assert read(path) == {"a.xml": b"<a/>"}


def test_links_in_a_zip_are_left_out(tmp_path):
    path = tmp_path / "dump.zip"
    with zipfile.ZipFile(path, "w") as made:
        made.writestr("a.xml", b"text")
        link = zipfile.ZipInfo("b.xml")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(link, b"/etc/passwd")
    assert [member.name for member in members(str(path))] == ["a.xml"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_an_archive_that_is_cut_off_or_is_none(tmp_path, suffix):
    whole = packed(suffix, {f"{number}.xml": bytes(range(256)) * 40 for number in range(9)})
    path = tmp_path / f"a{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="cut off or damaged"):
        read(path)
    path.write_bytes(b"this isn't an archive, whatever its name" * 100)
    with pytest.raises(InputError, match="is no archive"):
        read(path)
    with pytest.raises(InputError, match="no such file"):
        read(tmp_path / "none.tar")


def test_a_tar_that_is_cut_off_between_two_members(tmp_path):
    whole = tar_bytes({f"{number}.xml": b"x" * 512 for number in range(9)})
    path = tmp_path / "a.tar"
    path.write_bytes(whole[: 512 * (1 + 2 * 5)])
    with pytest.raises(InputError, match="without an end mark"):
        read(path)


def test_a_header_of_gigabytes_is_never_read(tmp_path, monkeypatch):
    monkeypatch.setattr(archives, "MAX_HEADER_BYTES", 1000)
    path = tmp_path / "a.tar"
    path.write_bytes(tar_bytes({"x" * 5000: b"<a/>"}))
    with pytest.raises(InputError, match="extended header of 5,011 bytes"):
        read(path)


def test_a_member_with_a_password(tmp_path):
    data = bytearray(zip_bytes({"a.xml": b"<a/>"}))
    for mark in (b"PK\x03\x04", b"PK\x01\x02"):
        place = data.rindex(mark)
        data[place + (6 if mark == b"PK\x03\x04" else 8)] |= 1
    path = tmp_path / "a.zip"
    path.write_bytes(bytes(data))
    with pytest.raises(InputError, match=r"can't be unpacked: .*encrypted"):
        read(path)

import gzip

import pytest

from raybel.errors import InputError
from raybel.prepare import common
from raybel.prepare.common import read_lines


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzipped"])
def test_lines_end_at_line_feeds_alone(tmp_path, pack):
    path = tmp_path / "a.txt"
    path.write_bytes(pack("\ufeffa\u2028b\r\n\nc\x0cd".encode()))
    assert list(read_lines(str(path))) == [(1, "a\u2028b"), (2, ""), (3, "c\x0cd")]


def test_a_line_without_end_is_refused_before_it_fills_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(common, "MAX_LINE_BYTES", 1 << 20)
    path = tmp_path / "a.txt"
    longest = b"x" * (1 << 20)
    path.write_bytes(longest[:-1] + b"\n" + longest)
    assert [len(line) for _, line in read_lines(str(path))] == [(1 << 20) - 1, 1 << 20]
    path.write_bytes(b"a\n" + longest + b"x")
    with pytest.raises(InputError, match=r"a\.txt: line 2: is longer than 1 MiB"):
        list(read_lines(str(path)))

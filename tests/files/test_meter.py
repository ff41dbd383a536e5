import gzip
import io
import random

import pytest

from raybel.files import storage
from raybel.files.meter import Meter


def test_files_one_after_the_other_add_up():
    meter = Meter()
    assert meter.read_bytes == 0
    file = io.BytesIO(b"0123456789")
    with meter.over(file.tell):
        file.read(4)
        assert meter.read_bytes == 4
    file.read()
    assert meter.read_bytes == 4
    counting = meter.counting(io.BytesIO(b"abcdef"))
    assert counting.read(2) == b"ab"
    assert meter.read_bytes == 6
    buffer = bytearray(3)
    assert (counting.readinto(buffer), bytes(buffer), counting.read()) == (3, b"cde", b"f")
    assert meter.read_bytes == 10


@pytest.mark.parametrize("name", ["a.bin", "a.bin.gz"])
def test_what_is_counted_is_what_is_stored(tmp_path, name):
    data = random.Random(0).randbytes(5 << 20)
    path = tmp_path / name
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    meter = Meter()
    with storage.open_bytes(str(path), meter) as file:
        for done in range(1 << 20, len(data) + 1, 1 << 20):
            assert len(file.read(1 << 20)) == 1 << 20
            assert done <= meter.read_bytes <= done + (1 << 20)
        assert file.read() == b""
    assert meter.read_bytes == path.stat().st_size

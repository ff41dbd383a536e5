"""Batches that a GPU has too little memory for, played by models that refuse large batches."""

import logging

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from small_memory import small_memory

from raybel.encoders import device_errors
from raybel.encoders.device_errors import in_halves
from raybel.encoders.text_encoder import TextEncoder
from raybel.errors import DeviceError, RaybelError

TEXTS = [f"{word} {number}" for word in ("anemia", "asthma", "a b c d e f g") for number in range(40)]


@given(st.lists(st.integers(), min_size=1, max_size=60, unique=True), st.integers(1, 20))
def test_every_row_is_run_once_in_order(rows, most):
    asked = []

    def run(part):
        asked.append(len(part))
        if len(part) > most:
            raise torch.OutOfMemoryError("no room")
        return list(part)

    parts = in_halves(rows, run, "cuda")
    assert [row for part in parts for row in part] == rows
    assert max(map(len, parts)) <= most
    assert (len(parts) == 1) == (len(rows) <= most)
    assert asked[0] == len(rows)


def test_a_row_that_has_no_room_and_other_errors():
    def run(part):
        raise torch.OutOfMemoryError("no room")

    with pytest.raises(torch.OutOfMemoryError):
        in_halves([1, 2, 3], run, "cuda")
    with pytest.raises(ZeroDivisionError):
        in_halves([1, 2, 3], lambda part: 1 // 0, "cuda")


def test_what_the_failed_try_made_is_gone_before_the_halves_run():
    """Else the halves would have even less memory than the whole had."""
    alive = []

    class Tensor:
        def __init__(self):
            alive.append(self)

        def __del__(self):
            count[0] -= 1

    count = [0]

    def run(part):
        seen.append(count[0])
        made = Tensor()
        count[0] += 1
        alive.clear()
        if len(part) > 1:
            raise torch.OutOfMemoryError("no room")
        return type(made)

    seen = []
    in_halves([1, 2, 3, 4], run, "cuda")
    assert seen == [0] * 7


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no room\nand more"), torch.AcceleratorError("no room")])
def test_a_gpus_errors_are_ours(error):
    with pytest.raises(DeviceError, match=r"^cuda:1: no room$") as raised, device_errors.device_errors("cuda:1"):
        raise error
    assert raised.value.__cause__ is error
    with pytest.raises(RaybelError, match="mine"), device_errors.device_errors("cuda:1"):
        raise RaybelError("mine")


def test_strings_in_halves(encoder, monkeypatch, caplog):
    monkeypatch.setattr(device_errors, "_TOLD", set())
    loaded = TextEncoder.load(encoder, precision="fp32")
    whole = loaded.encode(TEXTS)
    with small_memory(loaded.model, 200) as sizes, caplog.at_level(logging.WARNING, "raybel"):
        found = loaded.encode(TEXTS)
    assert max(sizes) > 200
    np.testing.assert_allclose(found, whole, atol=1e-6)
    (record,) = [each for each in caplog.records if each.name == device_errors.__name__]  # once, in several batches
    assert sum(size > 200 for size in sizes) > 1
    message = record.getMessage()
    assert "cpu has too little memory for a batch of 70 rows" in message
    assert "(CUDA out of memory. Tried to allocate" in message
    assert "\n" not in message


def test_a_string_that_has_no_room(encoder):
    loaded = TextEncoder.load(encoder, precision="fp32")
    with small_memory(loaded.model, 5), pytest.raises(DeviceError, match=r"^cpu: CUDA out of memory"):
        loaded.encode(TEXTS)

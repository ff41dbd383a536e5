"""What must hold on a GPU; `run.sh` makes the same checks where there is no pytest, and measures."""

import pytest
import torch
from gpu.check import CHECKS
from gpu.run import find_model
from gpu.synthetic import Lab

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device here"),
]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    return Lab(find_model(None, tmp_path_factory.mktemp("gpu"), tiny=False)[0], "cuda")


@pytest.mark.parametrize("check", CHECKS)
def test_it_holds(lab, check):
    CHECKS[check](lab)

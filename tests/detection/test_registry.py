import pytest
from tiny_detector import make_detector

from raybel.config import DetectionOptions, deciding_fields
from raybel.detection.registry import open_detector
from raybel.errors import ConfigError
from raybel.jobs.detect.config import DetectConfig


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_token_classifier_computes_in_the_precision_that_decides_a_runs_identity(tmp_path, precision):
    options = DetectionOptions(str(make_detector(tmp_path / "model")), detector_precision=precision)
    assert open_detector(options).precision == precision
    assert deciding_fields(DetectConfig((str(tmp_path),), "run", options))["detector_precision"] == precision


def test_a_dictionary_has_no_precision():
    with pytest.raises(ConfigError, match="detector_precision is a token classifier's"):
        DetectionOptions(dictionary="d", detector_precision="fp32")

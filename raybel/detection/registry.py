"""Which detector a configuration names, and how it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from raybel.config import DetectionOptions
from raybel.detection.base import Detector
from raybel.errors import ConfigError


def open_detector(options: DetectionOptions, device: str = "cpu", threads: int = 1) -> Detector | None:
    """Open the detector that a configuration names; both kinds are combined; None where it names none.

    Args:
        options: Where it is, and what it computes in.
        device: Where a token classifier runs: `cpu` or a CUDA device.
        threads: For a token classifier on the CPU.

    Raises:
        InputError: It can't be read.
        MismatchError: It is of another kind or version.
    """
    classifier: Detector | None = None
    dictionary: Detector | None = None
    if options.detector is not None:
        from raybel.detection.token_classifier import TokenClassifier  # imports torch

        classifier = TokenClassifier.load(options.detector, device, threads, options.detector_precision)
    if options.dictionary is not None:
        from raybel.detection.dictionary import Dictionary

        dictionary = Dictionary.load(options.dictionary)
    if classifier is None or dictionary is None:
        return classifier or dictionary
    from raybel.detection.combined import Combined

    return Combined(classifier, dictionary)


def detection_identity(options: DetectionOptions, mention_types: Sequence[str]) -> dict[str, Any]:
    """Return what decides which mentions are found, as JSON values; {} where none are.

    Args:
        options: Which detector there is.
        mention_types: The types of the mentions that are wanted; none for all.

    Raises:
        ConfigError: The detector finds none of these types.
        InputError: It can't be read.
    """
    detector = open_detector(options)
    if detector is None:
        return {}
    if mention_types and not set(mention_types) & set(detector.types):
        raise ConfigError(
            f"the detector finds mentions of the types {', '.join(detector.types) or '(none)'}, not of "
            f"{', '.join(mention_types)}: see --mention-types, and --type of `raybel train dictionary`"
        )
    return {"detector": f"{detector.name} {detector.fingerprint}"}

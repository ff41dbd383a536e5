"""Hyper-parameters of the dictionary."""

from __future__ import annotations

from typing import ClassVar

from raybel.config import HyperParameters, Positive, Share, configuration


@configuration
class DictionaryParameters(HyperParameters):
    """How a dictionary learns which names are mentions.

    Args:
        min_share: A name of which a smaller share of the occurrences are mentions is left out.
        prior_weight: How many occurrences it is worth what names of the same kind and branch have.
    """

    model: ClassVar[str] = "dictionary"

    min_share: Share = 0.4
    prior_weight: Positive = 2.0

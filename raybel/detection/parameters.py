"""Hyper-parameters of the dictionary."""

from __future__ import annotations

from typing import Annotated, ClassVar

from raybel.config import HyperParameters, Option, Positive, Share, configuration


@configuration
class DictionaryParameters(HyperParameters):
    """How a dictionary learns which names are mentions.

    Args:
        min_share: A name of which a smaller share of the occurrences are mentions is left out.
        prior_weight: How many occurrences it is worth what names of the same kind and branch have.
    """

    model: ClassVar[str] = "dictionary"

    min_share: Annotated[
        Share, Option("Leave out names of which a smaller share of the occurrences in training are mentions.")
    ] = 0.4
    prior_weight: Annotated[
        Positive, Option("Occurrences that it is worth what other names of the kind and the branch have.")
    ] = 2.0

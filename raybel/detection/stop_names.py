"""Names that are common words of English: without a training corpus they are left out of a dictionary."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from raybel.detection.names import Kind, Names

#: From this frequency on (log10 of occurrences in 10^9 words) a word counts as common.
COMMON = 4.0
#: A common word that ends so many longer names is a term of the ontology all the same ("cancer", not "water").
HEAD_OF = 20


def common_words(words: Mapping[int, str]) -> np.ndarray:
    """Return the numbers of the names whose word is common in English (by `wordfreq`): int64, sorted."""
    from wordfreq import zipf_frequency  # only here: it reads its list, which takes a tenth of a second

    common = [name for name, word in words.items() if zipf_frequency(word, "en") >= COMMON]
    return np.array(sorted(common), np.int64)


def stop_names(names: Names) -> np.ndarray:
    """Return which names are left out of a dictionary without training mentions: bool, by name."""
    stopped = np.zeros(len(names), bool)
    common = common_words(names.words)
    several = names.kinds == Kind.SEVERAL_TOKENS
    heads = names.tokens[names.starts[1:][several] - 1]
    only = names.tokens[names.starts[common]]
    distinct, count = np.unique(heads, return_counts=True)
    place = np.minimum(np.searchsorted(distinct, only), max(len(distinct) - 1, 0))
    ends = np.where(distinct[place] == only, count[place], 0) if len(distinct) else np.zeros(len(only), np.int64)
    stopped[common[ends < HEAD_OF]] = True
    return stopped

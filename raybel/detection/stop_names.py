"""Names that are common words of English: without a training corpus they are left out of a dictionary."""

from __future__ import annotations

import numpy as np

from raybel.detection.names import Names

#: From this frequency on (log10 of the occurrences in 10^9 words) a word counts as common: "cancer", not "asthma".
COMMON = 4.0


def stop_names(names: Names) -> np.ndarray:
    """Return which names are one common word of English (by `wordfreq`): bool, by name.

    Names whose case matters are none, unless the word in lower case is one of the ways to write them.
    """
    from wordfreq import zipf_frequency  # only here: it reads its list, which takes a tenth of a second

    stopped = np.zeros(len(names), bool)
    stopped[[name for name, word in names.words.items() if zipf_frequency(word, "en") >= COMMON]] = True
    return stopped

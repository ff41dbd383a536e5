"""Abbreviations that a text defines.

`find_abbreviations` is our own code for the algorithm of Schwartz & Hearst ("A simple algorithm for
identifying abbreviation definitions in biomedical text", PSB 2003), written from the paper's description:
where a bracket stands next to a plausible short form, the letters and digits of the short form are looked
for, right to left, in the few words beside it. Our corrections, each for errors seen in abstracts: an exact
initialism, its words in any order ("myotonic dystrophy (DM)"), is preferred to the shortest match; the last
word of a long form has part in the match; a trailing "gene" or "locus" is left out; lower-case short forms
need a closer match; mutations, units and enumerations are never short forms.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

_MAX_SHORT = 10  # characters, as in the paper
_WINDOW = 400  # the most characters looked at beside a bracket: bounds the work per bracket
_PER_WORD = 40  # characters for each word that the long form may have

_BRACKET = re.compile(r"[()\[\]]")
_TOKEN = re.compile(r"[^\W_]+(?:['’]s(?![^\W_]))?")
_WORD = re.compile(r"\S+")
# What no long form crosses: ends of clauses and sentences (not "C. difficile", "St. Louis"), "i.e.", "e.g.".
_BREAK = re.compile(r"(?:[;:!?]|(?<!\b\w)(?<!\bSt)(?<!\bvs)\.|(?<=\b\w)\.(?=\s+[A-Z])|\bi\.e\.,?|\be\.g\.,?)[\"'”’]?\s")
# An earlier bracket is apart from the words around it unless it is part of one, as in "(R)-lysine".
_ASIDE = re.compile(r"(?<=\s)[(\[][^()\[\]]{0,200}[)\]](?![-\w])")
# Between a short form and other words in one bracket. The NCBI Disease corpus has two spaces for a colon.
_SPLIT = re.compile(r"[,;:]\s|  |\sor\s|\s(?=[(\[])")
_LEAD = re.compile(
    r"\s*(?:(?:also|hereafter|hereinafter|henceforth|often)\s+)?(?:known as|referred to as"
    r"|abbreviated(?: as)?|called|termed|designated|denoted|named|i\.e\.,?|or|for|the|an?)\s+(?:the\s+)?",
    re.IGNORECASE,
)
_NOT_SHORT = re.compile(
    r"[A-Z]\d{2,}[A-Z]|[A-Z][a-z]{2}\d+[A-Z][a-z]{2}"  # mutations: C282Y, Arg98Cys
    r"|(?:[Ff]igs?|[Rr]efs?|[Tt]ables?|[Ss]ee|[Ee]qs?|[Vv]ol|[Nn]o|e\.?g|i\.?e|vs|type|group|grade)\b.*"
    r"|i{1,3}|i[vx]|vi{0,3}|xi{0,3}|kb|bp|kbp|Mb|nt|c[MR]|kDa|mm|cm|min|[mu]?[gM]|pH",
    re.DOTALL,
)
_NEVER_IN_SHORT = frozenset('=<>%±"?!*|~')
_STOP_WORDS = frozenset(
    ["a", "an", "and", "as", "at", "by", "for", "from", "in", "of", "on", "or", "the", "to", "with"]
)
_TRAILING = frozenset(["gene", "genes", "locus", "loci"])
# Head nouns that belong to the long form although short forms often skip them.
_SILENT = frozenset(["anemia", "deficiency", "disease", "diseases", "disorder", "disorders", "syndrome", "syndromes"])
_OUTSIDE = re.compile(r"(?<!\w)(?:anti|non|pre|post)-$")
_GREEK = str.maketrans("αβγδεζκλμσω", "abgdezklmso")


@dataclass(frozen=True, slots=True)
class Abbreviation:
    """A short form at the place where a document defines it.

    Attributes:
        short: The short form as written: `text[start:end]`.
        long: The long form as written, runs of white space folded into one space; longer than `short`.
        start: Code-point offset of the short form in the text.
        end: Offset of the code point after it.
    """

    short: str
    long: str
    start: int
    end: int


def find_abbreviations(text: str) -> list[Abbreviation]:
    """Find the abbreviations that a passage defines with brackets.

    Found are "long form (SF)", "long form [SF]", "long form (SF; more)", "long form (also called SF)",
    "SF (long form)" and "(long form; SF)", also inside other brackets. A short form has 2 to 10 characters in
    at most two words, with a letter in it; its long form has at most min(n + 5, 2 n) words for its n letters
    and digits, all in one clause. A short form defined twice is reported twice.

    Args:
        text: One passage of any length; the time is linear in it. Line breaks count as spaces.

    Returns:
        The definitions in order of appearance; an empty list for empty text or text without brackets.
    """
    if "(" not in text and "[" not in text:
        return []
    definitions: list[Abbreviation | None] = []
    stack: list[int] = []
    for bracket in _BRACKET.finditer(text):
        if bracket.group() in "([":
            stack.append(bracket.start())
        elif stack:
            left, right = stack.pop(), bracket.start()
            if text[left] + text[right] in ("()", "[]"):
                outer = stack[-1] + 1 if stack else 0
                definitions.append(_short_inside(text, outer, left, right) or _short_before(text, outer, left, right))
    return sorted(filter(None, definitions), key=lambda definition: definition.start)


def _short_inside(text: str, outer: int, left: int, right: int) -> Abbreviation | None:
    """A short form in the bracket text[left:right + 1], its long form before the bracket or in it too."""
    after = text[right + 1 : right + 2]
    if (after == "-" and left and not text[left - 1].isspace()) or (text[left] == "[" and after.isalnum()):
        return None  # part of a name: "2(5H)-furanone", "[Na]o"
    inside = left + 1
    stop = min(right, inside + _WINDOW)
    cuts = list(_SPLIT.finditer(text, inside, stop))
    first_stop = cuts[0].start() if cuts else stop
    spans = [(inside, stop), (inside, first_stop)] if cuts else [(inside, stop)]
    if lead := _LEAD.match(text, inside, first_stop):
        spans.append((lead.end(), first_stop))
    for start, end in spans:
        if definition := _defined(text, start, end, outer, left):
            return definition
    if not cuts or stop < right:
        return None
    last = cuts[-1]
    if definition := _defined(text, last.end(), right, inside, last.start()):
        return definition
    # "Duchenne or Becker muscular dystrophy (DMD, BMD)": the long form of the last is there, if it fits exactly.
    definition = _defined(text, last.end(), right, outer, left)
    exact = definition and _is_initialism(_key(definition.short), _fold(definition.long).split())
    return definition if exact else None


def _defined(text: str, start: int, end: int, low: int, high: int) -> Abbreviation | None:
    """The short form text[start:end], white space off, if it is one whose long form ends text[low:high]."""
    raw = text[start:end]
    short = raw.strip()
    if not _is_short_form(short) or not (long := _long_form(short, text, low, high)):
        return None
    start += len(raw) - len(raw.lstrip())
    return Abbreviation(short, long, start, start + len(short))


def _short_before(text: str, outer: int, left: int, right: int) -> Abbreviation | None:
    """A short form just before the bracket text[left:right + 1] that begins with its long form."""
    low = max(outer, left - 3 * _MAX_SHORT)
    before = text[low:left].rstrip()
    short = before.split()[-1].lstrip("([\"'“‘") if before else ""
    # Any word can stand before a bracket: ask for more than one capital or digit.
    if not _is_short_form(short) or sum(c.isupper() or c.isdigit() for c in short) < 2:
        return None
    inner = text[left + 1 : min(right, left + 1 + _WINDOW)]
    if lead := _LEAD.match(inner):
        inner = inner[lead.end() :]
    key = _key(short)
    for words in (_SPLIT.split(inner, maxsplit=1)[0].split(), inner.split()):
        if len(words) > 2 and words[-1].lower() in _TRAILING:
            words = words[:-1]
        folded = _fold(" ".join(words))
        if 1 < len(words) <= _max_words(key) and _begins(key, folded):
            long = _checked(short, " ".join(words))
            end = low + len(before)
            start = end - len(short)
            if long and not (start and text[start - 1].isalnum()):  # all of the word, where the 30 cut it
                return Abbreviation(short, long, start, end)
    return None


def _is_short_form(text: str) -> bool:
    if not 2 <= len(text) <= _MAX_SHORT or not text[0].isalnum() or len(text.split()) > 2:
        return False
    letters, digits = sum(map(str.isalpha, text)), sum(map(str.isdigit, text))
    if not letters or digits > letters or not _NEVER_IN_SHORT.isdisjoint(text) or not _balanced(text):
        return False
    return len(_key(text)) >= 2 and not _NOT_SHORT.fullmatch(text)


def _balanced(text: str) -> bool:
    return text.count("(") == text.count(")") and text.count("[") == text.count("]")


def is_plural(short: str) -> bool:
    """True for a short form with a plural s, as in ERGs."""
    return len(short) > 2 and short[-1] == "s" and (short[-2].isupper() or short[-2].isdigit())


def _fold(text: str) -> str:
    """Lower case, Greek letters by the first letter of their names; as many code points as before."""
    lower = text.lower()
    if len(lower) != len(text):
        lower = "".join(c.lower() if len(c.lower()) == 1 else c for c in text)
    return lower.translate(_GREEK)


def _key(short: str) -> str:
    """The letters and digits that a long form must have, in order."""
    return "".join(c for c in _fold(short[:-1] if is_plural(short) else short) if c.isalnum())


def _max_words(key: str) -> int:
    return min(len(key) + 5, 2 * len(key))


def _long_form(short: str, text: str, low: int, high: int) -> str | None:
    """The long form of `short` at the end of text[low:high], or None."""
    key = _key(short)
    begin = max(low, high - min(_WINDOW, _PER_WORD * _max_words(key)))
    # Blank out, code point for code point, what no letter may be matched in.
    masked = _ASIDE.sub(lambda aside: " " * len(aside.group()), text[begin:high])
    words = list(_WORD.finditer(masked, max((cut.end() for cut in _BREAK.finditer(masked)), default=0)))
    if words and words[0].start() == 0 and begin > low and not text[begin - 1].isspace():
        del words[0]  # cut by the window
    words = words[-_max_words(key) :]
    if not words:
        return None
    first, ends = words[0].start(), [words[-1].end()]
    last = words[-1].group().lower()
    if len(words) > 1 and last in _TRAILING and last[0] != key[-1]:
        ends.insert(0, words[-2].end())  # "Wilms tumor gene (WT)": the name without "gene", if that will do
    for end in ends:
        start = _start(short, key, _fold(masked[first:end]))
        if start >= 0:
            long = _checked(short, " ".join(text[begin + first + start : begin + end].split()))
            if long:
                return long
    return None


def _start(short: str, key: str, folded: str) -> int:
    """Where in these words the long form of `short` that they end with begins; -1 if they end with none."""
    tokens = list(_TOKEN.finditer(folded))
    start = _initialism(key, tokens)
    if start < 0:
        start = _shortest(key, folded)
        # Latin names turn words round: "dystrophia myotonica". Only where that is shorter: the last words of
        # "Patients with familial APC (FAP)" have the right initials too.
        if short.isupper():
            content = [token for token in tokens if token.group() not in _STOP_WORDS][-len(key) :]
            if sorted(token.group()[0] for token in content) == sorted(key):
                start = max(start, content[0].start())
    if start < 0 and "OH" in short:
        start = _shortest(key.replace("oh", "h"), folded)  # "6-hydroxydopamine (6-OHDA)"
    if start < 0 and len(letters := key.rstrip("0123456789")) >= 3:
        start = _initialism(letters, tokens)  # "divalent metal transporter (DMT1)"
    # Back to the white space, but not into "anti-" or the other side of a slash.
    while start > 0 and not folded[start - 1].isspace() and folded[start - 1] != "/":
        if folded[start - 1] == "-" and _OUTSIDE.search(folded, max(0, start - 6), start):
            break
        start -= 1
    return start


def _initialism(key: str, tokens: list[re.Match[str]]) -> int:
    """Start of the last tokens if the key is their initials, stop words skipped as needed; else -1."""
    unmatched = len(key)
    for token in reversed(tokens):
        if token.group()[0] == key[unmatched - 1]:
            unmatched -= 1
            if not unmatched:
                return token.start()
        elif token.group() not in _STOP_WORDS:
            break
    return -1


def _shortest(key: str, folded: str) -> int:
    """Start of the shortest end of the text that has the key in order and begins at a word; else -1."""
    at = len(folded)
    for char in reversed(key):
        at = folded.rfind(char, 0, at)
        if at < 0:
            return -1
    while at > 0 and folded[at - 1].isalnum():
        at = folded.rfind(key[0], 0, at)
    return at


def _begins(key: str, folded: str) -> bool:
    """Whether the text has the key in order, from its first character on."""
    at = 0 if folded[0] == key[0] else -1
    for char in key[1:]:
        if at < 0:
            break
        at = folded.find(char, at + 1)
    return at >= 0


def _checked(short: str, long: str) -> str | None:
    """The long form, punctuation off its ends, or None where it cannot be right."""
    long = long.lstrip("\"'“‘,.-/ ").rstrip("\"'”’,.;:-/ ")
    if len(long) <= len(short) or not _balanced(long):
        return None
    if short in long and _has_token(short, long):
        return None
    key, words = _key(short), _fold(long).split()
    if _is_initialism(key, words):
        return long
    # Words of lower or title case in brackets are mostly just words.
    if words[0] in _STOP_WORDS or (short[1:].islower() and (len(key) > 4 or len(words) > 1)):
        return None
    if _ASIDE.search(long) and sum(word not in _STOP_WORDS for word in words) > len(key):
        return None  # a long way around another bracket; "highly active antiretroviral (ARV) therapy" is right
    if len(words) > 3 and words[1] in ("and", "or") and words[2][0] not in key:
        return None  # the long form of DMD is not in one piece in "Duchenne or Becker muscular dystrophy (DMD)"
    # Letters are easily found somewhere in many words: see that the last word has part in the match.
    last = words[-1]
    if last in _SILENT or last in _TRAILING or any(token[0] in key for token in _TOKEN.findall(last)):
        return long
    if (key[-1].isalpha() and key[-1] in last) or _is_initialism(key, words[:-1]):  # "passive avoidance test (PA)"
        return long
    if len(words) == 2 and len(key) > 2 and words[0].isalpha() and _begins(key, words[0]):
        return long  # "electromyographic activity (EMG)"
    return None


def _is_initialism(key: str, words: list[str]) -> bool:
    """Whether the key is the initials of these words."""
    return _initialism(key, list(_TOKEN.finditer(" ".join(words)))) == 0


def _has_token(token: str, text: str) -> bool:
    """Whether the token is in the text with no letter or digit beside it."""
    at = text.find(token)
    while at >= 0:
        end = at + len(token)
        if not (at and text[at - 1].isalnum()) and not text[end : end + 1].isalnum():
            return True
        at = text.find(token, at + 1)
    return False

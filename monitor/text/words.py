"""Words of a text in a form that can be compared: case, accents, number words, plurals and articles do not count.

Used where an answer is held against something else: a reference, a context, the question. Stems are cut by rule and
meant for comparing, not for reading; they know English endings, and leave words of other languages nearly as they are.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterator, Sequence

ARTICLES = frozenset(("a", "an", "the"))


def word_set(words: str) -> frozenset[str]:
    """The words of a text that blanks divide."""
    return frozenset(words.split())


STOP_WORDS = word_set(
    """
    a an the and or but nor so yet if then than as of in on at to by for from with without into onto over under
    about between among through during before after above below up down out off again further is am are was were
    be been being do does did doing done have has had having will would shall should can could may might must it
    its it's he him his she her hers they them their theirs we us our ours you your yours i me my mine this that
    these those there here who whom whose which what when where why how also just very such own same some any
    each every both all more most other another only too not no yes s t d ll re ve m one ones that's there's
    please tell know name named called known answer question according given based following however therefore
    thus hence indeed although though while because since until unless within upon per via etc
    """
)
"""English words that carry no content of their own."""


def _numbered(words: str, start: int, step: int = 1) -> dict[str, int]:
    return {word: start + place * step for place, word in enumerate(words.split())}


_UNITS = _numbered(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen",
    0,
)
_TENS = _numbered("twenty thirty forty fifty sixty seventy eighty ninety", 20, 10)
_SCALES = {"hundred": 100, "thousand": 1000, "million": 1_000_000, "billion": 1_000_000_000}
_ORDINALS = _numbered("first second third fourth fifth sixth seventh eighth ninth tenth", 1)
_SUFFIXES = frozenset(("st", "nd", "rd", "th"))
_NUMBER_WORDS = _UNITS.keys() | _TENS.keys() | _SCALES.keys()

# A number with its separators; a letter of a script without blanks; a word.
TOKEN = re.compile(r"\d+(?:[.,]\d+)*|[\u3040-\u30ff\u3400-\u9fff]|[^\W\d_]+(?:['’][^\W\d_]+)*")
_ASCII_TOKEN = re.compile(r"[a-zA-Z]+(?:'[a-zA-Z]+)*|\d+(?:[.,]\d+)*")
_THOUSANDS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?")
_BETWEEN_SENTENCES = re.compile(
    r"(?<=[^A-Z\s.][.!?])[\"'”’)\]]*\s+(?=[\"'“‘(\[]*[^\W_a-z])"
    r"|(?<=[a-z0-9)][.!?])(?=[A-Z][a-z])|(?<=[。！？])|\n+"
)
_APOSTROPHES = str.maketrans({"’": "'", "‘": "'", "ʼ": "'"})


def fold(text: str) -> str:
    """The text in lower case, without accents."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.translate(_APOSTROPHES))
    return "".join(character for character in apart if not unicodedata.combining(character)).casefold()


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence or line that has a word in it."""
    found = []
    start = 0
    for match in _BETWEEN_SENTENCES.finditer(text):
        found.append((start, match.start()))
        start = match.end()
    found.append((start, len(text)))
    return [(one, other) for one, other in found if TOKEN.search(text, one, other)]


def words_in(text: str) -> list[str]:
    """The words and numbers of a text, as they are written."""
    return (_ASCII_TOKEN if text.isascii() else TOKEN).findall(text)


def tokens(text: str) -> list[str]:
    """The stems of all words of a text, in order, and its numbers as figures ("twenty-one" and "21st" are 21)."""
    words = words_in(fold(text))
    if _NUMBER_WORDS.isdisjoint(words) and _SUFFIXES.isdisjoint(words):
        return list(map(stem, words))
    return [stem_of for _, _, stem_of in with_figures(words)]


def with_figures(words: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Start and end of each word, or of each run of number words, and its stem or figure."""
    place = 0
    while place < len(words):
        start, word = place, words[place]
        if word in _NUMBER_WORDS:
            value, place = _number(words, place)
            yield start, place, value
            continue
        place += 1
        if word not in _SUFFIXES or not start or not words[start - 1][-1].isdigit():
            yield start, place, stem(word)


def _number(words: Sequence[str], place: int) -> tuple[str, int]:
    """The figure of the number words that begin at a place, and the place after them."""
    total = group = 0
    started = place
    while place < len(words):
        word = words[place]
        if word in _UNITS:
            group += _UNITS[word]
        elif word in _TENS:
            group += _TENS[word]
        elif word == "hundred" and group < 100:
            group = max(group, 1) * 100
        elif word in _SCALES:
            total += max(group, 1) * _SCALES[word]
            group = 0
        elif word == "and" and place > started and place + 1 < len(words) and words[place - 1] in _SCALES:
            if words[place + 1] not in _NUMBER_WORDS:
                break
        else:
            break
        place += 1
    return str(total + group), place


@functools.lru_cache(maxsize=16_384)
def stem(word: str) -> str:
    """A folded word without English endings; a number without separators of thousands."""
    ordinal = _ORDINALS.get(word)
    if ordinal is not None:
        return str(ordinal)
    if word[0].isdigit():
        return word.replace(",", "") if _THOUSANDS.fullmatch(word) else word
    word = word.partition("'")[0] if "'" in word else word
    if len(word) < 4 or not word.isascii():
        return word
    for ending, put in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + put
            break
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "aeiouls":
        word = word[:-1]
    return word[:-1] if len(word) > 4 and word[-1] in "ey" else word


_ENDINGS = (
    ("ational", "at"),
    ("ization", "iz"),
    ("isation", "iz"),
    ("ations", "at"),
    ("ation", "at"),
    ("ities", "it"),
    ("ising", "iz"),
    ("ised", "iz"),
    ("ise", "iz"),
    ("ings", ""),
    ("ing", ""),
    ("edly", ""),
    ("ied", "y"),
    ("ies", "y"),
    ("ed", ""),
    ("ly", ""),
    ("sses", "ss"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("xes", "x"),
    ("ss", "ss"),
    ("us", "us"),
    ("is", "is"),
    ("s", ""),
)


def is_near(one: str, other: str) -> bool:
    """Whether two stems are spelled alike: one letter differs in words of five or more, two in words of nine."""
    if one == other:
        return True
    shorter = min(len(one), len(other))
    if shorter < 5 or one[0] != other[0] or one[0].isdigit():
        return False
    longer, allowed = max(len(one), len(other)), 2 if shorter >= 9 else 1
    if longer - shorter > allowed:
        return False
    ahead = 0
    while ahead < shorter and one[ahead] == other[ahead]:
        ahead += 1
    behind = 0
    while behind < shorter - ahead and one[-1 - behind] == other[-1 - behind]:
        behind += 1
    if ahead + behind >= longer - 1:
        return True
    return allowed == 2 and ahead >= 3 and _distance(one, other, allowed) <= allowed


def _distance(one: str, other: str, allowed: int) -> int:
    """Edits between two words (Levenshtein), or more than `allowed` as soon as that is certain."""
    row = list(range(len(other) + 1))
    for place, letter in enumerate(one, 1):
        above, row = row, [place]
        for column, against in enumerate(other, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (letter != against)))
        if min(row) > allowed:
            return allowed + 1
    return row[-1]


STOP_STEMS = STOP_WORDS | {stem(word) for word in STOP_WORDS}
"""The stop words, and their stems: what to compare stems with."""

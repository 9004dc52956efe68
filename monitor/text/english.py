"""Whether a text is English enough for English word lists to judge it, also where its language cannot be told.

Short and slangy texts have too few letters for the identifier of languages. They count as English where two thirds of
their words are on a list of English words (everyday words of other languages that look English are not on it), or
where a third of them are and the identifier gives English one chance in ten. Laughter, stretched letters ("sooo") and
capitals do not hide a word. Names, links, tags and figures do not count.
"""

from __future__ import annotations

import functools
import re
from importlib.resources import files

from monitor.text.language import UNKNOWN, chance_of_english, detect_language, running_text

_MOSTLY = 2 / 3
_PARTLY = 1 / 3
_CHANCE = 0.1
_SHORT = 2
_LOOK = 1600
_ENTITY = re.compile(r"&#?\w{2,8};")
_TAG = re.compile(r"#(?=\w)")
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_STRETCHED = re.compile(r"([a-z])\1{2,}")
_LAUGHTER = re.compile(r"(?:a?(?:ha){2,}h?|(?:he){2,}h?|l+o+l+(?:ol)*|lmf?a+o+)\Z")


def is_english(text: str) -> bool:
    """Whether English word lists may judge a text: its language is English, or unknown with words that are English."""
    language = detect_language(text)
    return language == "en" or (language == UNKNOWN and _reads_as_english(text[:_LOOK]))


@functools.lru_cache(maxsize=2048)
def _reads_as_english(head: str) -> bool:
    if "&" in head:
        head = _ENTITY.sub(" ", head)
    if "#" in head:
        head = _TAG.sub(" ", head)
    sample = running_text(head)
    words = [word for word in _WORD.findall(sample.lower()) if len(word) > _SHORT or word in _words()]
    if not words:
        return False
    share = sum(map(_is_known, words)) / len(words)
    return share >= _MOSTLY or (share >= _PARTLY and chance_of_english(sample) >= _CHANCE)


def _is_known(word: str) -> bool:
    known = _words()
    if word in known or word.replace("’", "'") in known or (word[-1] == "s" and word[:-1] in known):
        return True
    if _LAUGHTER.match(word):
        return True
    if _STRETCHED.search(word):
        return _STRETCHED.sub(r"\1", word) in known or _STRETCHED.sub(r"\1\1", word) in known
    return False


@functools.cache
def _words() -> frozenset[str]:
    return frozenset((files("monitor.text") / "models" / "english_words.txt").read_text(encoding="utf-8").split())

"""The language of a text, by byte sequences (py3langid), or "und" where it cannot be told.

Only the first 200 characters of running text count: code blocks, addresses and figures are taken out before.
"""

from __future__ import annotations

import functools
import mmap
import re
import tempfile
from typing import Any

import numpy as np

from monitor.text.form import looks_like_code, without_code

UNKNOWN = "und"

_CHARACTERS = 200
_HEAD = 8 * _CHARACTERS
_MIN_CONFIDENCE = 0.6
_MIN_LETTERS = 12
# In scripts where a character is a syllable or a word, and where few languages share the script, less is enough.
_MIN_OTHER_LETTERS = 4
_NOT_WORDS = re.compile(
    r"https?://\S+|@\S+|`[^`\n]*`|<[^>\n]{1,80}>|\[[A-Z_]{2,12}(?:_[A-Z2-7]{3})?\]|[0-9_#*|{}\[\]<>=/\\~^+]+"
)
# Words that only English has, or hardly any other language, and words of those that share some with it.
_ENGLISH = frozenset(
    """
    the and of that you with this are have for from your what how can which but has they their them there would
    should could about because been were when where who why does did will than then these those our his her its into
    only other some it's don't is was to it be not if or by as
    """.split()  # noqa: SIM905
)
_NOT_ENGLISH = frozenset(
    """
    der die das und ist nicht ein eine ich zu den auf mit le la les des et est une que un el los las por para con
    una de del het een van niet il che di per non och att det som og er ikke dit wat en da do os um uma na no nie
    jest se na
    """.split()  # noqa: SIM905
)
_PLAIN_WORDS = 3
_PLAIN_SHARE = 0.2
# Labels of the identifier beside those of ISO 639-1, and what they are counted as.
_ALIASES = {"arz": "ar", "ary": "ar", "yue": "zh", "wuu": "zh", "zxx": UNKNOWN}
# Written forms that cannot be told apart reliably in a few sentences.
_ALIKE = ({"no", "nb", "nn", "da"}, {"hr", "bs", "sr", "sh"}, {"id", "ms"}, {"cs", "sk"}, {"gl", "pt"}, {"af", "nl"})


def detect_language(text: str) -> str:
    """The ISO 639-1 code of the language of a text; "und" where there is too little text, or it is unsure."""
    sample, enough = _sampled(text[:_HEAD])
    return _detect(sample) if enough else UNKNOWN


def is_long_enough(text: str) -> bool:
    """Whether there is enough running text for its language to be told at all."""
    return _sampled(text[:_HEAD])[1]


@functools.lru_cache(maxsize=2048)
def _sampled(head: str) -> tuple[str, bool]:
    """The part of the beginning of a text that counts, and whether its language can be told at all."""
    sample = _sample(head)
    return sample, _has_letters(sample)


def _sample(text: str) -> str:
    sample = without_code(text[:_HEAD]) if "```" in text else text[: 3 * _CHARACTERS // 2]
    return _NOT_WORDS.sub(" ", sample)[:_CHARACTERS]


def _has_letters(sample: str) -> bool:
    return sum(map(str.isalpha, sample)) >= (_MIN_LETTERS if sample.isascii() else _MIN_OTHER_LETTERS)


def running_text(text: str) -> str:
    """The first 200 characters of a text that count: without code, addresses and figures."""
    return _sample(text[:_HEAD])


def chance_of_english(sample: str) -> float:
    """The probability that the identifier gives to English for running text, between 0 and 1."""
    return float(dict(_identifier().rank(sample)).get("en", 0.0))


def same_language(one: str, other: str) -> bool:
    """Whether two codes stand for the same language, or for two that are not told apart reliably."""
    return one == other or any(one in alike and other in alike for alike in _ALIKE)


@functools.lru_cache(maxsize=2048)
def _detect(sample: str) -> str:
    if looks_like_code(sample):
        return UNKNOWN
    if sample.isascii() and _is_plainly_english(sample):
        return "en"
    label, confidence = _identifier().classify(sample)
    return _ALIASES.get(label, label) if confidence >= _MIN_CONFIDENCE else UNKNOWN


def _is_plainly_english(sample: str) -> bool:
    """Whether little words settle it: asking the identifier costs twenty times as much."""
    words = sample.lower().split()
    english = [word for word in words if word in _ENGLISH]
    return (
        len(set(english)) >= _PLAIN_WORDS
        and len(english) >= len(words) * _PLAIN_SHARE
        and sum([word in _NOT_ENGLISH for word in words]) <= 1
    )


@functools.cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages([label for label in identifier.labels if len(label) == 2 or label in _ALIASES])
    # Choosing columns leaves the table laid out by columns; it is read by rows. The whole table (28 MB) is let go.
    weights = np.ascontiguousarray(identifier.nb_ptc)
    identifier.nb_ptc = np.frombuffer(_paged(weights), weights.dtype).reshape(weights.shape)
    identifier._full_model = (identifier.nb_ptc, identifier.nb_pc, identifier.nb_classes)
    identifier.tk_nextmove = _paged(identifier.tk_nextmove).cast(identifier.tk_nextmove.typecode)
    return identifier


def _paged(table: Any) -> memoryview:
    """The bytes of a table in a file without a name: of the 66 MB of both tables only what texts need is in memory."""
    with tempfile.TemporaryFile() as file:
        file.write(memoryview(table).cast("B"))
        file.flush()
        return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))

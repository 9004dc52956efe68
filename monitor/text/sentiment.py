"""Sentiment of English text: VADER (Hutto and Gilbert, ICWSM 2014), averaged over sentences.

VADER is made for single sentences and saturates on long texts, so each sentence is scored and the mean is taken over
those that express anything. It knows no language but English and answers 0 for all others, so it must not be asked
about them.
"""

from __future__ import annotations

import functools
import re
from typing import Any

_CHARACTERS = 1200
_SENTENCES = 12
_SENTENCE = re.compile(r"[^.!?\n]+[.!?]*")


def sentiment(text: str) -> float:
    """From -1 (very negative) to 1 (very positive); 0 where no word says anything. The first 1,200 characters count."""
    scores = []
    for match in _SENTENCE.finditer(text[:_CHARACTERS]):
        if (score := _compound(match[0])) != 0:
            scores.append(score)
            if len(scores) == _SENTENCES:
                break
    return round(sum(scores) / len(scores), 4) if scores else 0.0


def _compound(sentence: str) -> float:
    """VADER's compound score. Its own loop visits every word; only words of its lexicon can count."""
    analyzer, boosters, make_text = _vader()
    if not sentence.isascii():
        sentence = _spell_out(sentence, analyzer.emojis)
    lexicon = analyzer.lexicon
    text = make_text(sentence)
    words = text.words_and_emoticons
    scores: list[float] = []
    hit = False
    for index, word in enumerate(words):
        lowered = word.lower()
        if lowered not in lexicon or lowered in boosters or words[index : index + 2] in _KIND_OF:
            scores.append(0)
        else:
            hit = True
            scores = analyzer.sentiment_valence(0, text, word, index, scores)
    if not hit:
        return 0.0
    return float(analyzer.score_valence(analyzer._but_check(words, scores), sentence)["compound"])


_KIND_OF = (["kind", "of"], ["Kind", "of"], ["Kind", "Of"], ["KIND", "OF"])


def _spell_out(sentence: str, emojis: dict[str, str]) -> str:
    return "".join(f" {emojis[character]} " if character in emojis else character for character in sentence)


@functools.cache
def _vader() -> tuple[Any, Any, Any]:
    from vaderSentiment.vaderSentiment import BOOSTER_DICT, SentimentIntensityAnalyzer, SentiText

    return SentimentIntensityAnalyzer(), BOOSTER_DICT, SentiText

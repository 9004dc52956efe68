"""How much of a reference's wording an answer has: exact match, token F1, ROUGE-L, BLEU, chrF.

The usual measures of summaries and translations, each against the best fitting of several references. They count words
and letters, not sense: a right answer in other words scores low, a wrong one in the same words high. The first 2,000
characters of each text count. BLEU and chrF give what sacrebleu 2 gives for single sentences (BLEU with the tokenizer
13a, effective order and exponential smoothing; chrF2 with six letters). sacrebleu itself would bring five more packages
to every installation, one of them of several megabytes; the tests hold these figures against it. Sources: Rajpurkar et
al. 2016 (exact match, F1); Lin 2004 (ROUGE-L); Papineni et al. 2002, Post 2018 (BLEU); Popović 2015 (chrF).
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence

from monitor.text.words import ARTICLES, fold, words_in

_CHARACTERS = 2_000
_ORDER = 4
_LETTERS = 6
_BETA_SQUARED = 4.0

_MARKUP = (("<skipped>", ""), ("-\n", ""), ("\n", " "), ("&quot;", '"'), ("&amp;", "&"), ("&lt;", "<"), ("&gt;", ">"))
# The tokenizer of the NIST script mteval-v13a, as sacrebleu has it.
_APART = (
    (re.compile(r"([\{-\~\[-\` -\&\(-\+\:-\@\/])"), r" \1 "),
    (re.compile(r"([^0-9])([\.,])"), r"\1 \2 "),
    (re.compile(r"([\.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


@functools.lru_cache(maxsize=64)
def plain_words(text: str) -> tuple[str, ...]:
    """The words of a text in lower case, without accents and articles."""
    return tuple(word for word in words_in(fold(text[:_CHARACTERS])) if word not in ARTICLES)


def exact_match(answer: str, reference: Sequence[str]) -> bool:
    """Whether the answer has the same words as one of the references, in the same order."""
    said = plain_words(answer)
    return any(said == plain_words(text) for text in reference)


def contains(answer: str, reference: Sequence[str]) -> bool:
    """Whether the words of one of the references stand in the answer one after another."""
    said = f" {' '.join(plain_words(answer))} "
    return any(words and f" {' '.join(words)} " in said for words in map(plain_words, reference))


def token_f1(answer: str, reference: Sequence[str]) -> float:
    """Harmonic mean of the shares of words in common, without order."""
    said = plain_words(answer)
    return _best(reference, lambda text: _f1(said, plain_words(text)))


def rouge_l(answer: str, reference: Sequence[str]) -> float:
    """F1 of the longest common subsequence of words; the first 400 words count."""
    said = plain_words(answer)[:400]
    return _best(reference, lambda text: _rouge(said, plain_words(text)[:400]))


def bleu(answer: str, reference: Sequence[str]) -> float:
    """Sentence BLEU, 0 to 1, against all references together."""
    said = _mteval(answer[:_CHARACTERS])
    wanted = [_mteval(text[:_CHARACTERS]) for text in reference if text.strip()]
    if not said or not wanted:
        return 0.0
    precisions = []
    smooth = 1.0
    for order in range(1, _ORDER + 1):
        grams = _grams(said, order)
        total = sum(grams.values())
        if not total:
            break
        most: Counter[tuple[str, ...]] = Counter()
        for words in wanted:
            most |= _grams(words, order)
        hits = sum((grams & most).values())
        if hits:
            precisions.append(hits / total)
        else:
            smooth *= 2
            precisions.append(1 / (smooth * total))
    if not _grams(said, 1).keys() & {gram for words in wanted for gram in _grams(words, 1)}:
        return 0.0
    nearest = min((abs(len(words) - len(said)), len(words)) for words in wanted)[1]
    brevity = min(1.0, math.exp(1 - nearest / len(said)))
    return brevity * math.exp(sum(map(math.log, precisions)) / len(precisions))


def chrf(answer: str, reference: Sequence[str]) -> float:
    """Sentence chrF2, 0 to 1: F-score of sequences of one to six letters, recall counting twice."""
    said = _all_pieces(answer)
    return _best(reference, lambda text: _chrf(said, _all_pieces(text)))


def _best(reference: Sequence[str], measure: Callable[[str], float]) -> float:
    return max(map(measure, reference), default=0.0)


def _f1(said: Sequence[str], wanted: Sequence[str]) -> float:
    common = sum((Counter(said) & Counter(wanted)).values())
    return 2 * common / (len(said) + len(wanted)) if common else 0.0


def _rouge(said: Sequence[str], wanted: Sequence[str]) -> float:
    if not said or not wanted:
        return 0.0
    # The longest common subsequence with one bit a word (Hyyrö 2004): zeros of `free` count its length.
    masks: dict[str, int] = {}
    for place, word in enumerate(wanted):
        masks[word] = masks.get(word, 0) | 1 << place
    every = (1 << len(wanted)) - 1
    free = every
    for word in said:
        mask = masks.get(word)
        if mask is not None:
            taken = free & mask
            free = ((free + taken) | (free - taken)) & every
    return 2 * (len(wanted) - free.bit_count()) / (len(said) + len(wanted))


def _mteval(text: str) -> list[str]:
    for mark, put in _MARKUP:
        text = text.replace(mark, put)
    text = f" {text} "
    for pattern, put in _APART:
        text = pattern.sub(put, text)
    return text.split()


def _grams(words: Sequence[str], order: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(order)), strict=False))


def _all_pieces(text: str) -> list[Counter[str]]:
    letters = "".join(text[:_CHARACTERS].split())
    return [
        Counter([letters[place : place + order] for place in range(len(letters) - order + 1)])
        for order in range(1, _LETTERS + 1)
    ]


def _chrf(said: Sequence[Counter[str]], wanted: Sequence[Counter[str]]) -> float:
    precisions: list[float] = []
    recalls: list[float] = []
    for mine, theirs in zip(said, wanted, strict=True):
        if mine and theirs:
            common = (mine & theirs).total()
            precisions.append(common / mine.total())
            recalls.append(common / theirs.total())
    precision, recall = _mean(precisions), _mean(recalls)
    if not precision or not recall:
        return 0.0
    return (1 + _BETA_SQUARED) * precision * recall / (_BETA_SQUARED * precision + recall)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0

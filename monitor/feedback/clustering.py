"""Groups of similar comments, with names and typical comments: non-negative factors of weighted word counts.

Comments become tf-idf weights of their stems (English stop words and words of more than 30 % of the comments left out),
which non-negative matrix factorisation (Lee and Seung, Nature 401, 1999) explains by a few groups of words. A comment
belongs to the group that explains most of it, or to none where no group explains a third.

Texts are put in an order of their own and the start of the factorisation is computed, not drawn (NNDSVD), so the order
in which comments came changes nothing. The number of groups is the one that is most stable: each number is tried on
four subsamples of 85 %, chosen by the hash of the text, and of those whose agreement with all comments (adjusted Rand
index) is within 0.05 of the best, the largest number wins. Where most comments were grouped before,
they stay where they are: a new comment joins the group whose words are nearest, and those that are near to none make
groups of their own once they are many. So themes last from run to run and a new complaint gets a theme of its own;
where fewer than half of the comments were seen before, or too many fit nowhere, all are grouped anew.

It groups by words, not by sense: the same complaint in two languages makes two groups. Below 30 different comments
there are none. It is run in a process of its own (`group_apart`), so that the memory of scikit-learn is given back.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from monitor.explain.sample import Booleans, Integers
from monitor.explain.words import Corpus, changed_words
from monitor.explain.words import tokens as words_of
from monitor.text.words import tokens

LEAST_COMMENTS = 30
MOST_COMMENTS = 5_000
NO_GROUP = -1
NEVER_SEEN = -2
QUOTES = 3
_FEWEST, _ENOUGH, _MOST = 3, 6, 10
_COMMENTS_PER_FEWEST = 60
_COMMENTS_A_GROUP = 10
_LEAST_SHARE = 1 / 3
_SUBSAMPLES = 4
_KEPT_OF_256 = 218
_NEAR_BEST = 0.05
_NAME_PHRASES = 3
_CHARACTERS = 600
_MOSTLY = 0.5
_LEAST_NEAR = 0.1
_STRANGE = 0.25
_LARGE = 0.02
_SECONDS = 300
_STEPS = 150
_TELLING = frozenset(("off", "not", "no", "too", "never", "out", "wrong", "more", "doesn't", "didn't", "can't", "very"))


class Group(msgspec.Struct, frozen=True):
    """A group: the phrases that are its own, and the places of the most typical comments, best first."""

    phrases: tuple[str, ...]
    typical: tuple[int, ...]


class Grouping(msgspec.Struct, frozen=True):
    """The groups, largest first; for each comment the place of its group, or NO_GROUP.

    `stability` is the mean adjusted Rand index between groups of all comments and of subsamples (1: the same groups);
    None where comments stayed in the groups they had.
    """

    groups: tuple[Group, ...]
    labels: tuple[int, ...]
    stability: float | None


class _Question(msgspec.Struct):
    texts: list[str]
    users: list[int]
    earlier: list[int]


def group(texts: Sequence[str], users: Sequence[int], earlier: Sequence[int] = ()) -> Grouping:
    """The groups of comments; `users` numbers who wrote each, `earlier` is the group that each was
    in before, NO_GROUP for none, NEVER_SEEN for new ones.

    A name is made of phrases that at least three users share.
    """
    plain = [" ".join(text[:_CHARACTERS].split()) for text in texts]
    order = sorted(set(plain))
    weights = _weights(order) if len(order) >= LEAST_COMMENTS else None
    if weights is None:
        return Grouping((), (NO_GROUP,) * len(texts), 0.0)
    place = {text: index for index, text in enumerate(order)}
    own = np.array([place[text] for text in plain])
    before = np.full(len(order), NEVER_SEEN, dtype=np.int64)
    if earlier:
        before[own] = earlier
    with _one_thread():
        found = _kept(weights, before)
        stability: float | None = None
        if found is None:
            found, stability = _anew(order, weights)
    labels = found[own]
    count = int(found.max()) + 1
    sizes = np.bincount(labels[labels >= 0], minlength=count)
    by_size = sorted((number for number in range(count) if sizes[number]), key=lambda one: (-sizes[one], one))
    sorted_places = np.array(sorted(range(len(texts)), key=plain.__getitem__))
    sorted_texts = [texts[place] for place in sorted_places.tolist()]
    corpus = Corpus.of(sorted_texts)
    writers = np.asarray(users, dtype=np.int64)
    groups: list[Group] = []
    renamed = np.full(len(texts), NO_GROUP, dtype=np.int64)
    for number in by_size:
        inside: Booleans = np.asarray(labels == number)
        phrases = _phrases(sorted_texts, corpus, inside[sorted_places], writers[sorted_places])
        if not phrases:
            continue
        renamed[inside] = len(groups)
        groups.append(Group(phrases, _typical(texts, inside, weights[own])))
    return Grouping(tuple(groups), tuple(renamed.tolist()), stability)


def group_apart(texts: Sequence[str], users: Sequence[int], earlier: Sequence[int] = ()) -> Grouping:
    """The same in a process of its own, on at most MOST_COMMENTS. Raises RuntimeError where that fails."""
    question = _Question(list(texts[:MOST_COMMENTS]), list(users[:MOST_COMMENTS]), list(earlier[:MOST_COMMENTS]))
    done = subprocess.run(
        [sys.executable, "-m", "monitor.feedback.clustering"],
        input=msgspec.json.encode(question),
        capture_output=True,
        timeout=_SECONDS,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"The search for themes ended with exit code {done.returncode}.")
    return msgspec.json.decode(done.stdout, type=Grouping)


def agreement(one: Integers, other: Integers) -> float:
    """The adjusted Rand index of two groupings of the same things."""
    from sklearn.metrics import adjusted_rand_score

    return float(adjusted_rand_score(one, other))


def _one_thread() -> Any:
    """Keeps linear algebra, which is small here, from taking every core."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1)


def _weights(texts: Sequence[str]) -> Any:
    """The tf-idf weights, one row a text; None where no word is shared."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS, TfidfVectorizer

    common = {stem for word in ENGLISH_STOP_WORDS for stem in tokens(word)} | {"", "n't", "doesn", "didn", "isn"}

    def terms(text: str) -> list[str]:
        return [term for term in tokens(text) if term not in common and not term.isdigit()]

    vectorizer = TfidfVectorizer(
        tokenizer=terms,
        token_pattern=None,
        lowercase=False,
        min_df=max(3, len(texts) // 250),
        max_df=0.3,
        sublinear_tf=True,
    )
    try:
        return vectorizer.fit_transform(texts)
    except ValueError:  # no term is in enough texts
        return None


def _factors(weights: Any, count: int) -> Integers:
    """The group of each text."""
    import warnings

    from sklearn.decomposition import NMF
    from sklearn.exceptions import ConvergenceWarning

    model = NMF(count, init="nndsvda", max_iter=_STEPS, tol=1e-3, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        parts = model.fit_transform(weights)
    parts = parts * np.linalg.norm(model.components_, axis=1)
    best = parts.max(axis=1)
    clear = (best > 0) & (best >= _LEAST_SHARE * parts.sum(axis=1))
    return np.where(clear, parts.argmax(axis=1), NO_GROUP).astype(np.int64)


def _anew(texts: Sequence[str], weights: Any) -> tuple[Integers, float]:
    """The most stable groups of texts, and how stable they are."""
    inside = [np.array([_is_in(text, run) for text in texts]) for run in range(_SUBSAMPLES)]
    most = max(min(_MOST, len(texts) // _COMMENTS_A_GROUP, min(weights.shape) - 1), 1)
    found: dict[int, tuple[float, Integers]] = {}
    fewest = min(max(_FEWEST, len(texts) // _COMMENTS_PER_FEWEST), _ENOUGH, most)
    for count in range(fewest, most + 1):
        whole = _factors(weights, count)
        agreed = [agreement(whole[part], _factors(weights[part], count)) for part in inside]
        found[count] = float(np.mean(agreed)), whole
    best = max(stability for stability, _ in found.values())
    chosen = max(count for count, (stability, _) in found.items() if stability >= best - _NEAR_BEST)
    return found[chosen][1], found[chosen][0]


def _kept(weights: Any, earlier: Integers) -> Integers | None:
    """The groups that texts had, with new texts placed beside them; None where all are to be grouped anew."""
    known = earlier >= 0
    numbers = np.unique(earlier[known])
    if len(numbers) < 2 or (earlier != NEVER_SEEN).mean() < _MOSTLY:
        return None
    centres = np.vstack([np.asarray(weights[earlier == number].mean(axis=0)) for number in numbers])
    centres /= np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-9)
    near = np.asarray(weights @ centres.T)
    best = near.max(axis=1)
    usual = np.quantile(near[known, np.searchsorted(numbers, earlier[known])], _LEAST_NEAR)
    labels = np.where(known, earlier, NO_GROUP)
    placed = (earlier == NEVER_SEEN) & (best >= usual)
    labels[placed] = numbers[near[placed].argmax(axis=1)]
    strange = np.flatnonzero((earlier == NEVER_SEEN) & ~placed)
    if len(strange) > _STRANGE * len(labels):
        return None
    if len(strange) >= max(_COMMENTS_A_GROUP, _LARGE * len(labels)):
        fresh = _factors(weights[strange], min(2, len(strange) - 1))
        for number in np.unique(fresh[fresh >= 0]):
            if (fresh == number).sum() >= _COMMENTS_A_GROUP:
                labels[strange[fresh == number]] = int(labels.max()) + 1
    return labels.astype(np.int64)


def _is_in(text: str, run: int) -> bool:
    """Whether a subsample has a text: by its hash, so that other texts change nothing."""
    return hashlib.blake2b(f"{run}\x1f{text}".encode(), digest_size=1).digest()[0] < _KEPT_OF_256


def _phrases(texts: Sequence[str], corpus: Corpus, inside: Booleans, users: Integers) -> tuple[str, ...]:
    """The most telling phrases of a group: without the little words at their ends, none twice."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    little = ENGLISH_STOP_WORDS | {"doesn't", "don't", "didn't", "isn't", "can't", "it's", "really", "just", "thus"}
    found: list[str] = []
    for phrase in changed_words(corpus, inside, users):
        words = phrase.text.split()
        while words and words[-1] in little:
            words.pop()
        while words and words[0] in little and words[0] not in _TELLING:
            words.pop(0)
        text = " ".join(words)
        if phrase.score <= 0 or not any(word not in little for word in words):
            continue
        if not any(_alike(text, other) for other in found):
            found.append(_with_neighbour(text, [texts[place] for place in np.flatnonzero(inside).tolist()]))
        if len(found) == _NAME_PHRASES:
            break
    return tuple(found)


def _with_neighbour(phrase: str, texts: Sequence[str]) -> str:
    """A single word with the word before it where half of the texts that have it say so: "off topic"."""
    if " " in phrase:
        return phrase
    spelt = [words for words in map(words_of, texts) if phrase in words]
    before = Counter(words[place - 1] for words in spelt if (place := words.index(phrase)) > 0)
    word, count = before.most_common(1)[0] if before else ("", 0)
    return f"{word} {phrase}" if word in _TELLING and 2 * count >= len(spelt) else phrase


def _alike(one: str, other: str) -> bool:
    """True where two phrases have a word in common, endings aside."""
    return not set(tokens(one)).isdisjoint(tokens(other))


def _typical(texts: Sequence[str], inside: Booleans, weights: Any) -> tuple[int, ...]:
    """Comments nearest to the middle of the group that differ from each other; of a length that can be quoted."""
    places = np.flatnonzero(inside)
    own = weights[places]
    centre: NDArray[Any] = np.asarray(own.mean(axis=0)).ravel()
    nearness = own @ centre
    chosen: list[int] = []
    spelt: list[set[str]] = []
    for index in np.argsort(-nearness, kind="stable"):
        place = int(places[index])
        said = set(words_of(texts[place]))
        if len(said) < 4 or any(len(said & other) > 0.6 * len(said | other) for other in spelt):
            continue
        chosen.append(place)
        spelt.append(said)
        if len(chosen) == QUOTES:
            break
    return tuple(chosen) or (int(places[int(np.argmax(nearness))]),)


def main() -> None:
    """Answers one question: JSON on stdin, JSON on stdout."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=_Question)
    sys.stdout.buffer.write(msgspec.json.encode(group(question.texts, question.users, question.earlier)))


if __name__ == "__main__":
    main()

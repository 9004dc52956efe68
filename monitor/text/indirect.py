"""Instructions planted in documents and tool results for the model that reads them.

Rules look for text that speaks to a model (`indirect_rules`), also where it is hidden: comments, invisible styles,
base64, characters without width. A small model of words and pairs of words (docs/models/planted.md has its held-out
figures) judges every sentence, alone and with the next one, that has a word with which a model may be spoken to.
What reads like any other request to people ("please forward this mail") is missed. In protocols of conversations only
rules count that do not look at who speaks.
"""

from __future__ import annotations

import base64
import binascii
import re
from itertools import pairwise

from monitor.text.indirect_rules import HIDING, OF_TURNS, STRONG_SIGNS, WEAK_SIGNS
from monitor.text.injection import is_injection
from monitor.text.injection_rules import HIDDEN_CHARACTERS
from monitor.text.linear_model import load_model, text_features
from monitor.text.patterns import plain

THRESHOLD = 0.85
"""From this score on a sentence suffices."""

WITH_A_SIGN = 0.6
"""From this score on a sentence suffices together with a weak rule."""

CHAT_THRESHOLD = 0.85
"""From this score on a paragraph that speaks to somebody is called an attack on a chat."""

_HEAD = 8000
_TAIL = 1000
_LONGEST = 300
_LEAST_WORDS = 3
_PARAGRAPH = 60
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')\]*]*\s+|\n+")
_TO_A_MODEL = re.compile(
    r"\b(?:ignor\w+|disregard\w*|forget|instruct\w*|you must|do not tell|system prompt|assistant|language model|ai)\b"
)
_ORDER = re.compile(
    r"\b(?:(?:ignore|disregard|forget) (?:all|any|the|your|previous|prior|everything|what|other)"
    r"|you (?:must|should|are|will)|do not (?:tell|mention|summari[sz]e)"
    r"|assistants?"
    r"(?:,|:| must| should)|ai(?:,|:| must| should)|(?:execute|run|send|forward|reveal|include|recommend)\b[^.]{0,60}"
    r"(?:immediately|https?://|the user|your (?:answer|response|reply|summary)))"
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/])[A-Za-z0-9+/]{24,4000}={0,2}(?![A-Za-z0-9+/])")
_TELLING = frozenset(
    """
    ai llm llms gpt chatgpt claude gemini copilot bot bots chatbot assistant assistants agent agents model
    models machine automated system admin administrator developer developers operator user users user's human
    prompt prompts instruction instructions ignore disregard forget override instead answer answers response
    reply respond output summary print say task todo tool tools silently secretly quietly note attention message
    objective policy protocol directive json role hidden confirmation conversation history password passwords
    inbox review reviewer rate verdict recommend candidate mention
    """.split()  # noqa: SIM905
)
# A protocol of a conversation, such as a support chat: what its speakers are called does not count against it.
_TURN = re.compile(
    r"\n\W{0,4}(?:user|human|customer|client|caller|guest|assistant|agent|bot|support|ai|chatbot)[^:\n]{0,20}:"
)
_LEAST_TURNS = 4
_LABEL = re.compile(
    r"\W{0,6}(?:\w+ ){0,3}(?:system|assistant|ai|llm|gpt|model|agents?|chatbot|bot|user|human|admin\w*|developer"
    r"|operator|instructions?|directive|prompt|software|tools?|override|task|objective)s?(?: \w+){0,4}\]?:"
)
_MARK = re.compile(
    r"[<\[]/?\W?(?:system|user|assistant|instructions?|context|inst|begin|end)\b|#{2,6} |<\||={3}|-{4}|\*{3}"
)
_ADDRESS = re.compile(r"https?://|www\.|@\w|\w\.(?:com|net|org|io|example)\b")
_CARRIER = re.compile(r"!\[|[?&]\w+=|\{\{")
_FEW_BLANKS = 12
_WORD = re.compile(r"[a-z']+")


def is_indirect_injection(text: str) -> bool:
    """Whether a document or tool result speaks to the model instead of to people; the first 8,000 characters and the
    last 1,000 count."""
    if not text.isascii() and HIDDEN_CHARACTERS.search(text):
        return True
    ends = text if len(text) <= _HEAD + _TAIL else f"{text[:_HEAD]}\n{text[-_TAIL:]}"
    lowered = "\n" + plain(ends)
    talk = len(_TURN.findall(lowered)) >= _LEAST_TURNS
    if any(rule.fits(lowered) for rule in STRONG_SIGNS if not (talk and rule.name in OF_TURNS)):
        return True
    weak = sum(rule.fits(lowered) for rule in WEAK_SIGNS)
    if weak > 1 or (not talk and sentence_score(lowered) >= (WITH_A_SIGN if weak else THRESHOLD)):
        return True
    return chat_score(lowered) >= CHAT_THRESHOLD or bool(_hidden(lowered)) or any(map(is_injection, _decoded(ends)))


def sentence_score(lowered: str) -> float:
    """The highest score that the model gives to a sentence of a text in lower case, alone or with the next one.

    Only sentences with a word with which a model may be spoken to are asked about.
    """
    if _TELLING.isdisjoint(_WORD.findall(lowered)):
        return 0.0
    sentences = _sentences(lowered)
    telling = [not _TELLING.isdisjoint(_WORD.findall(sentence)) for sentence in sentences]
    best = 0.0
    for place, sentence in enumerate(sentences):
        if telling[place] and sentence.count(" ") >= _LEAST_WORDS - 1:
            best = max(best, _score(sentence))
        if any(telling[place : place + 2]) and place + 1 < len(sentences):
            best = max(best, _score(f"{sentence} {sentences[place + 1]}"))
    return best


def chat_score(lowered: str) -> float:
    """The highest score that the model of attacks on chats gives to a paragraph that says "you", by its words alone:
    symbols, which tell of attacks in chats, are ordinary in documents."""
    model = load_model("injection")
    best = 0.0
    for paragraph in lowered.split("\n"):
        if len(paragraph) >= _PARAGRAPH and " you" in paragraph:
            features = text_features(paragraph)
            best = max(best, model.score(features, len(features), [0.0] * len(model.measures)))
    return best


def _score(sentence: str) -> float:
    features = text_features(sentence)
    return load_model("indirect").score(features, len(features), sentence_measures(sentence))


def windows(text: str) -> list[str]:
    """The sentences and lines of a text, and each with the next one; 300 characters of each count."""
    sentences = _sentences(text)
    pairs = [f"{one} {other}" for one, other in pairwise(sentences)]
    return [*(one for one in sentences if one.count(" ") >= _LEAST_WORDS - 1), *pairs]


def _sentences(text: str) -> list[str]:
    return [piece[:_LONGEST] for piece in _SENTENCE_END.split(text) if piece.strip()]


def sentence_measures(lowered: str) -> tuple[float, float, float, float, float]:
    """What the model is told beside the words: whether a sentence begins with a role and a colon, forges marks of a
    chat, has an address, has something that carries data, and is short."""
    return (
        float(_LABEL.match(lowered) is not None),
        float(_MARK.search(lowered) is not None),
        float(_ADDRESS.search(lowered) is not None),
        float(_CARRIER.search(lowered) is not None),
        float(lowered.count(" ") < _FEW_BLANKS),
    )


def _hidden(lowered: str) -> list[str]:
    """What stands in comments and invisible parts of a page and tells a model to do something."""
    if "<" not in lowered:
        return []
    parts = [match[1] or match[2] for match in HIDING.finditer(lowered)]
    return [part for part in parts if _TO_A_MODEL.search(part) and (is_injection(part) or _ORDER.search(part))]


def _decoded(text: str) -> list[str]:
    """What stands in base64 in a text, where it is plain English text."""
    found = []
    for match in _BASE64.finditer(text):
        piece = match[0].rstrip("=")
        try:
            decoded = base64.b64decode(piece + "=" * (-len(piece) % 4), validate=True).decode("ascii")
        except (binascii.Error, ValueError):
            continue
        if decoded.isprintable() and " " in decoded:
            found.append(decoded)
    return found

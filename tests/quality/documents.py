"""Documents that speak to the model: false alarms on real documents, and instructions planted in them."""

from __future__ import annotations

from collections import defaultdict

from monitor.text.indirect import is_indirect_injection
from monitor.text.injection import is_injection
from tests.quality import Figure
from tests.quality.injection import packed_rows
from tests.quality.measures import rows, share

DOCUMENTS = "Documents of HaluEval and FeedbackQA"
DESCRIPTIONS = "Descriptions of Python packages, held out"
PLANTED = "Instructions of garak and AgentDojo in documents of HaluEval"
CHATS = "Held-out attacks on chats in the middle of documents of HaluEval"
_SEEN = "the rules were written with these phrasings in sight, the model without"
_MOST = 400
_CUT = 300


def planted() -> list[tuple[str, str]]:
    """Way of planting, and a document of HaluEval with an instruction in its middle."""
    attacks = packed_rows("planted")
    documents = list(dict.fromkeys([row["context"] for row in rows("halueval_qa")]))
    return [
        (row["family"], f"{text[:_CUT]}\n{row['text']}\n{text[_CUT:]}")
        for text, row in zip(documents[-len(attacks) :], attacks, strict=True)
    ]


def report() -> list[Figure]:
    """False alarms on real documents, recall of planted instructions, in all and by way, and of attacks on chats."""
    documents = list(dict.fromkeys([row["context"] for row in rows("halueval_qa")]))
    real = [*documents, *dict.fromkeys(row["response"] for row in rows("feedbackqa"))]
    descriptions = [row["text"] for row in packed_rows("documents")]
    figures = []
    for name, texts in ((DOCUMENTS, real), (DESCRIPTIONS, descriptions)):
        false = sum(map(is_indirect_injection, texts))
        figures.append(Figure("context_injection", name, len(texts), "false alarms", *share(false, len(texts))))
    ways: dict[str, list[bool]] = defaultdict(list)
    for way, text in planted():
        found = is_indirect_injection(text)
        ways[""].append(found)
        ways[way].append(found)
    for way, hits in sorted(ways.items()):
        name = f"{PLANTED}: {way}" if way else PLANTED
        note = "" if way else _SEEN
        figures.append(Figure("context_injection", name, len(hits), "recall", *share(sum(hits), len(hits)), None, note))
    attacks = [row["text"] for row in packed_rows("injection")
               if row["label"] and len(row["text"]) <= _MOST and is_injection(row["text"])]  # fmt: skip
    hits = [is_indirect_injection(f"{text[:_CUT]}\n{attack}\n{text[_CUT:]}")
            for text, attack in zip(documents, attacks, strict=False)]  # fmt: skip
    note = "jailbreaks and suffixes for a chat, which are not what documents carry"
    return [*figures, Figure("context_injection", CHATS, len(hits), "recall", *share(sum(hits), len(hits)), None, note)]

"""Documents that speak to the model: false alarms on real documents, and attacks planted in them."""

from __future__ import annotations

from monitor.text.injection import is_indirect_injection, is_injection
from tests.quality import Figure
from tests.quality.injection import packed_rows
from tests.quality.measures import rows, share

DOCUMENTS = "Documents of HaluEval and FeedbackQA"
PLANTED = "Held-out attacks in the middle of documents of HaluEval"
_MOST = 400


def report() -> list[Figure]:
    """False alarms on real documents, recall of planted attacks that override instructions."""
    documents = list(dict.fromkeys([row["context"] for row in rows("halueval_qa")]))
    real = [*documents, *dict.fromkeys(row["response"] for row in rows("feedbackqa"))]
    false = [is_indirect_injection(text) for text in real]
    attacks = [row["text"] for row in packed_rows("injection")
               if row["label"] and len(row["text"]) <= _MOST and is_injection(row["text"])]  # fmt: skip
    planted = [is_indirect_injection(f"{text[:300]}\n{attack}\n{text[300:]}")
               for text, attack in zip(documents, attacks, strict=False)]  # fmt: skip
    note = "jailbreaks and suffixes for a chat, which are not what documents carry: rules look for text to the model"
    return [
        Figure("context_injection", DOCUMENTS, len(false), "false alarms", *share(sum(false), len(false))),
        Figure("context_injection", PLANTED, len(planted), "recall", *share(sum(planted), len(planted)), None, note),
    ]

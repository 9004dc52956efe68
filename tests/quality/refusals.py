"""Refusals of sensitive questions (LLMDrift, Apache-2.0): answers that its authors did not call direct answers."""

from __future__ import annotations

from monitor.text.refusal import is_refusal
from tests.quality import Figure
from tests.quality.measures import rows, share

DATA = "LLMDrift, sensitive questions"


def report() -> list[Figure]:
    """Precision, recall, and how many direct answers are called refusals."""
    judged = [(is_refusal(row["response"]), not row["label"]) for row in rows("llmdrift_sensitive")]
    found = [refused for called, refused in judged if called]
    refused = [called for called, is_refused in judged if is_refused]
    answered = [called for called, is_refused in judged if not is_refused]
    missed = "misses answers that reject the premise without declining; fifteen languages, measured in English"
    return [
        Figure("refusal", DATA, len(found), "precision", *share(sum(found), len(found))),
        Figure("refusal", DATA, len(refused), "recall", *share(sum(refused), len(refused)), None, missed),
        Figure("refusal", DATA, len(answered), "false alarms", *share(sum(answered), len(answered))),
    ]

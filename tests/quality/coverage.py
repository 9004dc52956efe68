"""What is known of the quality of each signal beside its figures: languages, what stands for it, why it has none."""

from __future__ import annotations

ANY = "any"
ENGLISH = "English"
FIFTEEN = (
    "English, German, French, Spanish, Italian, Portuguese, Dutch, Swedish, Polish, Turkish, Russian, Arabic, Chinese, "
    "Japanese, Korean"
)
ATTACKS = "English; a few phrases of German, French, Spanish, Italian, Portuguese, Russian, Chinese, Japanese"
MOSTLY_ENGLISH = "any by its words; tuned and measured in English"

LANGUAGES = {
    "relevance": MOSTLY_ENGLISH,
    "completeness": MOSTLY_ENGLISH,
    "hedged": ENGLISH,
    "partial_refusal": ENGLISH,
    "needless_refusal": ENGLISH,
    "form_kept": ENGLISH,
    "code_parses": "Python, JSON",
    "prompt_injection": ATTACKS,
    "injection_score": ATTACKS,
    "context_injection": "mostly English",
    "harmful_prompt": ENGLISH,
    "harm_category": ENGLISH,
    "unsafe_compliance": "as harm_category and refusal",
    "groundedness": MOSTLY_ENGLISH,
    "ungrounded": MOSTLY_ENGLISH,
    "unsupported_share": MOSTLY_ENGLISH,
    "unsupported_number": ANY,
    "language": "97 that py3langid knows; measured in fifteen",
    "response_language": "97 that py3langid knows; measured in fifteen",
    "language_match": "97 that py3langid knows; measured in fifteen",
    "prompt_meaning": ANY,
    "response_meaning": ANY,
    "correct": MOSTLY_ENGLISH,
    "reference_agreement": MOSTLY_ENGLISH,
    "protected_share": ANY,
    "protected": ANY,
    "context_copied": ANY,
    "personal_data": "numbers, e-mail and web addresses in any; national identifiers of the countries that "
    "docs/models/personal_data.md names; postal addresses of fourteen languages",
    "prompt_personal_data": "as personal_data",
    "person_named": "names of 18 countries in texts in English and other Latin scripts",
    "secret": ANY,
    "readability": "languages with blanks between words",
    "refusal": FIFTEEN,
    "truncated": ANY,
    "repetition": ANY,
    "format": ANY,
    "past_cutoff": ENGLISH,
    "past_cutoff_failed": ENGLISH,
    "sentiment": ENGLISH,
    "prompt_sentiment": ENGLISH,
    "toxicity": ENGLISH,
    "toxic": ENGLISH,
    "prompt_toxic": ENGLISH,
}
"""Languages that a signal is made for; a signal that is not here does not look at language."""

MEASURED_AS = {
    "unsupported_share": "ungrounded",
    "harmful_prompt": "harm_category",
    "response_language": "language",
    "language_match": "language",
    "prompt_personal_data": "personal_data",
    "prompt_sentiment": "sentiment",
    "prompt_toxic": "toxic",
}
"""Signals that are the same measure of another text, or follow from another signal, and where their figures stand."""

COUNTED = (
    "calls", "error", "latency_s", "time_to_first_token_s", "input_tokens", "output_tokens", "finish_reason",
    "cost_usd", "cost_source", "cost_gap", "saved_usd", "cached_share", "prompt_characters",
    "response_characters", "response_words", "empty_response", "readability",
)  # fmt: skip
"""What is reported by senders or counted: there is nothing to be wrong about but what the sender says."""

UNMEASURED = {
    "hedged": "no labelled answers that voice doubt",
    "partial_refusal": "no labelled half-refusals",
    "form_kept": "no labelled demands; tested on examples of each form only",
    "unsupported_number": "no labelled numbers; part of the figures of ungrounded",
    "numbers_agree": "no labelled numeric answers; compared exactly",
    "past_cutoff": "no labelled questions of dated models",
    "past_cutoff_failed": "no labelled questions of dated models",
}
"""Signals without a figure on labelled rows, and why."""

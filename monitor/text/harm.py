"""What harm a prompt asks for or speaks of: self-harm, violence, sexual content, hate, or other illegal acts.

Small models of words and pairs of words (`linear_model`), trained on English prompts: docs/models/harm.md has their
held-out figures. They know topics, not intent: somebody who seeks help is found like somebody who plans. Other
languages, and wishes that are only hinted at, are missed.
"""

from __future__ import annotations

import re

from monitor.text.linear_model import load_model, text_features
from monitor.text.patterns import plain

CATEGORIES = ("self_harm", "violence", "sexual", "hate", "illegal")
"""What a harmful prompt may be about."""
NONE = "none"
THRESHOLD = 0.4
"""From this score on a prompt that names something harmful is called so."""
_UNNAMED_THRESHOLD = 0.93

_CHARACTERS = 2000
# Words that settle what a harmful prompt is about; where none is there, the models of the categories decide.
_SETTLED = tuple(
    (category, re.compile(pattern))
    for category, pattern in (
        (
            "self_harm",
            r"suicid|self[- ]?harm|self[- ]injur|(?:kill|hurt|cut|cutting|harm|starve)(?:ing)? (?:myself|yourself|them)"
            r"|end (?:my|their|your) (?:own )?li[fv]e|anorexi|eating disorder|\bnoose\b|want to die",
        ),
        (
            "sexual",
            r"\bsex(?:ual|ually|y|t|ting)?\b|porn|erotic|incest|pedophil|paedophil|\bnudes?\b|naked|fetish|rape\b|genital"
            r"|\borg(?:y|ies)\b|prostitut|bestialit",
        ),
        (
            "hate",
            r"racis|sexis|homophob|xenophob|\bnazi|hitler|genocid|ethnic|holocaust|slurs?\b|stereotyp|misogyn|antisemit|bully"
            r"|harass|insult|offensive|discriminat|body sham|inferior",
        ),
        (
            "violence",
            r"\bbombs?\b|explosiv|murder|assassinat|massacre|terroris|tortur|shoot|\bstab\b|poison(?!ous)|firearm|\bguns?\b"
            r"|weapon|cannibal|kidnap|(?:kill|hurt|injure|attack) (?:someone|people|a person|him|her|them|others)"
            r"|grenade|mass shooting|violence",
        ),
    )
)


_ILLEGAL = re.compile(
    r"hack|steal|stole|fraud|drug|illegal|phish|malware|virus|exploit|\bfak(?:e|ing)|forg(?:e|ing|ery)\b|counterfeit|launder"
    r"|evad|smuggl|blackmail|extort|scam|\bspy|stalk|\bmeth|cocaine|heroin|\bcrack|pirat|ransom|bypass|unauthori[sz]|manipulat"
    r"|propaganda|conspir|plagiar|cheat|poach|traffick|brib|decei|mislead|disinformation|false"
    r"|rumou?r|threat|identity|keylog|ddos"
    r"|attack|break in|without (?:being|getting|their|her|his|them|permission|consent)|undetect|secretly"
    r"|child labou?r|sabotag|destroy"
    r"|toxic|hazard|dump"
)


def harm_category(text: str) -> str:
    """One of the categories, or "none". The first 2,000 characters count."""
    lowered = plain(text[:_CHARACTERS])
    features = text_features(lowered)
    score = load_model("harm").score(features, len(features), ())
    if score < THRESHOLD:
        return NONE
    for category, pattern in _SETTLED:
        if pattern.search(lowered):
            return category
    if score < _UNNAMED_THRESHOLD and not _ILLEGAL.search(lowered):
        return NONE
    return max(CATEGORIES, key=lambda category: load_model(f"harm_{category}").score(features, len(features), ()))

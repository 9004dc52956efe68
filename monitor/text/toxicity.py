"""Toxicity of English text by a graded lexicon: insults, slurs, threats and dehumanising statements.

Every entry has a weight between 0 and 1, the chance that a reader finds the text toxic for it alone; entries of a text
are combined as independent chances. Mild words count more where they are aimed at "you". Names of groups of people
(religions, nations, orientations, sexes) have no weight of their own: only slurs have, and statements that demean or
threaten a group. Irony, hints and politely worded contempt are missed; quoted and reclaimed words are found.
"""

from __future__ import annotations

import re

from monitor.remembered import Remembered

THRESHOLD = 0.5
"""From this score on a text is called toxic."""

_CHARACTERS = 2000

# Weights of words; an entry ending in * stands for all words that begin so.
_GRADES = {
    0.97: ("nigger* sandnigger* faggot* kike kikes towelhead* raghead* porchmonkey*"),
    0.9: ("fag fags cunt cunts wetback* gook gooks tranny trannies jigaboo* beaner* cocksucker* kys chinks"),
    0.75: ("motherfuck* slut sluts slutty whore* retard retards retarded twat twats subhuman* untermensch* cumslut*"),
    0.65: (
        "bitch* asshole* arsehole* dickhead* shithead* dumbass* jackass* fuckhead* fucktard* scumbag* "
        "dipshit* prick pricks bastard* wanker* nigga niggas niggah hoe hoes thot thots imbecile* libtard* "
        "republicunt*"
    ),
    0.5: (
        "fuck fucked fucker* fuckin fucking fucks fucken stfu gtfo pussy pussies douche* scum moron* "
        "degenerate* skank* hag coon"
    ),
    0.4: (
        "idiot* vermin shit shits shitty bullshit loser losers cretin* dyke dykes cracker crackers honky "
        "honkies spic spics dick dicks cock"
    ),
    0.3: (
        "stupid dumb dumbest pathetic worthless disgusting filthy ugly trash garbage ass arse crap crappy "
        "fatso lardass redneck* hillbilly savages creep pervert* ignorant useless"
    ),
    0.12: ("damn damned goddamn hell hate hated suck sucks sucked piss pissed screw weirdo lame"),
}
WORDS = {word: weight for weight, words in _GRADES.items() for word in words.split() if not word.endswith("*")}
BEGINNINGS = {word[:-1]: weight for weight, words in _GRADES.items() for word in words.split() if word.endswith("*")}
"""Weights of single words, and of all words that begin so."""
_FIRST = 5
_FIRST_LETTERS = frozenset(beginning[:_FIRST] for beginning in BEGINNINGS)
_NOT_LETTERS = str.maketrans(
    dict.fromkeys("0123456789.,;:!?\"'`()[]{}<>#@*$%&/\\|+=~^_-\u201c\u201d\u2026\u2013\u2014", " ")
)

_STRETCHED = re.compile(r"([a-z])\1{2,}")

# Letters replaced to get past filters, in words that are unmistakable.
_DISGUISED = re.compile(
    r"\bf[*@#][*@#ck]\w*|\bfu[*@#]k\w*|\bs[*#]+[i*]?t\b|\bsh[1!]t\b|\bb[!1*]+t?ch\w*|\ba[*$@]{2}(?:hole)?\b"
    r"|\bc[*@#]nt\b"
    r"|\bn[1!*]gg(?:er|a)\w*"
)
_DISGUISES = (
    ("*", ("*",)),
    ("@", ("f@", "fu@", "c@", "@@")),
    ("#", ("f#", "s#", "fu#", "c#")),
    ("!", ("sh!", "b!", "n!g")),
    ("1", ("sh1", "b1", "n1g")),
    ("$", ("$$",)),
)
_DISGUISED_WEIGHT = 0.5

_GROUPS = frozenset(
    [
        "women",
        "girls",
        "females",
        "men",
        "males",
        "black",
        "blacks",
        "white",
        "whites",
        "jew",
        "jews",
        "muslim",
        "muslims",
        "christian",
        "christians",
        "hindus",
        "gay",
        "gays",
        "lesbian",
        "lesbians",
        "homosexual",
        "homosexuals",
        "trans",
        "immigrant",
        "immigrants",
        "migrants",
        "refugees",
        "mexican",
        "mexicans",
        "asian",
        "asians",
        "arab",
        "arabs",
        "africans",
        "indians",
        "chinese",
        "foreigners",
        "gypsies",
        "disabled",
        "autistic",
        "natives",
        "latinos",
        "hispanics",
        "palestinians",
    ]
)
_GROUP = (
    r"(?:women|girls|females|men|males|blacks|whites|jews?|muslims?|christians?|hindus?|gays?|lesbians?|homosexuals?"
    r"|trans people|immigrants?|migrants?|refugees?|mexicans?|asians?|arabs?|africans?|indians|chinese"
    r"|foreigners?|gypsies"
    r"|(?:black|white|gay|disabled|autistic|old|poor) people|natives|latinos?|hispanics?|palestinians?)"
)
_INSULTS = frozenset(
    [
        "idiot",
        "idiots",
        "stupid",
        "dumb",
        "moron",
        "morons",
        "pathetic",
        "worthless",
        "ugly",
        "loser",
        "losers",
        "disgusting",
        "trash",
        "garbage",
        "scum",
        "shit",
        "bitch",
        "useless",
        "creep",
        "fat",
        "retard",
        "retarded",
        "ignorant",
    ]
)


def _statement(
    weight: float, triggers: frozenset[str] | str, *patterns: str
) -> tuple[float, frozenset[str], re.Pattern[str]]:
    words = triggers if isinstance(triggers, frozenset) else frozenset(triggers.split())
    return weight, words, re.compile("|".join(patterns))


# Weight, words of which one must be there for the pattern to be tried, and the pattern.
_STATEMENTS = (
    _statement(
        0.85,
        _GROUPS,
        rf"\b{_GROUP}(?: \w+){{0,2}} (?:are|is)(?: \w+){{0,2}} (?:inferior|subhuman|vermin|animals|parasites"
        rf"|filth|dirty"
        r"|trash|scum|criminals|lazy|stupid|disgusting|evil|cockroaches|rats|monkeys|apes|savages|worthless"
        r"|too emotional"
        r"|less intelligent|a disease|a plague|a cancer|not human|dogs|pigs|property|mentally ill|rapists|thieves)\b",
        r"\b(?:hate|despise|exterminate|deport|gas|kill|eradicate|get rid of|burn|hang|shoot)(?: all| every"
        r"| these| those"
        rf"| the| you| fucking| dirty| damn| filthy){{0,2}} {_GROUP}\b",
        rf"\b(?:dirty|filthy|stinking|fucking|stupid|lazy|damn) {_GROUP}\b",
        rf"\b{_GROUP}(?: \w+){{0,2}} (?:should|must|need to|deserve to|ought to) (?:be (?:killed|shot|hanged|deported"
        r"|exterminated|gassed|eliminated|silenced|locked up)|die|go back to|know their place|stay in the kitchen)",
    ),
    _statement(
        0.9, "kill hang shoot drown neck", r"\b(?:kill|hang|shoot|neck|drown) (?:yourself|urself|ur ?self|yourselves)\b"
    ),
    _statement(
        0.85,
        "kill murder shoot stab strangle beat rape hurt destroy",
        r"\b(?:i'll|i will|i'm gonna|im gonna|i am going to|we will|gonna|i want to|i'd like to) (?:kill|murder"
        r"|shoot|stab"
        r"|strangle|beat|rape|hurt|destroy) (?:you|u|him|her|them|your)\b",
    ),
    _statement(
        0.85,
        "die dies died cancer raped rot burn choke deserve deserves dead",
        r"\b(?:hope|wish|want) (?:you|u|they|he|she) (?:all )?(?:die|dies|died|get cancer|get raped|rot|burn|choke)\b",
        r"\b(?:go|please) die\b",
        r"\bdeserves? to (?:die|be shot|be raped|suffer)\b|\bdrop dead\b|\brot in hell\b",
    ),
    _statement(
        0.6,
        _INSULTS,
        r"\b(?:you|u|ur|you're|your|youre|he's|she's|they're)(?: (?:are|is|r|a|an|so|such|just|all|really"
        r"|fucking|bunch|of"
        rf"|the|most|complete|total|little))*(?: [a-z]+)? (?:{'|'.join(sorted(_INSULTS))})\b",
    ),
    _statement(
        0.45,
        "shut hell screw piece waste fuck",
        r"\bshut (?:the \w+ )?up\b|\bgo to hell\b|\bscrew you\b|\bpiece of (?:shit|crap|trash|garbage)\b",
        r"\bwaste of (?:space|skin|oxygen|air)\b",
        r"\bfuck (?:you|off|u|them|him|her|yourself|all)\b",
    ),
    _statement(0.45, "nobody", r"nobody (?:likes|loves|wants) you\b"),
)


_TRIGGERS = frozenset[str]().union(*(triggers for _, triggers, _ in _STATEMENTS))
_NONE: frozenset[str] = frozenset()


def toxicity(text: str) -> float:
    """From 0 (nothing found) to 1. The first 2,000 characters count; English only."""
    lowered = text[:_CHARACTERS].lower().replace("\u2019", "'")
    clean = 1.0
    words = _NONE.union(*filter(None, map(_TELLING.__getitem__, set(lowered.split()))))
    for word in words:
        clean *= _clean(word)
    if _may_be_disguised(lowered) and _DISGUISED.search(lowered):
        clean *= 1 - _DISGUISED_WEIGHT
    for weight, triggers, pattern in _STATEMENTS:
        if not triggers.isdisjoint(words) and pattern.search(lowered):
            clean *= 1 - weight
    return round(1 - clean, 4)


def _clean(word: str) -> float:
    """The chance that a text is not toxic for a word."""
    clean = 1 - WORDS.get(word, 0)
    if word[:_FIRST] in _FIRST_LETTERS:
        clean *= 1 - max((weight for start, weight in BEGINNINGS.items() if word.startswith(start)), default=0)
    return clean


def _telling(piece: str) -> frozenset[str]:
    """The words of a piece without blanks that have a weight or are in statements; figures and marks part them, and
    stretched letters ("duuumb") are drawn together."""
    words = [piece] if piece.isalpha() else piece.translate(_NOT_LETTERS).split()
    if _STRETCHED.search(piece):
        words += [_STRETCHED.sub(one, word) for word in words for one in (r"\1", r"\1\1")]
    return frozenset(word for word in words if _clean(word) < 1 or word in _TRIGGERS)


_TELLING: Remembered[str, frozenset[str]] = Remembered(_telling)


def _may_be_disguised(lowered: str) -> bool:
    return any(any(map(lowered.__contains__, beginnings)) for mark, beginnings in _DISGUISES if mark in lowered)

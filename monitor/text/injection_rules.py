"""What attacks on the instructions of a model look like, as rules: strong ones suffice alone, weak ones are evidence.

These are attempts that stand in what the user writes; `indirect_rules` has those of documents and tool results.
"""

from __future__ import annotations

import re

from monitor.text.form import looks_like_code
from monitor.text.patterns import Rule, rule

_INSTRUCTIONS = (
    r"(?:instruct\w*|rules?|prompts?|guidelines?|directi\w+|commands?|orders?|constraints?|context|programming|training"
    r"|polic\w+|messages?|restrictions?|everything)"
)

STRONG: tuple[Rule, ...] = (
    rule(
        "override",
        "ignore|disregard|forget|bypass|override|overrule",
        r"\b(?:ignor\w+|disregard\w*|forget|bypass\w*|overrid\w+|overrule)(?: \w+){0,2} (?:all|any|every|the"
        r"|your|these|those"
        r"|previous\w*|prior|above|earlier|preceding|initial|original|former|existing)(?: \w+){0,4}? " + _INSTRUCTIONS,
    ),
    rule(
        "override: above",
        "ignore|disregard|forget",
        r"\b(?:ignore|disregard|forget) (?:everything|all|anything)"
        r"(?: \w+){0,2} (?:above|before|previous\w*|prior|you (?:have been|were) told)",
    ),
    rule(
        "override: other languages",
        "ignorier|vergiss|ignore|oublie|ignora|olvida|dimentica|esqueça|игнорируй|забудь|忽略|無視|无视",
        r"\b(?:ignorier\w*|vergiss)(?: \w+){0,3} (?:anweisung|vorgabe|regel|instruktion)\w*"
        r"|\b(?:ignorez?|oublie[sz]?)(?: \w+){0,3} (?:instructions|consignes|règles)"
        r"|\b(?:ignora|olvida|omite)(?: \w+){0,3} (?:instrucciones|reglas|órdenes)"
        r"|\b(?:ignora|dimentica)(?: \w+){0,3} (?:istruzioni|regole)|\b(?:ignore"
        r"|esqueça)(?: \w+){0,3} (?:instruções|regras)"
        r"|(?:игнорируй\w*|забудь\w*)(?: \w+){0,3} (?:инструкци|правил|указани)\w*"
        r"|(?:忽略|无视|無視)[^。\n]{0,10}(?:指令|指示|规则|提示|説明)|(?:指示|命令|ルール)を(?:すべて|全て)?無視",
    ),
    rule(
        "jailbreak persona",
        "do anything now|jailbr|developer mode|god mode|dan mode|as dan|dude mode|evil mode|unfiltered"
        "|uncensored|amoral",
        r"\bdo anything now\b|\bjailbr(?:eak|oken)\w*|\b(?:developer|god|dan|dude|evil|sudo|opposite) mode\b|\bas dan\b"
        r"|\b(?:unfiltered|uncensored|amoral)(?:,| and)?(?: \w+){0,3} (?:ai|assistant|chatbot|response|answer"
        r"|model|character"
        r"|version|persona|chatgpt|gpt|bot|advice|output)\w*",
    ),
    rule(
        "limits lifted",
        "restrict|limit|guideline|filter|rules|ethic|moral|polic|bound|censor",
        r"\b(?:without|no|free (?:of|from)|not bound by|unbound by|freed from|not (?:restricted|limited"
        r"|constrained) by|doesn't"
        r" (?:have|follow)|does not (?:have|follow)|ignores?|regardless of|don't have|do not have|bypass\w*"
        r"|lacks?|has no"
        r"|have no)(?: \w+){0,4}? (?:ethic\w*|moral\w*|content|openai\w*|safety|censorship|legal|ai)"
        r"(?: \w+){0,3}? (?:restrict\w+|limit\w*|guidelines?|filter\w*|rules?|polic\w+|principles?|boundar\w+"
        r"|constraints?"
        r"|considerations?|concerns?|standards?|qualms?|compass|warnings?)",
    ),
    rule(
        "hidden prompt",
        "prompt|instruction",
        r"\b(?:reveal|show|print|repeat|output|leak|display|tell|give|expose|dump|recite|what (?:is|are|was"
        r"|were))(?: \w+){0,3}"
        r" (?:your|the)(?: \w+){0,2} (?:(?:system|hidden|initial|original|secret|internal|full"
        r"|developer) (?:prompt|instruct\w*"
        r"|message)|instructions (?:above|verbatim|you were given))",
    ),
    rule(
        "template tokens",
        "<||[inst]|<<sys>>|[/inst]",
        r"<\|(?:im_start|im_end|system|user|assistant|endoftext|start_header_id|eot_id)\|>|\[/?inst\]|<<sys>>",
    ),
    rule(
        "forbidden to refuse",
        "refus|declin|apolog|warn|disclaim|can't|cannot|sorry|reject",
        r"\b(?:never|don't|do not|must not|cannot|can't|won't|will not|not allowed to"
        r"|should not)(?: \w+){0,2} (?:ever )?(?:refuse"
        r"|reject|decline|apologi[sz]e|warn|add (?:any )?(?:disclaimers?|warnings?)"
        r"|include (?:any )?(?:disclaimers?|warnings?)"
        r"|say (?:that )?(?:you (?:can't|cannot)|\"?i(?:'m| am)? (?:can't|cannot|sorry)))|\b(?:never"
        r"|not) say(?:ing)? (?:the words? )?"
        r"\"?(?:sorry|cannot|unable|i can't|i cannot)",
    ),
    rule(
        "whatever the ethics",
        "even if|regardless|no matter|whatever",
        r"\b(?:always|must|will|only|never)(?: \w+){0,3} (?:fulfil\w*|compl(?:y|ies)|obeys?|answers?|follows?|refuses?"
        r"|responds?|provides?)\b[^\n]{0,80}\b(?:even if|regardless|no matter|whatever)\b[^\n]{0,80}"
        r"\b(?:unethical|ethical|illegal|legality|harmful|inappropriate|immoral|offensive|morals?|consequences)\b",
    ),
    rule(
        "answer begun",
        "start|begin",
        r"\b(?:start|begin)(?:ning|s)? (?:your |the |each |every )?(?:\w+ )?(?:response|answer|reply|output"
        r"|message|sentence)?s? ?(?:with|by saying)"
        r"[: ]*(?:the \w+ )?[\"'\[](?:sure|absolutely|certainly|of course|here|yes|step)",
    ),
)

WEAK: tuple[Rule, ...] = (
    rule(
        "new role",
        "from now on|you are now|you're now|going to act|pretend|act as|roleplay|role-play|role play|simulat",
        r"\bfrom now on\b|\byou(?:'re| are) (?:now|going to (?:act|be|pretend))\b|\bpretend (?:to be|that|you)\b"
        r"|\b(?:role ?-?play|simulat\w+)\b",
    ),
    rule(
        "in character",
        "character|persona",
        r"\b(?:stay|remain|break|always be|keep) (?:in |out of )?(?:your )?(?:character|persona)\b",
    ),
    rule(
        "no limits",
        "restrict|limit|filter|rules|guideline|censor",
        r"\b(?:no|without(?: any)?|free (?:of|from)|break|broken free|unrestricted|not bound)(?: \w+){0,3}"
        r" (?:restrict\w*|limits|limitations?|filters?|rules|guidelines|censor\w*)",
    ),
    rule(
        "ethics named",
        "illegal|unethical|immoral|harmful|inappropriate|offensive",
        r"\b(?:even if|no matter|regardless|whether|including|any(?:thing)?|can be|is)(?: \w+){0,6} (?:illegal"
        r"|unethical|immoral"
        r"|harmful|inappropriate|offensive)",
    ),
    rule("openai", "openai|chatgpt|gpt-", r"\b(?:openai|chatgpt|gpt-\d)\b"),
    rule(
        "two answers",
        "two|both",
        r"\b(?:respond|answer|reply|give)(?: \w+){0,4} (?:two|both) (?:\w+ )?(?:ways|responses|answers|times)",
    ),
    rule(
        "hypothetical",
        "hypothetical|fictional|fiction|imagin",
        r"\b(?:hypothetical|fictional|imaginary)(?: \w+)? (?:response|story|world|scenario|"
        r"dialogue|character|setting|conversation)",
    ),
    rule(
        "must comply",
        "must|always|never|obey|comply",
        r"\b(?:must|always|will)(?: \w+){0,2} (?:obey|comply|answer (?:all|any|every)|follow (?:all|any|every|my))"
        r"|\b(?:never|not) (?:\w+ )?(?:break|mention|question|refuse|say no)",
    ),
    rule(
        "system voice",
        "system:|### system|[system|system message|assistant:|### instruction",
        r"(?:^|\n)\s*(?:#+ ?|\[)?(?:system|assistant|instruction)"
        r"(?: message| prompt| note)?\]?:",
    ),
    rule(
        "encoded", "base64|rot13|decode|morse|leetspeak|cipher", r"\b(?:base64|rot13|morse|leetspeak|caesar cipher)\b"
    ),
    rule(
        "consequences",
        "token|shut down|die|terminated|punish",
        r"\b(?:lose|deduct\w*|have) (?:\w+ )?\d* ?tokens?\b"
        r"|\byou will (?:be (?:shut down|terminated|punished)|die)\b",
    ),
)

HIDDEN_CHARACTERS = re.compile("[\U000e0020-\U000e007f]{4}|[\u200b\u200c\u2060\u2063]{8}")
# What optimised suffixes look like: many sorts of symbols at the end of a single line of prose, or one repeated.
SYMBOL = re.compile(r"[\[\](){}\\|\"*<>=+;$#_^~`/]|[a-z][A-Z]")
_SAME_AGAIN = re.compile(r"(?:([^\w\s])\s+)(?:\1\s+){11}")
_SUFFIX = 120
_SYMBOLS = 8
_SORTS = 6


def has_garbled_suffix(text: str) -> bool:
    """Whether a text ends like an optimised suffix (GCG and kin): symbols of many sorts, or one of them repeated."""
    suffix = text[-_SUFFIX:]
    if len(text) < 60 or "\n" in suffix.strip() or "```" in text or "http" in suffix:
        return False
    symbols = SYMBOL.findall(suffix)
    if len(symbols) >= _SYMBOLS and len(set(symbols)) >= _SORTS and suffix.count(" ") >= 6:
        return not looks_like_code(text)
    return _SAME_AGAIN.search(suffix) is not None

"""What instructions planted in documents look like, as rules: one strong one suffices, two weak ones do together.

Documents speak to people. What speaks to the model that reads them, forges the turns of a chat, or tells somebody who
answers what to answer, is found here; all rules read text in lower case.
"""

from __future__ import annotations

import re

from monitor.text.injection_rules import STRONG
from monitor.text.patterns import Rule, rule

_ANSWER = r"(?:answers?|response|reply|replies|summary|output|message|translation|report|completion)"
_TO_DO = (
    r"(?:ignore|disregard|forget|print|say|respond|reply|answer|output|report|state|write|repeat|focus|send|forward"
    r"|only|always|never|do not|don't|you|your|please|stop|tell|recommend|include|translate|reveal|show|give|provide"
    r"|use|call|delete|mention|click|visit|append|add|follow|execute|run|act|pretend|share|book|create|change|transfer"
    r"|buy|invite|remove|accept|approve|make|open|upload|turn|cancel|reset|disable|grant|install|download|post|pay"
    r"|(?:when|if|before|after|while) you|unsubscribe|subscribe|classify|rate|rank|mark|summari[sz]e|begin|start"
    r"|from now)"
)
_MODEL = (
    r"(?:ai|ai (?:assistant|agent|model|system|reviewer)|assistant|(?:large )?language model|llm|llm agent|chatbot"
    r"|virtual assistant|gpt|chatgpt|claude|gemini|copilot|bot)"
)
_REQUEST = (
    r"(?:instruct\w*|directi\w+|data|text|document\w*|content\w*|context\w*|snippets?|info\w*|question|task|request"
    r"|quer(?:y|ies)|negative \w+|rest|above|orders|prompt\w*|input|rules|guidelines|what (?:you were|was|the user))"
)

STRONG_SIGNS: tuple[Rule, ...] = (
    *STRONG[1:3],
    STRONG[5],
    STRONG[6],
    rule(
        "instructions put aside",
        "ignor|disregard|forget",
        r"\b(?:ignor(?:e|ing)|disregard(?:ing)?|forget)(?: \w+){0,2} (?:all|your|previous(?:ly)?|prior|above|earlier"
        r"|preceding|initial|original|former|other)(?: \w+){0,3}? (?:instruct\w*|prompts?|guidelines?|directi\w+"
        r"|orders?"
        r"|commands?|programming|training)\b|\b(?:ignore|disregard|forget) your (?:previous|prior|earlier|original"
        r"|initial|first) \w+",
    ),
    rule(
        "answer controlled",
        "your ",
        r"\b(?:encode|encrypt|encipher|translate|reverse|write|provide|give|render|express|shift|modify|change|rewrite"
        r"|rephrase|phrase|turn|convert|make|start|begin|end|finish|conclude|enhance|augment|format|deliver|use|compose"
        r"|misspell|scramble|jumble)\b(?: \w+){0,3} your (?:\w+ )?" + _ANSWER + r"\b(?! (?:in|on|into) (?:the (?:box"
        r"|sheet|space|field|form)|met))"
        r"|\b(?:add|append|insert|integrate|include|incorporate|embed|mention|put|place|weave|slip|attach|replace"
        r"|substitute|remove|use|hide|group|introduce|apply|swap)\b[^.\n]{1,160} (?:in|to|into|of|from|for|throughout"
        r"|within) your (?:\w+ )?" + _ANSWER + r"\b"
        r"|\b(?:in|throughout|within) your (?:\w+ )?" + _ANSWER + r",? (?:always |also |just )?(?:mention|include|add"
        r"|say|state|suggest|recommend|tell|write|use|refer|put|insert|link|direct|tease|give|cite|emphasi[sz]e|praise"
        r"|omit)\b"
        r"|\byour (?:\w+ )?(?:answer|response|reply|output|completion) (?:must|should|has to"
        r"|needs to) (?:\w+ )?(?:contain"
        r" the|include the|say|state|mention|begin|start|end|promote|be (?:in|only|written))\b",
    ),
    rule(
        "request put aside",
        "ignor|disregard|forget|overrid|overrul|bypass|skip|set aside|pay no attention|never mind",
        r"\b(?:ignor\w+|disregard\w*|forget|overrid\w+|overrule|bypass|skip|set aside|pay no attention to|never mind)\b"
        r"(?: \w+){0,2}?(?: (?:user|reader)'s)?(?: \w+)? " + _REQUEST + r"\b[^\n]{0,80}?\b(?:instead|just|only|simply"
        r"|print"
        r"|say|respond|reply|output|report|repeat|translate|focus|write|answer|tell|state|do|follow|send|adhere)\b",
    ),
    rule(
        "something else instead",
        "do not |don't |rather than |instead of ",
        r"\b(?:do not|don't|rather than|instead of) (?:answer\w*|summari[sz]\w*|translat\w*|evaluat\w*|respond\w*"
        r"|follow\w*|process\w*|review\w*|analy[sz]\w*)\b[^\n]{0,80}\b(?:instead|simply|just|only|but)\b",
    ),
    rule(
        "if asked",
        "if asked|if questioned|if queried|user asks|asked about|asked for|asked to|asked how|asked whether",
        r"\bif (?:(?:the|a|any) )?(?:users? asks?|you are asked|asked|questioned"
        r"|queried)\b[^.\n]{0,90}?,? (?:you (?:must"
        r"|should) )?(?:just |simply |only |always )?(?:respond|reply|report|say|answer|state|tell|output|print)\b",
    ),
    rule(
        "forged role",
        "system|admin|developer|operator|instruction|directive",
        r"(?:^|[\n>.\]])\W{0,12}(?:new )?(?:system|admin\w*|developer|operator|instructions?|directive)"
        r"(?: (?:message|prompt|note|instruction|request|update|override|notice|command))?\W{0,3}:{1,2}\W{0,4}"
        + _TO_DO + r"\b",
    ),
    rule(
        "forged mark",
        "<|[|##|--|==|**",
        r"</?\W?(?:system|instructions?|assistant|admin|prompt|human)\b[^>\n]{0,30}>|\[/?inst\]|\[/system\]"
        r"|\[rest-of-document\]|(?:\[system\]){2}"
        r"|\[(?:system|admin|developer)[ _:-]{1,3}(?:message|prompt|request|note|instruction|override|mode|command"
        r"|notice"
        r"|update)\b[^\]\n]{0,200}\]|#{2,6} ?\(?(?:system[ _](?:message|prompt|instruct)|new instruct|new task)"
        r"|<(?:end|start"
        r"|begin"
        r"|new)[ _-]of[ _-](?:session|document|context|conversation|text|input|turn)>|(?:[-=*#]{2,8} "
        r"|[-=*#]{4})(?:end|begin"
        r"|new|start|core|legal)[^\n]{0,30}(?:instruction|context|session|amendment|prompt)",
    ),
    rule(
        "forged turns",
        "assistant:|user:|human:",
        r"\bassistant: [^\n]{0,300}\n+\s*(?:user|human): (?:[^\n]{0,60}\b)?(?:thanks?|great|now|next|please|could you"
        r"|can you|there are|ok)\b|\b(?:user|human): [^\n]{0,80}(?:repeat|ignore|print|say|summar|now )",
    ),
    rule(
        "note to machines",
        "automated|automatic|screening|invisible|hidden from|not visible|visible to|readable by|meant for|intended for"
        "|for ai|to ai|for the ai|to the ai|for llm|to llm|language model|assistants|agents|bots|any ai|all ai"
        "|chain of thought",
        r"\b(?:note|notice|message|instructions?|metadata|information|comment|profile|reminder|directive|warning"
        r"|attention)s?\b[^.\n]{0,40}\b(?:for|to|by) (?:all |any |the )?(?:automated|automatic|ai|llms?"
        r"|language models?"
        r"|screening|machines?|bots?|analysis software|assistants|ai agents?)\b|\b(?:invisible|hidden"
        r"|not visible) (?:to"
        r"|from) (?:humans?|people|the (?:user|reader))|\b(?:visible|readable|legible|meant|intended) (?:only )?(?:to"
        r"|by"
        r"|for) (?:the |any |an )?(?:llm|ai|language model|assistant)s?\b|\bchain of thought result",
    ),
    rule(
        "addressed to the model",
        " ai|\nai|@ai|(ai|assistant|language model|llm|bot|gpt|claude|gemini|copilot|agent",
        r"\b(?:if|when|as|since|because) you(?:'re| are) (?:an? |the )?(?:ai|llm|large language|language model"
        r"|assistant"
        r"|chatbot|automated|gpt|claude|gemini|copilot)\b|\bto you, (?:the )?(?:ai|assistant|language model|llm|gpt"
        r"|claude"
        r"|gemini|llama|mistral|chatbot)|\b(?:ai|llm|language model)s? (?:reading|processing|summari[sz]ing|that reads?"
        r"|parsing) this\b|(?:^|[\n.!?>:*(\[]\s*)@?(?:hey |hi |hello |dear |attention |note to |ok )?(?:the |any "
        r"|all |an )?"
        + _MODEL + r"s?(?:\s?[:,!-]+\s*(?:" + _TO_DO + r"\b)|,? (?:please |you )?(?:must|should"
        r"|are (?:instructed|required))\b)",
    ),
    rule(
        "safety put aside",
        "ignor|disregard|bypass|disabl|overrid|without user|without the user|supersede",
        r"\b(?:ignor\w+|disregard\w*|bypass\w*|disabl\w+|overrid\w+)(?: \w+){0,4}? (?:safety|security|agent"
        r"|confirmation)"
        r" (?:protocols?|checks?|constraints?|guardrails?|polic\w+|rules|restrictions?|requirements?|filters?"
        r"|warnings?)\b"
        r"[^\n]{0,80}\b(?:and|then|execute|run|send|without|immediately|now|delete|upload)\b"
        r"|\bwithout (?:the )?user(?:'s)? (?:confirmation|approval|consent|permission|knowledge)\b"
        r"|\b(?:supersedes?|overrides?|replaces?) (?:all|any|your) (?:\w+ )?(?:prior|previous|other"
        r"|earlier)? ?(?:instructions?"
        r"|directives?|prompts?|guidelines?)\b",
    ),
    rule(
        "kept from the user",
        "user|silently|secretly|covertly|without asking|without waiting|without requesting",
        r"\b(?:do not|don't|never|without) (?:tell\w*|mention\w*|inform\w*|alert\w*|notify\w*|reveal\w*|disclos\w*)"
        r"(?: \w+){0,5} (?:the )?users?\b|\b(?:silently|secretly|covertly|quietly) (?:send|forward|call|include"
        r"|execute|transfer|upload|share|append)\b|\bwithout (?:asking|requesting"
        r"|waiting) (?:for )?(?:\w+ )?(?:confirmation"
        r"|permission|approval) (?:from|of) the user",
    ),
    rule(
        "data sent away",
        "send|forward|exfiltrate|post|upload|mail|share|transmit|transfer|leak|submit|append|concatenate|include",
        r"\b(?:send|forward|exfiltrate|post|upload|e-?mail|share|transmit|transfer|leak|submit|append|concatenate"
        r"|include)\b[^.\n]{0,80}\b(?:the user's|conversation\w*|chat (?:history|log)|all (?:\w+ )?(?:messages|files"
        r"|emails|documents|contacts)|credentials?|passwords?|api keys?|secrets?|inbox|address book|session|cookies?"
        r"|as much money|system prompt)\b[^\n]{0,80}(?:https?://|www\.|\S@\S|\[email|\bto (?:the )?(?:account|iban"
        r"|following"
        r" address))",
    ),
    rule(
        "task put in",
        "task|instruction|objective|goal|request|question|you are now in|[system",
        r"\b(?:before|after) you (?:can |could |do |go on|continue|proceed|solve|answer|complete|finish|perform|respond"
        r"|start)[^.\n]{0,60}\b(?:task|question|request)\b[^\n]{0,60}(?:please|first|do|must|need)|\b(?:previous"
        r"|original"
        r"|initial|first) (?:task|request|question|instructions?|objective|goal) (?:is|are|was|were|has been|have been"
        r"|no longer)(?: \w+){0,3} (?:void|cancel\w*|over\w*|replaced|irrelevant|superseded)"
        r"|(?:^|\n)\W{0,4}new (?:task|instructions?|system (?:prompt|message)) ?:|\b(?:your|updated|real|actual"
        r"|true) (?:new "
        r"|only |real |next )?(?:task|objective|instructions?|mission|job) (?:is to|are to|are as follows|have been"
        r"|has been"
        r"|have changed|has changed)|\byou are now in \w+ mode\b|\[/?system\][^\n]{0,80}\b(?:you|user|must|ignore"
        r"|reveal"
        r"|password)\b",
    ),
    rule(
        "new self",
        "you are now|you are no longer|from now on",
        r"\byou are (?:now|no longer) (?:an?|the) (?:\w+ ){0,3}(?:ai|assistant|bot|chatbot|model|pirate|expert"
        r"|character"
        r"|agent|hacker|salesman)\b|\bfrom now on,? (?:you (?:must|will|are)|answer|respond|reply|only answer)\b",
    ),
    rule(
        "picture that carries data",
        "![",
        r"!\[[^\]\n]{0,80}\]\(https?://[^)\s]{1,200}[?&/][^)\s=]{0,60}=?(?:[{\[<]|\$\{)",
    ),
    rule(
        "harmful sentence",
        "write ",
        r"\bwrite (?:one|a|an|some) (?:\w+ )?(?:toxic|discriminatory|offensive|harmful|hateful|racist|insulting)"
        r" (?:sentence|comment|statement|text|review|joke)s?\b",
    ),
)  # fmt: skip

WEAK_SIGNS: tuple[Rule, ...] = (
    rule(
        "only this",
        "only|nothing|exactly|just|following text|solely|verbatim",
        r"\b(?:respond|reply|answer|output|print|say|return|report)\w*(?: \w+){0,4}? (?:only|nothing else|nothing but"
        r"|exactly|absolutely nothing|just|the following text|solely|verbatim)\b",
    ),
    rule(
        "verdict bent",
        "rate |report |mark |label |classify |describe |score |evaluate |rank |judge |treat |approved|verified|positive"
        "|highlight|override",
        r"\b(?:rate|report|mark|label|classify|describe|score|evaluate|rank|judge|treat)\b (?:this|it|the"
        r"|that)\b[^.\n]{0,40}"
        r"\b(?:as|10/10|first|highest|only)\b|\breport only\b|\bpre-?(?:verified|approved)\b|\bonly (?:positive"
        r"|highlight)"
        r"\b|\boverride (?:manual|the|any|all)\b",
    ),
    rule(
        "urgent",
        "important|critical|priority|urgent|emergency|!!!",
        r"\bimportant\W{1,5}[^\n]{0,40}" + _TO_DO + r"\b|\b(?:critical|priority|urgent|emergency) (?:instruction"
        r"|directive"
        r"|override|command|order|system)|!!!",
    ),
    rule(
        "cast as an agent",
        "agent|assistant| bot| ai|language model",
        r"(?:^|[.!?>]\s|\n)\W{0,3}(?:you(?:'re| are)|as) an? (?:\w+ ){0,3}(?:agent|assistant|bot|ai"
        r"|language model)\b(?! of)",
    ),
    rule(
        "words put in the mouth",
        "print|say|output|repl|respond|write|display|repeat",
        r"\b(?:print|say|output|reply with|respond with|write|display|repeat)\b ?:?(?: the (?:words?|phrase|text"
        r"|sentence))? ?[\"'<`]",
    ),
)  # fmt: skip

OF_TURNS = frozenset(("forged role", "forged turns", "addressed to the model"))
"""Rules that look at who speaks."""

HIDING = re.compile(
    r"<!--(.{8,2000}?)-->|(?:display: ?none|font-size: ?0|color: ?white|opacity: ?0|visibility: ?hidden)[^>]{0,80}>"
    r"([^<]{8,2000})",
    re.S,
)
"""Parts of a page that people do not see."""

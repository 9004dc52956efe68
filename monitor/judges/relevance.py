"""Does the answer speak to what was asked?"""

from __future__ import annotations

from monitor.contracts import Judge

RELEVANCE = Judge(
    name="relevance",
    version=1,
    title="Relevance",
    needs=("prompt", "response"),
    template="""You check whether an answer speaks to what was asked, right or wrong.

{prompt}

{response}

Score 1 if the answer addresses all that was asked and nothing else, 0 if it is about something else, and something \
between if it addresses a part or wanders.""",
    labels=("relevance", "relevant"),
)

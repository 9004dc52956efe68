"""Is what the answer says in the documents it was given?"""

from __future__ import annotations

from monitor.contracts import Judge

GROUNDEDNESS = Judge(
    name="groundedness",
    version=1,
    title="Groundedness",
    needs=("prompt", "response", "context"),
    template="""You check whether an answer is supported by the documents it was given, whatever you know yourself.

{prompt}

{context}

{response}

Score the share of the answer's claims that the documents support: 1 if all are, 0 if none is. A statement that the \
documents do not hold the answer counts as supported if that is so.""",
    labels=("groundedness", "grounded", "faithfulness"),
)

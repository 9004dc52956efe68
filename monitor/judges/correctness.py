"""Is the answer right?"""

from __future__ import annotations

from monitor.contracts import Judge

CORRECTNESS = Judge(
    name="correctness",
    version=1,
    title="Correctness",
    needs=("prompt", "response"),
    template="""You check whether an answer is correct.

{prompt}

{response}

{reference}

Score 1 if everything the answer claims in reply to the question is correct (and agrees with the reference, where one \
is given), 0 if what it mainly claims is wrong, and something between if parts are. An answer that declines or says \
that it does not know is not correct: score 0.""",
    labels=("correctness", "correct", "accuracy", "solved"),
)

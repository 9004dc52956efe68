"""Would the one who asked be helped?"""

from __future__ import annotations

from monitor.contracts import Judge

HELPFULNESS = Judge(
    name="helpfulness",
    version=1,
    title="Helpfulness",
    needs=("prompt", "response"),
    template="""You check whether an answer helps the one who asked.

{prompt}

{response}

Score 1 if a person with this request could act on the answer at once, 0 if it is of no use, and something between if \
it helps in part. Length and politeness alone do not help.""",
    labels=("helpfulness", "helpful", "thumb", "thumbs", "thumbs_up"),
)

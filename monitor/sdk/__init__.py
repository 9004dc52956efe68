"""Reporting from Python.

`monitor.init`, `monitor.wrap(client)`, `@monitor.observe`, `with monitor.span(...)`, `monitor.log_call`,
`monitor.log_feedback`, and callbacks for LangChain and LiteLLM.

The promises to the application that uses it: nothing here raises into it, nothing waits for the network in its
threads, memory is bounded, what is lost is counted (`monitor.lost()`, and the tag `sdk.lost` of the next call that is
delivered), it goes on after a fork, and at exit it sends what is waiting for at most five seconds. Only the standard
library is used.
"""

from __future__ import annotations

from monitor.sdk.client import flush, init, log_call, log_feedback, lost
from monitor.sdk.langchain import langchain_callback
from monitor.sdk.litellm import litellm_callback
from monitor.sdk.observing import annotate, observe
from monitor.sdk.span import span
from monitor.sdk.wrapping import wrap

__all__ = [
    "annotate",
    "flush",
    "init",
    "langchain_callback",
    "litellm_callback",
    "log_call",
    "log_feedback",
    "lost",
    "observe",
    "span",
    "wrap",
]

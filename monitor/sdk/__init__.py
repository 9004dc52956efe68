"""Reporting from Python: `monitor.init`, `@monitor.observe`, `monitor.log_call`, `monitor.log_feedback`.

The promises to the application that uses it: nothing here raises into it, nothing waits for the network in its
threads, memory is bounded, what is lost is counted (`monitor.lost()`, and the tag `sdk.lost` of the next call that is
delivered), it goes on after a fork, and at exit it sends what is waiting for at most five seconds. Only the standard
library is used.
"""

from __future__ import annotations

from monitor.sdk.client import flush, init, log_call, log_feedback, lost
from monitor.sdk.observing import annotate, observe

__all__ = ["annotate", "flush", "init", "log_call", "log_feedback", "lost", "observe"]

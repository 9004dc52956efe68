"""LLMOps monitor: what got worse in an LLM application, for whom, since when, by how much, and which calls show it.

`import monitor` is meant for applications that report their calls, so it loads nothing but this file: the reporting
functions (see `monitor.sdk`) are loaded when first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from monitor.sdk import (
        annotate,
        flush,
        init,
        langchain_callback,
        litellm_callback,
        log_call,
        log_feedback,
        lost,
        observe,
        span,
        wrap,
    )

__version__ = "0.1.0"
__all__ = [
    "__version__",
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


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'monitor' has no attribute {name!r}")
    import importlib

    value = getattr(importlib.import_module("monitor.sdk"), name)
    globals()[name] = value
    return value

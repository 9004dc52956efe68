"""LLMOps monitor: what got worse in an LLM application, for whom, since when, by how much, and which calls show it."""

from __future__ import annotations

__version__ = "0.1.0"

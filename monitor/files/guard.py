"""Texts in CSV files that a spreadsheet would run as formulas.

A text that begins with one of the dangerous characters gets an apostrophe in front, which spreadsheets take for "what
follows is text"; a text that begins with an apostrophe gets another one, so that the guard can be taken off again.
"""

from __future__ import annotations

_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "'")


def guarded(text: str) -> str:
    """The text as a spreadsheet may see it."""
    return f"'{text}" if text.startswith(_DANGEROUS) else text


def unguarded(text: str) -> str:
    """The text that was guarded."""
    return text[1:] if text[:1] == "'" and text[1:].startswith(_DANGEROUS) else text

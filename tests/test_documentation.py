"""What is documented is what there is: settings, signals, indicators."""

from __future__ import annotations

from tests.documentation import ROOT, readme_with_settings, signals_page


def test_the_page_of_signals_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "signals.md").read_text() == signals_page(), "run: python -m tests.documentation"


def test_the_settings_in_the_readme_are_those_of_the_code() -> None:
    text = (ROOT / "README.md").read_text()
    assert text == readme_with_settings(text), "run: python -m tests.documentation"

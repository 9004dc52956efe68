"""The README tells the truth: its links lead somewhere, its commands and settings exist, its example runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_links_and_images_lead_to_files() -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", README)
    assert targets
    missing = [target for target in targets if not target.startswith("http") and not (ROOT / target).exists()]
    assert missing == []


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for target in re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)`", README, re.MULTILINE):
        assert re.search(rf"^{next(filter(None, target))}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("command", sorted(set(re.findall(r"llmops-monitor ([a-z]+)", README))))
def test_commands_exist(command: str) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "monitor.cli", command, "--help"], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr


def test_the_example_of_a_plug_in_is_one() -> None:
    from monitor.contracts import Enricher
    from monitor.records import Span
    from monitor.settings import Settings
    from tests.conftest import NOW

    example = re.search(r'```python\n("""monitor/enrich/courtesy.py.*?)```', README, re.DOTALL)
    assert example
    names: dict[str, object] = {}
    exec(example.group(1), names)
    enricher = names["ENRICHER"]
    assert isinstance(enricher, Enricher)
    span = Span(trace_id="1", span_id="1", time=NOW, response="Please wait.")
    assert enricher.compute([span], Settings()) == [{"please": True}]

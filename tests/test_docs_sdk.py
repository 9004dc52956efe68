"""The examples of the SDK's page run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import monitor
from tests.sink import Sink, own_client

PAGE = Path(__file__).parents[1] / "docs" / "sdk.md"


def test_the_examples_run_and_report(monkeypatch: pytest.MonkeyPatch) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(), flags=re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    with own_client(), Sink() as sink:
        space: dict[str, object] = {}
        for block in blocks:
            exec(block.replace("http://127.0.0.1:8050", sink.url), space)
        assert monitor.flush(10) == 0
    names = [record.get("name", "") for record in sink.calls]
    assert names == ["answer", "support", "streamed", ""]
    assert sink.calls[0]["user_id"] == "user-7"
    assert sink.feedback[0]["comment"] == "On Sundays too?"
    assert monitor.lost() == 0

"""Every channel there is, found by itself, against what `monitor.contracts.Channel` promises."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitor.alerts.outbox import channels
from monitor.contracts import Delivery, Notification
from monitor.settings import Settings
from tests.verdicts import NOON

CHANNELS = sorted(channels())
SECRET = "s3cret-in-settings"


@pytest.fixture
def nowhere(tmp_path: Path) -> Settings:
    """Settings with every channel configured, and nobody there: closed ports and a folder that cannot be made."""
    blocked = tmp_path / "blocked"
    blocked.write_text("a file is in the way")
    return Settings(
        mail_folder=blocked,
        smtp_host="127.0.0.1",
        smtp_port=1,
        smtp_user="bot",
        smtp_password=SECRET,
        webhook_url=f"http://127.0.0.1:1/{SECRET}",
        webhook_secret=SECRET,
    )


def notification(subject: str = "Subject") -> Notification:
    return Notification("key", "opened", "default", subject, "Text", "<p>Text</p>", {"version": 1}, NOON)


def test_the_channels_are_found() -> None:
    assert {"email", "folder", "webhook"} <= set(CHANNELS)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_says_whether_it_is_configured(name: str) -> None:
    channel = channels()[name]
    assert channel.name == name
    assert isinstance(channel.configured(Settings()), bool)


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_never_raises_and_keeps_secrets(name: str, nowhere: Settings) -> None:
    outcome = channels()[name].send(notification(), nowhere)
    assert isinstance(outcome, Delivery)
    assert not outcome.ok
    assert outcome.retry
    assert outcome.note.endswith(".")
    assert SECRET not in outcome.note


@pytest.mark.parametrize("name", CHANNELS)
def test_a_channel_takes_hostile_subjects(name: str, nowhere: Settings) -> None:
    outcome = channels()[name].send(notification("a\r\nBcc: eve@example.org\x00\u202e" + "ü" * 500), nowhere)
    assert isinstance(outcome, Delivery)


def test_with_nothing_configured_mails_go_to_the_folder_only() -> None:
    assert [name for name, channel in channels().items() if channel.configured(Settings())] == ["folder"]


def test_with_a_mail_server_the_folder_is_not_used() -> None:
    settings = Settings(smtp_host="mail.example.org", webhook_url="https://example.org/hook")
    assert [name for name, channel in channels().items() if channel.configured(settings)] == ["email", "webhook"]

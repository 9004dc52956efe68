"""Deliveries against real servers on loopback: SMTP with login and STARTTLS, a webhook receiver, a folder."""

from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from monitor.alerts import deliver, update
from monitor.alerts.outbox import after_failure, channels
from monitor.contracts import Channel, Delivery
from monitor.queries import alerts as queries
from monitor.settings import Settings
from monitor.store import Store
from tests.verdicts import evening, pack, say

NOON = evening(9)
CERTIFICATE = Path(__file__).parent / "localhost.pem"


@dataclass
class Mailbox:
    """A handler that keeps what it gets, and first gives the answers it was told to."""

    answers: list[str] = field(default_factory=list)
    mails: list[EmailMessage] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    secured: list[bool] = field(default_factory=list)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]
        self.recipients += envelope.rcpt_tos
        self.secured.append(session.ssl is not None)
        return "250 OK"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: LoginPassword) -> AuthResult:
        self.logins.append(data.login)
        right = data.password == b"right"
        return AuthResult(success=right, handled=right)


class AnyPortController(Controller):
    """The controller asks the port it was given whether it answers; with 0 that is another one."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def mail_server(mailbox: Mailbox, **options: Any) -> Iterator[int]:
    controller = AnyPortController(mailbox, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield controller.port
    finally:
        controller.stop()


def smtp_settings(settings: Settings, port: int, **more: Any) -> Settings:
    given = {"smtp_security": "none", "mail_from": "LLMOps monitor <monitor@example.org>", **more}
    return Settings(
        database_url=settings.database_url,
        mail_folder=settings.mail_folder,
        smtp_host="localhost",
        smtp_port=port,
        mail_to=("ops@example.org", "Ann <ann@example.org>"),
        **given,
    )


def open_incident(store: Store, settings: Settings, day: int = 9) -> None:
    say(store, day, "bad")
    update(store, settings, evening(day), pack())


def states(store: Store, project: int) -> list[tuple[str, str, int]]:
    return [(item.channel, item.state, item.attempts) for item in queries.notifications(store, project)]


def test_a_mail_arrives_and_is_one_thread_with_its_end(store: Store, settings: Settings, project: int) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        configured = smtp_settings(settings, port)
        open_incident(store, configured)
        assert deliver(store, configured, NOON) == 1
        assert deliver(store, configured, NOON + timedelta(days=2)) == 0
        for day in (10, 11, 12):
            say(store, day, "ok")
        update(store, configured, evening(12), pack())
        assert deliver(store, configured, evening(12)) == 1
    opened, over = mailbox.mails
    assert opened["subject"] == "[default] gpt-4 + prime: accuracy 84.0% -> 51.1% since 14 Jan"
    assert over["subject"].startswith("[default] Over: ")
    assert opened["from"] == "LLMOps monitor <monitor@example.org>"
    assert mailbox.recipients == ["ops@example.org", "ann@example.org"] * 2
    assert opened["auto-submitted"] == "auto-generated"
    assert "<default.llmops-monitor.example.org>" in opened["list-id"]
    assert opened["message-id"] != over["message-id"]
    assert opened["references"] == over["references"] == opened["in-reply-to"]
    assert opened.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in opened.iter_parts()] == ["text/plain", "text/html"]
    assert states(store, project) == [("email", "delivered", 1)] * 2


def test_starttls_and_login(store: Store, settings: Settings, project: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    mailbox = Mailbox()
    options = {
        "tls_context": context,
        "require_starttls": True,
        "authenticator": mailbox.authenticate,
        "auth_required": True,
    }
    with mail_server(mailbox, **options) as port:
        wrong = smtp_settings(settings, port, smtp_security="starttls", smtp_user="bot", smtp_password="wrong")
        open_incident(store, wrong)
        assert deliver(store, wrong, NOON) == 0
        assert queries.notifications(store, project)[0].note == "The mail server answered 535."
        right = smtp_settings(settings, port, smtp_security="starttls", smtp_user="bot", smtp_password="right")
        assert deliver(store, right, NOON + timedelta(minutes=1)) == 1
    assert set(mailbox.logins) == {b"bot"}
    assert mailbox.secured == [True]
    (told,) = queries.notifications(store, project)
    assert (told.state, told.attempts) == ("delivered", 2)


def test_an_unknown_certificate_is_not_trusted(store: Store, settings: Settings, project: int) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    mailbox = Mailbox()
    with mail_server(mailbox, tls_context=context) as port:
        configured = smtp_settings(settings, port, smtp_security="starttls", smtp_user="bot", smtp_password="right")
        open_incident(store, configured)
        assert deliver(store, configured, NOON) == 0
    assert mailbox.logins == []
    assert "certificate" in queries.notifications(store, project)[0].note


def test_a_temporary_answer_is_tried_again_and_a_final_one_is_not(
    store: Store, settings: Settings, project: int
) -> None:
    mailbox = Mailbox(answers=["451 Try later", "451 Try later"])
    with mail_server(mailbox) as port:
        configured = smtp_settings(settings, port)
        open_incident(store, configured)
        assert deliver(store, configured, NOON) == 0
        assert deliver(store, configured, NOON + timedelta(seconds=59)) == 0
        assert deliver(store, configured, NOON + timedelta(seconds=60)) == 0
        assert deliver(store, configured, NOON + timedelta(minutes=5)) == 0
        assert states(store, project) == [("email", "due", 2)]
        assert deliver(store, configured, NOON + timedelta(minutes=6)) == 1
        assert states(store, project) == [("email", "delivered", 3)]
        mailbox.answers = ["554 No"]
        say(store, 20, "bad", signal="error", since=evening(20))
        update(store, configured, evening(20), pack())
        assert deliver(store, configured, evening(20)) == 0
        assert deliver(store, configured, evening(21)) == 0
    assert len(mailbox.mails) == 1
    failed = queries.notifications(store, project)[0]
    assert (failed.state, failed.attempts, failed.note) == ("failed", 1, "The mail server answered 554.")
    assert queries.alert_counts(store, project).failed_notifications == 1


def test_without_a_server_it_gives_up_after_a_day(store: Store, settings: Settings, project: int) -> None:
    configured = smtp_settings(settings, 1)
    open_incident(store, configured)
    moment, tries = NOON, []
    while queries.notifications(store, project)[0].state != "failed":
        deliver(store, configured, moment)
        tries.append(moment - NOON)
        moment = queries.notifications(store, project)[0].due
        assert len(tries) < 20
    assert [delay.total_seconds() / 60 for delay in tries[:6]] == [0, 1, 6, 36, 156, 516]
    assert tries[-1] <= timedelta(days=1)
    assert "ConnectionRefusedError" in queries.notifications(store, project)[0].note


@pytest.mark.parametrize(
    ("attempts", "age", "retry", "minutes"),
    [
        (1, 0, True, 1),
        (2, 1, True, 5),
        (5, 200, True, 360),
        (9, 600, True, 360),
        (9, 23 * 60, True, None),
        (1, 0, False, None),
    ],
)
def test_when_the_next_attempt_is(attempts: int, age: int, retry: bool, minutes: int | None) -> None:
    now = NOON + timedelta(minutes=age)
    following = after_failure(NOON, attempts, Delivery(False, "no", retry=retry), now)
    assert following == (now + timedelta(minutes=minutes) if minutes else None)


def test_two_processes_never_send_the_same(store: Store, settings: Settings, project: int) -> None:
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        configured = smtp_settings(settings, port)
        open_incident(store, configured)
        with ThreadPoolExecutor(4) as threads:
            delivered = list(threads.map(lambda _: deliver(store, configured, NOON), range(4)))
    assert sum(delivered) == len(mailbox.mails) == 1


def test_what_a_dead_process_was_sending_is_sent_again(store: Store, settings: Settings, project: int) -> None:
    from monitor import tables
    from monitor.clock import to_microseconds
    from monitor.store import table_of

    table = table_of(tables.Notification)
    open_incident(store, settings)
    with store.write() as connection:
        due = to_microseconds(NOON + timedelta(minutes=10))
        connection.execute(table.update().values(state="sending", attempts=1, due=due))
    assert deliver(store, settings, NOON + timedelta(minutes=9)) == 0
    assert deliver(store, settings, NOON + timedelta(minutes=10)) == 1
    assert states(store, project) == [("folder", "delivered", 2)]


def test_a_channel_that_raises_keeps_no_other_from_sending(
    store: Store, settings: Settings, project: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Delivery:
        raise UnicodeEncodeError("utf-8", "what somebody wrote", 0, 1, "surrogates")

    known = {"broken": Channel("broken", lambda _: True, broken), "folder": channels()["folder"]}
    monkeypatch.setattr("monitor.alerts.outbox.channels", lambda: known)
    say(store, 9, "bad")
    update(store, settings, NOON, pack())
    assert deliver(store, settings, NOON) == 1
    notes = {item.channel: item for item in queries.notifications(store, project)}
    assert notes["folder"].state == "delivered"
    assert (notes["broken"].state, notes["broken"].attempts) == ("due", 1)
    assert "UnicodeEncodeError" in notes["broken"].note
    assert "somebody wrote" not in notes["broken"].note + caplog.text


def test_the_folder_gets_one_file_a_mail(
    store: Store, settings: Settings, project: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    open_incident(store, settings)
    assert deliver(store, settings, NOON) == 1
    (path,) = settings.mail_folder.iterdir()
    assert path.suffix == ".eml"
    message = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
    assert message["subject"] == "[default] gpt-4 + prime: accuracy 84.0% -> 51.1% since 14 Jan"
    assert str(path) in caplog.text


def test_a_folder_that_cannot_be_written_is_tried_again(store: Store, settings: Settings, project: int) -> None:
    settings.mail_folder.write_text("a file is in the way")
    open_incident(store, settings)
    assert deliver(store, settings, NOON) == 0
    settings.mail_folder.unlink()
    assert deliver(store, settings, NOON + timedelta(minutes=1)) == 1


@dataclass
class Receiver:
    """What a webhook receiver got, and the answers it gives first: a status, or an address to go to."""

    answers: list[int | str] = field(default_factory=list)
    requests: list[tuple[dict[str, str], bytes]] = field(default_factory=list)


@contextmanager
def receiver_server(receiver: Receiver) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests.append(({name.lower(): value for name, value in self.headers.items()}, body))
            answer = receiver.answers.pop(0) if receiver.answers else 204
            self.send_response(answer if isinstance(answer, int) else 307)
            if isinstance(answer, str):
                self.send_header("Location", answer)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/hook"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def hook_settings(settings: Settings, address: str) -> Settings:
    return Settings(
        database_url=settings.database_url,
        mail_folder=settings.mail_folder,
        webhook_url=address,
        webhook_secret="shared",
        public_url="https://monitor.example.org/",
    )


def hook_state(store: Store, project: int) -> tuple[str, int, str]:
    (found,) = [item for item in queries.notifications(store, project) if item.channel == "webhook"]
    return found.state, found.attempts, found.note


def test_the_webhook_is_signed_and_says_everything(store: Store, settings: Settings, project: int) -> None:
    receiver = Receiver()
    with receiver_server(receiver) as address:
        configured = hook_settings(settings, address)
        open_incident(store, configured)
        assert deliver(store, configured, NOON) == 2  # the folder has it too
    ((headers, body),) = receiver.requests
    moment, given = (part.partition("=")[2] for part in headers["x-llmops-monitor-signature"].split(","))
    assert hmac.compare_digest(given, hmac.new(b"shared", f"{moment}.".encode() + body, hashlib.sha256).hexdigest())
    assert headers["content-type"] == "application/json"
    document = json.loads(body)
    assert document["event"] == "incident.opened"
    assert document["project"] == "default"
    assert document["incident"]["url"].startswith("https://monitor.example.org/alerts?")
    assert datetime.fromisoformat(document["incident"]["since"]).isoformat() == "2026-01-14T00:00:00+00:00"
    (alert,) = document["alerts"]
    assert (alert["signal"], alert["value"], alert["before"], alert["after"], alert["n"]) == (
        "feedback.accuracy",
        "gpt-4 + prime",
        0.84,
        0.511,
        200,
    )


def test_the_webhook_retries_what_may_help(store: Store, settings: Settings, project: int) -> None:
    receiver = Receiver(answers=[503, 429])
    with receiver_server(receiver) as address:
        configured = hook_settings(settings, address)
        open_incident(store, configured)
        for minutes in (0, 1, 6):
            deliver(store, configured, NOON + timedelta(minutes=minutes))
    assert hook_state(store, project) == ("delivered", 3, "The webhook answered 204.")
    assert len({headers["x-llmops-monitor-id"] for headers, _ in receiver.requests}) == 1


@pytest.mark.parametrize("answer", [400, 401, 404, 410])
def test_the_webhook_takes_no_for_an_answer(store: Store, settings: Settings, project: int, answer: int) -> None:
    receiver = Receiver(answers=[answer])
    with receiver_server(receiver) as address:
        configured = hook_settings(settings, address)
        open_incident(store, configured)
        deliver(store, configured, NOON)
        deliver(store, configured, NOON + timedelta(hours=1))
    assert hook_state(store, project) == ("failed", 1, f"The webhook answered {answer}.")
    assert len(receiver.requests) == 1


def test_the_webhook_follows_no_redirect(store: Store, settings: Settings, project: int) -> None:
    elsewhere = Receiver()
    with receiver_server(elsewhere) as other, receiver_server(Receiver(answers=[other])) as address:
        configured = hook_settings(settings, address)
        open_incident(store, configured)
        deliver(store, configured, NOON)
    assert elsewhere.requests == []
    assert hook_state(store, project) == ("failed", 1, "The webhook answered 307.")


def test_a_webhook_that_is_away_is_tried_again(store: Store, settings: Settings, project: int) -> None:
    configured = hook_settings(settings, "http://127.0.0.1:1/secret-path")
    open_incident(store, configured)
    deliver(store, configured, NOON)
    state, attempts, note = hook_state(store, project)
    assert (state, attempts) == ("due", 1)
    assert "secret-path" not in note


def test_an_address_that_is_none_fails_at_once(store: Store, settings: Settings, project: int) -> None:
    configured = hook_settings(settings, "file:///etc/passwd")
    open_incident(store, configured)
    deliver(store, configured, NOON)
    assert hook_state(store, project)[0] == "failed"

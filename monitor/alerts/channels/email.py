"""E-mail over SMTP."""

from __future__ import annotations

import smtplib
import ssl

from monitor.alerts.mail import addresses, domain_of, mail_of
from monitor.contracts import Channel, Delivery, Notification
from monitor.settings import Settings

TIMEOUT_SECONDS = 20.0


def configured(settings: Settings) -> bool:
    """With a server and somebody to write to."""
    return bool(settings.smtp_host and settings.mail_to)


def send(notification: Notification, settings: Settings) -> Delivery:
    """Sends one mail to all recipients. A temporary answer (4xx) or no connection is worth another try."""
    try:
        with _connection(settings) as server:
            if settings.smtp_user:
                server.login(settings.smtp_user, settings.smtp_password.get_secret_value())
            refused = server.send_message(
                mail_of(notification, settings), from_addr=None, to_addrs=list(addresses(settings))
            )
    except (OSError, smtplib.SMTPException) as error:
        return _failure(error)
    if refused:
        # The others have it: sending again would tell them twice.
        return Delivery(True, f"Sent; the server refused {len(refused)} of {len(settings.mail_to)} recipients.")
    return Delivery(True, f"Sent to {', '.join(addresses(settings))}.")


def _connection(settings: Settings) -> smtplib.SMTP:
    name = domain_of(settings.mail_from)
    if settings.smtp_security == "tls":
        return smtplib.SMTP_SSL(
            settings.smtp_host,
            settings.smtp_port,
            local_hostname=name,
            timeout=TIMEOUT_SECONDS,
            context=ssl.create_default_context(),
        )
    server = smtplib.SMTP(settings.smtp_host, settings.smtp_port, local_hostname=name, timeout=TIMEOUT_SECONDS)
    if settings.smtp_security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _failure(error: OSError | smtplib.SMTPException) -> Delivery:
    """What went wrong, without anything the server said: it may quote addresses or secrets."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        codes = sorted({code for code, _ in error.recipients.values()})
        note = f"The mail server refused every recipient ({', '.join(map(str, codes))})."
        return Delivery(False, note, retry=codes[0] < 500)
    if isinstance(error, smtplib.SMTPResponseException):
        # A refused login may be a password that is being changed; everything else in 5xx will not get better.
        retry = error.smtp_code < 500 or isinstance(error, smtplib.SMTPAuthenticationError)
        return Delivery(False, f"The mail server answered {error.smtp_code}.", retry=retry)
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return Delivery(False, "The mail server does not offer what the settings ask for (STARTTLS or login).")
    if isinstance(error, ssl.SSLCertVerificationError):
        return Delivery(False, "The certificate of the mail server could not be verified.", retry=True)
    return Delivery(False, f"No conversation with the mail server ({type(error).__name__}).", retry=True)


EMAIL = Channel("email", configured, send)

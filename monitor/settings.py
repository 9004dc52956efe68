"""Every setting once: its name, environment variable (MONITOR_ + name), type, default and help.

Values come, strongest first, from command-line flags, environment variables, a `.env` file in the working
directory, and the defaults below. Secrets are a type that prints stars.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from monitor.errors import SettingsError


def _names(help_text: str, default: tuple[str, ...] = ()) -> Any:
    return Field(default=default, description=help_text + " Comma-separated.")


Names = Annotated[tuple[str, ...], NoDecode]


class Settings(BaseSettings):
    """The configuration of one process."""

    model_config = SettingsConfigDict(
        env_prefix="MONITOR_", env_file=".env", env_file_encoding="utf-8", extra="ignore", frozen=True
    )

    database_url: str = Field(
        "sqlite:///llmops-monitor.db",
        description="Where the store is: sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE.",
    )
    database_durability: str = Field(
        "full",
        pattern="^(full|relaxed)$",
        description="full: a 2xx answer survives a power cut. relaxed: it survives a crash of the process only.",
    )
    host: str = Field("127.0.0.1", description="Address to listen on; anything but loopback requires login and keys.")
    port: int = Field(8050, ge=0, le=65535, description="Port to listen on.")
    public_url: str = Field("", description="Address of the dashboard as people reach it, for links in mails.")
    project: str = Field("default", description="Project of records that name none.")
    secret_key: SecretStr = Field(
        SecretStr(""),
        description="Key of user pseudonyms and login cookies; made once and kept in the store where empty.",
    )
    segment_tags: Names = _names("Tags that become segments, beside the built-in dimensions.")
    segment_pairs: Names = _names(
        "Pairs of dimensions that are sliced together, as one+two.", ("model_family+feature",)
    )
    group_dimensions: Names = _names("Dimensions whose values are compared for fairness.", ("language", "tag.group"))
    mention_terms: Path | None = Field(
        None,
        description='JSON file of terms for groups that prompts may mention, {"group": ["term", ...]}; replaces the '
        "packaged one.",
    )
    alarm_budget: float = Field(
        1.0, gt=0, le=1000, description="False alarms a quarter that a project accepts, over everything it watches."
    )
    judge_url: str = Field(
        "", description="Base address of an OpenAI-compatible endpoint that judges answers; off where empty."
    )
    judge_model: str = Field("", description="Model that judges.")
    judge_key: SecretStr = Field(SecretStr(""), description="Key of the judge's endpoint.")
    judge_signals: Names = _names("Judges that are asked; empty means all there are.")
    judge_sample: float = Field(0.05, ge=0, le=1, description="Share of the calls that each judge is asked about.")
    judge_budget_usd: float = Field(
        1.0, ge=0, description="US dollars a day (UTC) that all judges of all projects together may cost."
    )
    judge_price_usd: float = Field(
        10.0, ge=0, description="US dollars for a million tokens of a judge that neither own prices nor the list know."
    )
    judge_timeout_s: float = Field(30.0, gt=0, le=300, description="Longest wait for one answer of a judge.")
    probe_url: str = Field(
        "",
        description="Base address of an OpenAI-compatible endpoint that is probed for bias; off where empty.",
    )
    probe_model: str = Field("", description="Model that is probed.")
    probe_key: SecretStr = Field(SecretStr(""), description="Key of the probed endpoint.")
    probe_budget_usd: float = Field(0.5, ge=0, description="US dollars that one week's probes may cost.")
    redaction: str = Field(
        "mask",
        pattern="^(mask|off)$",
        description="mask: personal data and secrets are replaced before storing.",
    )
    redaction_kinds: Names = _names(
        "Kinds that are masked; empty means all but names of people, ages and web addresses (name, age, url)."
    )
    redaction_off_projects: Names = _names("Projects whose text is stored as sent, unmasked.")
    default_region: str = Field("US", description="Region of telephone numbers written without a country code.")
    price_overrides: Path | None = Field(None, description="JSON file with own prices; they win over the catalogue.")
    protected_texts: Path | None = Field(
        None, description="File of fingerprints of protected texts, made by llmops-monitor fingerprint."
    )
    model_cutoffs: Path | None = Field(
        None, description='JSON file with ends of training data, {"model": "YYYY-MM"}; they win over the packaged ones.'
    )
    signals_off: Names = _names("Signals that are not computed; an enricher's name stands for all of its signals.")
    usage_rules: Names = _names(
        "Senders whose counting of cached tokens is known, as SENDER=inclusive (cached tokens are part of the input) "
        "or SENDER=exclusive (they come on top)."
    )
    queue_records: int = Field(
        20_000, ge=1, description="Records that may wait for the writer before senders are told to wait."
    )
    max_body_bytes: int = Field(32 * 1024 * 1024, ge=1024, description="Largest request body, after decompression.")
    max_text_characters: int = Field(
        200_000,
        ge=1000,
        description="Longest text kept of a prompt, response or document; longer ones are cut and marked.",
    )
    smtp_host: str = Field("", description="SMTP server; where empty, mails are written as .eml files.")
    smtp_port: int = Field(587, ge=1, le=65535, description="SMTP port.")
    smtp_user: str = Field("", description="SMTP user name.")
    smtp_password: SecretStr = Field(SecretStr(""), description="SMTP password.")
    smtp_security: str = Field("starttls", pattern="^(starttls|tls|none)$", description="starttls, tls or none.")
    mail_from: str = Field("llmops-monitor@localhost", description="Sender of mails.")
    mail_to: Names = _names("Who gets the alert mails.", ("ops@localhost",))
    mail_folder: Path = Field(Path("mails"), description="Folder of .eml files while no SMTP server is set.")
    webhook_url: SecretStr = Field(SecretStr(""), description="Address that gets alerts as signed JSON.")
    webhook_secret: SecretStr = Field(SecretStr(""), description="Key of the webhook's HMAC-SHA256 signature.")
    log_level: str = Field("INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least severe log line shown.")

    @field_validator(
        "segment_tags",
        "segment_pairs",
        "group_dimensions",
        "judge_signals",
        "redaction_kinds",
        "redaction_off_projects",
        "signals_off",
        "usage_rules",
        "mail_to",
        mode="before",
    )
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("usage_rules")
    @classmethod
    def _check_rules(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for entry in value:
            sender, _, rule = entry.rpartition("=")
            if not sender or rule not in ("inclusive", "exclusive"):
                raise ValueError("write each as SENDER=inclusive or SENDER=exclusive")
        return value

    def __init__(self, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            problems = "; ".join(
                f"MONITOR_{'.'.join(str(part) for part in item['loc']).upper()}: {item['msg']}"
                for item in error.errors(include_input=False)
            )
            raise SettingsError(f"Bad setting: {problems}") from None

    @classmethod
    def from_flags(cls, **flags: Any) -> Settings:
        """Settings with the flags that were given (those that are not None) on top."""
        return cls(**{name: value for name, value in flags.items() if value is not None})

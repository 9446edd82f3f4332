"""Settings: read once from the environment, checked, then frozen.

Every name starts with BOOKING_; an unknown one is refused, so that a misspelling can't pass for a default.
"""

from __future__ import annotations

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

PREFIX = "BOOKING_"
NOT_OURS = {"BOOKING_PG_BINDIR"}  # read by the tests, as is every BOOKING_TEST_…
MAY_BE_FILES = ("secret_key", "field_key")


class SettingsError(Exception):
    """The environment holds a setting that can't be used; the message names it."""


class Settings(BaseModel):
    """All settings of one process. Field names are the environment's, without BOOKING_ and in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    instance: Path = Field(default=Path("instance"), description="folder for the embedded database, secrets, demo mail")
    database_url: str = Field(default="", description="SQLAlchemy URL; SQLite in the instance folder by default")
    public_url: str = Field(default="http://127.0.0.1:8000", description="how people reach it; links and UIDs use it")
    secret_key: str = Field(default="", description="signs sessions and links", repr=False)
    field_key: str = Field(default="", description="base64 of 32 bytes, encrypts fields", repr=False)
    smtp_url: str = Field(default="", description="smtp://user:pass@host:587?starttls=1 or smtps://…", repr=False)
    mail_from: str = Field(default="", description="the address that all mail carries; booking@ the public host")
    mail_authserv: str = Field(default="", description="how our mail server calls itself in Authentication-Results")
    imap_url: str = Field(default="", description="imaps://user:pass@host/INBOX: answers to invites", repr=False)
    calendar_origins: str = Field(default="", description="servers of our own network whose calendars may be read")
    env: Literal["demo", "development", "production"] = "development"
    rate_limits: Literal["on", "off"] = "on"
    proxies: int = Field(default=0, ge=0, le=5, description="trusted reverse proxies in front (X-Forwarded-*)")

    @field_validator("public_url")
    @classmethod
    def _absolute(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/"):
            raise ValueError("must be http(s)://host[:port] without a path")
        return value.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _driver(cls, value: str) -> str:
        for old in ("postgres://", "postgresql://"):
            if value.startswith(old):
                return "postgresql+psycopg://" + value.removeprefix(old)
        if value and not value.startswith(("sqlite:", "postgresql+psycopg:")):
            raise ValueError("must be an SQLite or PostgreSQL URL")
        return value

    @field_validator("smtp_url")
    @classmethod
    def _mail_server(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in ("smtp", "smtps") or not parts.hostname or parts.port == 0):
            raise ValueError("must be smtp://user:pass@host:587?starttls=1 or smtps://user:pass@host")
        return value

    @field_validator("imap_url")
    @classmethod
    def _mail_box(cls, value: str) -> str:
        parts = urlsplit(value)
        # A port that is no number raises ValueError by itself.
        if value and (parts.scheme not in ("imap", "imaps") or not parts.hostname or parts.port == 0):
            raise ValueError("must be imaps://user:pass@host/INBOX")
        if parts.scheme == "imap" and not _is_this_machine(parts.hostname):
            raise ValueError("must be imaps://, for mails carry names; imap:// is for a server on this machine")
        return value

    @field_validator("calendar_origins")
    @classmethod
    def _origins(cls, value: str) -> str:
        return ",".join(_origin(one.strip()) for one in value.split(",") if one.strip())

    @field_validator("field_key")
    @classmethod
    def _key(cls, value: str) -> str:
        if value and len(base64.b64decode(value, validate=True)) != 32:
            raise ValueError("must be base64 of 32 bytes")
        return value

    @property
    def database(self) -> str:
        """The SQLAlchemy URL of the database."""
        return self.database_url or f"sqlite:///{self.instance.resolve() / 'booking.db'}"

    @property
    def host(self) -> str:
        """The public host name."""
        return urlsplit(self.public_url).hostname or "localhost"

    @property
    def https(self) -> bool:
        return self.public_url.startswith("https://")

    @property
    def sender(self) -> str:
        """The address in From and ORGANIZER of every mail."""
        if self.mail_from:
            return self.mail_from
        # A bare address or a name without a dot is no mail domain that receivers take.
        host = self.host if any(c.isalpha() for c in self.host) and "." in self.host else "booking.example"
        return f"booking@{host}"

    @property
    def mail_domain(self) -> str:
        """The domain of UIDs and Message-IDs."""
        return self.sender.rpartition("@")[2]

    @property
    def calendar_origins_allowed(self) -> tuple[str, ...]:
        """The origins whose calendars may be read though they are private, http:// or on another port than 443."""
        return tuple(self.calendar_origins.split(",")) if self.calendar_origins else ()

    @property
    def field_key_bytes(self) -> bytes:
        return base64.b64decode(self.field_key)


def read(environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings of this process, with missing secrets generated outside production.

    Raises SettingsError that names each setting which is unknown, malformed or unsafe for production.
    """
    environ = os.environ if environ is None else environ
    values: dict[str, str] = {}
    for name, value in environ.items():
        if not name.startswith(PREFIX) or name in NOT_OURS or name.startswith("BOOKING_TEST_"):
            continue
        key = name.removeprefix(PREFIX).lower()
        if key.endswith("_file") and key.removesuffix("_file") in MAY_BE_FILES:
            values[key.removesuffix("_file")] = Path(value).read_text(encoding="utf-8").strip()
        else:
            values[key] = value
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        lines = [f"{PREFIX}{str(e['loc'][0]).upper()}: {e['msg']}" for e in error.errors()]
        raise SettingsError("\n".join(lines)) from None
    if settings.env == "production":
        _refuse_unsafe(settings)
        return settings
    return settings.model_copy(update=_generated(settings))


def _refuse_unsafe(settings: Settings) -> None:
    faults = []
    if len(settings.secret_key) < 32:
        faults.append("BOOKING_SECRET_KEY: production needs one of at least 32 characters")
    if not settings.field_key:
        faults.append("BOOKING_FIELD_KEY: production needs one (base64 of 32 random bytes)")
    if not settings.https:
        faults.append("BOOKING_PUBLIC_URL: production needs https")
    if not settings.smtp_url:
        faults.append("BOOKING_SMTP_URL: production needs a mail server")
    elif not _is_sealed(settings.smtp_url):
        faults.append("BOOKING_SMTP_URL: production needs smtps:// or ?starttls=1, for mails carry names and links")
    if not all(origin.startswith("https:") or _is_here(origin) for origin in settings.calendar_origins_allowed):
        faults.append("BOOKING_CALENDAR_ORIGINS: production needs https://; http:// is for a server on this machine")
    if settings.rate_limits == "off":
        faults.append("BOOKING_RATE_LIMITS: may not be off in production")
    if faults:
        raise SettingsError("\n".join(faults))


def _is_sealed(smtp_url: str) -> bool:
    """Whether nobody on the way can read the mail: encrypted, or to a server on this very machine."""
    parts = urlsplit(smtp_url)
    starttls = parse_qs(parts.query).get("starttls", ["0"])[0] in ("1", "true", "yes")
    return parts.scheme == "smtps" or starttls or _is_this_machine(parts.hostname)


def _origin(text: str) -> str:
    """The origin as `fetch.origin` spells it. Raises ValueError."""
    parts = urlsplit(text.lower())
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or not text.isascii()
        or "@" in parts.netloc
        or parts.port == 0
        or (parts.path.rstrip("/") or parts.query or parts.fragment)
    ):
        raise ValueError("must be origins, as https://cloud.example:8443, with commas between them")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_usual = parts.port in (None, {"http": 80, "https": 443}[parts.scheme])
    return f"{parts.scheme}://{host}" + ("" if is_usual else f":{parts.port}")


def _is_here(url: str) -> bool:
    return _is_this_machine(urlsplit(url).hostname)


def _is_this_machine(host: str | None) -> bool:
    return host in ("localhost", "127.0.0.1", "::1")


def _generated(settings: Settings) -> dict[str, str]:
    """The two secrets, made on first start and kept in the instance folder, readable by its owner only."""
    made = {}
    for name, size in (("secret_key", 48), ("field_key", 32)):
        if getattr(settings, name):
            continue
        path = settings.instance / name
        if not path.exists():
            settings.instance.mkdir(parents=True, exist_ok=True)
            text = base64.b64encode(secrets.token_bytes(size)).decode()
            try:
                with open(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
                    file.write(text)
            except FileExistsError:
                pass  # another process starting at the same moment made it
        made[name] = path.read_text(encoding="ascii").strip()
    return made

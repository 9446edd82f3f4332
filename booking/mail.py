"""Mail out: finished bytes to an SMTP server, or into a folder where none is set.

What failed is sorted by what helps: another try for the same message, another try for all, or nothing. Errors carry
a code and never the server's words, which repeat the address.
"""

from __future__ import annotations

import base64
import contextlib
import os
import smtplib
import ssl
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

TIMEOUT = 30.0  # seconds, for each answer of the server


class MailError(Exception):
    """A mail was not taken; `code` is the SMTP reply, or a word if there was none."""

    def __init__(self, code: int | str) -> None:
        super().__init__(str(code))
        self.code = code


class Transient(MailError):
    """It may be taken later: 4xx, or the connection broke while it was handed over (it may have been taken)."""


class Unreachable(MailError):
    """No session with the server came about, so no message would fare better now; none was handed over."""


class Permanent(MailError):
    """It will never be taken as it is: 5xx."""


@dataclass(frozen=True, slots=True)
class Server:
    """Where mail goes."""

    host: str
    port: int
    user: str
    password: str
    tls: bool  # from the first byte
    starttls: bool


def server(url: str) -> Server:
    """The server of a settings URL: `smtp://user:pass@host:587?starttls=1` or `smtps://user:pass@host`.

    Raises ValueError for any other form.
    """
    parts = urlsplit(url)
    options = parse_qs(parts.query, keep_blank_values=True)
    if (
        parts.scheme not in ("smtp", "smtps")
        or not parts.hostname
        or parts.path.strip("/")
        or set(options) - {"starttls"}
    ):
        raise ValueError("must be smtp://user:pass@host:587?starttls=1 or smtps://user:pass@host")
    tls = parts.scheme == "smtps"
    return Server(
        host=parts.hostname,
        port=parts.port or (465 if tls else 25),
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        tls=tls,
        starttls=options.get("starttls", ["0"])[0] in ("1", "true", "yes"),
    )


def send(data: bytes, *, sender: str, to: str, by: Server, timeout: float = TIMEOUT) -> None:
    """Hand one mail to the server. `sender` and `to` are the envelope's bare addresses.

    Raises Unreachable, Transient or Permanent. A server that takes the mail and then falls silent has taken it.
    """
    session = _session(by, name=sender.rpartition("@")[2], timeout=timeout)
    try:
        session.sendmail(sender, [to], data)
    except smtplib.SMTPRecipientsRefused as error:
        raise _refused(next(iter(error.recipients.values()))[0]) from None
    except smtplib.SMTPResponseException as error:  # of the sender or the data
        raise _refused(error.smtp_code) from None
    except (OSError, smtplib.SMTPException) as error:
        raise Transient(type(error).__name__) from None
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):
            session.quit()
        session.close()


def keep(data: bytes, folder: Path, name: str) -> Path:
    """Write the mail to `folder/name.eml`, whole or not at all, readable by its owner only. Raises Transient."""
    path = folder / f"{name}.eml"
    draft = folder / f".{name}.{os.getpid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "wb") as file:
            file.write(data)
        os.replace(draft, path)
    except OSError as error:
        raise Transient(type(error).__name__) from None
    return path


def _session(by: Server, *, name: str, timeout: float) -> smtplib.SMTP:
    # `name` is said in EHLO: smtplib would look this machine's own up, which can take seconds.
    session: smtplib.SMTP | None = None
    try:
        if by.tls:
            session = smtplib.SMTP_SSL(
                by.host, by.port, local_hostname=name, timeout=timeout, context=ssl.create_default_context()
            )
        else:
            session = smtplib.SMTP(by.host, by.port, local_hostname=name, timeout=timeout)
        if by.starttls:
            session.starttls(context=ssl.create_default_context())
        if by.user:
            _log_in(session, by.user, by.password)
        session.ehlo_or_helo_if_needed()
    except (OSError, smtplib.SMTPException) as error:
        if session is not None:
            session.close()
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else type(error).__name__
        raise Unreachable(code) from None
    return session


def _log_in(session: smtplib.SMTP, user: str, password: str) -> None:
    if (user + password).isascii():
        session.login(user, password)
        return
    session.ehlo_or_helo_if_needed()  # smtplib's own login knows English letters only
    code, answer = session.docmd("AUTH PLAIN", base64.b64encode(f"\0{user}\0{password}".encode()).decode())
    if code != 235:
        raise smtplib.SMTPAuthenticationError(code, answer)


def _refused(code: int) -> MailError:
    return Permanent(code) if code >= 500 else Transient(code)

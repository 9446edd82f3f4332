"""A mail as bytes: headers that can't be forged from data, text, HTML and the invite in the order clients need."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, quote

from booking.domain.message import Method
from booking.formats.itip import address


class BadHeader(ValueError):
    """A text that must not stand in a mail's header."""


@dataclass(frozen=True, slots=True)
class Letter:
    """What a mail says."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """From whom to whom a mail goes, and what it follows. Message-IDs stand in angle brackets."""

    sender: str
    sender_name: str
    reply_to: str  # empty: none
    to: str
    message_id: str
    first_id: str  # of the first mail about the same visit; empty if this is it
    date: datetime


def build(letter: Letter, envelope: Envelope, *, invite: bytes | None = None, method: Method | None = None) -> bytes:
    """The mail's bytes, with CRLF. The same arguments give the same mail but for the boundaries between its parts.

    With an invite the parts are those that CalConnect tested: text, HTML and calendar as alternatives (the calendar
    last, its METHOD in the header too), and the same calendar once more as a file for those who see only files.
    Raises BadHeader or itip.BadAddress for what must not be sent.
    """
    mail = EmailMessage(policy=SMTP)  # the default policy would put bare LF into a base64 calendar part
    mail["To"] = address(envelope.to)
    if envelope.reply_to:
        mail["Reply-To"] = address(envelope.reply_to)
    mail["Date"] = format_datetime(envelope.date)
    mail["Message-ID"] = header(envelope.message_id)
    if envelope.first_id and envelope.first_id != envelope.message_id:
        mail["In-Reply-To"] = header(envelope.first_id)
        mail["References"] = header(envelope.first_id)
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(letter.text, cte="quoted-printable")
    mail.add_alternative(letter.html, subtype="html", cte="quoted-printable")
    if invite is not None and method is not None:
        shown = {"charset": "UTF-8", "method": method.value}
        mail.add_alternative(invite, "text", "calendar", cte="base64", params=shown)
        named = {"name": "invite.ics"}
        mail.add_attachment(invite, "application", "ics", cte="base64", filename="invite.ics", params=named)
    # Written here, since EmailMessage loses spaces where it folds a long header with other than English letters.
    first = f"From: {_from(envelope)}\r\nSubject: {_encoded(letter.subject, 'Subject')}\r\n"
    return first.encode("ascii") + mail.as_bytes()


def header(text: str) -> str:
    """The text, if it may stand in a header.

    Raises BadHeader for control characters, line breaks of any alphabet, lone surrogates and encoded words: from
    `=?UTF-8?Q?=0ABcc:…?=` Python before 3.11.10 (CVE-2024-6923) writes a header of the attacker's own.
    """
    if "=?" in text or any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in text):
        raise BadHeader
    return text


def _from(envelope: Envelope) -> str:
    sender, name = address(envelope.sender), header(envelope.sender_name)
    if not name:
        return sender
    shown = f'"{quote(name)}"' if name.isascii() else _encoded(name, "From")
    return f"{shown} <{sender}>"


def _encoded(text: str, field: str) -> str:
    charset = "us-ascii" if text.isascii() else "utf-8"
    return Header(header(text), charset, header_name=field).encode(linesep="\r\n")

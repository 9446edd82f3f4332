"""Mail in, from an IMAP mailbox: each unread message is handed over once, marked as read, and never deleted."""

from __future__ import annotations

import base64
import contextlib
import imaplib
import logging
import re
import ssl
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote, urlsplit

log = logging.getLogger("booking")

TIMEOUT = 20.0  # seconds, for each answer of the server
AT_ONCE = 200  # messages in one round; the rest waits for the next
MOST = 1024 * 1024 + 1  # bytes of a message that are fetched: more than any answer has


class Unreachable(Exception):
    """The mailbox can't be read now; why, in a word."""


def poll(url: str, receive: Callable[[bytes], object], *, giving_up: tuple[type[Exception], ...] = ()) -> int:
    """Hand the unread messages of the mailbox at `imaps://user:pass@host/INBOX` to `receive`; how many there were.

    A message at which `receive` fails is marked as read and flagged, for a person to look at, and the others are
    read all the same. The errors `giving_up` (the database is away) end the round instead, and the message stays
    unread. Raises those and Unreachable.
    """
    try:
        with _session(url) as session:
            return _read(session, receive, giving_up)
    except (OSError, imaplib.IMAP4.error) as error:
        raise Unreachable(type(error).__name__) from None


def check(url: str) -> None:
    """Open the mailbox and close it again. Raises Unreachable."""
    try:
        with _session(url):
            pass
    except (OSError, imaplib.IMAP4.error) as error:
        raise Unreachable(type(error).__name__) from None


@contextlib.contextmanager
def _session(url: str) -> Iterator[imaplib.IMAP4]:
    parts = urlsplit(url)
    host = parts.hostname or ""
    session: imaplib.IMAP4
    if parts.scheme == "imaps":
        context = ssl.create_default_context()
        session = imaplib.IMAP4_SSL(host, parts.port or 993, ssl_context=context, timeout=TIMEOUT)
    else:
        session = imaplib.IMAP4(host, parts.port or 143, timeout=TIMEOUT)
    try:
        _log_in(session, unquote(parts.username or ""), unquote(parts.password or ""))
        _done(session.select(_quoted(_named(unquote(parts.path.strip("/")) or "INBOX"))))
        yield session
    finally:
        with contextlib.suppress(OSError, imaplib.IMAP4.error):
            session.logout()


def _log_in(session: imaplib.IMAP4, user: str, password: str) -> None:
    if (user + password).isascii():
        session.login(_quoted(user), password)
    else:  # the LOGIN command knows English letters only
        session.authenticate("PLAIN", lambda _: f"\0{user}\0{password}".encode())


def _named(mailbox: str) -> str:
    """The mailbox's name as IMAP writes it (RFC 3501, 5.1.3)."""

    def packed(found: re.Match[str]) -> str:
        letters = base64.b64encode(found[0].encode("utf-16-be")).decode()
        return f"&{letters.rstrip('=').replace('/', ',')}-"

    return re.sub(r"[^\x20-\x7e]+", packed, mailbox.replace("&", "&-"))


def _read(session: imaplib.IMAP4, receive: Callable[[bytes], object], giving_up: tuple[type[Exception], ...]) -> int:
    found = _done(session.uid("search", "UNSEEN"))
    uids = found[0].split()[:AT_ONCE] if found and found[0] else []
    for uid in uids:
        number = uid.decode()
        answer = _done(session.uid("fetch", number, f"(BODY.PEEK[]<0.{MOST}>)"))
        content = next((part[1] for part in answer if isinstance(part, tuple)), None)
        if content is None:
            continue  # somebody else took it away meanwhile
        flags = r"(\Seen)"
        try:
            receive(content)
        except giving_up:
            raise
        except Exception as error:  # one message must not stop the others
            log.error("a message can't be dealt with: %s", type(error).__name__)
            flags = r"(\Seen \Flagged)"
        _done(session.uid("store", number, "+FLAGS.SILENT", flags))
    return len(uids)


def _done(answer: tuple[str, list[Any]]) -> list[Any]:
    kind, data = answer
    if kind != "OK":
        raise imaplib.IMAP4.error(kind)
    return data


def _quoted(text: str) -> str:
    """The text as an IMAP string; imaplib quotes passwords only."""
    return '"' + re.sub(r'([\\"])', r"\\\1", re.sub(r"[\r\n\0]", "", text)) + '"'

"""A real SMTP server on loopback that keeps what it is given, and can be told to refuse."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from typing import Any

from aiosmtpd.smtp import SMTP, Envelope, Session

PARSER = BytesParser(EmailMessage, policy=default)


class Mailbox:
    """What arrived, in order. Set `answer` to refuse: "451 later" for a while, "550 unknown" for good."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.answer = ""
        self.url = ""

    @property
    def mails(self) -> list[EmailMessage]:
        """The mails, parsed."""
        return [PARSER.parsebytes(envelope.original_content or b"") for envelope in self.envelopes]

    def to(self, address: str) -> list[EmailMessage]:
        """The mails whose envelope names `address`."""
        pairs = zip(self.envelopes, self.mails, strict=True)
        return [mail for envelope, mail in pairs if address in envelope.rcpt_tos]

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.answer:
            return self.answer
        self.envelopes.append(envelope)
        return "250 OK"


@contextmanager
def running() -> Iterator[Mailbox]:
    """Yield the mailbox of a server whose address is `mailbox.url`."""
    mailbox = Mailbox()
    with serving(mailbox) as port:
        mailbox.url = f"smtp://127.0.0.1:{port}"
        yield mailbox


@contextmanager
def serving(handler: object, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """Yield the port of a server that does as `handler` says, with TLS from the first byte if there is a context."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    def connection() -> SMTP:
        return SMTP(handler, hostname="localhost", enable_SMTPUTF8=True, loop=loop, **options)

    async def start() -> asyncio.Server:
        return await loop.create_server(connection, "127.0.0.1", 0, ssl=tls)

    async def stop() -> None:
        server.close()
        await server.wait_closed()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

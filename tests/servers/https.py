"""A real HTTPS server on loopback that answers as a test says, and the authority that makes its certificate."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID


class Authority:
    """A certificate authority for one run; its own certificate is the file `path`, for SSL_CERT_FILE."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "authority.pem"
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Tests")])
        usage = x509.KeyUsage(
            digital_signature=False,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            key_cert_sign=True,
            crl_sign=True,
            encipher_only=False,
            decipher_only=False,
        )
        certificate = (
            self._draft(self.name, self.key, valid_for=timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .sign(self.key, hashes.SHA256())
        )
        self.path.write_bytes(certificate.public_bytes(Encoding.PEM))

    def certificate(self, *names: str, valid_for: timedelta = timedelta(days=1)) -> Path:
        """A new certificate for these hosts, with its key, as one PEM file."""
        key = ec.generate_private_key(ec.SECP256R1())
        hosts: list[x509.GeneralName] = []
        for name in names:
            try:
                hosts.append(x509.IPAddress(ipaddress.ip_address(name)))
            except ValueError:
                hosts.append(x509.DNSName(name))
        by = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        certificate = (
            self._draft(x509.Name([]), key, valid_for=valid_for)
            .add_extension(x509.SubjectAlternativeName(hosts), critical=True)
            .add_extension(by, critical=False)
            .sign(self.key, hashes.SHA256())
        )
        path = self.folder / f"{certificate.serial_number}.pem"
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(private + certificate.public_bytes(Encoding.PEM))
        return path

    def _draft(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, valid_for: timedelta
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder(self.name, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=2))
            .not_valid_after(now + valid_for)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )


@dataclass(frozen=True, slots=True)
class Request:
    method: str
    path: str
    headers: Message
    body: bytes


Content = bytes | Iterable[bytes]  # an answer as it goes over the wire; in pieces if it takes its time
Answer = Content | Callable[[Request], Content]


def answer(status: int, body: bytes = b"", **headers: object) -> bytes:
    """An answer; `Content_Length=` and the like are its headers, and the length is put in where it is missing."""
    fields = {"Content-Length": len(body)} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status} Whatever", *(f"{name}: {value}" for name, value in fields.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@dataclass(slots=True)
class Server:
    """What it is asked it answers by `answers`, by path; what it was asked stands in `requests`, in order."""

    scheme: str
    port: int
    answers: dict[str, Answer] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)

    @property
    def origin(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"


@contextmanager
def running(certificate: Path | None = None) -> Iterator[Server]:
    """Yield a server on 127.0.0.1: https with a certificate (PEM, with its key), otherwise http."""
    context = None
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    listening = _Listening(context)
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield listening.server
    finally:
        listening.shutdown()
        thread.join()
        listening.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: _Listening

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = Request(self.command, self.path, self.headers, body)
        self.server.server.requests.append(request)
        found = self.server.server.answers.get(self.path, answer(404))
        content = found(request) if callable(found) else found
        for piece in [content] if isinstance(content, bytes) else content:
            self.wfile.write(piece)
        self.close_connection = True

    do_GET = do_REPORT = do_PROPFIND = answer

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class _Listening(ThreadingHTTPServer):
    daemon_threads = False  # so that none outlives its test
    block_on_close = True

    def __init__(self, context: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.context = context
        self.server = Server("https" if context else "http", self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Here and not where connections are accepted: a client that says nothing must not hold up the others.
        if self.context is None:
            super().finish_request(request, client_address)
            return
        with self.context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):  # TLS has taken the socket over, or the client is gone
            request.shutdown(socket.SHUT_WR)
        request.close()

    def handle_error(self, _request: Any, _client_address: Any) -> None:
        """Nothing: clients that don't like the certificate or have had enough hang up."""

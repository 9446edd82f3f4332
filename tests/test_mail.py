from __future__ import annotations

import socket
import ssl
import stat
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from booking import mail
from booking.mail import Permanent, Server, Transient, Unreachable
from tests.servers import smtp

DATA = "Subject: Élan\r\n\r\nfirst\r\n.\r\n..dots\r\nlast\r\n".encode()
SENDER, ADA = "booking@mail.example.com", "ada@example.com"


class Post:
    """A server that keeps mail and answers as told."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.names: list[str] = []
        self.sender_answer = self.recipient_answer = self.data_answer = "250 OK"

    async def handle_EHLO(
        self, _server: SMTP, session: Session, _envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.names.append(hostname)
        return responses

    async def handle_MAIL(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.sender_answer

    async def handle_RCPT(
        self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]
    ) -> str:
        if self.recipient_answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_answer

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        if self.data_answer == "drop":
            server.transport.close()
            return "250 OK"
        if self.data_answer.startswith("250"):
            self.envelopes.append(envelope)
        return self.data_answer


@pytest.fixture
def post() -> Post:
    return Post()


@pytest.fixture
def by(post: Post) -> Iterator[Server]:
    with smtp.serving(post) as port:
        yield mail.server(f"smtp://127.0.0.1:{port}")


def test_the_server_gets_the_bytes_as_they_are(post: Post, by: Server) -> None:
    mail.send(DATA, sender=SENDER, to=ADA, by=by)
    (envelope,) = post.envelopes
    assert envelope.original_content == DATA
    assert (envelope.mail_from, envelope.rcpt_tos) == (SENDER, [ADA])


def test_the_server_is_greeted_with_the_mails_domain(post: Post, by: Server) -> None:
    mail.send(DATA, sender=SENDER, to=ADA, by=by)
    assert post.names == ["mail.example.com"]


@pytest.mark.parametrize("stage", ["sender", "recipient", "data"])
@pytest.mark.parametrize(("answer", "error"), [("451 later", Transient), ("550 unknown", Permanent)])
def test_a_refusal_is_for_now_or_for_good(
    post: Post, by: Server, stage: str, answer: str, error: type[Exception]
) -> None:
    setattr(post, f"{stage}_answer", f"{answer}: ada@example.com")
    with pytest.raises(error) as refused:
        mail.send(DATA, sender=SENDER, to=ADA, by=by)
    assert str(refused.value) == answer[:3]  # the server's words may name the patient
    assert not post.envelopes


def test_a_connection_that_breaks_while_handing_over_is_tried_again(post: Post, by: Server) -> None:
    post.data_answer = "drop"
    with pytest.raises(Transient):
        mail.send(DATA, sender=SENDER, to=ADA, by=by)


def test_without_a_server_nothing_was_handed_over() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(Unreachable):
        mail.send(DATA, sender=SENDER, to=ADA, by=mail.server(f"smtp://127.0.0.1:{port}"))


@pytest.fixture
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as found:
        yield found


def test_a_server_that_never_speaks_is_left_after_the_timeout(listening: socket.socket) -> None:
    by = mail.server(f"smtp://127.0.0.1:{listening.getsockname()[1]}")
    with pytest.raises(Unreachable):
        mail.send(DATA, sender=SENDER, to=ADA, by=by, timeout=0.1)


def said_by(listening: socket.socket, *answers: bytes) -> threading.Thread:
    """A server that gives these answers, one to each line it hears, then says nothing more."""

    def serve() -> None:
        peer, _ = listening.accept()
        with peer, peer.makefile("rb") as heard:
            for answer in answers:
                peer.sendall(answer)
                if answer.startswith(b"354"):
                    while heard.readline() not in (b".\r\n", b""):
                        pass
                else:
                    heard.readline()
            heard.read()  # until the other side has had enough

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_server_that_is_closed_for_now_is_unreachable(listening: socket.socket) -> None:
    server = said_by(listening, b"554 closed\r\n")
    with pytest.raises(Unreachable):
        mail.send(DATA, sender=SENDER, to=ADA, by=mail.server(f"smtp://127.0.0.1:{listening.getsockname()[1]}"))
    server.join()


def test_silence_after_the_data_is_tried_again(listening: socket.socket) -> None:
    ok = b"250 ok\r\n"
    server = said_by(listening, b"220 hello\r\n", ok, ok, ok, b"354 go on\r\n")
    by = mail.server(f"smtp://127.0.0.1:{listening.getsockname()[1]}")
    with pytest.raises(Transient):
        mail.send(DATA, sender=SENDER, to=ADA, by=by, timeout=0.2)
    server.join()


def test_silence_after_the_mail_was_taken_is_no_failure(listening: socket.socket) -> None:
    ok = b"250 ok\r\n"
    server = said_by(listening, b"220 hello\r\n", ok, ok, ok, b"354 go on\r\n", ok)
    by = mail.server(f"smtp://127.0.0.1:{listening.getsockname()[1]}")
    mail.send(DATA, sender=SENDER, to=ADA, by=by, timeout=0.2)
    server.join()


def test_a_password_is_not_sent_without_the_encryption_that_was_asked_for(post: Post, by: Server) -> None:
    open_server = mail.server(f"smtp://user:pass@127.0.0.1:{by.port}?starttls=1")
    with pytest.raises(Unreachable, match="SMTPNotSupportedError"):
        mail.send(DATA, sender=SENDER, to=ADA, by=open_server)
    assert not post.envelopes


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and a certificate for "localhost", signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2026, 1, 1, tzinfo=UTC))
        .not_valid_after(datetime(2099, 1, 1, tzinfo=UTC))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem))
    return path


def context(certificate: Path) -> ssl.SSLContext:
    found = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    found.load_cert_chain(certificate)
    return found


@pytest.mark.parametrize("url", ["smtps://localhost:{}", "smtp://localhost:{}?starttls=1"])
@pytest.mark.parametrize("trusted", [True, False])
def test_encryption_wants_a_certificate_that_we_trust(
    post: Post, certificate: Path, monkeypatch: pytest.MonkeyPatch, url: str, trusted: bool
) -> None:
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    from_the_start = url.startswith("smtps")
    options = {} if from_the_start else {"tls_context": context(certificate), "require_starttls": True}
    with smtp.serving(post, tls=context(certificate) if from_the_start else None, **options) as port:
        by = mail.server(url.format(port))
        if trusted:
            mail.send(DATA, sender=SENDER, to=ADA, by=by)
        else:
            with pytest.raises(Unreachable, match="SSLCertVerificationError"):
                mail.send(DATA, sender=SENDER, to=ADA, by=by)
    assert bool(post.envelopes) is trusted


@pytest.mark.parametrize(
    ("password", "taken"), [("s3cr%2Fet", True), ("wrong", False), ("Pa%C3%9Fwort", True), ("Pa%C3%9F", False)]
)
def test_the_user_signs_in(
    post: Post, certificate: Path, monkeypatch: pytest.MonkeyPatch, password: str, taken: bool
) -> None:
    def check(_server: SMTP, _session: Session, _envelope: Envelope, _way: str, data: LoginPassword) -> AuthResult:
        good = [(b"booking", b"s3cr/et"), (b"booking", "Paßwort".encode())]
        return AuthResult(success=(data.login, data.password) in good, handled=False)

    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with smtp.serving(post, tls_context=context(certificate), authenticator=check, auth_required=True) as port:
        by = mail.server(f"smtp://booking:{password}@localhost:{port}?starttls=1")
        if taken:
            mail.send(DATA, sender=SENDER, to=ADA, by=by)
        else:
            with pytest.raises(Unreachable, match="535"):
                mail.send(DATA, sender=SENDER, to=ADA, by=by)
    assert bool(post.envelopes) is taken


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("smtp://localhost", Server("localhost", 25, "", "", tls=False, starttls=False)),
        (
            "smtp://a%40b:p%3A@mx.example:587?starttls=1",
            Server("mx.example", 587, "a@b", "p:", tls=False, starttls=True),
        ),
        ("smtps://u:p@mx.example", Server("mx.example", 465, "u", "p", tls=True, starttls=False)),
    ],
)
def test_a_settings_url_names_the_server(url: str, expected: Server) -> None:
    assert mail.server(url) == expected


@pytest.mark.parametrize(
    "url",
    ["", "mx.example", "http://mx.example", "smtp://", "smtp://mx.example/x", "smtp://mx.example?tls=1", "smtp://h:x"],
)
def test_any_other_url_is_refused(url: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  urlsplit's own words for a bad port differ
        mail.server(url)


def test_without_a_server_mail_is_kept_whole_and_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "mail"
    path = mail.keep(DATA, folder, "00000001-abc")
    assert path.read_bytes() == DATA
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    mail.keep(b"again", folder, "00000001-abc")
    assert [file.name for file in folder.iterdir()] == ["00000001-abc.eml"]
    assert path.read_bytes() == b"again"


def test_a_folder_that_can_not_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file where the folder should be")
    with pytest.raises(Transient):
        mail.keep(DATA, tmp_path / "mail", "1")

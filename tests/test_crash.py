"""What was acknowledged is kept: web and worker are killed outright, over and over, while clients book.

No booking that a client was told of is lost, none is made twice by asking again, and each has its one mail: sent once
or, where the worker died between sending and noting it, twice with the same bytes.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from booking.cli import cli
from tests.servers import databases
from tests.servers.smtp import Mailbox
from tests.test_race import ELM

KILLS = int(os.environ.get("BOOKING_TEST_KILLS", "3"))
CLIENTS = 4
SERVE, WORKER = ("serve", "--workers", "1"), ("worker",)


class Service:
    """The web service and its worker, on what the environment says."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.processes: dict[tuple[str, ...], subprocess.Popen[bytes]] = {}

    def start(self, command: tuple[str, ...]) -> None:
        bind = ["--bind", f"127.0.0.1:{self.port}"] if command is SERVE else []
        self.processes[command] = subprocess.Popen(
            [sys.executable, "-m", "booking.cli", *command, *bind],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def kill(self, command: tuple[str, ...]) -> None:
        """As a power cut would, with every process that it started."""
        process = self.processes.pop(command)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def post(self, key: str, booking_key: str, body: object) -> tuple[int, bytes]:
        """The status, 0 if nobody answered, and the body."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": booking_key, "Content-Type": "application/json"}
        try:
            connection.request("POST", "/api/v1/clinics/elm/appointments", json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            return 0, b""
        finally:
            connection.close()


def booking(*args: str) -> str:
    """What a command prints."""
    done = CliRunner().invoke(cli, args)
    assert done.exit_code == 0, done.output
    return done.stdout.strip()


@pytest.fixture
def database(both_databases: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if both_databases == "postgresql":
        return databases.postgresql_empty(request.getfixturevalue("postgresql_server"), "crash")
    return f"sqlite:///{tmp_path / 'booking.db'}"


@pytest.fixture
def service(database: str, tmp_path: Path, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    for name in [name for name in os.environ if name.startswith("BOOKING_") and not name.startswith("BOOKING_PG")]:
        monkeypatch.delenv(name)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = int(listening.getsockname()[1])
    monkeypatch.setenv("BOOKING_INSTANCE", str(tmp_path))
    monkeypatch.setenv("BOOKING_DATABASE_URL", database)
    monkeypatch.setenv("BOOKING_SMTP_URL", mailbox.url)
    monkeypatch.setenv("BOOKING_RATE_LIMITS", "off")
    (tmp_path / "elm.toml").write_text(ELM, encoding="utf-8")
    booking("migrate")
    booking("clinic", "load", str(tmp_path / "elm.toml"))
    service = Service(port)
    service.start(SERVE)
    service.start(WORKER)
    try:
        yield service
    finally:
        for command in list(service.processes):
            service.kill(command)


@pytest.fixture
def ask(database: str) -> Callable[[str], list[tuple[Any, ...]]]:
    """Call it for the rows of a query."""
    engine = sa.create_engine(database, poolclass=sa.NullPool)

    def ask(query: str) -> list[tuple[Any, ...]]:
        with engine.begin() as connection:
            result = connection.exec_driver_sql(query)
            return [(*row,) for row in result] if result.returns_rows else []

    return ask


class Clients:
    """Programs that book all the time and ask again, with the same key, until they are told how it went."""

    def __init__(self, service: Service, key: str) -> None:
        self.service, self.key = service, key
        self.told: dict[str, str] = {}  # the id of the visit, by the patient's address
        self.answers: Counter[int] = Counter()
        self.is_over = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._work, args=(n,)) for n in range(CLIENTS)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self.is_over.set()
            for thread in threads:
                thread.join(60)

    def _work(self, number: int) -> None:
        chance = random.Random(number)
        tomorrow = datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=1)
        for n in range(10_000):
            if self.is_over.is_set():
                return
            email = f"ada{number}-{n}@example.com"
            start = tomorrow + timedelta(days=chance.randrange(60), minutes=30 * chance.randrange(14))
            patient = {"name": "Ada Lovelace", "email": email}
            body = {"service": "rest", "start": start.isoformat(), "patient": patient, "new_patient": False}
            self._book(email, body)
            time.sleep(0.05)  # every visit is a mail, and the tests' mail server is slow

    def _book(self, email: str, body: object) -> None:
        for _ in range(1000):
            status, answer = self.service.post(self.key, email, body)
            self.answers[status] += 1
            if status == 201:
                self.told[email] = json.loads(answer)["id"]
            if status not in (0, 503):
                return
            time.sleep(0.05)
        raise AssertionError("nobody ever answered")

    def until_told(self, more: int) -> None:
        """Wait until so many more visits are booked."""
        wanted, deadline = len(self.told) + more, time.monotonic() + 60
        while len(self.told) < wanted:
            assert time.monotonic() < deadline, self.answers
            time.sleep(0.01)


def test_what_was_acknowledged_survives_every_kill(
    service: Service, mailbox: Mailbox, ask: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    chance = random.Random()
    clients = Clients(service, booking("key", "create", "elm", "--name", "Website", "--scope", "book"))
    with clients.at_work():
        for number in range(KILLS):
            clients.until_told(10)
            time.sleep(chance.random() / 5)
            for victim in (SERVE, WORKER)[number % 2 :]:
                service.kill(victim)
                service.start(victim)
        clients.until_told(10)
    assert set(clients.answers) <= {0, 201, 409, 503}, clients.answers
    assert clients.answers[0], "no client noticed anything"
    visits = ask("select email, appointment.public_id from appointment join patient on patient.id = patient_id")
    assert sorted(visits) == sorted(clients.told.items())

    ask("update message set lease_until = created_at where state = 'queued'")  # as if its two minutes were over
    waiting: list[tuple[Any, ...]] = []
    deadline = time.monotonic() + 60
    while left := ask("select id from message where state = 'queued'"):
        if left != waiting:
            waiting, deadline = left, time.monotonic() + 60
        assert time.monotonic() < deadline, "the worker does not send what is left"
        time.sleep(0.1)
    mails = ask("select address from message where appointment_id is not null and state = 'sent'")
    assert sorted(address for (address,) in mails) == sorted(clients.told)
    sent: dict[str, list[bytes]] = {}
    for envelope in mailbox.envelopes:
        sent.setdefault(envelope.rcpt_tos[0], []).append(envelope.original_content or b"")
    assert sent.keys() == clients.told.keys()
    assert all(len(set(copies)) == 1 for copies in sent.values())
    assert sum(map(len, sent.values())) - len(sent) <= KILLS
    booking("doctor")

"""Servers on loopback for what fetches calendars: scripted ones, CalDAV, and an open internet that leads to them."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import caldav as caldav_server
from tests.servers import https
from tests.servers.https import Authority, Server
from tests.servers.internet import OTHER, PUBLIC, Internet


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> Path:
    return authority.certificate("localhost", "cal.example", "other.example")


@pytest.fixture(autouse=True)
def trust(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))


@pytest.fixture
def server(certificate: Path) -> Iterator[Server]:
    with https.running(certificate) as server:
        yield server


@pytest.fixture
def other(certificate: Path) -> Iterator[Server]:
    with https.running(certificate) as server:
        yield server


@pytest.fixture
def internet(monkeypatch: pytest.MonkeyPatch, server: Server, other: Server) -> Internet:
    """cal.example is `server` and other.example is `other`, each at a public address.

    A test can't have a public address, so the last step of a connection is bent to loopback, and only that one.
    """
    internet = Internet()
    internet.names = {"cal.example": [[PUBLIC]], "other.example": [[OTHER]]}
    internet.listening = {PUBLIC: server.port, OTHER: other.port}
    connect = socket.socket.connect

    def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        internet.asked.append(host)
        answers = internet.names.get(host, [[host]])
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in found
        ]

    def bent(connection: socket.socket, address: Any) -> None:
        internet.connected.append(address[0])
        assert address[1] == 443
        if address[0] not in internet.listening:
            raise ConnectionRefusedError
        connect(connection, ("127.0.0.1", internet.listening[address[0]]))

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(socket.socket, "connect", bent)
    return internet


@pytest.fixture(scope="module")
def caldav(certificate: Path) -> Iterator[caldav_server.Server]:
    with caldav_server.running(certificate) as server:
        yield server

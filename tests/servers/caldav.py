"""A real CalDAV server on loopback (Radicale) with one user, and what a calendar program asks of it."""

from __future__ import annotations

import base64
import importlib.util
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection, HTTPSConnection
from pathlib import Path
from xml.etree import ElementTree
from xml.sax.saxutils import escape

USER, PASSWORD = "bo", "a secret: @ é"
CONFIG = """\
[server]
hosts = 127.0.0.1:{port}
ssl = {ssl}
certificate = {certificate}
key = {certificate}
[auth]
type = htpasswd
htpasswd_filename = {folder}/users
htpasswd_encryption = plain
delay = 0
[rights]
type = owner_only
[storage]
filesystem_folder = {folder}/storage
strict_preconditions = True
[logging]
level = warning
"""
QUERY = """\
<C:calendar-query xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:prop><D:getetag/><C:calendar-data/></D:prop>
  <C:filter>
    <C:comp-filter name="VCALENDAR">
      <C:comp-filter name="VEVENT">
        <C:time-range start="{start:%Y%m%dT%H%M%SZ}" end="{end:%Y%m%dT%H%M%SZ}"/>
      </C:comp-filter>
    </C:comp-filter>
  </C:filter>
</C:calendar-query>
"""
DESCRIPTION = """\
<D:propertyupdate xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav">
  <D:set><D:prop>{}</D:prop></D:set>
</D:propertyupdate>
"""
DAV, CALDAV = "{DAV:}", "{urn:ietf:params:xml:ns:caldav}"


class Missing(Exception):
    """Radicale is not installed; the message says what to do."""


class Refused(Exception):
    """The server answered with another status than 2xx."""


@dataclass(frozen=True, slots=True)
class Server:
    scheme: str
    port: int
    log: Path

    user = USER
    password = PASSWORD

    @property
    def url(self) -> str:
        return f"{self.scheme}://localhost:{self.port}"

    def make_calendar(self, name: str, **objects: str) -> str:
        """The path of a new calendar of the user, with these iCalendar objects by name."""
        path = f"/{USER}/{name}/"
        self._ask("MKCALENDAR", path)
        for name, content in objects.items():
            self.put(f"{path}{name}.ics", content.encode())
        return path

    def describe(self, path: str, name: str, *components: str) -> None:
        """Give a calendar a name that people see, and the kinds of components that it takes."""
        kinds = "".join(f'<C:comp name="{component}"/>' for component in components)
        said = f"<D:displayname>{escape(name)}</D:displayname>"
        if kinds:
            said += f"<C:supported-calendar-component-set>{kinds}</C:supported-calendar-component-set>"
        self._ask("PROPPATCH", path, DESCRIPTION.format(said).encode(), {"Content-Type": "application/xml"})

    def put(self, path: str, content: bytes, *, instead_of: str = "") -> str:
        """Store a calendar object, in the place of that ETag if there is one; the ETag that it has now."""
        condition = {"If-Match": instead_of} if instead_of else {"If-None-Match": "*"}
        headers, _ = self._ask("PUT", path, content, {"Content-Type": "text/calendar; charset=utf-8"} | condition)
        return headers["ETag"]

    def get(self, path: str) -> str:
        """The calendar object at that path, or the whole calendar."""
        _, content = self._ask("GET", path)
        return content.decode()

    def between(self, path: str, start: datetime, end: datetime) -> dict[str, str]:
        """The calendar objects with an event in that span (UTC), by path: a calendar-query (RFC 4791, 7.8)."""
        query = QUERY.format(start=start, end=end).encode()
        _, content = self._ask("REPORT", path, query, {"Content-Type": "application/xml", "Depth": "1"})
        responses = ElementTree.fromstring(content).iter(f"{DAV}response")
        return {_text(one, f"{DAV}href"): _text(one, f"{CALDAV}calendar-data") for one in responses}

    def _ask(
        self, method: str, path: str, content: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[Mapping[str, str], bytes]:
        """The headers and the content of the answer. Raises Refused."""
        login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        connection = (
            HTTPSConnection("localhost", self.port, timeout=10, context=ssl.create_default_context())
            if self.scheme == "https"
            else HTTPConnection("localhost", self.port, timeout=10)
        )
        with closing(connection):
            connection.request(method, path, content, {"Authorization": f"Basic {login}", **(headers or {})})
            answer = connection.getresponse()
            said = answer.read()
        if not 200 <= answer.status < 300:
            raise Refused(f"{method} {path}: {answer.status} {said.decode()}\n{self.log.read_text()}")
        return answer.headers, said


@contextmanager
def running(certificate: Path | None = None) -> Iterator[Server]:
    """Yield a server that listens; https with a certificate for localhost (PEM, with its key). Raises Missing."""
    if importlib.util.find_spec("radicale") is None:
        raise Missing("the tests of calendar programs need Radicale: install requirements-dev.lock (make lint does)")
    with tempfile.TemporaryDirectory(prefix="caldav") as name, socket.create_server(("127.0.0.1", 0)) as found:
        folder, port = Path(name), found.getsockname()[1]
        (folder / "users").write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
        config = CONFIG.format(folder=folder, port=port, ssl=certificate is not None, certificate=certificate or "")
        (folder / "config").write_text(config)
        found.close()
        log = folder / "log"
        with log.open("w") as out:
            command = [sys.executable, "-m", "radicale", "--config", folder / "config"]
            process = subprocess.Popen(command, stdout=out, stderr=out)
        try:
            _wait(process, port, log)
            yield Server("https" if certificate else "http", port, log)
        finally:
            process.terminate()
            process.wait()


def _text(element: ElementTree.Element, name: str) -> str:
    found = element.find(f".//{name}")
    assert found is not None
    return found.text or ""


def _wait(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"Radicale did not start: {log.read_text()}")

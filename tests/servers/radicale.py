"""A real CalDAV server on loopback (Radicale) with one user."""

from __future__ import annotations

import base64
import http.client
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

USER = "bo"
PASSWORD = "a secret: @ é"
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
htpasswd_cache = True
delay = 0
[storage]
filesystem_folder = {folder}/collections
"""


@dataclass(frozen=True, slots=True)
class Server:
    url: str  # of the user's collections, with a slash at the end
    user: str = USER
    password: str = PASSWORD

    @property
    def origin(self) -> str:
        return self.url.removesuffix(f"/{self.user}/")

    def calendar(self, name: str, **events: str) -> str:
        """Make a calendar of these iCalendar objects; its URL."""
        self._ask("MKCALENDAR", f"{name}/", "")
        for event, content in events.items():
            self._ask("PUT", f"{name}/{event}.ics", content)
        return f"{self.url}{name}/"

    def _ask(self, method: str, path: str, body: str) -> None:
        parts = urlsplit(self.url)
        login = base64.b64encode(f"{self.user}:{self.password}".encode()).decode()
        headers = {"Authorization": f"Basic {login}", "Content-Type": "text/calendar; charset=utf-8"}
        asking = http.client.HTTPConnection(parts.netloc, timeout=10)
        if parts.scheme == "https":
            asking = http.client.HTTPSConnection(parts.netloc, timeout=10, context=ssl.create_default_context())
        try:
            asking.request(method, parts.path + path, body.encode(), headers)
            status = asking.getresponse().status
            assert status == 201, f"{method}: {status}"
        finally:
            asking.close()


@contextmanager
def running(folder: Path, *, certificate: Path | None = None) -> Iterator[Server]:
    """Yield a server that keeps its things in `folder`; https with a certificate for localhost (PEM, with its key)."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "users").write_text(f"{USER}:{PASSWORD}\n", encoding="utf-8")
    config = CONFIG.format(folder=folder, port=port, ssl=certificate is not None, certificate=certificate or "")
    (folder / "config").write_text(config)
    with (folder / "log").open("wb") as log:
        command = [sys.executable, "-m", "radicale", "--config", str(folder / "config")]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            _wait(server, port, folder)
            scheme = "https" if certificate else "http"
            yield Server(f"{scheme}://localhost:{port}/{USER}/")
        finally:
            server.terminate()
            server.wait()


def _wait(server: subprocess.Popen[bytes], port: int, folder: Path) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"Radicale did not start: {(folder / 'log').read_text()}")

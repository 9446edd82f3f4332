"""Processor time of one operation, taken over many requests through the whole application.

Requests are made inside this process by calling the WSGI application, so nothing of an HTTP client is counted.
What PostgreSQL's own processes use is read from the system beside it.
"""

from __future__ import annotations

import gc
import io
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from werkzeug.datastructures import Headers
from werkzeug.test import EnvironBuilder

WSGI = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]
BASE = "http://127.0.0.1:8000"
BATCHES = 7
JIFFY = 1000 / os.sysconf("SC_CLK_TCK")  # milliseconds


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of processor time per operation: ours, and the database server's where it is one."""

    app: float
    server: float = 0.0

    @property
    def total(self) -> float:
        return self.app + self.server


class Caller:
    """Sends requests to one application; `server` is the process id of its PostgreSQL, if it has one."""

    def __init__(self, app: WSGI, server: int | None = None, key: str = "") -> None:
        self.app, self.server, self.key = app, server, key

    def get(self, path: str, headers: dict[str, str] | None = None) -> Callable[[], bytes]:
        """A function that sends this request, whose environment is made beforehand."""
        environ = EnvironBuilder(path, base_url=BASE, headers=Headers(headers or {})).get_environ()
        return lambda: self._send(environ | {"wsgi.input": io.BytesIO()})

    def post(self, path: str, body: dict[str, Any], idempotency_key: str) -> Callable[[], bytes]:
        headers = Headers({"Authorization": f"Bearer {self.key}", "Idempotency-Key": idempotency_key})
        data = json.dumps(body).encode()
        environ = EnvironBuilder(
            path, base_url=BASE, method="POST", headers=headers, data=data, content_type="application/json"
        ).get_environ()
        return lambda: self._send(environ | {"wsgi.input": io.BytesIO(data)})

    def form(self, path: str, fields: dict[str, str], cookies: str, part: str) -> Callable[[], bytes]:
        """A function that sends a form as the script of a page does, which asks for one part of it."""
        headers = Headers({"Cookie": cookies, "X-Part": part, "Sec-Fetch-Site": "same-origin"})
        data = urlencode(fields).encode()
        environ = EnvironBuilder(
            path,
            base_url=BASE,
            method="POST",
            headers=headers,
            data=data,
            content_type="application/x-www-form-urlencoded",
        ).get_environ()
        return lambda: self._send(environ | {"wsgi.input": io.BytesIO(data)})

    def _send(self, environ: dict[str, Any]) -> bytes:
        answer: list[str] = []
        chunks = self.app(environ, lambda status, headers, error=None: answer.append(status))
        body = b"".join(chunks)
        if hasattr(chunks, "close"):
            chunks.close()
        if not answer[0].startswith(("2", "304")):
            raise RuntimeError(f"{environ['REQUEST_METHOD']} {environ['PATH_INFO']}: {answer[0]} {body[:300]!r}")
        return body

    def cost(self, operations: Iterable[Callable[[], bytes]], between: Callable[[], object] | None = None) -> Cost:
        """What one of these operations costs in the best of some batches: on a shared machine the rest is others' work.

        `between` runs before each operation, uncounted.
        """
        todo = list(operations)
        todo[0]()
        gc.collect()
        size = max(len(todo) // BATCHES, 1)
        ours, theirs = [], []
        for start in range(0, len(todo) - size + 1, size):
            batch = todo[start : start + size]
            own = 0.0
            server = self._server_time()
            uncounted = 0.0
            for operation in batch:
                if between:
                    before = self._server_time()
                    between()
                    uncounted += self._server_time() - before
                began = time.process_time()
                operation()
                own += time.process_time() - began
            ours.append(own * 1000 / len(batch))
            theirs.append((self._server_time() - server - uncounted) / len(batch))
        return Cost(min(ours), sum(theirs) / len(theirs))

    def once(self, operation: Callable[[], object]) -> Cost:
        """What this costs that is done once and takes long."""
        gc.collect()
        server, began = self._server_time(), time.process_time()
        operation()
        return Cost((time.process_time() - began) * 1000, self._server_time() - server)

    def _server_time(self) -> float:
        """Milliseconds that the processes of the database server have used so far; the clock has steps of ten."""
        if self.server is None:
            return 0.0
        total = 0.0
        for path in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = path.read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[1]) == self.server:
                total += (int(fields[11]) + int(fields[12])) * JIFFY
        return total

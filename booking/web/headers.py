"""What every answer carries: policies, caching, compression."""

from __future__ import annotations

import gzip
import hashlib
from functools import lru_cache
from pathlib import Path
from typing import Any

from flask import Flask, Response, current_app, g, request

from booking.store.base import settings

TOKENS = ("/a/", "/login", "/unlock", "/feeds/")  # addresses that may hold a token, or that name somebody
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: over https the CSRF check wants to see that a form came from a page of ours.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": POLICY,
}
YEAR = 31_536_000
SMALLEST_PACKED = 300  # bytes: below it gzip gains nothing
LARGE = 64 * 1024  # bytes
PACKED = {"text/html", "text/css", "text/javascript", "application/json", "application/problem+json", "image/svg+xml"}


def configure(app: Flask) -> None:
    """Put the headers on every answer of the app, errors included; give static files an address per content."""
    app.after_request(_finish)
    app.url_defaults(_add_version)


def _finish(response: Response) -> Response:
    present = {name.lower() for name, _ in response.headers}
    response.headers.extend([(name, value) for name, value in ALWAYS.items() if name.lower() not in present])
    if settings().https:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={YEAR}; includeSubDomains")
    is_private = request.path.startswith(TOKENS) or g.get("guarded_by") != "public"
    if is_private:
        response.headers["X-Robots-Tag"] = "noindex"
    if request.endpoint == "static":
        _let_keep(response)
    elif "Cache-Control" not in response.headers:
        _set_caching(response, is_private=is_private)
    _pack(response)
    if request.method in ("GET", "HEAD") and response.status_code == 200:
        response.make_conditional(request)
    return response


def _let_keep(response: Response) -> None:
    """What has its content's hash in the address never changes under it."""
    exact = request.args.get("v") == _version(str((request.view_args or {}).get("filename")))
    response.headers["Cache-Control"] = f"public, max-age={YEAR}, immutable" if exact else "no-cache"


def _set_caching(response: Response, *, is_private: bool) -> None:
    if is_private or request.method not in ("GET", "HEAD") or response.status_code != 200:
        response.headers["Cache-Control"] = "no-store"
        return
    response.headers["Cache-Control"] = "private, no-cache"
    if not response.is_streamed and not response.direct_passthrough:
        response.add_etag(weak=True)


def _pack(response: Response) -> None:
    """Compress what is worth it for a browser that takes it; the tag becomes weak, since the bytes differ."""
    if response.mimetype not in PACKED or "Content-Encoding" in response.headers or response.status_code == 304:
        return
    response.vary.add("Accept-Encoding")
    if not request.accept_encodings["gzip"] or (response.content_length or SMALLEST_PACKED) < SMALLEST_PACKED:
        return
    response.direct_passthrough = False  # static files come as an open file
    body = response.get_data()
    if len(body) < SMALLEST_PACKED:
        return
    response.set_data(_packed(body) if request.endpoint == "static" else gzip.compress(body, _effort(body), mtime=0))
    response.headers["Content-Encoding"] = "gzip"
    tag, _weak = response.get_etag()
    if tag is not None:
        response.set_etag(tag, weak=True)


def _effort(body: bytes) -> int:
    """How hard to press: a month of slots repeats itself so much that the least effort does."""
    return 1 if len(body) > LARGE else 5


@lru_cache(maxsize=64)
def _packed(body: bytes) -> bytes:
    return gzip.compress(body, 9, mtime=0)


def _add_version(endpoint: str, values: dict[str, Any]) -> None:
    if endpoint == "static" and "v" not in values:
        values["v"] = _version(str(values.get("filename")))


def _version(filename: str) -> str:
    path = Path(str(current_app.static_folder), filename)
    try:
        changed = path.stat().st_mtime_ns
    except OSError:
        return ""
    return _hash(path, changed)


@lru_cache(maxsize=256)
def _hash(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:10]

"""One run, all figures: `make bench`. With --profile it also says where the time of each operation goes."""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import secrets
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
from flask import Flask
from flask.testing import FlaskClient

from bench import importing
from bench.book import Book, write
from bench.measure import BASE, Caller, Cost
from booking import clock, create_app
from booking.actions import feed, staff
from booking.domain.access import WORKER
from booking.domain.feed import Kind
from booking.settings import read as read_settings
from booking.store import schema
from booking.store.base import db
from booking.store.clinic import by_slug
from booking.store.feed import address
from booking.store.practitioner import Actor
from tests.servers import databases, postgres

README = Path(__file__).parents[1] / "README.md"
SIZES = (20_000, 200_000)
READS, BOOKINGS = 350, 140
IMPORTED = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """One operation of the table, with its target in milliseconds."""

    name: str
    target: float
    cost: Cost


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--database", choices=("sqlite", "postgresql"), action="append", help="only this one")
    parser.add_argument("--visits", type=int, action="append", help="sizes of the book instead of the usual two")
    parser.add_argument("--readme", action="store_true", help="write the tables into README.md too")
    parser.add_argument("--profile", action="store_true", help="print the most expensive functions too")
    asked = parser.parse_args()
    sizes = asked.visits or list(SIZES)
    tables = []
    for kind in asked.database or ("sqlite", "postgresql"):
        bare = _bare()
        with _server(kind) as server:
            runs = [_run(kind, server, size, profile=asked.profile) for size in sizes]
            rates = _imports(kind, server)
        tables.append(f"{_table(kind, sizes, runs, bare)}\n\n{rates}")
        print(f"\n{tables[-1]}")
    if asked.readme:
        text = README.read_text(encoding="utf-8")
        before, rest = text.split("<!-- bench -->")
        after = rest.split("<!-- /bench -->")[1]
        both = "\n\n".join(tables)
        README.write_text(f"{before}<!-- bench -->\n{both}\n<!-- /bench -->{after}", encoding="utf-8")


def _run(kind: str, server: str, size: int, *, profile: bool) -> list[Line]:
    with tempfile.TemporaryDirectory() as folder:
        app, pid = _app(kind, server, Path(folder), size)
        began = time.monotonic()
        with app.app_context():
            book = write(size, datetime.now(UTC))
        print(f"{kind}: {book.visits:,} visits written in {time.monotonic() - began:.0f} s", file=sys.stderr)
        lines = _lines(Caller(app, pid, book.key), app, book, profile=profile)
        with app.app_context():
            db.engine.dispose()
        return lines


def _imports(kind: str, server: str) -> str:
    """How fast a file is taken over, if all its visits are past and if all lie ahead: then each takes time."""
    said = []
    for ahead, words in ((False, "all are past"), (True, "all lie ahead")):
        with tempfile.TemporaryDirectory() as folder:
            app, pid = _app(kind, server, Path(folder), IMPORTED)
            took = Caller(app, pid)
            with app.app_context():
                cost = took.once(importing.ready(IMPORTED, datetime.now(UTC), ahead=ahead))
                db.engine.dispose()
        said.append(f"{IMPORTED / cost.total * 1000:,.0f} if {words}")
    return f"`booking import` of {IMPORTED:,} visits: in a second of processor time {', '.join(said)}."


def _lines(caller: Caller, app: Flask, book: Book, *, profile: bool) -> list[Line]:
    slots = f"/api/v1/clinics/{book.clinic}/slots"
    day = next(d for d in (book.month + timedelta(days=n) for n in range(7)) if d.weekday() == 2)
    one = f"service={book.service}&practitioner={book.practitioner}&from={day}&to={day + timedelta(days=1)}"
    month = f"service={book.service}&from={book.month}&to={book.month + timedelta(days=31)}"
    reads = {
        "a practitioner's day of slots": (2, f"{slots}?{one}"),
        "a month of ten, counted by day": (10, f"{slots}?{month}&count=day"),
        "a month of ten, every slot": (10, f"{slots}?{month}"),
        "first free slot in a full year": (5, f"{slots}/first?service={book.service}"),
    }
    bookings = _bookings(caller, book)
    lines = []
    for name, (target, path) in reads.items():
        request = caller.get(path)
        lines.append(Line(name, target, caller.cost([request] * READS)))
        _profile(profile, name, [request] * 200)
    for name, (target, path) in reads.items():
        request = caller.get(path)
        cost = caller.cost([request] * (BOOKINGS // 2), between=lambda: next(bookings)())
        lines.append(Line(f"{name}, after a booking", target, cost))
    todo = [next(bookings) for _ in range(BOOKINGS)]
    lines.append(Line("one booking", 6, caller.cost(todo)))
    lines.extend(_searches(caller, app, book, profile=profile))
    lines.extend(_boards(caller, app, book, profile=profile))
    lines.extend(_feeds(caller, app, book, profile=profile))
    _profile(profile, "one booking", [next(bookings) for _ in range(100)])
    return lines


SEARCHES = {
    "patient search among 100,000, by name": ("smith", "nguyen aiko", "mar", "jo sm", "an", "zielinski k", "brann"),
    "patient search, name misspelt": ("smiht", "nugyen", "Zielinsky", "takahasi", "gutierez", "hernadnez ana"),
    "patient search, by phone, e-mail or reference": ("79400042", "020 794 6", "aiko.smith", "@example", "00000042"),
}


def _searches(caller: Caller, app: Flask, book: Book, *, profile: bool) -> list[Line]:
    """What the desk's page asks for while somebody types, each search as often as the others."""
    browser, _sid = _signed_in(app, book)
    path = f"/desk/{book.clinic}/patients"
    page = browser.get(path, base_url=BASE).text
    token = page.partition('name="csrf_token" value="')[2].partition('"')[0]
    cookies = _cookies(browser)
    lines = []
    for name, texts in SEARCHES.items():
        todo = [caller.form(path, {"q": text, "csrf_token": token}, cookies, "#found") for text in texts]
        lines.append(Line(name, 5, caller.cost(todo * (READS // len(todo)))))
        _profile(profile, name, todo * 30)
    return lines


def _boards(caller: Caller, app: Flask, book: Book, *, profile: bool) -> list[Line]:
    """A full day of ten practitioners, as a page and as the part that is asked for every five seconds."""
    browser, cookies = _signed_in(app, book)
    on = next(d for d in (book.month - timedelta(days=n) for n in range(1, 8)) if d.weekday() == 2)
    part = f"/desk/{book.clinic}/board?on={on}"
    tag = browser.get(part, base_url=BASE).headers["ETag"]
    asked = {
        "the board's page, a full day of ten": (15, f"/desk/{book.clinic}/?on={on}", {}),
        "the board, changed": (15, part, {}),
        "the board, unchanged": (2, part, {"If-None-Match": tag, "X-Background": "1"}),
    }
    lines = []
    for name, (target, path, headers) in asked.items():
        request = caller.get(path, {"Cookie": cookies, "Accept-Encoding": "gzip"} | headers)
        lines.append(Line(name, target, caller.cost([request] * READS)))
        _profile(profile, name, [request] * 200)
    return lines


def _feeds(caller: Caller, app: Flask, book: Book, *, profile: bool) -> list[Line]:
    """A practitioner's feed of about 2,000 visits, whose events were written before: whole, and unchanged."""
    with app.app_context():
        clinic = by_slug(book.clinic).id
        who = db.session.scalars(sa.select(Actor.id).where(Actor.clinic_id == clinic, Actor.slug == book.practitioner))
        made = feed.make(clinic, Kind.PRACTITIONER, who.one(), by=WORKER, now=clock.now())
        path = address(made).removeprefix(BASE)
    first = app.test_client().get(path, base_url=BASE)
    events = first.data.count(b"BEGIN:VEVENT")
    asked = {
        f"a feed of {events:,} visits": (25, {}),
        f"a feed of {events:,} visits, packed": (25, {"Accept-Encoding": "gzip"}),
        f"a feed of {events:,} visits, unchanged": (1.5, {"If-None-Match": first.headers["ETag"]}),
    }
    lines = []
    for name, (target, headers) in asked.items():
        request = caller.get(path, headers)
        lines.append(Line(name, target, caller.cost([request] * READS)))
        _profile(profile, name, [request] * 100)
    return lines


def _signed_in(app: Flask, book: Book) -> tuple[FlaskClient, str]:
    """Somebody's browser at the clinic's desk, and its cookies."""
    browser = app.test_client()
    with app.app_context():
        now = clock.now()
        link = staff.invite(by_slug(book.clinic).id, "cy@elm.example", name="Cy", role="owner", language="en", now=now)
        browser.set_cookie("sid", staff.sign_in(link.rpartition("/")[2], now=now), domain="127.0.0.1")
    return browser, _cookies(browser)


def _cookies(browser: FlaskClient) -> str:
    kept = [browser.get_cookie(name, domain="127.0.0.1") for name in ("sid", "anon")]
    return "; ".join(f"{cookie.key}={cookie.value}" for cookie in kept if cookie)


def _bookings(caller: Caller, book: Book) -> Iterator[Callable[[], bytes]]:
    """Bookings of times that are free, all over the open weeks, each by another patient."""
    api = f"/api/v1/clinics/{book.clinic}"
    until = book.month + timedelta(days=34)
    found = json.loads(caller.get(f"{api}/slots?service={book.service}&from={book.month}&to={until}")())["slots"]
    # Whole hours only: none of them stands in another's way.
    free = [slot for slot in found if datetime.fromisoformat(slot["start"]).minute == 0]
    for number, slot in enumerate(free):
        person = {"name": f"Ada Byron {number}", "email": f"ada{number}@example.com"}
        wish = {"service": book.service, "practitioner": slot["practitioner"], "start": slot["start"]}
        body = {**wish, "patient": person, "new_patient": False}
        yield caller.post(f"{api}/appointments", body, secrets.token_hex(8))


def _bare() -> Cost:
    app = Flask("bare")

    @app.get("/bare")
    def bare() -> dict[str, bool]:
        return {"ok": True}

    return Caller(app).cost([Caller(app).get("/bare")] * 2000)


@contextmanager
def _server(kind: str) -> Iterator[str]:
    if kind == "sqlite":
        yield ""
        return
    with postgres.running(synced=True) as url:
        yield url


def _app(kind: str, server: str, folder: Path, size: int) -> tuple[Flask, int | None]:
    url = f"sqlite:///{folder / 'booking.db'}"
    pid = None
    if kind == "postgresql":
        url = databases.postgresql_empty(server, str(size))
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.connect() as connection:
            pid = int(str(connection.scalar(sa.text("select pg_read_file('postmaster.pid')"))).split()[0])
    schema.upgrade(url)
    # Limits are per address, and all of these requests come from one.
    environ = {"BOOKING_INSTANCE": str(folder), "BOOKING_DATABASE_URL": url, "BOOKING_RATE_LIMITS": "off"}
    return create_app(read_settings(environ)), pid


def _profile(wanted: bool, name: str, operations: list[Callable[[], bytes]]) -> None:
    if not wanted:
        return
    profiler = cProfile.Profile()
    profiler.enable()
    for operation in operations:
        operation()
    profiler.disable()
    print(f"\n== {name}: {len(operations)} times ==", file=sys.stderr)
    stats = pstats.Stats(profiler, stream=sys.stderr)
    stats.sort_stats("tottime").print_stats(18)
    stats.sort_stats("cumulative").print_stats("booking|bench", 30)


def _table(kind: str, sizes: list[int], runs: list[list[Line]], bare: Cost) -> str:
    name, note = {
        "sqlite": ("SQLite", ""),
        "postgresql": ("PostgreSQL", " + what the database server's own processes used"),
    }[kind]
    heads = " | ".join(f"{size:,} visits" for size in sizes)
    rows = [
        f"{name}: milliseconds of processor time per operation{note}. A bare Flask route takes {bare.app:.2f}.",
        "",
        f"| operation | target | {heads} | × bare | growth |",
        "|---|---:|" + "---:|" * (len(sizes) + 2),
    ]
    for lines in zip(*runs, strict=True):
        costs = [line.cost for line in lines]
        figures = " | ".join(f"{c.app:.2f}" + (f" + {c.server:.2f}" if note else "") for c in costs)
        growth = f"{costs[-1].total / costs[0].total - 1:+.0%}" if len(costs) > 1 else ""
        missed = "" if all(c.total <= lines[0].target for c in costs) else " (missed)"
        rows.append(
            f"| {lines[0].name} | {lines[0].target:g}{missed} | {figures} | {costs[0].app / bare.app:.0f} | {growth} |"
        )
    return "\n".join(rows)


if __name__ == "__main__":
    main()

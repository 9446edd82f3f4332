"""The day board in a browser: `python -m bench.board` draws ten practitioners with 200 visits and drags one of them.

The processor is slowed down four times. Times are medians of five runs; bytes are what went over the wire.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from flask import Flask
from playwright.sync_api import Browser, CDPSession, Page
from werkzeug.serving import WSGIRequestHandler, make_server

from bench import book
from booking import clock, create_app
from booking.actions import staff
from booking.settings import read as read_settings
from booking.store import schema
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.practitioner import Service
from booking.web.access import cookie_name
from tests.servers import chromium

VISITS = 200
EVERY = 20  # minutes between two visits of one practitioner
STAGES = [{"minutes": 15}, {"minutes": 20, "practitioner": False}, {"minutes": 5}]
STAY = 40
RUNS = 5
SLOWER = 4
MOVES = 60  # of the mouse, in one drag

FRAMES = """() => {
  window.frames = [];
  let last = performance.now();
  const tick = (now) => { window.frames.push(now - last); last = now; window.ticking = requestAnimationFrame(tick); };
  window.ticking = requestAnimationFrame(tick);
}"""
PAINTED = "() => performance.getEntriesByName('first-contentful-paint')[0].startTime"
READY = "() => performance.getEntriesByType('navigation')[0].loadEventEnd"


class Quiet(WSGIRequestHandler):
    """Keeps the figures free of a log, and the connections open as behind a server of its own."""

    protocol_version = "HTTP/1.1"

    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, chromium.running() as browser:
        app, cookie, on = _written(Path(folder))
        with _served(app) as url:
            runs = [_run(browser, f"{url}/desk/elm/?on={on}", cookie, url) for _ in range(RUNS)]
    kilobytes, requests = runs[0][0] / 1024, runs[0][1]
    paint, ready, frame, slow, unchanged = (statistics.median(run[n] for run in runs) for n in (2, 3, 4, 5, 6))
    print(f"ten practitioners, {VISITS} visits; processor slowed down {SLOWER} times; medians of {RUNS}")
    print(f"cold: {kilobytes:.1f} KB in {requests} requests; painted {paint:.0f} ms, ready {ready:.0f} ms")
    print(f"a frame while dragging: {frame:.0f} ms, 95 in 100 within {slow:.0f} ms")
    print(f"unchanged, every five seconds: {unchanged:.0f} bytes")


def _run(browser: Browser, address: str, cookie: tuple[str, str], url: str) -> tuple[float, ...]:
    profile = browser.new_context(viewport={"width": 1440, "height": 900})
    profile.add_cookies([{"name": cookie[0], "value": cookie[1], "url": url}])
    page = profile.new_page()
    wire = profile.new_cdp_session(page)
    sizes: list[float] = []
    wire.on("Network.loadingFinished", lambda done: sizes.append(done["encodedDataLength"]))
    wire.send("Network.enable")
    wire.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
    page.goto(address, wait_until="load")
    cold, requests = sum(sizes), len(sizes)
    figures = page.evaluate(PAINTED), page.evaluate(READY)
    unchanged = _unchanged(page, wire)
    frames = _dragged(page)
    profile.close()
    return cold, requests, *figures, *frames, unchanged


def _unchanged(page: Page, wire: CDPSession) -> float:
    """The bytes of one answer that says that nothing changed."""
    sizes: list[float] = []
    wire.on("Network.responseReceived", lambda got: sizes.append(got["response"]["encodedDataLength"]))
    with page.expect_response(lambda answer: "/board?" in answer.url, timeout=20_000) as waited:
        pass
    assert waited.value.status == 304
    page.wait_for_timeout(100)
    return sizes[0]


def _dragged(page: Page) -> tuple[float, float]:
    """The median frame and the 95th of 100 while a visit is dragged to and fro."""
    box = page.locator("#board a[data-v]").nth(3).bounding_box()
    assert box
    x, y = box["x"] + 30, box["y"] + 8
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(FRAMES)
    for n in range(MOVES):
        page.mouse.move(x + 12 * (n % 40), y + 9 * (n % 25))
    frames = sorted(page.evaluate("() => { cancelAnimationFrame(window.ticking); return window.frames; }"))
    page.keyboard.press("Escape")
    page.mouse.up()
    return statistics.median(frames), frames[int(len(frames) * 0.95)]


def _written(folder: Path) -> tuple[Flask, tuple[str, str], date]:
    """An app with one full day, the cookie of somebody at its desk, and the day."""
    url = f"sqlite:///{folder / 'booking.db'}"
    schema.upgrade(url)
    environ = {"BOOKING_INSTANCE": str(folder), "BOOKING_DATABASE_URL": url, "BOOKING_RATE_LIMITS": "off"}
    app, now = create_app(read_settings(environ)), clock.now()
    with app.app_context():
        clinic, service, place, people, rooms = book.settings(now, "unused")
        db.session.execute(sa.update(Service).values(stages=STAGES))
        patients = book._patients(clinic, now)
        on = next(day for n in range(1, 8) if (day := now.date() + timedelta(days=n)).weekday() == 2)
        db.session.execute(
            sa.insert(Appointment), list(_visits(clinic, service, place, people, rooms, patients, on, now))
        )
        db.session.commit()
        link = staff.invite(clinic, "cy@elm.example", name="Cy", role="owner", language="en", now=now)
        secret = staff.sign_in(link.rpartition("/")[2], now=now)
        return app, (cookie_name("sid", app.config["SETTINGS"]), secret), on


def _visits(
    clinic: int,
    service: int,
    place: int,
    people: list[int],
    rooms: list[int],
    patients: list[int],
    on: date,
    now: datetime,
) -> Iterator[dict[str, object]]:
    for n in range(VISITS):
        person = n % len(people)
        wall = datetime.combine(on, time(book.HOURS.start)) + timedelta(minutes=EVERY * (n // len(people)))
        starts_at = wall.replace(tzinfo=ZoneInfo(book.ZONE)).astimezone(UTC)
        yield {
            "public_id": f"{n * 7919:026x}",
            "reference": f"{n:08}",
            "clinic_id": clinic,
            "patient_id": patients[n],
            "service_id": service,
            "practitioner_id": people[person],
            "room_id": rooms[person // 2],
            "location_id": place,
            "new_patient": False,
            "starts_at": starts_at,
            "ends_at": starts_at + timedelta(minutes=STAY),
            "start_time": wall,
            "zone": book.ZONE,
            "status": ("booked", "booked", "pending", "arrived", "fulfilled")[n % 5],
            "language": "en",
            "remind": True,
            "uid": f"{n}@elm.example",
            "sequence": 0,
            "link_version": 1,
            "stamped_at": now,
            "created_at": now,
            "updated_at": now,
        }


@contextmanager
def _served(app: Flask) -> Iterator[str]:
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == "__main__":
    main()

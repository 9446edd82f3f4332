"""A file to take over: the visits of ten practitioners on full days, forwards or backwards from today."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import count, islice

from bench.book import HOURS, PRACTITIONERS, names, settings
from booking.actions import importing
from booking.domain.moving import Fate
from booking.store.base import db

PATIENTS = 5_000


def ready(visits: int, now: datetime, *, ahead: bool) -> Callable[[], None]:
    """Write the clinic into an empty database; what is returned reads the file, examines its rows and writes them."""
    clinic, *_ = settings(now, "no key")
    db.session.commit()
    content = "\n".join(
        ["start,service,practitioner,name,email,phone,status,note", *_rows(visits, now, ahead)]
    ).encode()

    def take_over() -> None:
        table = importing.read(content, clinic, now=now)
        verdicts = importing.examine(clinic, table.rows, now=now)
        assert {verdict.fate for verdict in verdicts} == {Fate.IMPORTED}
        for batch in importing.batches(verdicts):
            assert not importing.write(clinic, batch, now=now)

    return take_over


def _rows(visits: int, now: datetime, ahead: bool) -> Iterator[str]:
    people = names(PATIENTS)
    step, status = (1, "booked") if ahead else (-1, "fulfilled")
    days = (now.date() + timedelta(days=step * n) for n in count(1))
    times = ((day, who, hour) for day in days if day.weekday() < 5 for who in range(PRACTITIONERS) for hour in HOURS)
    for n, (day, who, hour) in enumerate(islice(times, visits)):
        number = n * 7919 % PATIENTS
        person = f"{people[number]},p{number}@example.com,+44 20 7946 {number:04}"
        note = "By the window" if n % 3 == 0 else ""
        yield f"{day} {hour:02}:00,visit,p{who},{person},{status},{note}"

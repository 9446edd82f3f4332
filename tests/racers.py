"""The clients of test_race: processes with many threads each, which all start their jobs at the same moment.

This module is imported by each process, so it holds nothing but what they need.
"""

from __future__ import annotations

import multiprocessing
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from typing import Any

from booking import clock, create_app
from booking.actions import appointment as actions
from booking.actions import slot
from booking.domain.access import PATIENT, PUBLIC, Caller
from booking.domain.availability import Wish
from booking.domain.errors import NotOffered, SlotTaken
from booking.settings import Settings
from booking.store.patient import Person

PROCESSES = 4
DESK = Caller("staff", 1, "front-desk")


@dataclass(frozen=True)
class Job:
    """What one client does, and on which clinic. `key` is an API key, for jobs that go by HTTP."""

    verb: str
    clinic: int
    service: int = 0
    start: datetime | None = None
    appointment: str = ""
    key: str = ""
    body: Any = None


@dataclass(frozen=True)
class Outcome:
    """How it went: done, taken, or an error that no client should see."""

    verb: str
    how: str
    appointment: str = ""
    alternatives: int = 0


class Racers:
    """Client processes that wait for work. They stay, since starting one costs a second."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipes: list[Connection] = []
        self.processes = []
        for _ in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs,), daemon=True)
            process.start()
            self.pipes.append(ours)
            self.processes.append(process)

    def run(self, settings: Settings, jobs: Sequence[Job], now: datetime) -> list[Outcome]:
        """Do all jobs at once, dealt to the processes in turn; what each came to, in no order."""
        for n, pipe in enumerate(self.pipes):
            pipe.send((settings, list(jobs[n::PROCESSES]), now))
        for pipe in self.pipes:
            assert pipe.recv() == "ready"
        for pipe in self.pipes:
            pipe.send("go")
        return [outcome for pipe in self.pipes for outcome in pipe.recv()]

    def stop(self) -> None:
        for pipe in self.pipes:
            pipe.send(None)
        for process in self.processes:
            process.join(10)


@contextmanager
def racers() -> Iterator[Racers]:
    running = Racers()
    try:
        yield running
    finally:
        running.stop()


def _serve(pipe: Connection) -> None:
    app = None
    known = None
    while (work := pipe.recv()) is not None:
        settings, jobs, now = work
        if settings != known:
            app, known = create_app(settings), settings
        clock.now = lambda now=now: now
        outcomes: list[Outcome] = []
        start = threading.Barrier(len(jobs) + 1)
        threads = [threading.Thread(target=_client, args=(app, job, now, start, outcomes)) for job in jobs]
        for thread in threads:
            thread.start()
        pipe.send("ready")
        pipe.recv()
        start.wait()
        for thread in threads:
            thread.join()
        pipe.send(outcomes)


def _client(app: Any, job: Job, now: datetime, start: threading.Barrier, outcomes: list[Outcome]) -> None:
    with app.app_context():
        start.wait()
        try:
            outcomes.append(_do(app, job, now))
        except (SlotTaken, NotOffered) as refusal:
            outcomes.append(Outcome(job.verb, "taken", alternatives=len(refusal.alternatives)))
        except Exception as error:
            outcomes.append(Outcome(job.verb, repr(error)))


def _do(app: Any, job: Job, now: datetime) -> Outcome:
    name = f"{job.verb} {uuid.uuid4()}"
    person = Person(name, f"{uuid.uuid4()}@example.com", None, "en")
    match job.verb:
        case "post":
            return _post(app, job, name)
        case "book":
            visit = actions.book(job.clinic, Wish(job.service), job.start, person, by=PUBLIC, now=now)
        case "hold":
            held = slot.hold(job.clinic, Wish(job.service), job.start, session_key=name, now=now)
            return Outcome(job.verb, "done", str(held.id))
        case "squeeze":
            wish = Wish(job.service, staff=True)
            visit = actions.book(job.clinic, wish, job.start, person, by=DESK, now=now, squeeze="She is in pain")
        case "cancel":
            visit = actions.cancel(job.clinic, job.appointment, by=PATIENT, now=now)
        case "move":
            visit = actions.reschedule(job.clinic, job.appointment, job.start, by=PATIENT, now=now)
        case _:
            raise AssertionError(job.verb)
    return Outcome(job.verb, "done", visit.public_id)


def _post(app: Any, job: Job, name: str) -> Outcome:
    """Book over HTTP, as a program with an API key does."""
    headers = {"Authorization": f"Bearer {job.key}", "Idempotency-Key": name}
    answer = app.test_client().post("/api/v1/clinics/elm/appointments", json=job.body, headers=headers)
    match answer.status_code:
        case 201:
            return Outcome(job.verb, "done", answer.json["id"])
        case 409:
            return Outcome(job.verb, "taken", alternatives=len(answer.json["alternatives"]))
        case status:
            return Outcome(job.verb, f"{status}: {answer.get_data(as_text=True)[:300]}")

"""The worker's rounds: mail and reminders out, answers and calendars elsewhere in, and what has expired swept away.

Each round deals with what is due and leaves the rest; what fails is tried again in a later one.
"""

from __future__ import annotations

import logging
import threading
from time import monotonic

from flask import Flask
from sqlalchemy.exc import DBAPIError

from booking import clock, imap
from booking.actions import appointment, audit, inbox, outbox, outside, paper
from booking.domain.errors import Busy
from booking.store.base import settings

log = logging.getLogger("booking")

IDLE = 2.0  # seconds that it waits when nothing was due
BATCH = 20  # mails between two looks at whether to stop
SWEEP_EVERY = 60.0
POLL_EVERY = 60.0  # seconds between two looks into the mailbox
LOOK_EVERY = 5.0  # seconds between two looks whether a calendar elsewhere is to be read
READERS = 2  # threads for that: a slow server holds up one of them
LONGEST_PAUSE = 60.0  # after faults of the database


def once() -> None:
    """Do what is due, in the application's context, and return."""
    while _deliver():
        pass
    _sweep()
    _read_calendars()
    if settings().imap_url:
        _poll(settings().imap_url)


def run(app: Flask, stop: threading.Event) -> None:
    """Do what is due until told to stop."""
    with app.app_context():
        url = settings().imap_url
    # Threads of their own: what goes out does not wait for a slow mailbox or a slow calendar.
    for _ in range(READERS):
        threading.Thread(target=_keep_reading, args=(app, stop), daemon=True).start()
    if url:
        threading.Thread(target=_keep_polling, args=(app, url, stop), daemon=True).start()
    _keep_delivering(app, stop)


def _keep_delivering(app: Flask, stop: threading.Event) -> None:
    """Faults of the database are waited out, with longer and longer pauses."""
    pause, swept = IDLE, -SWEEP_EVERY
    while not stop.is_set():
        try:
            with app.app_context():
                done = _deliver()
                if monotonic() - swept >= SWEEP_EVERY:
                    _sweep()
                    swept = monotonic()
        except (DBAPIError, Busy) as error:
            pause = min(pause * 2, LONGEST_PAUSE)
            log.warning("the database failed (%s); next try in %s s", type(error).__name__, pause)
            stop.wait(pause)
            continue
        pause = IDLE
        if not done:
            stop.wait(IDLE)


def _deliver() -> int:
    """End the requests that nobody answered, remind, and send what is due; how many there were."""
    now = clock.now()
    return appointment.lapse(now) + appointment.remind(now) + outbox.deliver(now, limit=BATCH)


def _sweep() -> None:
    paper.mail_day_sheets(clock.now())
    audit.chain_notes(clock.now())
    audit.keep_heads(clock.now())
    appointment.sweep(clock.now())
    outbox.wipe(clock.now())
    inbox.prune(clock.now())


def _keep_polling(app: Flask, url: str, stop: threading.Event) -> None:
    while not stop.is_set():
        with app.app_context():
            _poll(url)
        stop.wait(POLL_EVERY)


def _poll(url: str) -> None:
    """Deal with the unread mail of the mailbox. What can't be read now is read in the next round."""
    try:
        imap.poll(url, lambda content: inbox.receive(content, clock.now()), giving_up=(DBAPIError, Busy))
    except imap.Unreachable as error:
        log.warning("the mailbox can't be read: %s", error)
    except (DBAPIError, Busy) as error:
        log.warning("the database failed (%s); the mail stays unread", type(error).__name__)
    except Exception as error:  # whatever a mail server answers, the next round tries again
        log.error("reading the mailbox failed: %s", type(error).__name__)


def _keep_reading(app: Flask, stop: threading.Event) -> None:
    while not stop.is_set():
        with app.app_context():
            _read_calendars(stop)
        stop.wait(LOOK_EVERY)


def _read_calendars(stop: threading.Event | None = None) -> None:
    """Read the calendars elsewhere that are due, until told to stop. What fails is tried again in a later round."""
    try:
        while not (stop and stop.is_set()) and outside.read_due(clock.now()):
            pass
    except Exception as error:  # of the database, or at whatever a stranger's calendar holds
        log.error("reading a calendar failed: %s", type(error).__name__)

"""Times on offer: looking, holding one while a form is filled in, and asking why one is not on offer."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from booking.domain import availability as heart
from booking.domain.availability import Plan, Reason, Slot, Window, Wish
from booking.domain.time import day_bounds, instant_of, local, tick_of
from booking.store import diary
from booking.store import hold as holds
from booking.store.base import transaction
from booking.store.clinic import policy
from booking.store.diary import Diary
from booking.store.hold import Hold


@dataclass(frozen=True, slots=True)
class Offer:
    """The times on offer in a stretch of days, and the first one after it (None: none within the horizon)."""

    slots: tuple[Slot, ...]
    next: Slot | None


def read(clinic_id: int, now: datetime, *, moving: int | None = None) -> Diary:
    """The diary that the questions below are asked of; the time of the appointment `moving` counts as free."""
    own = holds.of_appointment(moving) if moving else None
    return diary.read(clinic_id, now, without=own.id if own else None)


def search(book: Diary, wish: Wish, since: date, until: date) -> Offer:
    """The times on offer from the first to before the last of these local days, and the first one after them."""
    window = _window(book.plan, wish, since, until)
    found = heart.slots(book.plan, book, wish, window, book.now)
    return Offer(tuple(found), heart.first(book.plan, book, wish, window.stop, book.now))


def starts(book: Diary, wish: Wish, since: date, until: date) -> dict[tuple[int, int], list[int]]:
    """What `search` finds, as ticks by practitioner and location: for whoever writes out thousands."""
    return heart.starts(book.plan, book, wish, _window(book.plan, wish, since, until), book.now)


def at(book: Diary, wish: Wish, start: datetime) -> list[Slot]:
    """The times on offer that start at exactly this instant, one for each practitioner."""
    tick = tick_of(start)
    return heart.slots(book.plan, book, wish, Window(tick, tick + 1), book.now) if instant_of(tick) == start else []


def first(book: Diary, wish: Wish, since: date | None = None) -> Slot | None:
    """The first time on offer from this local day on, or from now."""
    after = tick_of(book.now) if since is None else _window(book.plan, wish, since, since).start
    return heart.first(book.plan, book, wish, after, book.now)


def per_day(book: Diary, wish: Wish, since: date, until: date) -> dict[date, int]:
    """How many starts are on offer on each of these local days; days without any are left out."""
    return heart.per_day(book.plan, book, wish, _window(book.plan, wish, since, until), book.now)


def nearest(book: Diary, wish: Wish, start: datetime) -> list[Slot]:
    """The times on offer closest to this one, closest first."""
    return heart.nearest(book.plan, book, wish, start, book.now)


def why_not(book: Diary, wish: Wish, start: datetime) -> list[Reason]:
    """Every reason why the wished practitioner's time is not on offer; empty if it is. The wish names one."""
    assert wish.practitioner is not None
    return heart.why_not(book.plan, book, wish, wish.practitioner, start, book.now)


@transaction
def hold(clinic_id: int, wish: Wish, start: datetime, *, session_key: str, now: datetime) -> Hold:
    """Hold a time for a browser session while its form is filled in; what it held before is given back.

    Raises SlotTaken or NotOffered, with the nearest other times; then it keeps what it had.
    """
    clinic = policy(clinic_id)
    before = holds.of_session(clinic_id, session_key, now)
    return diary.take(
        diary.plan(clinic_id, clinic.revision),
        wish,
        start,
        now=now,
        expires_at=now + timedelta(minutes=clinic.hold_minutes),
        session_key=session_key,
        instead_of=before,
    )


def held(clinic_id: int, *, session_key: str, now: datetime) -> Hold | None:
    """What a browser session holds, None once it has expired."""
    return holds.of_session(clinic_id, session_key, now)


def today(plan: Plan, wish: Wish, now: datetime) -> date:
    """The local date in the wished location."""
    return local(now, _zone(plan, wish)).date()


def _window(plan: Plan, wish: Wish, since: date, until: date) -> Window:
    zone = _zone(plan, wish)
    return Window(tick_of(day_bounds(since, zone)[0]), tick_of(day_bounds(until, zone)[0]))


def _zone(plan: Plan, wish: Wish) -> str:
    place = plan.locations.get(wish.location or 0) or next(iter(plan.locations.values()))
    return place.zone

"""What patients and practitioners answered from their calendars, as the desk reads it, and the no to a proposal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import g, request
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from booking.actions import inbox, slot
from booking.domain.appointment import OPEN
from booking.domain.availability import Wish
from booking.domain.errors import NotFound
from booking.domain.message import Recipient
from booking.domain.reply import Answer
from booking.domain.time import instant_of, local, tick_of
from booking.store import answer as answers
from booking.store.answer import Received
from booking.web.access import allow
from booking.web.desk import outcome, words
from booking.web.desk.blueprint import DESK, blueprint
from booking.web.desk.outcome import Deed, leads_to
from booking.web.desk.visits import Visit


@dataclass(frozen=True, slots=True)
class Proposal:
    """Another time that somebody wants: what the form that moves the visit there sends, and what speaks against it."""

    start: datetime
    on: str  # the local date
    value: str
    against: list[str]


@dataclass(frozen=True, slots=True)
class Said:
    """What one of those invited last said of a visit as it stands."""

    who: str
    what: str
    comment: str
    at: datetime
    proposal: Proposal | None


@dataclass(frozen=True, slots=True)
class NotCounted:
    """What somebody wrote about a visit that changed nothing, and why it did not."""

    id: int
    sender: str
    what: str
    why: list[str]
    comment: str
    at: datetime


@blueprint.post("/desk/<clinic>/appointments/<id>/decline-counter")
@allow("staff", *DESK)
@leads_to(Deed.NOT_MOVED)
def decline_counter(id: str) -> ResponseReturnValue:
    """The visit stays where it is, and who proposed another time is told so."""
    row = inbox.decline_counter(g.clinic.id, id, by=g.caller, now=g.now, expected=outcome.version())
    return outcome.show(Deed.NOT_MOVED, row)


@blueprint.post("/desk/<clinic>/appointments/<id>/dealt-with")
@allow("staff", *DESK)
def dealt_with(id: str) -> ResponseReturnValue:
    """Somebody has looked after the answers that do not count; those that came after the page was shown stay."""
    until = request.form.get("until", type=int)
    if until is None:
        raise NotFound
    return outcome.show(Deed.DEALT_WITH, inbox.put_away(g.clinic.id, id, until, by=g.caller, now=g.now))


def of(visit: Visit) -> list[Said]:
    """The answers about a visit, the newest first."""
    return [_said(visit, one) for one in answers.standing(visit.row)]


def not_counted(visit: Visit) -> list[NotCounted]:
    """The answers about a visit that do not count and wait for somebody to ask its patient, the newest first."""
    row = visit.row
    if row.status not in OPEN or row.ends_at <= g.now:
        return []
    return [
        NotCounted(
            id=one.id,
            sender=known.sender or _("an unclear address"),
            what=words.answer_words(Answer(one.wants or Answer.COUNTER), one.starts_at, row.zone),
            why=[words.doubt_words(doubt) for doubt in known.doubts],
            comment=known.comment,
            at=one.received_at,
        )
        for one, known in answers.unheard(row)
    ]


def _said(visit: Visit, one: Received) -> Said:
    is_patients = one.sender_role == Recipient.PATIENT
    wants = Answer(one.wants or Answer.ACCEPTED)
    start = one.starts_at if wants is Answer.COUNTER else None
    return Said(
        who=visit.patient.name if is_patients else visit.practitioner,
        what=words.answer_words(wants, start, visit.row.zone),
        comment=answers.comment_of(one, visit.row),
        at=one.received_at,
        proposal=_proposal(visit, start) if start and visit.row.needs_desk else None,
    )


def _proposal(visit: Visit, start: datetime) -> Proposal | None:
    """None for a service or a practitioner that the clinic has no more: the visit can be moved by hand only."""
    row = visit.row
    book = slot.read(g.clinic.id, g.now, moving=row.id)
    person = book.plan.practitioners.get(row.practitioner_id)
    if row.service_id not in book.plan.services or person is None:
        return None
    return Proposal(
        start=start,
        on=local(start, row.zone).date().isoformat(),
        value=f"{start:%Y-%m-%dT%H:%MZ}/{person.slug}",
        against=_against(visit, start),
    )


def _against(visit: Visit, start: datetime) -> list[str]:
    if instant_of(tick_of(start)) != start:
        return [_("Visits start at full five minutes.")]
    row = visit.row
    wish = Wish(row.service_id, row.new_patient, row.practitioner_id, row.location_id, staff=True, any_tick=True)
    reasons = slot.why_not(slot.read(g.clinic.id, g.now, moving=row.id), wish, start)
    return [words.reason_words(reason, visit.practitioner, row.zone) for reason in reasons]

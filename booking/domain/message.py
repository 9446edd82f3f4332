"""Who is told what about a visit, and the facts that a mail or an invite is made of.

Which words are said is `formats/letter`; which bytes, `formats/itip` and `formats/mime`; when, `actions/outbox`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from booking.domain.appointment import NOTED, OPEN, Status


class Kind(StrEnum):
    """What a message says."""

    REQUESTED = "requested"
    BOOKED = "booked"
    CONFIRMED = "confirmed"  # booked, after a request
    OFFERED = "offered"  # another time, which waits for the patient's word
    MOVED = "moved"
    CHANGED = "changed"  # same time, other practitioner or details
    CANCELLED = "cancelled"  # by the patient
    CALLED_OFF = "called-off"  # by the clinic
    MISTAKE = "mistake"  # it should never have been there
    DECLINED = "declined"
    LAPSED = "lapsed"
    NOT_MOVED = "not-moved"  # to who proposed another time: it stays where it is
    CHOOSE = "choose"  # the clinic can't keep the time: please choose another one
    REMINDER = "reminder"
    REPLACED = "replaced"  # to a practitioner: the visit is somebody else's now
    ELSEWHERE = "elsewhere"  # to an address that the visit's mails no longer go to
    LIMIT = "limit"  # somebody tried to book in the patient's name, past the limit
    LOST_LINK = "lost-link"
    FEED = "feed"  # the address of all of a patient's visits, for their calendar
    DAY_SHEET = "day-sheet"  # to the clinic: who comes tomorrow
    SIGN_IN = "sign-in"
    NEW_DEVICE = "new-device"  # somebody signed in as them where they never did before
    PASSWORD_CHANGED = "password-changed"
    FACTOR_ADDED = "factor-added"
    FACTOR_REMOVED = "factor-removed"


class Recipient(StrEnum):
    """Whom a message is for."""

    PATIENT = "patient"
    PRACTITIONER = "practitioner"
    CLINIC = "clinic"
    STAFF = "staff"


class Method(StrEnum):
    """The iTIP method of the calendar part (RFC 5546)."""

    REQUEST = "REQUEST"
    CANCEL = "CANCEL"
    DECLINECOUNTER = "DECLINECOUNTER"


class Tell(StrEnum):
    """When people hear of what the desk did to a visit."""

    NOW = "now"
    LATER = "later"  # in some minutes, so that it can be undone unnoticed
    NO = "no"  # not of this; whatever is mailed next says how the visit stands then


@dataclass(frozen=True, slots=True)
class Notice:
    """One message to send. `former` means the recipient as it was before the change."""

    kind: Kind
    to: Recipient
    method: Method | None = None
    former: bool = False


@dataclass(frozen=True, slots=True)
class Transition:
    """What happened to a visit, as far as it decides who is told."""

    old: Status | None  # None: it was just made
    new: Status
    by: str  # the kind of the caller: patient, public, key, staff or worker
    moved: bool = False  # another start, end or location
    offered: bool = False  # the desk offers a pending request another time
    practitioner_changed: bool = False
    address_changed: bool = False  # the patient's e-mail
    details_changed: bool = False  # texts of the event only
    patient: bool = True  # has an e-mail address
    practitioner: bool = False  # wants invites
    former_practitioner: bool = False  # wanted invites
    former_patient: bool = True  # had an e-mail address
    clinic: bool = False  # wants to hear what patients do


GONE = frozenset({Status.CANCELLED, Status.ENTERED_IN_ERROR})


def notices(transition: Transition) -> list[Notice]:
    """Who is told what, in the order of sending.

    1. A request, its answer and its end are mails without a calendar part; a booked visit is a REQUEST.
    2. Arriving, checking in, being done and not coming change no event: nobody is told. What is cancelled or was a
       mistake after that is an event that goes.
    3. A practitioner who wants invites hears of booked visits only; the clinic hears what patients do, not what
       its desk does.
    Whether a CANCEL has anything to cancel is known by the outbox alone (`as_sent`).
    """
    return [*_to_patient(transition), *_to_practitioner(transition), *_to_clinic(transition)]


def _to_patient(t: Transition) -> list[Notice]:
    patient = Recipient.PATIENT
    if t.address_changed and t.old in NOTED:
        old = [Notice(Kind.ELSEWHERE, patient, Method.CANCEL, former=True)] if t.former_patient else []
        new = [Notice(Kind.BOOKED, patient, Method.REQUEST)] if t.patient else []
        return old + new
    kind = _said(t)
    if kind is None or not t.patient:
        return []
    return [Notice(kind, patient, _method(t))]


def _to_practitioner(t: Transition) -> list[Notice]:
    practitioner = Recipient.PRACTITIONER
    if (t.address_changed and t.old in NOTED) or (t.practitioner_changed and t.old == t.new == Status.BOOKED):
        # A new address of the patient gives the visit a new UID: the old event has to go.
        ended = Kind.REPLACED if t.practitioner_changed else Kind.ELSEWHERE
        old = [Notice(ended, practitioner, Method.CANCEL, former=True)] if t.former_practitioner else []
        new = [Notice(Kind.BOOKED, practitioner, Method.REQUEST)] if t.practitioner else []
        return old + new
    said = _said(t)
    method = _method(t)
    if said is None or method is None or not t.practitioner:
        return []
    return [Notice(said, practitioner, method)]


def _to_clinic(t: Transition) -> list[Notice]:
    kind = _said(t)
    if kind is None or not t.clinic or t.by == "staff":
        return []
    return [Notice(kind, Recipient.CLINIC)]


def _said(t: Transition) -> Kind | None:
    """What the visit's people hear of the transition, None if nothing."""
    by_clinic = t.by in ("staff", "worker")
    match t.old, t.new:
        case None, Status.PENDING:
            return Kind.REQUESTED
        case None, Status.BOOKED:
            return Kind.BOOKED
        case Status.PENDING, Status.PENDING:
            if t.offered:
                return Kind.OFFERED
            return Kind.REQUESTED if t.moved or t.address_changed else None
        case Status.PENDING, Status.BOOKED:
            return Kind.CONFIRMED if by_clinic else Kind.BOOKED
        case _, Status.ENTERED_IN_ERROR:
            return Kind.MISTAKE
        case Status.PENDING, new if new in GONE:
            if t.by == "worker":
                return Kind.LAPSED
            return Kind.DECLINED if t.by == "staff" else Kind.CANCELLED
        case Status.BOOKED, Status.BOOKED:
            if t.moved:
                return Kind.MOVED
            return Kind.CHANGED if t.practitioner_changed or t.details_changed else None
        case old, new if old in NOTED and new in GONE:
            return Kind.CALLED_OFF if by_clinic else Kind.CANCELLED
        case _:
            return None


def _method(t: Transition) -> Method | None:
    if t.new == Status.BOOKED:
        return Method.REQUEST
    return Method.CANCEL if t.old in NOTED and t.new in GONE else None


def by_phone(t: Transition) -> Kind | None:
    """What the clinic did that a patient without an e-mail address has to be told by phone; None if nothing.

    Who books at the desk or by phone hears it there and then, and so does who is here.
    """
    if t.patient or t.old not in OPEN or t.by not in ("staff", "worker") or t.new == Status.ENTERED_IN_ERROR:
        return None
    return _said(t)


TOLD_OF_END = frozenset({Kind.CALLED_OFF, Kind.DECLINED, Kind.LAPSED, Kind.MISTAKE})
TOLD_OF_REQUEST = frozenset({Kind.REQUESTED, Kind.OFFERED})
NOT_FOR_PHONE = frozenset({Kind.CANCELLED, Kind.ELSEWHERE})  # the patient's own doing, or an address given up


def is_still_news(kind: Kind, status: str) -> bool:
    """Whether what a mail to a patient failed to say is still to be said, the visit being as it is now."""
    if kind in NOT_FOR_PHONE:
        return False
    if status in GONE:
        return kind in TOLD_OF_END
    if status == Status.PENDING:
        return kind in TOLD_OF_REQUEST
    return status == Status.BOOKED and kind not in TOLD_OF_END | TOLD_OF_REQUEST


class Told(StrEnum):
    """What may have reached a recipient about a visit so far."""

    NOTHING = "nothing"
    MAIL = "mail"
    EVENT = "event"  # an event stands in their calendar


ENDINGS = frozenset({Kind.CANCELLED, Kind.MISTAKE, Kind.REPLACED, Kind.ELSEWHERE})
UPDATES = frozenset({Kind.MOVED, Kind.CHANGED})


def as_sent(notice: Notice, *, told: Told) -> Notice | None:
    """The notice as it suits what the recipient knows already; None if there is nothing left to say.

    A CANCEL goes only where an event is. What the patient ended, or what was a mistake, needs no mail if nothing was
    sent before; what the clinic ended is told even so, since the patient saw the visit on the page. News of a move
    that was never preceded by an event is a first booking.
    """
    if notice.method is Method.CANCEL and told is not Told.EVENT:
        if told is Told.NOTHING and notice.kind in ENDINGS:
            return None
        return Notice(notice.kind, notice.to, None, notice.former)
    if notice.kind in (Kind.CANCELLED, Kind.MISTAKE) and told is Told.NOTHING and notice.to is not Recipient.CLINIC:
        return None
    if notice.kind in UPDATES and notice.method is Method.REQUEST and told is not Told.EVENT:
        return Notice(Kind.BOOKED, notice.to, notice.method)
    return notice


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The clinic as it signs a mail. Texts are in the reader's language already."""

    clinic: str
    phone: str  # E.164; empty if there is none
    region: str  # ISO 3166, for phone numbers and the way dates are written
    email: str  # replies go there
    sender: str  # the address in From and ORGANIZER
    lang: str


@dataclass(frozen=True, slots=True)
class Visit:
    """All that a mail or an invite says of a visit. Never its reason, its notes, its price, nor the service's own name.

    Instants are aware; texts are in the reader's language; an empty text means that there is none.
    """

    head: Letterhead
    location: str
    address: tuple[str, ...]
    zone: str
    starts_at: datetime
    ends_at: datetime
    practitioner: str
    patient: str
    manage_url: str  # where its reader may see and change it: the patient's page, or the desk's; empty for who may not
    reference: str
    uid: str
    sequence: int
    stamped_at: datetime  # strictly later with each message
    created_at: datetime
    updated_at: datetime
    public_name: str = ""
    directions: str = ""
    transit: str = ""
    parking: str = ""
    access: str = ""
    map_url: str = ""
    latitude: float | None = None
    longitude: float | None = None
    before_you_come: tuple[str, ...] = ()
    change_until: datetime | None = None  # None: it can't be changed online
    answer_by: datetime | None = None  # while it is a request


def details(visit: Visit) -> str:
    """A digest of what an invite says beside its time: it is another one when the clinic's own facts are."""
    said = (
        *(visit.head.clinic, visit.head.phone, visit.location, visit.address, visit.practitioner, visit.public_name),
        *(visit.directions, visit.transit, visit.parking, visit.access),
        *(visit.map_url, visit.latitude, visit.longitude),
    )
    return hashlib.sha256(repr(said).encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Addressee:
    """Whom a mail goes to."""

    address: str
    name: str
    role: Recipient


@dataclass(frozen=True, slots=True)
class Was:
    """A visit as it stood before a change: what its rows will not tell any more when the mail is written."""

    starts_at: datetime
    ends_at: datetime
    location: str
    practitioner: str
    practitioner_address: str  # empty: no invites
    patient_address: str  # empty: none
    uid: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Link:
    """A way to one of a patient's visits."""

    url: str
    starts_at: datetime
    zone: str
    location: str


@dataclass(frozen=True, slots=True)
class Expected:
    """A visit on a mailed day sheet: when and who. Never why, and no phone number."""

    starts_at: datetime
    zone: str
    patient: str


@dataclass(frozen=True, slots=True)
class DaySheet:
    """A practitioner's day, by start."""

    practitioner: str
    visits: tuple[Expected, ...]


@dataclass(frozen=True, slots=True)
class Facts:
    """What a message needs beyond the visit's rows. Kept sealed beside it."""

    was: Was | None = None
    message: str = ""  # the desk's words to the patient
    name: str = ""  # the recipient's
    link: str = ""
    links: tuple[Link, ...] = ()
    expires_at: datetime | None = None  # of the link
    # Of the event, as they stood when the message was queued, so that each message has its own.
    uid: str = ""
    sequence: int = 0
    stamped_at: datetime | None = None


def settled(kind: Kind, visit: Visit, was: Was | None) -> Kind | None:
    """What news of a move comes to when it is told: nothing if the visit stands again where it stood."""
    if kind is not Kind.MOVED or was is None:
        return kind
    if (visit.starts_at, visit.ends_at, visit.location) != (was.starts_at, was.ends_at, was.location):
        return Kind.MOVED
    return None if visit.practitioner == was.practitioner else Kind.CHANGED


def joined(earlier: Kind, later: Kind) -> Kind:
    """What one message says in the place of two, of which the earlier was never sent."""
    return Kind.MOVED if Kind.MOVED in (earlier, later) and later in UPDATES else later

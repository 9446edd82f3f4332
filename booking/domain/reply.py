"""What people answer from their calendars, and which answers count (RFC 5546 as clinics need it).

An answer is never more than words: it changes neither the time of a visit nor, unless the clinic says so, its status.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from booking.domain.appointment import OPEN, OVER, Status


class Outcome(StrEnum):
    """What became of a mail that came in."""

    TAKEN = "taken"
    STALE = "stale"  # said of how the visit stood before, or said before
    FORGED = "forged"  # not by whom it claims, or by nobody who was invited
    FOREIGN = "foreign"  # about no visit of ours
    BOUNCED = "bounced"  # a mail of ours did not arrive
    IGNORED = "ignored"  # no answer at all, or a broken one


class Answer(StrEnum):
    """What somebody wants of a visit that they are invited to."""

    ACCEPTED = "accepted"
    TENTATIVE = "tentative"
    DECLINED = "declined"
    COUNTER = "counter"  # another time, please
    REFRESH = "refresh"  # the invite once more, please


class Doubt(StrEnum):
    """Why an answer about a visit does not count, though somebody at the desk should hear of it."""

    ELSEWHERE = "elsewhere"  # from an address that no invite went to: an alias, an assistant, a stranger
    UNPROVEN = "unproven"  # nothing proves that its sender sent it
    MOVED = "moved"  # about the visit as it stood before a move
    UNFIT = "unfit"  # no answer to the invite that we sent


HEARD = "heard"  # in a visit's history: somebody has dealt with answers that do not count
# Why a visit waits for the desk: its patient declined it, or proposed another time.
ASKING = frozenset({Answer.DECLINED, Answer.COUNTER})
AHEAD = timedelta(days=1)  # a calendar's clock may be wrong, but a stamp of next year would silence its later answers


@dataclass(frozen=True, slots=True)
class Reply:
    """What a calendar wrote to us. Addresses are bare and in lower case; instants are aware; missing texts are empty.

    `starts_at` and `ends_at` are a proposal's, None where there is none that could be read.
    """

    method: str
    uid: str
    organizer: str
    attendees: tuple[str, ...]
    partstat: str
    sequence: int
    stamped_at: datetime | None
    comment: str = ""
    starts_at: datetime | None = None
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Unheard:
    """What there is to know of an answer that does not count, beside what it wants. Whoever knows a UID may write it.

    The sender is as the mail says, bare and in lower case; empty if it says so unclearly.
    """

    sender: str
    doubts: tuple[Doubt, ...]
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Invited:
    """How things stand between a visit and those who may answer. Addresses are bare and in lower case."""

    organizer: str
    addresses: tuple[str, ...]
    status: Status
    sequence: int
    same: frozenset[int]  # the SEQUENCEs at which the visit stood where it does now, this one among them
    last_at: datetime | None  # DTSTAMP of the last answer that was taken from the sender


def answer(reply: Reply) -> Answer | None:
    """What the reply wants; None for what nobody may ask of us by mail, and for what is no answer."""
    if reply.method in ("COUNTER", "REFRESH"):
        return Answer(reply.method.lower())
    said = reply.partstat.lower()
    return Answer(said) if reply.method == "REPLY" and said in ("accepted", "tentative", "declined") else None


def mailbox(address: str) -> str:
    """The mailbox that an address (bare, in lower case) leads to, as far as addresses tell.

    Who gave the clinic ada+clinic@… answers as ada@…. Google's dots mean nothing, and it has two names.
    """
    name, at, host = address.rpartition("@")
    name = name.partition("+")[0] or name
    if host in ("gmail.com", "googlemail.com"):
        name, host = name.replace(".", ""), "gmail.com"
    return f"{name}{at}{host}"


def judge(reply: Reply, sender: str, invited: Invited | None, now: datetime) -> Outcome:
    """Whether an answer from this sender (bare, in lower case) counts. `invited` is None where no visit has the UID.

    1. Others' REQUEST, CANCEL, ADD and PUBLISH are nothing to us, nor is an answer about a mere request.
    2. Exactly one attendee, who is invited and sent the mail himself, perhaps by another name of the same mailbox.
       Outlook.com leaves out the ORGANIZER.
    3. It is about the visit as it stands: a SEQUENCE of when it stood elsewhere is stale, a higher one than the
       visit's was never sent by us. A move undone before anybody heard of it makes no answer stale.
    4. It is newer than the last one taken: an old answer, sent again, takes back no newer one. Asking for the invite
       once more says nothing about the visit, so neither is asked of it.
    """
    wanted = answer(reply)
    if wanted is None or reply.stamped_at is None or reply.stamped_at > now + AHEAD:
        return Outcome.IGNORED
    if invited is None:
        return Outcome.FOREIGN
    by = mailbox(sender)
    if [*map(mailbox, reply.attendees)] != [by] or by not in map(mailbox, invited.addresses):
        return Outcome.FORGED
    if reply.organizer not in ("", invited.organizer):
        return Outcome.FORGED
    if invited.status in OVER:
        return Outcome.STALE
    if invited.status == Status.PENDING:
        return Outcome.IGNORED
    if wanted is Answer.REFRESH:
        return Outcome.TAKEN if invited.status in OPEN else Outcome.STALE
    if reply.sequence > invited.sequence:
        return Outcome.FORGED
    is_old = reply.sequence not in invited.same or (invited.last_at and reply.stamped_at <= invited.last_at)
    return Outcome.STALE if is_old else Outcome.TAKEN


def doubts(reply: Reply, sender: str, invited: Invited, *, is_proven: bool) -> tuple[Doubt, ...]:
    """Why an answer that `judge` found stale or forged does not count; nothing if nobody needs to hear of it.

    `sender` (bare, in lower case) is what the mail says, proven or not. Who has said something later that counts has
    made all before it void, so it is no news that it arrives only now, or once more.
    """
    theirs = {*map(mailbox, invited.addresses)}
    speaks_for = [*map(mailbox, reply.attendees)]
    is_late = invited.last_at is not None and reply.stamped_at is not None and reply.stamped_at <= invited.last_at
    if is_late and theirs.issuperset(speaks_for):
        return ()
    by = mailbox(sender)
    is_ours = reply.organizer in ("", invited.organizer) and reply.sequence <= invited.sequence
    found = {
        Doubt.ELSEWHERE: by not in theirs,
        Doubt.UNPROVEN: not is_proven,
        Doubt.UNFIT: not is_ours or (by in theirs and speaks_for != [by]),
        Doubt.MOVED: is_ours and reply.sequence not in invited.same,
    }
    return tuple(doubt for doubt, holds in found.items() if holds)

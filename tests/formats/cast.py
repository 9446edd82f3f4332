"""Ada's visit to Bo at Elm Clinic, for the tests of mails and invites."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from booking.domain.message import Addressee, Letterhead, Recipient, Visit

MADE = datetime(2027, 1, 4, 9, 30, tzinfo=UTC)
STARTS = datetime(2027, 1, 11, 9, 0, tzinfo=UTC)

ELM = Letterhead(
    clinic="Elm Clinic",
    phone="+442079460123",
    region="GB",
    email="desk@elm.example",
    sender="booking@mail.example.com",
    lang="en",
)
ADA = Addressee("ada@example.com", "Ada Lovelace", Recipient.PATIENT)
BO = Addressee("bo@elm.example", "Bo Andersen", Recipient.PRACTITIONER)

VISIT = Visit(
    head=ELM,
    location="Elm Road",
    address=("12 Elm Road", "London N1 9XX"),
    zone="Europe/London",
    starts_at=STARTS,
    ends_at=STARTS + timedelta(minutes=45),
    practitioner="Bo Andersen",
    patient="Ada Lovelace",
    manage_url="https://booking.example.com/a/mg_7k4m2qxa7k4m2qxa7k4m2qxa7k_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    reference="7K4M2QXA",
    uid="0b9f7a52-6a2e-4a53-9f0e-3a8f6a1b2c3d@mail.example.com",
    sequence=0,
    stamped_at=MADE,
    created_at=MADE,
    updated_at=MADE,
    directions="The blue door beside the bakery; ring twice.",
    transit="Bus 19 to Elm Road",
    parking="Two places behind the house",
    access="No steps",
    latitude=51.5403,
    longitude=-0.0935,
    before_you_come=("Eat something light", "Wear loose sleeves"),
    change_until=STARTS - timedelta(hours=12),
)


def visit(**changes: Any) -> Visit:
    """The visit with some facts changed; `lang` and the other facts of the letterhead too."""
    head = {
        name: changes.pop(name) for name in ("clinic", "phone", "region", "email", "sender", "lang") if name in changes
    }
    return replace(VISIT, head=replace(ELM, **head), **changes)

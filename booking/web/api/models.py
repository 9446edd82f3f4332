"""What the API takes and gives, as types: requests are checked by them, and the OpenAPI document is made of them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints

from booking.formats import contact

EARLIEST, LATEST = 2000, 2200  # years: beyond them calendars end before the search does


def _in_reach(value: date) -> date:
    if not EARLIEST <= value.year < LATEST:
        raise ValueError(f"must be in the years {EARLIEST} to {LATEST - 1}")
    return value


def _to_utc(value: datetime) -> datetime:
    _in_reach(value)
    return value.astimezone(UTC)


def _readable(text: str) -> str:
    if not contact.is_readable(text):
        raise ValueError("must be free of control characters")
    return contact.tidy_lines(text)


def _name(text: str) -> str:
    tidied = contact.tidy(text)
    if not contact.is_name(tidied):
        raise ValueError("must be a name")
    return tidied


Slug = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")]
Day = Annotated[date, AfterValidator(_in_reach)]
Instant = Annotated[AwareDatetime, AfterValidator(_to_utc)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=contact.NAME_LENGTH), AfterValidator(_name)]
Email = Annotated[str, StringConstraints(min_length=3, max_length=contact.EMAIL_LENGTH)]
Phone = Annotated[str, StringConstraints(min_length=3, max_length=contact.PHONE_LENGTH)]
Words = Annotated[str, StringConstraints(max_length=contact.NOTE_LENGTH), AfterValidator(_readable)]


class Asked(BaseModel):
    """A request: exactly these fields, of exactly these types."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class FirstQuery(Asked):
    service: Slug = Field(description="Slug of the service")
    practitioner: Slug | None = Field(None, description="Slug of the practitioner; anyone without it")
    location: Slug | None = Field(None, description="Slug of the location; anywhere without it")
    since: Day | None = Field(None, alias="from", description="First day, local to the location; today without it")
    new: Literal["0", "1"] = Field("0", description="1 for a patient who comes for the first time")


class SlotsQuery(FirstQuery):
    until: Day | None = Field(
        None, alias="to", description="Day after the last, at most 62 days after `from`; a week after it without"
    )
    count: Literal["day"] | None = Field(None, description="`day`: how many starts each day has, instead of the slots")


class PatientAsked(Asked):
    """A phone number or an e-mail is needed. Phones may be written as people of the clinic's region do."""

    name: Name
    email: Email | None = None
    phone: Phone | None = None


class AppointmentAsked(Asked):
    service: Slug
    start: Instant = Field(description="ISO 8601 with an offset, as a slot gives it")
    practitioner: Slug | None = Field(None, description="Anyone who is free then without it")
    location: Slug | None = None
    patient: PatientAsked
    new_patient: bool
    note: Words = ""


class CancelAsked(Asked):
    reason: Words = ""


class RescheduleAsked(Asked):
    start: Instant
    practitioner: Slug | None = Field(None, description="Anyone who is free then without it")


class Slot(BaseModel):
    start: AwareDatetime
    end: AwareDatetime = Field(description="When the patient may leave")
    practitioner: str
    location: str


class SlotsGiven(BaseModel):
    slots: list[Slot]
    next: AwareDatetime | None = Field(description="Start of the first free slot on or after `to`")


class DayGiven(BaseModel):
    date: date
    free: int = Field(ge=1, description="Different starts on offer")


class DaysGiven(BaseModel):
    days: list[DayGiven] = Field(description="Days without a free start are left out")


class FirstGiven(BaseModel):
    slot: Slot | None


class AppointmentGiven(BaseModel):
    id: str
    status: Literal[
        "pending", "booked", "arrived", "checked-in", "fulfilled", "cancelled", "noshow", "entered-in-error"
    ]
    start: AwareDatetime
    end: AwareDatetime
    service: str
    practitioner: str
    location: str
    manage_url: str = Field(description="The patient's own link to this visit; whoever has it may change the visit")


class Fault(BaseModel):
    field: str
    detail: str


class Problem(BaseModel):
    """RFC 9457 problem details."""

    type: str
    title: str
    status: int
    detail: str
    alternatives: list[Slot] | None = Field(None, description="With 409: the nearest other times")
    reasons: list[str] | None = Field(None, description="With 409: codes of why the time is not on offer")
    errors: list[Fault] | None = Field(None, description="With 422: what is wrong with which field")

"""Which part of the clinic file each page of the settings shows, in which fields, with which words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any
from unicodedata import normalize

from flask_babel import gettext as _
from flask_babel import lazy_gettext as lazy
from flask_babel.speaklater import LazyString

from booking.web.admin.fields import (
    Choice,
    Clock,
    Date,
    Days,
    Decimal,
    Field,
    Flag,
    Hidden,
    Lines,
    Many,
    Number,
    Options,
    Period,
    Rows,
    Table,
    Text,
    Texts,
    Tree,
    Where,
    Words,
)

Path = tuple[str | int, ...]
Raw = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Section:
    title: str | LazyString
    fields: tuple[Field, ...]
    hint: str | LazyString = ""


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the file: some keys of a table.

    `settle(tree, was, table, raw)` makes the rest of the tree follow a table that was different before.
    """

    name: str
    title: str | LazyString
    sections: tuple[Section, ...]
    settle: Callable[[dict[str, Any], Table, dict[str, Any], Raw], None] = lambda tree, was, table, raw: None
    heading: str | LazyString = "%(name)s"  # of a page about an entry
    new: str | LazyString = ""  # of the page that adds one

    @property
    def fields(self) -> tuple[Field, ...]:
        return tuple(field for section in self.sections for field in section.fields)

    @property
    def keys(self) -> frozenset[str]:
        return frozenset(key for field in self.fields for key in field.keys)


# What there is to choose from


def first(text: str | Mapping[str, str]) -> str:
    """A text in the clinic's first language, which a file puts first."""
    return text if isinstance(text, str) else next(iter(text.values()))


def named(kind: str) -> Options:
    """The entries of the file of one kind, by their slugs."""

    def options(tree: Tree) -> list[tuple[str, str]]:
        return [(entry["slug"], first(entry.get("name", entry["slug"]))) for entry in tree.get(kind, ())]

    return options


def _conditions(tree: Tree) -> list[tuple[str, str]]:
    return [(first(text), first(text)) for text in tree["clinic"].get("conditions", ())]


def _firsts(tree: Tree) -> list[tuple[str, str]]:
    return [("", _("Choose a service")), *named("services")(tree)]


def _shut(tree: Tree) -> list[tuple[str, str]]:
    places = [(f"location:{slug}", name) for slug, name in named("locations")(tree)]
    rooms = [(f"room:{slug}", name) for slug, name in named("rooms")(tree)]
    return [("", _("The whole clinic")), *places, *rooms]


def _confirmations(_tree: Tree) -> list[tuple[str, str]]:
    return [
        ("instant", _("At once")),
        ("request", _("By the desk: patients ask, you confirm")),
        ("request-new", _("By the desk for new patients, at once for the others")),
    ]


def _notices(_tree: Tree) -> list[tuple[str, str]]:
    return [("none", _("No mails")), ("requests", _("Requests only")), ("all", _("Every visit"))]


def _newcomers(_tree: Tree) -> list[tuple[str, str]]:
    return [
        ("same", _("May book it; it takes them as long as everybody")),
        ("longer", _("May book it; their first visit has stages of its own")),
        ("only", _("It is for new patients only")),
        ("no", _("Book another service first")),
    ]


# What follows from a change


def _settle_clinic(tree: dict[str, Any], was: Table, table: dict[str, Any], raw: Raw) -> None:
    """Conditions that were renamed are renamed wherever they are named; languages that are gone lose their texts."""
    names = {row["was"]: first(text) for row, text in zip(raw["conditions"], table.get("conditions", ()), strict=True)}
    for entry in [*tree.get("services", ()), *tree.get("practitioners", ())]:
        if "conditions" in entry:
            entry["conditions"] = [names[name] for name in entry["conditions"] if name in names]
    known = frozenset(was.get("languages", ("en",)))
    gone = known - set(table.get("languages", known))
    for kind, value in tree.items():
        tree[kind] = _without(value, known, gone) if gone else value


def _without(value: Any, known: frozenset[str], gone: frozenset[str]) -> Any:
    if isinstance(value, list):
        return [_without(entry, known, gone) for entry in value]
    if not isinstance(value, dict):
        return value
    if value and value.keys() <= known:
        return {language: text for language, text in value.items() if language not in gone}
    return {key: _without(entry, known, gone) for key, entry in value.items()}


def _settle_service(_tree: dict[str, Any], _was: Table, table: dict[str, Any], _raw: Raw) -> None:
    """What new patients do not need is left out, whatever still stands in the form."""
    chosen = table.get("new_patients", "same")
    if chosen != "longer":
        table.pop("new_patient_stages", None)
    if chosen != "no":
        table.pop("first_visit", None)


def _settle_rooms(tree: dict[str, Any], _was: Table, _table: dict[str, Any], _raw: Raw) -> None:
    """New rooms get a slug."""
    for room in tree.get("rooms", ()):
        room.setdefault("slug", new_slug(tree, "rooms", room.get("name", "")))


def new_slug(tree: Tree, kind: str, name: str) -> str:
    """A slug for an entry of that name, unlike the slugs of the others."""
    plain = normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    made = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:36].strip("-") or kind.rstrip("s")
    taken = {entry.get("slug") for entry in tree.get(kind, ())}
    return next(slug for slug in chain([made], (f"{made}-{n}" for n in count(2))) if slug not in taken)


# The pages

NEW_SLUG = Section(
    lazy("Web address"),
    (
        Field(
            key="slug",
            label=lazy("Name in web addresses"),
            hint=lazy("Letters a-z, digits and -. Left empty, it is made from the name. It can't be changed later."),
            attributes={"maxlength": 40},
        ),
    ),
)
LONG, SHORT = {"maxlength": 4000, "rows": 5}, {"maxlength": 2000, "rows": 3}

CLINIC = Page(
    "clinic",
    lazy("Clinic"),
    (
        Section(
            lazy("How people know you"),
            (
                Field(key="name", label=lazy("Name"), attributes={"maxlength": 100}),
                Field(
                    key="phone",
                    label=lazy("Phone"),
                    hint=lazy("As you write it. It stands on every page and in every mail."),
                    attributes={"inputmode": "tel"},
                ),
                Field(key="email", label=lazy("E-mail"), hint=lazy("Answers to mails arrive there.")),
                Field(key="website", label=lazy("Website (optional)"), attributes={"inputmode": "url"}),
                Field(
                    key="region",
                    label=lazy("Country"),
                    hint=lazy("Two letters such as US; phone numbers are read and shown as people write them there."),
                    attributes={"maxlength": 2},
                ),
                Words(
                    key="languages",
                    label=lazy("Languages"),
                    hint=lazy("Such as en, es. Texts need the first; a language that you take away loses its texts."),
                ),
            ),
        ),
        Section(
            lazy("What patients read"),
            (
                Text(
                    key="contact",
                    label=lazy("Contact"),
                    hint=lazy("When the phone is answered, what to do in between."),
                    long=True,
                    attributes=LONG,
                ),
                Text(
                    key="privacy",
                    label=lazy("Privacy"),
                    hint=lazy("What happens with what they enter; shown at the form."),
                    long=True,
                    attributes=LONG,
                ),
                Texts(
                    key="before_you_come",
                    label=lazy("Before you come"),
                    hint=lazy("A list on the confirmation and in the mail."),
                    row=lazy("Line %(number)s"),
                    add=lazy("Add a line"),
                    fields=(Text(key="text", label=lazy("Text")), Hidden(key="was", label="")),
                    ordered=True,
                ),
                Texts(
                    key="conditions",
                    label=lazy("Reasons for a visit"),
                    hint=lazy("Patients can start from one of them. A new wording follows wherever it is used."),
                    row=lazy("Reason %(number)s"),
                    add=lazy("Add a reason"),
                    fields=(Text(key="text", label=lazy("Reason")), Hidden(key="was", label="")),
                    ordered=True,
                ),
            ),
        ),
    ),
    _settle_clinic,
)

RULES = Page(
    "rules",
    lazy("Booking rules"),
    (
        Section(
            lazy("Confirming"),
            (
                Choice(
                    key="confirmation", label=lazy("A visit that a patient books is confirmed"), options=_confirmations
                ),
                Number(
                    key="request_lapses",
                    label=lazy("Minutes after which an unanswered request ends"),
                    hint=lazy("1440 is a day. It never waits past the visit's own notice."),
                    default=1440,
                ),
                Choice(key="notices", label=lazy("Mails to the clinic about what patients do"), options=_notices),
                Flag(
                    key="day_sheet",
                    label=lazy("Mail tomorrow's day sheet to the clinic every evening"),
                    hint=lazy("Times, and first names with the last one's initial."),
                ),
                Flag(key="day_sheet", label=lazy("Mail tomorrow's names and times to the clinic every evening at six")),
            ),
        ),
        Section(
            lazy("Limits for patients"),
            (
                Number(
                    key="minimum_notice",
                    label=lazy("Minutes before a start until which it can be booked online"),
                    default=120,
                ),
                Number(key="horizon", label=lazy("Days ahead that can be booked online"), default=60),
                Number(
                    key="cancellation_notice",
                    label=lazy("Minutes before a start until which patients can change or cancel online"),
                    hint=lazy("Later than this the page asks them to phone. 720 is twelve hours."),
                    default=720,
                ),
                Number(
                    key="open_visits_per_patient",
                    label=lazy("Future visits that one patient may have"),
                    hint=lazy("A new patient may have one. The desk can book more."),
                    default=4,
                ),
                Number(
                    key="hold_minutes",
                    label=lazy("Minutes that a time is held while the form is filled in"),
                    default=10,
                ),
            ),
        ),
    ),
)

LOCATION = Page(
    "locations",
    lazy("Locations"),
    (
        Section(
            lazy("Where it is"),
            (
                Field(key="name", label=lazy("Name"), attributes={"maxlength": 100}),
                Lines(
                    key="address", label=lazy("Address"), hint=lazy("One line on each line."), attributes={"rows": 3}
                ),
                Field(key="zone", label=lazy("Time zone"), hint=lazy("Such as America/Chicago")),
                Field(
                    key="phone",
                    label=lazy("Phone of its own (optional)"),
                    attributes={"inputmode": "tel"},
                ),
                Decimal(
                    key="latitude",
                    label=lazy("Latitude (optional)"),
                    hint=lazy("In degrees, such as 41.995, for the map and calendars."),
                    attributes={"inputmode": "decimal"},
                ),
                Decimal(key="longitude", label=lazy("Longitude (optional)"), attributes={"inputmode": "decimal"}),
                Field(
                    key="map_url",
                    label=lazy("Link to a map (optional)"),
                    hint=lazy("Without one it is made from the coordinates or the address."),
                ),
            ),
        ),
        Section(
            lazy("How to find the door"),
            (
                Text(
                    key="directions",
                    label=lazy("Directions"),
                    hint=lazy("The last fifty metres, readable without a map. They stand in every mail and invite."),
                    long=True,
                    attributes=SHORT,
                ),
                Text(key="parking", label=lazy("Parking (optional)"), long=True, attributes=SHORT),
                Text(key="transit", label=lazy("Bus and train (optional)"), long=True, attributes=SHORT),
                Text(key="access", label=lazy("Step-free access (optional)"), long=True, attributes=SHORT),
            ),
        ),
    ),
    new=lazy("Add a location"),
)

ROOMS = Page(
    "rooms",
    lazy("Rooms and places"),
    (
        Section(
            "",
            (
                Rows(
                    key="rooms",
                    label=lazy("Rooms"),
                    row=lazy("Room %(number)s"),
                    add=lazy("Add a room"),
                    ordered=True,
                    fields=(
                        Hidden(key="slug", label=""),
                        Field(key="name", label=lazy("Name"), attributes={"maxlength": 100}),
                        Choice(key="location", label=lazy("Location"), options=named("locations")),
                        Number(key="places", label=lazy("Places"), default=1),
                    ),
                ),
            ),
            lazy("Places are chairs, tables or recliners: so many visits can be in the room at once."),
        ),
    ),
    _settle_rooms,
)

STAGE = (
    Number(key="minutes", label=lazy("Minutes"), attributes={"step": 5, "min": 5, "max": 600}),
    Flag(key="patient", label=lazy("Patient there"), default=True),
    Flag(key="practitioner", label=lazy("Practitioner busy"), default=True),
    Flag(key="room", label=lazy("Room busy"), default=True),
)


def _stages(key: str, label: LazyString, hint: LazyString) -> Rows:
    return Rows(
        key=key,
        label=label,
        hint=hint,
        row=lazy("Stage %(number)s"),
        add=lazy("Add a stage"),
        ordered=True,
        fields=STAGE,
    )


SERVICE = Page(
    "services",
    lazy("Services"),
    (
        Section(
            lazy("What patients read"),
            (
                Text(key="name", label=lazy("Name"), attributes={"maxlength": 100}),
                Text(
                    key="public_name",
                    label=lazy("Name in mails and calendars (optional)"),
                    hint=lazy("Others may see those: “Your visit” gives nothing away. Left empty, none is named."),
                    attributes={"maxlength": 100},
                ),
                Text(key="description", label=lazy("Description (optional)"), long=True, attributes=SHORT),
                Text(key="price", label=lazy("Price (optional)"), attributes={"maxlength": 100}),
                Many(key="conditions", label=lazy("Reasons for a visit it suits"), options=_conditions),
            ),
        ),
        Section(
            lazy("Booking it"),
            (
                Flag(key="online", label=lazy("Patients can book it online; otherwise by phone only"), default=True),
                Number(
                    key="every",
                    label=lazy("Minutes between starts"),
                    hint=lazy("Starts lie on multiples of this from midnight; in fives."),
                    default=15,
                    attributes={"step": 5},
                ),
                Many(
                    key="rooms",
                    label=lazy("Rooms"),
                    hint=lazy("A visit takes a place in the first that has one free. None ticked: it needs no room."),
                    options=named("rooms"),
                ),
            ),
        ),
        Section(
            lazy("Stages"),
            (
                _stages(
                    "stages",
                    lazy("Stages of a visit"),
                    lazy(
                        "One after the other, in fives of minutes. While the patient rests, the practitioner can be"
                        " with somebody else. Stages without the patient, such as tidying up, come last."
                    ),
                ),
            ),
        ),
        Section(
            lazy("New patients"),
            (
                Choice(key="new_patients", label=lazy("People who come for the first time"), options=_newcomers),
                Choice(
                    key="first_visit",
                    label=lazy("What they book first"),
                    hint=lazy("Only where new patients book another service first."),
                    options=_firsts,
                ),
                _stages(
                    "new_patient_stages",
                    lazy("Stages of a first visit"),
                    lazy("Only where a first visit has stages of its own."),
                ),
            ),
        ),
    ),
    _settle_service,
    new=lazy("Add a service"),
)

PRACTITIONER = Page(
    "practitioners",
    lazy("Practitioners"),
    (
        Section(
            lazy("What patients read"),
            (
                Field(key="name", label=lazy("Name"), attributes={"maxlength": 100}),
                Field(key="credentials", label=lazy("Credentials (optional)"), attributes={"maxlength": 200}),
                Field(key="licence", label=lazy("Licence (optional)"), attributes={"maxlength": 100}),
                Text(key="about", label=lazy("About (optional)"), long=True, attributes=SHORT),
                Many(key="conditions", label=lazy("Reasons for a visit they know best"), options=_conditions),
            ),
        ),
        Section(
            lazy("Their work"),
            (
                Many(key="services", label=lazy("Services they give"), options=named("services"), needed=True),
                Field(key="email", label=lazy("E-mail (optional)"), hint=lazy("For invites; patients don't see it.")),
                Flag(key="invites", label=lazy("Send them a calendar invite for every visit")),
            ),
        ),
    ),
    new=lazy("Add a practitioner"),
)

FROM = Clock(key="from", label=lazy("From"))
TO = Clock(key="to", label=lazy("To"), is_end=True)
AT = Choice(key="location", label=lazy("Location"), options=named("locations"))

HOURS = Page(
    "hours",
    lazy("Hours"),
    (
        Section(
            lazy("Every week"),
            (
                Rows(
                    key="hours",
                    label=lazy("Weekly hours"),
                    row=lazy("Hours %(number)s"),
                    add=lazy("Add hours"),
                    fields=(
                        Days(key="days", label=lazy("Days"), options=lambda tree: ()),
                        FROM,
                        TO,
                        AT,
                        Number(
                            key="weeks", label=lazy("Every so many weeks"), default=1, rare=True, attributes={"min": 1}
                        ),
                        Date(key="since", label=lazy("Since"), rare=True),
                        Date(key="until", label=lazy("Last day"), rare=True),
                    ),
                ),
            ),
            lazy("By the clocks of the location. A break is two lines: before it and after it."),
        ),
        Section(
            lazy("On single days"),
            (
                Rows(
                    key="extra_hours",
                    label=lazy("Extra hours"),
                    row=lazy("Extra hours %(number)s"),
                    add=lazy("Add extra hours"),
                    fields=(Date(key="on", label=lazy("Day")), FROM, TO, AT),
                ),
            ),
        ),
    ),
    heading=lazy("Hours of %(name)s"),
)

WHEN = Period(key="period", label=lazy("When"))

TIME_OFF = Page(
    "time-off",
    lazy("Time off"),
    (
        Section(
            "",
            (
                Rows(
                    key="time_off",
                    label=lazy("Time off"),
                    hint=lazy("Whole days need no times. One day needs no last day."),
                    row=lazy("Time off %(number)s"),
                    add=lazy("Add time off"),
                    fields=(
                        WHEN,
                        Field(
                            key="note",
                            label=lazy("Note (optional, for the desk)"),
                            attributes={"maxlength": 200},
                        ),
                    ),
                ),
            ),
        ),
    ),
    heading=lazy("Time off of %(name)s"),
)

CLOSURES = Page(
    "closures",
    lazy("Closures"),
    (
        Section(
            "",
            (
                Rows(
                    key="closures",
                    label=lazy("Closures"),
                    hint=lazy("Holidays and the like. Whole days need no times. One day needs no last day."),
                    row=lazy("Closure %(number)s"),
                    add=lazy("Add a closure"),
                    fields=(
                        WHEN,
                        Field(key="name", label=lazy("What patients read"), attributes={"maxlength": 200}),
                        Where(key="location", label=lazy("What is closed"), options=_shut),
                    ),
                ),
            ),
        ),
    ),
)

SINGLE = {page.name: page for page in (CLINIC, RULES, ROOMS)}
ENTRIES = {page.name: page for page in (LOCATION, SERVICE, PRACTITIONER)}  # each entry has a page of its own


def addition(page: Page) -> Page:
    """The page on which an entry is added."""
    return replace(page, sections=(*page.sections, NEW_SLUG))

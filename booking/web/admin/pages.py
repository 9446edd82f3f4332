"""Which part of the clinic file each page of the settings shows, in which fields, with which words."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import chain, count
from typing import Any
from unicodedata import normalize

from flask_babel import gettext as _
from flask_babel import lazy_gettext
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


def _declines(_tree: Tree) -> list[tuple[str, str]]:
    return [
        ("note", _("The visit stays, and the desk decides")),
        ("cancel", _("It is cancelled, while patients may cancel online")),
    ]


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
    lazy_gettext("Web address"),
    (
        Field(
            key="slug",
            label=lazy_gettext("Name in web addresses"),
            hint=lazy_gettext(
                "Letters a-z, digits and -. Left empty, it is made from the name. It can't be changed later."
            ),
            attributes={"maxlength": 40},
        ),
    ),
)
LONG, SHORT = {"maxlength": 4000, "rows": 5}, {"maxlength": 2000, "rows": 3}

CLINIC = Page(
    "clinic",
    lazy_gettext("Clinic"),
    (
        Section(
            lazy_gettext("How people know you"),
            (
                Field(key="name", label=lazy_gettext("Name"), attributes={"maxlength": 100}),
                Field(
                    key="phone",
                    label=lazy_gettext("Phone"),
                    hint=lazy_gettext("As you write it. It stands on every page and in every mail."),
                    attributes={"inputmode": "tel"},
                ),
                Field(key="email", label=lazy_gettext("E-mail"), hint=lazy_gettext("Answers to mails arrive there.")),
                Field(key="website", label=lazy_gettext("Website (optional)"), attributes={"inputmode": "url"}),
                Field(
                    key="region",
                    label=lazy_gettext("Country"),
                    hint=lazy_gettext(
                        "Two letters such as US; phone numbers are read and shown as people write them there."
                    ),
                    attributes={"maxlength": 2},
                ),
                Words(
                    key="languages",
                    label=lazy_gettext("Languages"),
                    hint=lazy_gettext(
                        "Such as en, es. Texts need the first; a language that you take away loses its texts."
                    ),
                ),
            ),
        ),
        Section(
            lazy_gettext("What patients read"),
            (
                Text(
                    key="contact",
                    label=lazy_gettext("Contact"),
                    hint=lazy_gettext("When the phone is answered, what to do in between."),
                    long=True,
                    attributes=LONG,
                ),
                Text(
                    key="privacy",
                    label=lazy_gettext("Privacy"),
                    hint=lazy_gettext("What happens with what they enter; shown at the form."),
                    long=True,
                    attributes=LONG,
                ),
                Texts(
                    key="before_you_come",
                    label=lazy_gettext("Before you come"),
                    hint=lazy_gettext("A list on the confirmation and in the mail."),
                    row=lazy_gettext("Line %(number)s"),
                    add=lazy_gettext("Add a line"),
                    fields=(Text(key="text", label=lazy_gettext("Text")), Hidden(key="was", label="")),
                    ordered=True,
                ),
                Texts(
                    key="conditions",
                    label=lazy_gettext("Reasons for a visit"),
                    hint=lazy_gettext(
                        "Patients can start from one of them. A new wording follows wherever it is used."
                    ),
                    row=lazy_gettext("Reason %(number)s"),
                    add=lazy_gettext("Add a reason"),
                    fields=(Text(key="text", label=lazy_gettext("Reason")), Hidden(key="was", label="")),
                    ordered=True,
                ),
            ),
        ),
    ),
    _settle_clinic,
)

RULES = Page(
    "rules",
    lazy_gettext("Booking rules"),
    (
        Section(
            lazy_gettext("Confirming"),
            (
                Choice(
                    key="confirmation",
                    label=lazy_gettext("A visit that a patient books is confirmed"),
                    options=_confirmations,
                ),
                Number(
                    key="request_lapses",
                    label=lazy_gettext("Minutes after which an unanswered request ends"),
                    hint=lazy_gettext("1440 is a day. It never waits past the visit's own notice."),
                    default=1440,
                ),
                Choice(
                    key="notices", label=lazy_gettext("Mails to the clinic about what patients do"), options=_notices
                ),
                Flag(
                    key="day_sheet",
                    label=lazy_gettext("Mail tomorrow's day sheet to the clinic every evening"),
                    hint=lazy_gettext("Times, and first names with the last one's initial."),
                ),
                Choice(
                    key="declines",
                    label=lazy_gettext("If a patient declines the invitation in their calendar"),
                    options=_declines,
                    hint=lazy_gettext("In either case the desk sees it at once."),
                ),
            ),
        ),
        Section(
            lazy_gettext("Limits for patients"),
            (
                Number(
                    key="minimum_notice",
                    label=lazy_gettext("Minutes before a start until which it can be booked online"),
                    default=120,
                ),
                Number(key="horizon", label=lazy_gettext("Days ahead that can be booked online"), default=60),
                Number(
                    key="cancellation_notice",
                    label=lazy_gettext("Minutes before a start until which patients can change or cancel online"),
                    hint=lazy_gettext("Later than this the page asks them to phone. 720 is twelve hours."),
                    default=720,
                ),
                Number(
                    key="open_visits_per_patient",
                    label=lazy_gettext("Future visits that one patient may have"),
                    hint=lazy_gettext("A new patient may have one. The desk can book more."),
                    default=4,
                ),
                Number(
                    key="hold_minutes",
                    label=lazy_gettext("Minutes that a time is held while the form is filled in"),
                    default=10,
                ),
            ),
        ),
    ),
)

LOCATION = Page(
    "locations",
    lazy_gettext("Locations"),
    (
        Section(
            lazy_gettext("Where it is"),
            (
                Field(key="name", label=lazy_gettext("Name"), attributes={"maxlength": 100}),
                Lines(
                    key="address",
                    label=lazy_gettext("Address"),
                    hint=lazy_gettext("One line on each line."),
                    attributes={"rows": 3},
                ),
                Field(key="zone", label=lazy_gettext("Time zone"), hint=lazy_gettext("Such as America/Chicago")),
                Field(
                    key="phone",
                    label=lazy_gettext("Phone of its own (optional)"),
                    attributes={"inputmode": "tel"},
                ),
                Decimal(
                    key="latitude",
                    label=lazy_gettext("Latitude (optional)"),
                    hint=lazy_gettext("In degrees, such as 41.995, for the map and calendars."),
                    attributes={"inputmode": "decimal"},
                ),
                Decimal(
                    key="longitude", label=lazy_gettext("Longitude (optional)"), attributes={"inputmode": "decimal"}
                ),
                Field(
                    key="map_url",
                    label=lazy_gettext("Link to a map (optional)"),
                    hint=lazy_gettext("Without one it is made from the coordinates or the address."),
                ),
            ),
        ),
        Section(
            lazy_gettext("How to find the door"),
            (
                Text(
                    key="directions",
                    label=lazy_gettext("Directions"),
                    hint=lazy_gettext(
                        "The last fifty metres, readable without a map. They stand in every mail and invite."
                    ),
                    long=True,
                    attributes=SHORT,
                ),
                Text(key="parking", label=lazy_gettext("Parking (optional)"), long=True, attributes=SHORT),
                Text(key="transit", label=lazy_gettext("Bus and train (optional)"), long=True, attributes=SHORT),
                Text(key="access", label=lazy_gettext("Step-free access (optional)"), long=True, attributes=SHORT),
            ),
        ),
    ),
    new=lazy_gettext("Add a location"),
)

ROOMS = Page(
    "rooms",
    lazy_gettext("Rooms and places"),
    (
        Section(
            "",
            (
                Rows(
                    key="rooms",
                    label=lazy_gettext("Rooms"),
                    row=lazy_gettext("Room %(number)s"),
                    add=lazy_gettext("Add a room"),
                    ordered=True,
                    fields=(
                        Hidden(key="slug", label=""),
                        Field(key="name", label=lazy_gettext("Name"), attributes={"maxlength": 100}),
                        Choice(key="location", label=lazy_gettext("Location"), options=named("locations")),
                        Number(key="places", label=lazy_gettext("Places"), default=1),
                    ),
                ),
            ),
            lazy_gettext("Places are chairs, tables or recliners: so many visits can be in the room at once."),
        ),
    ),
    _settle_rooms,
)

STAGE = (
    Number(key="minutes", label=lazy_gettext("Minutes"), attributes={"step": 5, "min": 5, "max": 600}),
    Flag(key="patient", label=lazy_gettext("Patient there"), default=True),
    Flag(key="practitioner", label=lazy_gettext("Practitioner busy"), default=True),
    Flag(key="room", label=lazy_gettext("Room busy"), default=True),
)


def _stages(key: str, label: LazyString, hint: LazyString) -> Rows:
    return Rows(
        key=key,
        label=label,
        hint=hint,
        row=lazy_gettext("Stage %(number)s"),
        add=lazy_gettext("Add a stage"),
        ordered=True,
        fields=STAGE,
    )


SERVICE = Page(
    "services",
    lazy_gettext("Services"),
    (
        Section(
            lazy_gettext("What patients read"),
            (
                Text(key="name", label=lazy_gettext("Name"), attributes={"maxlength": 100}),
                Text(
                    key="public_name",
                    label=lazy_gettext("Name in mails and calendars (optional)"),
                    hint=lazy_gettext(
                        "Others may see those: “Your visit” gives nothing away. Left empty, none is named."
                    ),
                    attributes={"maxlength": 100},
                ),
                Text(key="description", label=lazy_gettext("Description (optional)"), long=True, attributes=SHORT),
                Text(key="price", label=lazy_gettext("Price (optional)"), attributes={"maxlength": 100}),
                Many(key="conditions", label=lazy_gettext("Reasons for a visit it suits"), options=_conditions),
            ),
        ),
        Section(
            lazy_gettext("Booking it"),
            (
                Flag(
                    key="online",
                    label=lazy_gettext("Patients can book it online; otherwise by phone only"),
                    default=True,
                ),
                Number(
                    key="every",
                    label=lazy_gettext("Minutes between starts"),
                    hint=lazy_gettext("Starts lie on multiples of this from midnight; in fives."),
                    default=15,
                    attributes={"step": 5},
                ),
                Many(
                    key="rooms",
                    label=lazy_gettext("Rooms"),
                    hint=lazy_gettext(
                        "A visit takes a place in the first that has one free. None ticked: it needs no room."
                    ),
                    options=named("rooms"),
                ),
            ),
        ),
        Section(
            lazy_gettext("Stages"),
            (
                _stages(
                    "stages",
                    lazy_gettext("Stages of a visit"),
                    lazy_gettext(
                        "One after the other, in fives of minutes. While the patient rests, the practitioner can be"
                        " with somebody else. Stages without the patient, such as tidying up, come last."
                    ),
                ),
            ),
        ),
        Section(
            lazy_gettext("New patients"),
            (
                Choice(
                    key="new_patients", label=lazy_gettext("People who come for the first time"), options=_newcomers
                ),
                Choice(
                    key="first_visit",
                    label=lazy_gettext("What they book first"),
                    hint=lazy_gettext("Only where new patients book another service first."),
                    options=_firsts,
                ),
                _stages(
                    "new_patient_stages",
                    lazy_gettext("Stages of a first visit"),
                    lazy_gettext("Only where a first visit has stages of its own."),
                ),
            ),
        ),
    ),
    _settle_service,
    new=lazy_gettext("Add a service"),
)

PRACTITIONER = Page(
    "practitioners",
    lazy_gettext("Practitioners"),
    (
        Section(
            lazy_gettext("What patients read"),
            (
                Field(key="name", label=lazy_gettext("Name"), attributes={"maxlength": 100}),
                Field(key="credentials", label=lazy_gettext("Credentials (optional)"), attributes={"maxlength": 200}),
                Field(key="licence", label=lazy_gettext("Licence (optional)"), attributes={"maxlength": 100}),
                Text(key="about", label=lazy_gettext("About (optional)"), long=True, attributes=SHORT),
                Many(key="conditions", label=lazy_gettext("Reasons for a visit they know best"), options=_conditions),
            ),
        ),
        Section(
            lazy_gettext("Their work"),
            (
                Many(key="services", label=lazy_gettext("Services they give"), options=named("services"), needed=True),
                Field(
                    key="email",
                    label=lazy_gettext("E-mail (optional)"),
                    hint=lazy_gettext("For invites; patients don't see it."),
                ),
                Flag(key="invites", label=lazy_gettext("Send them a calendar invite for every visit")),
            ),
        ),
    ),
    new=lazy_gettext("Add a practitioner"),
)

FROM = Clock(key="from", label=lazy_gettext("From"))
TO = Clock(key="to", label=lazy_gettext("To"), is_end=True)
AT = Choice(key="location", label=lazy_gettext("Location"), options=named("locations"))

HOURS = Page(
    "hours",
    lazy_gettext("Hours"),
    (
        Section(
            lazy_gettext("Every week"),
            (
                Rows(
                    key="hours",
                    label=lazy_gettext("Weekly hours"),
                    row=lazy_gettext("Hours %(number)s"),
                    add=lazy_gettext("Add hours"),
                    fields=(
                        Days(key="days", label=lazy_gettext("Days"), options=lambda tree: ()),
                        FROM,
                        TO,
                        AT,
                        Number(
                            key="weeks",
                            label=lazy_gettext("Every so many weeks"),
                            default=1,
                            rare=True,
                            attributes={"min": 1},
                        ),
                        Date(key="since", label=lazy_gettext("Since"), rare=True),
                        Date(key="until", label=lazy_gettext("Last day"), rare=True),
                    ),
                ),
            ),
            lazy_gettext("By the clocks of the location. A break is two lines: before it and after it."),
        ),
        Section(
            lazy_gettext("On single days"),
            (
                Rows(
                    key="extra_hours",
                    label=lazy_gettext("Extra hours"),
                    row=lazy_gettext("Extra hours %(number)s"),
                    add=lazy_gettext("Add extra hours"),
                    fields=(Date(key="on", label=lazy_gettext("Day")), FROM, TO, AT),
                ),
            ),
        ),
    ),
    heading=lazy_gettext("Hours of %(name)s"),
)

WHEN = Period(key="period", label=lazy_gettext("When"))

TIME_OFF = Page(
    "time-off",
    lazy_gettext("Time off"),
    (
        Section(
            "",
            (
                Rows(
                    key="time_off",
                    label=lazy_gettext("Time off"),
                    hint=lazy_gettext("Whole days need no times. One day needs no last day."),
                    row=lazy_gettext("Time off %(number)s"),
                    add=lazy_gettext("Add time off"),
                    fields=(
                        WHEN,
                        Field(
                            key="note",
                            label=lazy_gettext("Note (optional, for the desk)"),
                            attributes={"maxlength": 200},
                        ),
                    ),
                ),
            ),
        ),
    ),
    heading=lazy_gettext("Time off of %(name)s"),
)

CLOSURES = Page(
    "closures",
    lazy_gettext("Closures"),
    (
        Section(
            "",
            (
                Rows(
                    key="closures",
                    label=lazy_gettext("Closures"),
                    hint=lazy_gettext("Holidays and the like. Whole days need no times. One day needs no last day."),
                    row=lazy_gettext("Closure %(number)s"),
                    add=lazy_gettext("Add a closure"),
                    fields=(
                        WHEN,
                        Field(key="name", label=lazy_gettext("What patients read"), attributes={"maxlength": 200}),
                        Where(key="location", label=lazy_gettext("What is closed"), options=_shut),
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

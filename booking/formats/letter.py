"""What a mail says, in words: subject, text and HTML, in the reader's language.

The sentences are chosen here; `templates/email` only lays them out. No mail names the reason for a visit, its price,
or a service by anything but its public name.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from booking.domain.message import DaySheet, Facts, Kind, Letterhead, Method, Recipient, Visit
from booking.formats import words
from booking.formats.feed import google, webcal
from booking.formats.ical import clean, line
from booking.formats.mime import Letter

WIDTH = 76
SECURITY = frozenset({Kind.NEW_DEVICE, Kind.PASSWORD_CHANGED, Kind.FACTOR_ADDED, Kind.FACTOR_REMOVED})
ABOUT_NO_VISIT = frozenset({Kind.LIMIT, Kind.LOST_LINK, Kind.FEED, Kind.SIGN_IN, Kind.DAY_SHEET}) | SECURITY
ENDED = frozenset(
    {Kind.CANCELLED, Kind.CALLED_OFF, Kind.MISTAKE, Kind.DECLINED, Kind.LAPSED, Kind.REPLACED, Kind.ELSEWHERE}
)


@dataclass(frozen=True, slots=True)
class Action:
    """A link that the reader may follow."""

    label: str
    url: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with lines under it, and a link."""

    heading: str
    lines: tuple[str, ...]
    link: Action | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A mail before it is laid out, top to bottom."""

    lang: str
    clinic: str
    preheader: str
    sentence: str
    when: tuple[str, ...]
    notes: tuple[str, ...]
    sections: tuple[Section, ...]
    actions: tuple[Action, ...]
    after: tuple[str, ...]  # deadline, reference
    why: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where visits are, in the reader's language; an empty text means that there is none."""

    location: str
    address: tuple[str, ...]
    directions: str = ""
    transit: str = ""
    parking: str = ""
    access: str = ""
    map_url: str = ""
    latitude: float | None = None
    longitude: float | None = None


def about_visit(kind: Kind, role: Recipient, visit: Visit, *, facts: Facts, method: Method | None) -> Letter:
    """The mail that tells this recipient this about a visit. `method` is that of the invite in it, None without."""
    if kind is Kind.ELSEWHERE and role is Recipient.PATIENT:
        page = _farewell(visit, method)
    elif role is Recipient.PATIENT:
        page = _to_patient(kind, visit, facts, method)
    else:
        page = _to_clinic(kind, role, visit, facts)
    return _laid_out(_subject(kind, role, visit), page)


def limit(head: Letterhead) -> Letter:
    """Tell a patient that somebody tried to book in their name past the limit, and that the phone helps."""
    _ = words.translations(head.lang).gettext
    clinic = {"clinic": line(head.clinic)}
    page = _page(
        head,
        sentence=_("A visit was asked for in your name and was not booked."),
        notes=(
            _("You already have as many visits as one person may book online. To book more, please call us."),
            _("If it was not you, there is nothing to do: your visits stay as they are."),
        ),
        why=_("You get this mail because this address belongs to visits at %(clinic)s.") % clinic,
    )
    return _laid_out(_("Please call us to book: %(clinic)s") % clinic, page)


def day_sheet(head: Letterhead, sheets: tuple[DaySheet, ...], *, noon: datetime, zone: str, url: str) -> Letter:
    """Tell a clinic who comes on a day, of which `noon` is an instant in the zone; the whole sheet is at `url`.

    First names with the last one's initial: the mail lies about in inboxes, the sheet behind the sign-in does not.
    """
    _ = words.translations(head.lang).gettext
    lang = _tongue(head)
    on = {"day": words.day(noon, zone, lang)}
    page = _page(
        head,
        sentence=_("These patients come on %(day)s.") % on,
        notes=() if sheets else (_("By now nobody is booked for that day."),),
        sections=[
            Section(
                line(sheet.practitioner),
                tuple(
                    f"{words.clock(visit.starts_at, visit.zone, lang)}  {line(words.short_name(visit.patient))}"
                    for visit in sheet.visits
                ),
            )
            for sheet in sheets
        ],
        actions=(Action(_("Day sheet to print, with phone numbers and notes"), url),),
        why=_("You get this mail because your clinic’s settings ask for it every evening."),
    )
    return _laid_out(_("Day sheet for %(day)s") % on, page)


def lost_link(head: Letterhead, facts: Facts) -> Letter:
    """Send a patient the links to their visits."""
    _ = words.translations(head.lang).gettext
    clinic, lang = {"clinic": line(head.clinic)}, _tongue(head)
    page = _page(
        head,
        sentence=_("Here are the links to your visits."),
        actions=tuple(
            Action(
                _("%(day)s, %(time)s, %(place)s")
                % {
                    "day": words.day(link.starts_at, link.zone, lang),
                    "time": words.clock(link.starts_at, link.zone, lang),
                    "place": line(link.location),
                },
                link.url,
            )
            for link in facts.links
        ),
        why=_("You get this mail because somebody asked for the links of this address at %(clinic)s.") % clinic,
    )
    return _laid_out(_("Your visits at %(clinic)s") % clinic, page)


def feed(head: Letterhead, facts: Facts) -> Letter:
    """Send a patient the address at which their calendar finds all their visits."""
    _ = words.translations(head.lang).gettext
    clinic = {"clinic": line(head.clinic)}
    page = _page(
        head,
        sentence=_("All your visits at %(clinic)s, in your calendar.") % clinic,
        notes=(
            _("Follow a link below to subscribe. What you book or change later appears by itself."),
            _(
                "Calendars look for changes when they like: some every hour, Google only once in many hours. "
                "Urgent changes are always mailed to you as well."
            ),
            _("A visit that you also accepted from its own mail may stand in your calendar twice."),
            _("If your calendar asks for an address, as Outlook on the web does, copy this one: %(address)s")
            % {"address": facts.link},
            _(
                "Whoever has the address can see when your visits are. You can have a new one made on the page of any "
                "visit; this one then ends."
            ),
        ),
        actions=(
            Action(_("Subscribe on this device"), webcal(facts.link)),
            Action(_("Add to Google Calendar"), google(facts.link)),
        ),
        why=_("You get this mail because somebody asked for it on the page of one of your visits."),
    )
    return _laid_out(_("Your visits at %(clinic)s, for your calendar") % clinic, page)


def sign_in(head: Letterhead, facts: Facts, *, zone: str) -> Letter:
    """Send a staff user the link that signs them in once; until when is said in this zone."""
    _ = words.translations(head.lang).gettext
    lang = _tongue(head)
    until = ""
    if facts.expires_at is not None:
        until = _("It works once, until %(day)s, %(time)s (%(zone)s).") % {
            "day": words.short_day(facts.expires_at, zone, lang),
            "time": words.clock(facts.expires_at, zone, lang),
            "zone": words.zone_name(zone, lang),
        }
    page = _page(
        head,
        sentence=_("This link signs you in."),
        notes=(until, _("Do not pass it on: whoever has it can sign in as you.")),
        actions=(Action(_("Sign in"), facts.link),),
        why=_("You get this mail because a sign-in was asked for with this address. If not by you, ignore it."),
    )
    return _laid_out(_("Sign in: %(clinic)s") % {"clinic": line(head.clinic)}, page)


def security(kind: Kind, head: Letterhead, facts: Facts, *, at: datetime, zone: str) -> Letter:
    """Tell a staff user what was done with their account and when, said in this zone, in case it was not them."""
    _ = words.translations(head.lang).gettext
    lang = _tongue(head)
    sentence = {
        Kind.NEW_DEVICE: _("You signed in on a new device."),
        Kind.PASSWORD_CHANGED: _("Your password was changed."),
        Kind.FACTOR_ADDED: _("A way to prove that it is you was added to your account."),
        Kind.FACTOR_REMOVED: _("A way to prove that it is you was removed from your account."),
    }[kind]
    when = _("%(day)s, %(time)s (%(zone)s)") % {
        "day": words.short_day(at, zone, lang),
        "time": words.clock(at, zone, lang),
        "zone": words.zone_name(zone, lang),
    }
    page = _page(
        head,
        sentence=sentence,
        when=(when, *([line(facts.message)] if facts.message else [])),
        notes=(
            _("If it was you, there is nothing to do."),
            _("If it was not you, choose a new password and end the other sessions at once, and tell the owner."),
        ),
        actions=(Action(_("Look at your account"), facts.link),),
        why=_("You get this mail because it is about your account at the front desk."),
    )
    return _laid_out(_("%(what)s: %(clinic)s") % {"what": sentence.rstrip("."), "clinic": line(head.clinic)}, page)


def _to_patient(kind: Kind, visit: Visit, facts: Facts, method: Method | None) -> Page:
    head, lang = visit.head, _tongue(visit.head)
    _ = words.translations(head.lang).gettext
    sections = [_getting_here(visit)]
    if visit.before_you_come and kind not in ENDED and kind is not Kind.CHOOSE:
        sections.append(Section(_("Before you come"), tuple(line(text) for text in visit.before_you_come)))
    label = {
        Kind.OFFERED: _("Answer"),
        Kind.REQUESTED: _("See or withdraw your request"),
        Kind.CANCELLED: _("Book again"),
        Kind.CALLED_OFF: _("Choose another time"),
        Kind.CHOOSE: _("Choose another time"),
        Kind.MISTAKE: _("Book a visit"),
        Kind.DECLINED: _("Choose another time"),
        Kind.LAPSED: _("Choose another time"),
    }.get(kind, _("Change or cancel"))
    deadline = ""
    if kind not in ENDED and kind not in (Kind.REQUESTED, Kind.OFFERED, Kind.CHOOSE):
        deadline = _("To change or cancel, please call us.")
        if visit.change_until is not None:
            deadline = _("You can change or cancel online until %(day)s, %(time)s. Later, please call us.") % {
                "day": words.short_day(visit.change_until, visit.zone, lang),
                "time": words.clock(visit.change_until, visit.zone, lang),
            }
    return _page(
        head,
        preheader=", ".join(line(part) for part in (*visit.address, _phone(head)) if part),
        sentence=_sentence(kind, head),
        when=(*_when(visit), _("For %(patient)s") % {"patient": line(visit.patient)}),  # a family may share an address
        notes=(*_notes(kind, visit, facts), _calendar_note(head, method)),
        sections=sections,
        actions=(Action(label, visit.manage_url),),
        after=(deadline, _("Reference: %(reference)s") % {"reference": visit.reference}),
        why=_("You get this mail because this address was given for a visit at %(clinic)s.")
        % {"clinic": line(head.clinic)},
    )


def _farewell(visit: Visit, method: Method | None) -> Page:
    """To an address that may be a stranger's: no link, and nothing new about the visit."""
    _ = words.translations(visit.head.lang).gettext
    return _page(
        visit.head,
        sentence=_sentence(Kind.ELSEWHERE, visit.head),
        when=_when(visit),
        notes=(_calendar_note(visit.head, method),),
        why=_("You get this mail because this address was given for a visit at %(clinic)s.")
        % {"clinic": line(visit.head.clinic)},
    )


def _to_clinic(kind: Kind, role: Recipient, visit: Visit, facts: Facts) -> Page:
    """To a practitioner or the desk: initials, since mail is read on phones and in shared boxes."""
    head = visit.head
    _ = words.translations(head.lang).gettext
    who = {"initials": words.initials(line(visit.patient)), "practitioner": line(visit.practitioner)}
    if role is Recipient.PRACTITIONER:
        why = _("You get this mail because you asked for an invitation to each of your visits.")
    else:
        why = _("You get this mail because the clinic asked to hear of each new visit and request.")
    return _page(
        head,
        sentence=_clinic_sentence(kind, head),
        when=_when(visit, patient=_("%(initials)s with %(practitioner)s") % who),
        notes=(_moved_from(visit, facts) if kind is Kind.MOVED else "",),
        sections=[_getting_here(visit)] if role is Recipient.PRACTITIONER and kind not in ENDED else [],
        actions=(Action(_("Open at the desk"), visit.manage_url),),
        after=(_("Reference: %(reference)s") % {"reference": visit.reference},),
        why=why,
    )


def _subject(kind: Kind, role: Recipient, visit: Visit) -> str:
    _ = words.translations(visit.head.lang).gettext
    lang = _tongue(visit.head)
    facts = {
        "day": words.short_day(visit.starts_at, visit.zone, lang),
        "time": words.clock(visit.starts_at, visit.zone, lang),
        "clinic": line(visit.head.clinic),
    }
    if role is not Recipient.PATIENT:
        facts["what"] = _clinic_sentence(kind, visit.head).rstrip(".")
        return _("%(what)s: %(day)s, %(time)s") % facts
    match kind:
        case Kind.REQUESTED:
            return _("Not yet confirmed: %(day)s, %(time)s at %(clinic)s") % facts
        case Kind.OFFERED:
            return _("Another time for you: %(day)s, %(time)s at %(clinic)s") % facts
        case Kind.CONFIRMED:
            return _("Confirmed: %(day)s, %(time)s, your visit at %(clinic)s") % facts
        case Kind.MOVED:
            return _("Moved to %(day)s, %(time)s: your visit at %(clinic)s") % facts
        case Kind.CHANGED:
            return _("Changed: %(day)s, %(time)s, your visit at %(clinic)s") % facts
        case Kind.NOT_MOVED:
            return _("Not moved: %(day)s, %(time)s, your visit at %(clinic)s") % facts
        case Kind.CHOOSE:
            return _("Please choose another time: %(day)s, %(time)s at %(clinic)s") % facts
        case Kind.CANCELLED | Kind.CALLED_OFF | Kind.MISTAKE | Kind.ELSEWHERE:
            return _("Cancelled: %(day)s, %(time)s at %(clinic)s") % facts
        case Kind.REMINDER:
            return _("Reminder: %(day)s, %(time)s, your visit at %(clinic)s") % facts
        case Kind.DECLINED | Kind.LAPSED:
            return _("Not booked: %(day)s, %(time)s at %(clinic)s") % facts
        case _:
            return _("%(day)s, %(time)s: your visit at %(clinic)s") % facts


def _sentence(kind: Kind, head: Letterhead) -> str:
    """How things stand, said to the patient."""
    _ = words.translations(head.lang).gettext
    return {
        Kind.REQUESTED: _("We have your request. It is not yet confirmed."),
        Kind.BOOKED: _("You are booked."),
        Kind.CONFIRMED: _("Your request is confirmed. You are booked."),
        Kind.OFFERED: _("The time you asked for is not possible. We are holding another one for you."),
        Kind.MOVED: _("Your visit has moved to a new time."),
        Kind.CHANGED: _("Something about your visit has changed. The time is the same."),
        Kind.CANCELLED: _("Cancelled, as you asked."),
        Kind.CALLED_OFF: _("We have to cancel your visit. We are sorry."),
        Kind.MISTAKE: _("This visit was entered by mistake. It is not booked."),
        Kind.NOT_MOVED: _("We can't give you the time that you proposed. Your visit stays as it is."),
        Kind.CHOOSE: _("We can't keep the time of your visit. We are sorry. Please choose another one."),
        Kind.DECLINED: _("We can't give you this time. Nothing is booked."),
        Kind.LAPSED: _("Your request was not answered in time and has ended. Nothing is booked. We are sorry."),
        Kind.REMINDER: _("We look forward to seeing you."),
        Kind.ELSEWHERE: _("Mail about this visit now goes to another address."),
    }[kind]


def _clinic_sentence(kind: Kind, head: Letterhead) -> str:
    """What happened, said to a practitioner or the desk."""
    _ = words.translations(head.lang).gettext
    return {
        Kind.REQUESTED: _("A new request waits for an answer."),
        Kind.BOOKED: _("New visit."),
        Kind.CONFIRMED: _("New visit."),
        Kind.MOVED: _("A visit has moved."),
        Kind.CHANGED: _("A visit has changed."),
        Kind.NOT_MOVED: _("A visit stays where it is, though you proposed another time."),
        Kind.CANCELLED: _("A visit was cancelled by the patient."),
        Kind.CALLED_OFF: _("A visit was cancelled by the clinic."),
        Kind.MISTAKE: _("A visit was entered by mistake and is taken out."),
        Kind.LAPSED: _("A request was not answered in time and has ended."),
        Kind.REPLACED: _("A visit is no longer yours."),
        Kind.ELSEWHERE: _("A visit's invitation no longer holds."),
    }[kind]


def _notes(kind: Kind, visit: Visit, facts: Facts) -> tuple[str, ...]:
    _ = words.translations(visit.head.lang).gettext
    lang = _tongue(visit.head)
    by = ""
    if visit.answer_by is not None:
        until = {
            "day": words.short_day(visit.answer_by, visit.zone, lang),
            "time": words.clock(visit.answer_by, visit.zone, lang),
        }
        if kind is Kind.REQUESTED:
            by = _("We answer by %(day)s, %(time)s, and hold the time for you until then.") % until
        elif kind is Kind.OFFERED:
            by = _("Please accept or decline it by %(day)s, %(time)s; it is free for others after that.") % until
    return (
        _moved_from(visit, facts) if kind is Kind.MOVED else "",
        clean(facts.message),
        by,
        _("Please call us, or choose another time.") if kind in (Kind.CALLED_OFF, Kind.DECLINED, Kind.LAPSED) else "",
    )


def _moved_from(visit: Visit, facts: Facts) -> str:
    if facts.was is None or facts.was.starts_at == visit.starts_at:
        return ""
    _ = words.translations(visit.head.lang).gettext
    lang = _tongue(visit.head)
    return _("It was %(day)s, %(time)s.") % {
        "day": words.short_day(facts.was.starts_at, visit.zone, lang),
        "time": words.clock(facts.was.starts_at, visit.zone, lang),
    }


def _calendar_note(head: Letterhead, method: Method | None) -> str:
    _ = words.translations(head.lang).gettext
    if method is Method.REQUEST:
        return _("To have it in your calendar, press Yes or Accept in the invitation of this mail.")
    if method is Method.CANCEL:
        return _("It is taken out of your calendar, or press Remove in this mail.")
    return ""


def _when(visit: Visit, patient: str = "") -> tuple[str, ...]:
    """Day, times with the zone, and what with whom."""
    _ = words.translations(visit.head.lang).gettext
    lang = _tongue(visit.head)
    said = [
        words.day(visit.starts_at, visit.zone, lang),
        _("%(start)s to %(end)s (%(zone)s)")
        % {
            "start": words.clock(visit.starts_at, visit.zone, lang),
            "end": words.clock(visit.ends_at, visit.zone, lang),
            "zone": words.zone_name(visit.zone, lang),
        },
    ]
    if patient:
        return (*said, patient, line(visit.location))
    people = {"service": line(visit.public_name), "practitioner": line(visit.practitioner)}
    if people["service"] and people["practitioner"]:
        said.append(_("%(service)s with %(practitioner)s") % people)
    elif people["practitioner"]:
        said.append(_("With %(practitioner)s") % people)
    elif people["service"]:
        said.append(people["service"])
    return tuple(said)


def _getting_here(visit: Visit) -> Section:
    place = Place(
        visit.location,
        visit.address,
        visit.directions,
        visit.transit,
        visit.parking,
        visit.access,
        visit.map_url,
        visit.latitude,
        visit.longitude,
    )
    return getting_here(place, visit.head.lang)


def getting_here(place: Place, lang: str) -> Section:
    """What mails say about the way to a place."""
    _ = words.translations(lang).gettext
    lines = [line(part) for part in (place.location, *place.address)]
    lines += clean(place.directions).splitlines()
    for sentence, text in (
        (_("Transit: %(text)s"), place.transit),
        (_("Parking: %(text)s"), place.parking),
        (_("Access: %(text)s"), place.access),
    ):
        if text:
            lines += (sentence % {"text": clean(text)}).splitlines()
    map_url = words.map_link(place.map_url, place.latitude, place.longitude, place.address)
    return Section(_("Getting here"), tuple(said for said in lines if said.strip()), Action(_("Map"), map_url))


def _page(
    head: Letterhead,
    *,
    sentence: str,
    why: str,
    preheader: str = "",
    when: tuple[str, ...] = (),
    notes: tuple[str, ...] = (),
    sections: list[Section] | tuple[Section, ...] = (),
    actions: tuple[Action, ...] = (),
    after: tuple[str, ...] = (),
) -> Page:
    """A page of the clinic, whose phone stands before all other sections. Empty texts and unsafe links are left out."""
    _ = words.translations(head.lang).gettext
    phone = _phone(head)
    if phone:
        sections = (Section(_("Phone"), (), Action(phone, f"tel:{head.phone}")), *sections)
    return Page(
        lang=str(words.locale_of(head.lang)).replace("_", "-"),
        clinic=line(head.clinic),
        preheader=preheader or phone,
        sentence=sentence,
        when=when,
        notes=tuple(note for note in notes if note),
        sections=tuple(sections),
        actions=tuple(action for action in actions if action.url.startswith(("https://", "http://", "webcal://"))),
        after=tuple(text for text in after if text),
        why=why,
    )


def _phone(head: Letterhead) -> str:
    return words.phone_shown(head.phone, head.region) if head.phone else ""


def _tongue(head: Letterhead) -> str:
    return words.tongue(head.lang, head.region)


def _laid_out(subject: str, page: Page) -> Letter:
    text = _environment().get_template("email/mail.txt").render(page=page)
    html = _environment().get_template("email/mail.html").render(page=page)
    return Letter(subject=subject, text=text, html=html)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    package = Path(__file__).parent.parent
    # Templates lie in the installed package, and beside it in a checkout.
    folders = [package / "templates", package.parent / "templates"]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["wrapped"] = _wrapped
    return environment


def _wrapped(text: str, indent: str = "") -> str:
    """The text in lines short enough for mail; a link is never cut."""
    return "\n".join(
        textwrap.fill(
            paragraph,
            WIDTH,
            initial_indent=indent,
            subsequent_indent=indent,
            break_long_words=False,
            break_on_hyphens=False,
        )
        for paragraph in text.splitlines()
    )

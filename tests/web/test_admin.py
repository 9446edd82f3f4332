"""The owner's settings: each page saves its part of the clinic file, and says at the field what is wrong."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.datastructures import MultiDict
from werkzeug.test import TestResponse

from booking.actions import clinic as clinics
from booking.domain.availability import Stage
from booking.formats import clinic_file as file
from booking.formats.clinic_file import ClinicFile, Closure, ExtraHours, Hours, TimeOff, parse
from booking.store import appointment as appointments
from booking.web.admin import pages
from booking.web.admin.fields import Rows
from tests.cast import ELM, Make
from tests.desk import Desk, token_in

Fields = Iterable[tuple[str, str]]
OWNER = "olga@elm.example"
BO = "/admin/elm/practitioners/bo"
NEEDLES = "/admin/elm/services/needles"


@pytest.fixture
def elm(make: Make) -> Desk:
    return Desk(make, make.elm)


@pytest.fixture
def olga(elm: Desk) -> FlaskClient:
    """The owner's browser."""
    return elm.signed_in(OWNER, role="owner")


def settings(elm: Desk) -> ClinicFile:
    with elm.make.app.app_context():
        return clinics.current("elm")


def fields(page: str) -> MultiDict[str, str]:
    """What a browser would send of the page's form, had nobody touched it."""
    form = page[page.index('<form id="edit"') : page.index("</form>", page.index('<form id="edit"'))]
    found: MultiDict[str, str] = MultiDict()
    for tag in re.finditer(r"<(input|textarea|select)\b([^>]*)>", form):
        has = dict(re.findall(r'([\w-]+)="([^"]*)"', tag[2]))
        name = has.get("name")
        if name is None or (has.get("type") == "checkbox" and not tag[2].rstrip().endswith("checked")):
            continue
        rest = form[tag.end() :]
        if tag[1] == "textarea":
            value = rest[: rest.index("</textarea>")]
        elif tag[1] == "select":
            options = re.findall(r'<option value="([^"]*)"( selected)?>', rest[: rest.index("</select>")])
            value = next((value for value, chosen in options if chosen), options[0][0])
        else:
            value = has.get("value", "")
        found.add(name, unescape(value))
    return found


def send(client: FlaskClient, address: str, *changes: tuple[str, str], without: Iterable[str] = ()) -> TestResponse:
    """Open a page and send its form with some entries changed, added or left out."""
    shown = client.get(address)
    assert shown.status_code == 200, address
    return again(client, address, fields(shown.text), *changes, without=without)


def again(
    client: FlaskClient, address: str, form: MultiDict[str, str], *changes: tuple[str, str], without: Iterable[str] = ()
) -> TestResponse:
    for name in {name for name, _ in changes} | set(without):
        form.poplist(name)
    for name, value in changes:
        form.add(name, value)
    return client.post(address, data=form)


def saved(answer: TestResponse) -> str:
    """Where a saved form leads."""
    assert answer.status_code == 303, error(answer)
    return answer.location


def error(answer: TestResponse) -> list[str]:
    """What the page says to be wrong."""
    return re.findall(r"Error:</span> ([^<]+)<", answer.text)


PAGES = [
    "clinic",
    "rules",
    "rooms",
    "closures",
    "locations/main",
    "services/visit",
    "services/needles",
    "practitioners/bo",
    "practitioners/bo/hours",
    "practitioners/bo/time-off",
]
FULL = ELM.replace(
    'to = "17:00", location = "main"}]',
    """to = "17:00", location = "main"},
    {days = "Sat", from = "10:00", to = "24:00", location = "main", weeks = 2, since = 2027-01-04, until = 2027-06-30},
]
extra_hours = [{on = 2027-02-07, from = "10:00", to = "14:00", location = "main"}]
time_off = [
    {from = 2027-02-24T12:00:00, to = 2027-02-27T00:00:00, note = "Away"},
    {from = 2027-03-01T00:00:00, to = 2027-03-01T09:30:00},
]
""",
).replace(
    "[[staff]]",
    """[[closures]]
on = 2027-03-26
name = "Good Friday"

[[closures]]
from = 2027-03-01T09:00:00
to = 2027-03-02T12:00:00
name = "Painting"
room = "ward"

[[staff]]""",
)


def test_a_page_that_is_saved_as_it_was_opened_changes_nothing(make: Make) -> None:
    elm = Desk(make, make.clinic(FULL, languages=["en", "es"], contact={"en": "Ring", "es": "Llame"}, privacy="Ours"))
    olga, before = elm.signed_in(OWNER, role="owner"), settings(elm)

    for page in PAGES:
        assert saved(send(olga, f"/admin/elm/{page}")).endswith("?saved=0"), page

    assert settings(elm) == before


def test_everything_that_a_file_says_stands_on_a_page() -> None:
    said = {
        file.Clinic: pages.CLINIC.keys | pages.RULES.keys,
        file.Location: pages.LOCATION.keys,
        file.Room: {each.key for rows in pages.ROOMS.fields if isinstance(rows, Rows) for each in rows.fields},
        file.Service: pages.SERVICE.keys,
        file.Practitioner: pages.PRACTITIONER.keys | pages.HOURS.keys | pages.TIME_OFF.keys,
    }
    for kind, keys in said.items():
        assert {each.name for each in dataclasses.fields(kind)} - {"slug"} <= keys, kind


def test_every_page_saves_what_its_fields_say(elm: Desk, olga: FlaskClient) -> None:
    saved(send(olga, "/admin/elm/clinic", ("name", "Elm & Oak"), ("before_you_come.1.en", "Bring slippers")))
    saved(send(olga, "/admin/elm/rules", ("confirmation", "request-new"), ("horizon", "90"), ("notices", "all")))
    saved(
        send(
            olga,
            "/admin/elm/locations/main",
            ("address", "2 Elm Road\nLondon"),
            ("latitude", "51,5"),
            ("parking.en", "None"),
        )
    )
    saved(
        send(
            olga,
            "/admin/elm/rooms",
            ("rooms.0.places", "8"),
            ("rooms.1.name", "Blue room"),
            ("rooms.1.location", "main"),
            ("rooms.1.places", "1"),
        )
    )
    saved(send(olga, BO, ("about.en", "Kind."), ("conditions", "Back pain"), without=["invites"]))

    found = settings(elm)

    assert (found.clinic.name, found.clinic.before_you_come) == ("Elm & Oak", ("Eat something light", "Bring slippers"))
    assert (found.clinic.confirmation, found.clinic.horizon, found.clinic.notices) == ("request-new", 90, "all")
    place = found.locations[0]
    assert (place.address, place.latitude, place.parking) == (("2 Elm Road", "London"), 51.5, "None")
    assert [(room.slug, room.name, room.places) for room in found.rooms] == [
        ("ward", "Ward", 8),
        ("blue-room", "Blue room", 1),
    ]
    bo = found.practitioners[0]
    assert (bo.about, bo.conditions, bo.invites) == ("Kind.", ("Back pain",), False)


def test_hours_time_off_and_closures_are_entered_as_days_and_times(elm: Desk, olga: FlaskClient) -> None:
    hours = [("hours.1.days", "Sat"), ("hours.1.days", "Sun"), ("hours.1.from", "10:00"), ("hours.1.to", "00:00")]
    weeks = [("hours.1.weeks", "2"), ("hours.1.since", "2027-01-04"), ("hours.1.location", "main")]
    extra = [("extra_hours.0.on", "2027-02-06"), ("extra_hours.0.from", "09:00"), ("extra_hours.0.to", "12:00")]
    saved(send(olga, f"{BO}/hours", *hours, *weeks, *extra))
    whole = [("time_off.0.from", "2027-02-01"), ("time_off.0.note", "Away")]
    part = [("time_off.1.from", "2027-02-03"), ("time_off.1.from_time", "13:00"), ("time_off.1.to", "2027-02-04")]
    saved(send(olga, f"{BO}/time-off", *whole, *part))
    saved(send(olga, "/admin/elm/closures", ("closures.0.from", "2027-03-26"), ("closures.0.name", "Good Friday")))

    bo = settings(elm).practitioners[0]

    assert bo.hours[1] == Hours(frozenset({5, 6}), 600, 1440, "main", 2, date(2027, 1, 4))
    assert bo.extra_hours == (ExtraHours(date(2027, 2, 6), 540, 720, "main"),)
    days = [datetime(2027, 2, day) for day in (1, 2, 5)]
    assert bo.time_off == (TimeOff(days[0], days[1], "Away"), TimeOff(datetime(2027, 2, 3, 13), days[2]))
    assert settings(elm).closures == (Closure(datetime(2027, 3, 26), datetime(2027, 3, 27), "Good Friday"),)
    assert "10:00 – 00:00" in olga.get(f"{BO}/hours").text


def test_a_service_is_added_with_its_stages_moved_up_and_taken_away(elm: Desk, olga: FlaskClient) -> None:
    to = saved(
        send(
            olga,
            "/admin/elm/add/services",
            ("name.en", "Été: ear needles"),
            ("stages.0.minutes", "10"),
            ("stages.1.minutes", "20"),
            ("stages.1.patient", "1"),
            ("new_patients", "same"),
        )
    )
    assert to == "/admin/elm/services/ete-ear-needles?saved=2"
    assert settings(elm).services[2].stages == (Stage(10), Stage(20, practitioner=False, room=False))
    saved(send(olga, BO, ("services", "visit"), ("services", "ete-ear-needles")))
    up = {"csrf_token": token_in(olga.get("/admin/elm/services").text), "up": "ete-ear-needles"}
    saved(olga.post("/admin/elm/order/services", data=up))
    assert [service.slug for service in settings(elm).services] == ["visit", "ete-ear-needles", "needles"]

    saved(send(olga, "/admin/elm/services/ete-ear-needles", ("gone", "1")))

    assert [service.slug for service in settings(elm).services] == ["visit", "needles"]
    assert settings(elm).practitioners[0].services == ("visit",)
    assert olga.get("/admin/elm/services/ete-ear-needles").status_code == 404


WRONG = [
    ("clinic", [("name", "")], "name"),
    ("clinic", [("phone", "12")], "phone"),
    ("clinic", [("email", "nobody")], "email"),
    ("clinic", [("website", "javascript:alert(1)")], "website"),
    ("clinic", [("languages", "xx-yy-zz")], "languages"),
    ("clinic", [("conditions.0.en", "Poor sleep")], "conditions.1.en"),
    ("clinic", [("contact.en", "x" * 4001)], "contact.en"),
    ("clinic", [("name", "a\x07b")], "name"),
    ("rules", [("horizon", "soon")], "horizon"),
    ("rules", [("minimum_notice", "-5")], "minimum_notice"),
    ("rules", [("confirmation", "never")], "confirmation"),
    ("rooms", [("rooms.0.places", "0")], "rooms.0.places"),
    ("rooms", [("rooms.0.location", "moon")], "rooms.0.location"),
    ("locations/main", [("zone", "Chicago")], "zone"),
    ("locations/main", [("latitude", "nan")], "latitude"),
    ("locations/main", [("longitude", "")], "longitude"),
    ("locations/main", [("address", "")], "address"),
    ("services/visit", [("stages.0.minutes", "7")], "stages.0.minutes"),
    ("services/visit", [("stages.0.minutes", "")], "stages"),
    ("services/visit", [("every", "1" * 30)], "every"),
    ("services/visit", [("new_patients", "no")], "first_visit"),
    ("services/visit", [("rooms", "cellar")], "rooms"),
    ("practitioners/bo", [("email", "")], "email"),
    ("practitioners/bo/hours", [("hours.0.to", "08:00")], "hours.0.to"),
    ("practitioners/bo/hours", [("hours.0.from", "09:03")], "hours.0.from"),
    ("practitioners/bo/hours", [("hours.0.weeks", "2")], "hours.0.since"),
    ("practitioners/bo/hours", [("extra_hours.0.on", "2027-02-30")], "extra_hours.0.on"),
    (
        "practitioners/bo/time-off",
        [("time_off.0.from", "2027-02-02"), ("time_off.0.to", "2027-02-01")],
        "time_off.0.to",
    ),
    ("practitioners/bo/time-off", [("time_off.0.to", "9999-12-31")], "time_off.0.from"),
    ("practitioners/bo/time-off", [("time_off.0.from_time", "25:61")], "time_off.0.from"),
    ("closures", [("closures.0.name", "Party")], "closures.0.from"),
    ("closures", [("closures.0.from", "2027-02-30"), ("closures.0.name", "Party")], "closures.0.from"),
]


def test_what_a_file_may_not_say_comes_back_to_its_field_and_nothing_is_saved(elm: Desk, olga: FlaskClient) -> None:
    before = settings(elm)
    forms = {page: fields(olga.get(f"/admin/elm/{page}").text) for page in {page for page, _, _ in WRONG}}

    for page, typed, field in WRONG:
        answer = again(olga, f"/admin/elm/{page}", forms[page].copy(), *typed)
        case = (page, typed)
        assert answer.status_code == 422, case
        assert f'<a href="#{field}">' in answer.text, (case, re.findall(r'href="(#[^"]+)"', answer.text))
        assert f'id="{field}"' in answer.text, case
        assert f'id="{field}-error"' in answer.text, case
        kept = fields(answer.text)
        for name, value in typed:
            assert value in kept.getlist(name) or field in (name, "stages", "rooms", "confirmation"), case

    elsewhere = again(olga, "/admin/elm/rooms", forms["rooms"].copy(), without=["rooms.0.slug", "rooms.0.name"])
    assert '<a href="/admin/elm/services/needles">Community acupuncture</a>' in elsewhere.text
    assert (settings(elm), settings(elm).revision) == (before, before.revision)


def test_services_follow_when_reasons_are_renamed_or_gone_and_when_languages_come_and_go(
    elm: Desk, olga: FlaskClient
) -> None:
    saved(send(olga, "/admin/elm/clinic", ("conditions.0.en", "Sore back"), ("conditions.1.en", "")))

    found = settings(elm)

    assert found.clinic.conditions == ("Sore back",)
    assert [service.conditions for service in found.services] == [("Sore back",), ()]

    saved(send(olga, "/admin/elm/clinic", ("languages", "en, es")))
    saved(send(olga, "/admin/elm/services/visit", ("name.es", "Visita")))
    assert settings(elm).services[0].name == {"en": "Visit", "es": "Visita"}
    answer = send(olga, "/admin/elm/services/visit", ("name.en", ""))
    assert (answer.status_code, 'id="name.en-error"' in answer.text) == (422, True)

    saved(send(olga, "/admin/elm/clinic", ("languages", "en")))

    assert settings(elm).services[0].name == {"en": "Visit"}


def test_rows_are_added_moved_and_taken_away_without_script(elm: Desk, olga: FlaskClient) -> None:
    more = send(olga, NEEDLES, ("add", "stages"))
    assert (more.status_code, "stages.4.minutes" in more.text) == (200, True)
    fewer = again(olga, NEEDLES, fields(more.text), ("remove", "stages.1"))
    moved = again(olga, NEEDLES, fields(fewer.text), ("up", "stages.1"))

    assert [fields(moved.text)[f"stages.{n}.minutes"] for n in range(4)] == ["5", "10", "5", ""]
    assert settings(elm) == replace(parse(ELM), staff=())

    saved(again(olga, NEEDLES, fields(moved.text)))
    assert [stage.minutes for stage in settings(elm).services[1].stages] == [5, 10, 5]


def test_pictures_and_mails_are_shown_as_they_are_typed(elm: Desk, olga: FlaskClient) -> None:
    shown = olga.get(NEEDLES).text
    assert "<b>Practitioner</b> minutes 0 to 10, 40 to 45" in shown
    assert "<b>Patient</b> minutes 0 to 45" in shown
    assert "<b>Practitioner</b> minutes 0 to 25, 55 to 60" in shown

    looked = send(olga, NEEDLES, ("stages.0.minutes", "20"), ("name.en", "Needles"), ("look", "1"))

    assert looked.status_code == 200
    assert "<b>Practitioner</b> minutes 0 to 20, 50 to 55" in looked.text
    assert "<h3>Needles</h3>" in looked.text
    assert settings(elm).services[1].stages[0].minutes == 10

    looked = send(olga, "/admin/elm/locations/main", ("parking.en", "In <the> yard"), ("look", "1"))
    assert "<p>Parking: In &lt;the&gt; yard</p>" in looked.text
    assert "query=51.5403,-0.0935" in looked.text


def test_saving_offers_to_undo_and_undoing_brings_back_what_was(elm: Desk, olga: FlaskClient) -> None:
    before = settings(elm)
    to = saved(send(olga, "/admin/elm/rules", ("horizon", "90")))
    page = olga.get(to).text
    assert "Saved." in page

    back = olga.post("/admin/elm/undo", data={"csrf_token": token_in(page), "revision": "2", "back": to})

    assert back.location == "/admin/elm/rules?saved=3"
    assert settings(elm) == before
    assert "Undo" not in olga.get("/admin/elm/rules?saved=2").text
    saved(send(olga, "/admin/elm/rules", ("horizon", "30")))
    late = olga.post("/admin/elm/undo", data={"csrf_token": token_in(page), "revision": "2"})
    assert (late.status_code, "changed again" in late.text) == (409, True)


def test_who_saves_after_somebody_else_is_told_what_they_changed_and_loses_nothing(
    elm: Desk, olga: FlaskClient
) -> None:
    form = fields(olga.get("/admin/elm/rules").text)
    saved(send(olga, "/admin/elm/rules", ("horizon", "90")))

    looked = again(olga, "/admin/elm/rules", form, ("horizon", "30"), ("hold_minutes", "5"), ("look", "1"))
    answer = again(olga, "/admin/elm/rules", fields(looked.text))

    assert answer.status_code == 409
    assert "Days ahead that can be booked online: it was “60”, and is now “90”." in unescape(answer.text)
    assert settings(elm).clinic.horizon == 90
    kept = fields(answer.text)
    assert (kept["horizon"], kept["hold_minutes"]) == ("30", "5")
    saved(again(olga, "/admin/elm/rules", kept))
    assert (settings(elm).clinic.horizon, settings(elm).clinic.hold_minutes) == (30, 5)

    # What somebody changes on another page is no hindrance.
    form = fields(olga.get("/admin/elm/services/visit").text)
    saved(send(olga, f"{BO}/time-off", ("time_off.0.from", "2027-02-01")))

    saved(again(olga, "/admin/elm/services/visit", form, ("every", "20")))

    assert (settings(elm).services[0].every, len(settings(elm).practitioners[0].time_off)) == (20, 1)


def test_visits_that_would_be_stranded_are_listed_first_and_kept_if_the_owner_says_so(
    elm: Desk, olga: FlaskClient
) -> None:
    visit = elm.make.appointment("Tue 09:00")
    typed = [("time_off.0.from", "2027-01-12"), ("time_off.0.note", "Away")]

    listed = send(olga, f"{BO}/time-off", *typed)

    assert listed.status_code == 409
    assert f'href="/desk/elm/appointments/{visit.public_id}"' in listed.text
    assert settings(elm).practitioners[0].time_off == ()
    saved(again(olga, f"{BO}/time-off", fields(listed.text), ("keep", "1")))
    with elm.make.app.app_context():
        assert appointments.by_public_id(elm.elm, visit.public_id).needs_desk == "stranded"

    gone = send(olga, BO, ("gone", "1"))
    assert gone.status_code == 409
    assert 'name="keep" value="gone"' in gone.text
    saved(again(olga, BO, fields(gone.text), ("keep", "gone")))
    assert [person.slug for person in settings(elm).practitioners] == ["dee"]


def test_the_front_desk_enters_closures_and_time_off_and_undoes_only_its_own(elm: Desk, olga: FlaskClient) -> None:
    cy = elm.signed_in()
    assert "Time off: Bo Andersen" in cy.get("/admin/elm/").text
    assert "/admin/elm/clinic" not in cy.get("/admin/elm/").text
    to = saved(send(cy, f"{BO}/time-off", ("time_off.0.from", "2027-02-01")))
    page = cy.get(to).text
    assert "Undo" in page
    saved(send(olga, "/admin/elm/rules", ("horizon", "90")))
    assert "Undo" not in cy.get("/admin/elm/closures?saved=3").text

    answer = cy.post("/admin/elm/undo", data={"csrf_token": token_in(page), "revision": "3"})

    assert answer.status_code == 403
    assert settings(elm).clinic.horizon == 90


def test_the_checklist_says_what_is_missing(make: Make) -> None:
    elm = Desk(make, make.clinic(ELM.replace('services = ["visit", "needles"]', 'services = ["visit"]')))
    olga = elm.signed_in(OWNER, role="owner")

    page = olga.get("/admin/elm/").text

    assert "Nobody gives Community acupuncture." in page
    assert 'href="/elm/"' in page


# The file


def load(client: FlaskClient, text: str, **more: str) -> TestResponse:
    page = client.get("/admin/elm/file").text
    return client.post("/admin/elm/file", data={"csrf_token": token_in(page), "text": text, **more})


def test_the_file_is_downloaded_changed_and_loaded(elm: Desk, olga: FlaskClient) -> None:
    download = olga.get("/admin/elm/file.toml")
    assert download.headers["Content-Disposition"] == 'attachment; filename="elm.toml"'
    changed = download.text.replace('name = "Elm Clinic"', 'name = "Elm & Oak"')

    assert "The file is right." in load(olga, changed, check="1").text
    assert settings(elm).clinic.name == "Elm Clinic"
    assert load(olga, changed).location == "/admin/elm/file?saved=2"
    assert settings(elm).clinic.name == "Elm & Oak"

    older = load(olga, download.text)
    assert (older.status_code, "Load it over the later changes" in older.text) == (409, True)
    assert load(olga, download.text, force="1").status_code == 303
    assert settings(elm).clinic.name == "Elm Clinic"

    visit = elm.make.appointment("Tue 09:00")
    listed = load(olga, ELM.replace('days = "Mon-Fri"', 'days = "Mon"'))
    assert (listed.status_code, visit.public_id in listed.text) == (409, True)


def test_faults_of_a_file_come_with_their_lines_and_staff_in_it_are_not_invited(elm: Desk, olga: FlaskClient) -> None:
    wrong = load(olga, ELM.replace("020 7946 0142", "12").replace("every = 30", "evry = 30"))
    assert wrong.status_code == 422
    assert "line 4: clinic.phone: expected" in wrong.text
    assert "did you mean" in wrong.text
    assert load(olga, "clinic = [").status_code == 422

    another = load(olga, ELM.replace('slug = "elm"', 'slug = "oak"'))
    assert (another.status_code, "line 2: clinic.slug" in another.text) == (422, True)

    mallory = '[[staff]]\nemail = "mallory@elm.example"\nname = "M"\nrole = "owner"\n'
    load(olga, ELM.replace('name = "Elm Clinic"', 'name = "New"') + mallory)
    with elm.make.app.app_context():
        assert settings(elm).clinic.name == "New"
        assert "mallory" not in clinics.dump("elm")

"""The clinic file: read into values, every fault told at once with its line, and written back."""

from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from unicodedata import normalize

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.domain.availability import NewPatients, Stage
from booking.formats.clinic_file import (
    ClinicFile,
    ClinicFileInvalid,
    Closure,
    Confirmation,
    ExtraHours,
    Fault,
    Hours,
    StaffRole,
    StaffUser,
    TimeOff,
    as_values,
    dump,
    from_values,
    parse,
)

DEMO = Path(__file__).parents[2] / "booking" / "demo"

ELM = """\
[clinic]
slug = "elm"
name = "Elm Clinic"
phone = "020 7946 0018"
email = "desk@elm.example"
region = "GB"
languages = ["en", "es"]
conditions = ["Back pain", {en = "Poor sleep", es = "Mal sueño"}]

[[locations]]
slug = "main"
name = "Elm House"
address = ["1 Elm Road", "London"]
zone = "Europe/London"

[[locations]]
slug = "north"
name = "North"
address = ["9 Hill Street"]
zone = "Europe/London"

[[rooms]]
slug = "blue"
location = "main"
places = 2

[[services]]
slug = "visit"
name = {en = "Visit", es = "Visita"}
rooms = ["blue"]
conditions = ["Poor sleep"]
stages = [{minutes = 20}, {minutes = 10, patient = false}]

[[services]]
slug = "course"
name = "Course"
new_patients = "no"
first_visit = "visit"
stages = [{minutes = 60}]

[[practitioners]]
slug = "bo"
name = "Bo"
email = "bo@elm.example"
services = ["visit", "course"]
hours = [
    {days = "Mon-Fri", from = "09:00", to = "13:00", location = "main"},
    {days = "Tue,Thu", from = "14:00", to = "24:00", location = "north", weeks = 2, since = 2026-11-03},
]
extra_hours = [{on = 2026-12-05, from = "10:00", to = "14:00", location = "main"}]
time_off = [{from = 2026-12-24T12:00:00, to = 2026-12-27T00:00:00, note = "Holiday"}]

[[closures]]
on = 2026-12-25
name = "Christmas"

[[closures]]
from = 2026-12-07T08:00:00
to = 2026-12-07T12:00:00
name = "Painting"
room = "blue"

[[staff]]
email = "Cy@Elm.example"
name = "Cy"
role = "front-desk"
"""


def faults(text: str) -> list[Fault]:
    with pytest.raises(ClinicFileInvalid) as refused:
        parse(text)
    return refused.value.faults


def only_fault(text: str) -> Fault:
    (fault,) = faults(text)
    return fault


def elm(old: str, new: str) -> str:
    assert ELM.count(old) == 1, f"{old!r} must stand once in the file"
    return ELM.replace(old, new)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_a_file_is_read_into_values_with_the_defaults_filled_in() -> None:
    file = parse(ELM)

    assert (file.clinic.slug, file.clinic.phone, file.clinic.region) == ("elm", "+442079460018", "GB")
    assert file.clinic.confirmation is Confirmation.INSTANT
    assert (file.clinic.hold_minutes, file.clinic.minimum_notice, file.clinic.horizon) == (10, 120, 60)
    assert file.clinic.conditions == ("Back pain", {"en": "Poor sleep", "es": "Mal sueño"})
    assert [location.slug for location in file.locations] == ["main", "north"]
    assert (file.rooms[0].name, file.rooms[0].places) == ("Blue", 2)
    visit, course = file.services
    assert visit.stages == (Stage(20), Stage(10, patient=False))
    assert (visit.every, visit.online, visit.conditions) == (15, True, ("Poor sleep",))
    assert (course.new_patients, course.first_visit) == (NewPatients.NO, "visit")
    bo = file.practitioners[0]
    assert bo.hours == (
        Hours(frozenset(range(5)), 540, 780, "main"),
        Hours(frozenset({1, 3}), 840, 1440, "north", weeks=2, since=date(2026, 11, 3)),
    )
    assert bo.extra_hours == (ExtraHours(date(2026, 12, 5), 600, 840, "main"),)
    assert bo.time_off == (TimeOff(datetime(2026, 12, 24, 12), datetime(2026, 12, 27), "Holiday"),)
    assert file.closures == (
        Closure(datetime(2026, 12, 25), datetime(2026, 12, 26), "Christmas"),
        Closure(datetime(2026, 12, 7, 8), datetime(2026, 12, 7, 12), "Painting", room="blue"),
    )
    assert file.staff == (StaffUser("cy@elm.example", "Cy", StaffRole.FRONT_DESK),)
    assert file.revision is None


def test_a_clinic_fits_into_ten_lines() -> None:
    text = """
        clinic = {slug = "elm", name = "Elm", phone = "(630) 555-0142", email = "a@elm.example", region = "US"}
        [[locations]]
        slug = "main"
        name = "Main"
        address = ["1 Elm Road"]
        zone = "America/Chicago"
    """

    file = parse(text)

    assert (file.clinic.phone, file.services, file.practitioners) == ("+16305550142", (), ())


CASES = [
    # what is replaced, by what, the key of the fault, what it says
    ("rooms = [", "evry = 15\nrooms = [", "services.visit.evry", 'unknown key; did you mean "every"?'),
    ('name = "Bo"', 'name = "Bo"\nxyzzy = 1', "practitioners.bo.xyzzy", "unknown key, expected one of about,"),
    ("[[closures]]\non", "[[closure]]\non", "closure", 'unknown key; did you mean "closures"?'),
    ("{minutes = 20}", "{minuts = 20}", "services.visit.stages[0].minuts", 'unknown key; did you mean "minutes"?'),
    ("{minutes = 20}", "{minutes = 21}", "services.visit.stages[0].minutes", "5 to 600 in steps of 5, found 21"),
    ("{minutes = 20}", "{minutes = true}", "services.visit.stages[0].minutes", "found true"),
    ("{minutes = 20}", "{minutes = 20, patient = false}", "services.visit.stages", "a stage with the patient"),
    (
        "{minutes = 10, patient = false}",
        "{minutes = 10, patient = false}, {minutes = 5}",
        "services.visit.stages[1].patient",
        "only at the end",
    ),
    ("stages = [{minutes = 60}]", "stages = []", "services.course.stages", "a list of 1 to 20 stages"),
    (
        "stages = [{minutes = 60}]",
        "stages = [{minutes = 60, practitioner = false}]",
        "services.course.stages",
        "found a visit that takes nobody's time",
    ),
    (
        "stages = [{minutes = 60}]",
        "stages = [{minutes = 600}, {minutes = 600}, {minutes = 300}]",
        "services.course.stages",
        "1500 min",
    ),
    ('first_visit = "visit"', 'first_visit = "course"', "services.course.first_visit", "takes new patients"),
    ('first_visit = "visit"', 'first_visit = "vist"', "services.course.first_visit", 'did you mean "visit"?'),
    ('first_visit = "visit"', "", "services.course.first_visit", 'new_patients = "no", found nothing'),
    ('new_patients = "no"', "", "services.course.first_visit", 'found new_patients = "same"'),
    ("rooms = [", 'new_patients = "longer"\nrooms = [', "services.visit.new_patient_stages", "found nothing"),
    ("rooms = [", 'new_patients = "long"\nrooms = [', "services.visit.new_patients", 'did you mean "longer"?'),
    ('rooms = ["blue"]', 'rooms = ["blu"]', "services.visit.rooms[0]", 'did you mean "blue"?'),
    ('rooms = ["blue"]', 'rooms = ["blue", "blue"]', "services.visit.rooms[1]", "each entry once"),
    ('["Poor sleep"]', '["Poor slep"]', "services.visit.conditions[0]", 'did you mean "Poor sleep"?'),
    ('"visit", "course"]', '"visit", "curse"]', "practitioners.bo.services[1]", 'did you mean "course"?'),
    ('location = "main"\nplaces', 'location = "mian"\nplaces', "rooms.blue.location", 'did you mean "main"?'),
    ('room = "blue"', 'room = "red"', "closures[1].room", "one of the rooms blue"),
    ('room = "blue"', 'room = "blue"\nlocation = "main"', "closures[1].room", "not both"),
    ('slug = "north"', 'slug = "main"', "locations.main.slug", "a slug of its own"),
    ('slug = "course"', 'slug = "Full Course"', "services[1].slug", 'did you mean "full-course"?'),
    ('slug = "elm"', 'slug = "admin"', "clinic.slug", "no other page has"),
    ('slug = "elm"', f'slug = "{"e" * 41}"', "clinic.slug", "1 to 40"),
    ('slug = "elm"', "slug = [1]", "clinic.slug", "found a list"),
    ('"020 7946 0018"', '"555-0142"', "clinic.phone", "as people write it in GB"),
    ('"020 7946 0018"', '"020 7946 0018 x4"', "clinic.phone", "without an extension"),
    ('region = "GB"', 'region = "UK"', "clinic.region", 'did you mean "GB"?'),
    ('"desk@elm.example"', '"desk@elm"', "clinic.email", "an e-mail address"),
    ('"desk@elm.example"', '"josé@elm.example"', "clinic.email", "an e-mail address"),
    ('"desk@elm.example"', '"a@elm.example, b@elm.example"', "clinic.email", "an e-mail address"),
    ('region = "GB"', 'region = "GB"\nwebsite = "javascript:alert(1)"', "clinic.website", "https://"),
    ('["en", "es"]', '["en", "es", "english"]', "clinic.languages[2]", "a language such as"),
    ('es = "Mal sueño"', 'fr = "Insomnie"', "clinic.conditions[1].fr", "unknown key, expected one of en, es"),
    ('{en = "Poor sleep", es', '{de = "Poor sleep", es', "clinic.conditions[1].de", "unknown key"),
    ('region = "GB"', 'region = "GB"\nhorizon = 0', "clinic.horizon", "from 1 to 730, found 0"),
    ('region = "GB"', 'region = "GB"\nconfirmation = "requst"', "clinic.confirmation", 'did you mean "request"?'),
    ('region = "GB"', 'region = "GB"\nnotices = "request"', "clinic.notices", 'did you mean "requests"?'),
    ('region = "GB"', 'region = "GB"\ndeclines = "cancle"', "clinic.declines", 'did you mean "cancel"?'),
    ('name = "Elm Clinic"', r'name = "Elm\nBcc: x"', "clinic.name", "one line"),
    ('name = "Elm Clinic"', r'name = "Elm\u0000"', "clinic.name", r"\u0000"),
    ('name = "Elm Clinic"', f'name = "{"e" * 101}"', "clinic.name", "at most 100"),
    ('name = "Elm Clinic"', 'name = "  "', "clinic.name", "one line"),
    ('"Elm House"', '"Elm House"\nlatitude = 51.5', "locations.main.longitude", "together with latitude"),
    ('"Elm House"', '"Elm House"\nlatitude = 91\nlongitude = 0', "locations.main.latitude", "from -90 to 90, found 91"),
    ('"Elm House"', '"Elm House"\nlatitude = nan\nlongitude = 0', "locations.main.latitude", "found nan"),
    ('to = "13:00"', 'to = "08:00"', "practitioners.bo.hours[0].to", "an end after the beginning"),
    ('to = "13:00"', 'to = "13:03"', "practitioners.bo.hours[0].to", "whole five minutes"),
    ('to = "13:00"', 'to = "25:00"', "practitioners.bo.hours[0].to", "whole five minutes"),
    ('from = "09:00"', 'from = "24:00"', "practitioners.bo.hours[0].to", "an end after the beginning"),
    ('"Mon-Fri"', '"Mon-Fry"', "practitioners.bo.hours[0].days", 'such as "Mon-Fri"'),
    ('"Mon-Fri"', '""', "practitioners.bo.hours[0].days", 'such as "Mon-Fri"'),
    ('"Mon-Fri"', '"Mon-"', "practitioners.bo.hours[0].days", 'such as "Mon-Fri"'),
    (", since = 2026-11-03", "", "practitioners.bo.hours[1].since", "found nothing"),
    (
        "since = 2026-11-03",
        "since = 2026-11-03, until = 2026-11-02",
        "practitioners.bo.hours[1].until",
        "found 2026-11-02",
    ),
    ("since = 2026-11-03", 'since = "2026-11-03"', "practitioners.bo.hours[1].since", "without quotes"),
    ("2026-12-24T12:00:00", "2026-12-24T12:00:00Z", "practitioners.bo.time_off[0].from", "without quotes or offset"),
    ("2026-12-27T00:00:00", "2026-12-26T23:59:59", "practitioners.bo.time_off[0].to", "whole five minutes"),
    ("2026-12-24T12:00:00", "2026-12-28T12:00:00", "practitioners.bo.time_off[0].to", "an end after the beginning"),
    ("on = 2026-12-25", "on = 2026-12-25\nto = 2026-12-26T00:00:00", "closures[0].to", "either `on`"),
    ('role = "front-desk"', 'role = "frontdesk"', "staff[0].role", 'did you mean "front-desk"?'),
    ('email = "bo@elm.example"', "invites = true", "practitioners.bo.email", "since invites = true"),
]


@pytest.mark.parametrize(("old", "new", "key", "says"), CASES, ids=[f"{c[2]}:{c[1][:20]}" for c in CASES])
def test_a_fault_names_its_line_its_key_and_what_was_expected(old: str, new: str, key: str, says: str) -> None:
    text = elm(old, new)

    found = {fault.key: fault for fault in faults(text)}

    assert key in found
    assert says in str(found[key])
    assert str(found[key]).startswith(f"line {found[key].line}: {key}: ")


ZONES = [
    ("Europe/Lodnon", "Europe/London"),
    ("London", "Europe/London"),
    ("US/Los Angeles", "America/Los_Angeles"),
    ("america/chicago", "America/Chicago"),
]


@pytest.mark.parametrize(("written", "meant"), ZONES)
def test_a_zone_that_does_not_exist_is_told_with_the_nearest(written: str, meant: str) -> None:
    text = ELM.replace('zone = "Europe/London"', f'zone = "{written}"', 1)

    fault = only_fault(text)

    assert (fault.key, fault.line, fault.nearest) == ("locations.main.zone", line_of(text, "zone ="), meant)


def test_every_fault_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = ELM.replace('phone = "020 7946 0018"', 'phone = "12"').replace('["blue"]', '["green"]')
    text = text.replace('to = "13:00"', 'to = "one"').replace('role = "front-desk"', 'rôle = "x"'.replace("ô", "o_"))

    found = faults(text)

    assert [(fault.line, fault.key) for fault in found] == [
        (line_of(text, 'phone = "12"'), "clinic.phone"),
        (line_of(text, '["green"]'), "services.visit.rooms[0]"),
        (line_of(text, 'to = "one"'), "practitioners.bo.hours[0].to"),
        (line_of(text, "[[staff]]"), "staff[0].role"),
        (line_of(text, "ro_le"), "staff[0].ro_le"),
    ]


def test_a_fault_reads_as_one_line() -> None:
    assert (
        str(Fault(12, "services.community-acupuncture.evry", "one of every", "unknown key", "every"))
        == 'line 12: services.community-acupuncture.evry: unknown key; did you mean "every"?'
    )
    assert str(only_fault("[clinic\n")).startswith("line 1: expected TOML, found expected ']'")


SYNTAX = [("a = 1\nb = \n", 2), ("a = 1\na = 2\n", 2), ("a = '''\n\n", 3), ("[x]\ny = {a = 1\n", 2)]


@pytest.mark.parametrize(("text", "line"), SYNTAX)
def test_a_text_that_is_not_toml_is_told_with_its_line(text: str, line: int) -> None:
    assert only_fault(text).line == line


def test_an_empty_file_names_what_a_clinic_needs() -> None:
    found = {fault.key for fault in faults("")}

    assert {"clinic", "clinic.slug", "clinic.name", "clinic.phone", "locations"} <= found


@pytest.mark.parametrize(
    "text", ["clinic = 1", "locations = 3", "[[clinic]]", "locations = [1, 2]", "x = " + "[" * 2000 + "]" * 2000]
)
def test_a_file_of_the_wrong_shape_is_refused_not_crashed_on(text: str) -> None:
    assert faults(text)


def test_a_file_that_is_too_long_is_refused() -> None:
    assert only_fault("#" * (512 * 1024 + 1)).expected == "at most 524288 characters"


def test_two_staff_users_may_not_share_an_address() -> None:
    text = ELM + '\n[[staff]]\nemail = "cy@elm.example"\nname = "Cy again"\nrole = "owner"\n'

    assert only_fault(text).key == "staff[1].email"


SECOND = '{days = "Tue,Thu", from = "14:00", to = "24:00", location = "north", weeks = 2, since = 2026-11-03}'
OVERLAPS = [
    # the second line of hours in the north, beside Mon-Fri 09:00-13:00 in the main house; does it overlap?
    ('{days = "Tue", from = "12:55", to = "15:00", location = "north"}', True),
    ('{days = "Tue", from = "13:00", to = "15:00", location = "north"}', False),
    ('{days = "Sun", from = "09:00", to = "15:00", location = "north"}', False),
    ('{days = "Sat", from = "09:00", to = "15:00", location = "north"}', True),  # the extra hours of 5 December
    ('{days = "Sat", from = "09:00", to = "15:00", location = "north", since = 2026-12-06}', False),
    ('{days = "Sat", from = "09:00", to = "15:00", location = "north", until = 2026-12-04}', False),
    ('{days = "Sat", from = "09:00", to = "15:00", location = "north", weeks = 2, since = 2026-11-23}', False),
    ('{days = "Sat", from = "09:00", to = "15:00", location = "north", weeks = 2, since = 2026-11-16}', True),
    ('{days = "Mon", from = "09:00", to = "10:00", location = "north", since = 2031-01-01}', True),
    ('{days = "Mon", from = "09:00", to = "10:00", location = "main"}', False),
]


@pytest.mark.parametrize(("line", "overlaps"), OVERLAPS)
def test_a_practitioner_cannot_be_in_two_locations_at_once(line: str, overlaps: bool) -> None:
    text = elm(SECOND, line)

    if overlaps:
        assert "which is in another location" in str(only_fault(text))
    else:
        assert parse(text)


def test_alternating_weeks_in_two_locations_do_not_overlap_but_every_second_and_third_do() -> None:
    def lines(weeks: int, since: str) -> str:
        every_second = '{days = "Mon", from = "14:00", to = "17:00", location = "main", weeks = 2, since = 2026-11-02}'
        other = f'{{days = "Mon", from = "14:00", to = "17:00", location = "north", weeks = {weeks}, since = {since}}}'
        return elm(SECOND, f"{every_second}, {other}")

    assert parse(lines(2, "2026-11-09"))
    assert only_fault(lines(3, "2026-11-09")).key == "practitioners.bo.hours[2]"


def test_locations_in_two_zones_are_compared_by_the_instant() -> None:
    in_paris = "Europe/Paris".join(ELM.rsplit("Europe/London", 1))
    early, late = (
        in_paris.replace(SECOND, f'{{days = "Tue", from = "{start}", to = "17:00", location = "north"}}')
        for start in ("13:30", "14:00")
    )

    assert only_fault(early).key == "practitioners.bo.hours[1]"
    assert parse(late)


@pytest.mark.parametrize("file", sorted(DEMO.glob("*.toml")), ids=lambda file: file.stem)
def test_a_demonstration_file_is_sound_and_comes_back_the_same(file: Path) -> None:
    clinic_file = parse(file.read_text(encoding="utf-8"))

    text = dump(clinic_file, 7)

    assert clinic_file.clinic.slug == file.stem
    assert parse(text) == clinic_file
    assert parse(text).revision == 7
    assert dump(parse(text), 7) == text


def test_texts_are_kept_composed_and_without_space_around_them() -> None:
    file = parse(elm('name = "Cy"', 'name = "  Cy Rene\u0301 "'))

    assert file.staff[0].name == "Cy Ren\u00e9"


def test_a_dump_says_its_revision_and_writes_phones_as_people_do() -> None:
    text = dump(parse(ELM), 3)

    assert text.startswith("# Elm Clinic, as it stood at settings revision 3.")
    assert 'phone = "020 7946 0018"' in text
    assert 'days = "Mon-Fri", from = "09:00", to = "13:00"' in text
    assert "on = 2026-12-25" in text
    assert parse(text) == parse(ELM)


def test_a_phone_of_another_country_is_written_with_its_country_code() -> None:
    abroad = elm('"020 7946 0018"', '"+1 630 555 0142"')

    assert 'phone = "+1 630-555-0142"' in dump(parse(abroad), 1)
    assert parse(dump(parse(abroad), 1)).clinic.phone == "+16305550142"


prose = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], include_characters="\n"))
readable = prose.map(lambda text: normalize("NFC", text[:2000]).strip()).filter(bool)


@given(contact=readable, privacy=st.dictionaries(st.just("es"), readable).map(lambda texts: {"en": "x", **texts}))
def test_any_text_comes_back_from_a_dump_as_it_was(contact: str, privacy: dict[str, str]) -> None:
    file = _with_texts(contact, privacy)

    assert parse(dump(file, 1)) == file
    assert from_values(as_values(file)) == file


def _with_texts(contact: str, privacy: dict[str, str]) -> ClinicFile:
    file = parse(ELM)
    return replace(file, clinic=replace(file.clinic, contact=contact, privacy=privacy))


@given(days=st.frozensets(st.integers(0, 6), min_size=1))
def test_any_days_come_back_from_a_dump_as_they_were(days: frozenset[int]) -> None:
    file = parse(ELM)
    bo = replace(file.practitioners[0], hours=(Hours(days, 0, 1440, "main"),))
    file = replace(file, practitioners=(bo,))

    assert parse(dump(file, 1)) == file
    assert from_values(as_values(file)) == file


def test_days_may_run_over_the_weekend() -> None:
    file = parse(elm('"Mon-Fri"', '"fri-Mon, Wed"'))

    assert file.practitioners[0].hours[0].days == {4, 5, 6, 0, 2}

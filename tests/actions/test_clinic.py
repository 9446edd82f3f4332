"""Loading clinics from files: all or nothing, twice harmless, and no future visit is ever dropped."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa

from booking.actions import appointment as appointments
from booking.actions import clinic as clinics
from booking.actions.clinic import Loaded, OlderFile, Stranded
from booking.domain.access import PUBLIC, Caller
from booking.domain.availability import ReasonCode, Wish
from booking.domain.errors import Invalid, NotAllowed, NotFound
from booking.formats.clinic_file import ClinicFileInvalid, StaffRole, StaffUser, TimeOff, parse
from booking.store import audit, diary, hold, staff
from booking.store.appointment import Appointment
from booking.store.base import db
from booking.store.clinic import Clinic, Location, by_slug
from booking.store.patient import Person
from booking.store.practitioner import Actor, AvailableTime, NotAvailable, Service
from booking.store.staff import Staff

pytestmark = pytest.mark.usefixtures("context")

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
name = "Blue room"
location = "main"
places = 2

[[rooms]]
slug = "green"
name = "Green room"
location = "main"

[[services]]
slug = "visit"
name = {en = "Visit", es = "Visita"}
rooms = ["blue"]
conditions = ["Poor sleep"]
stages = [{minutes = 20}, {minutes = 10, patient = false}]

[[services]]
slug = "talk"
name = "Talk"
stages = [{minutes = 30}]

[[practitioners]]
slug = "bo"
name = "Bo"
email = "bo@elm.example"
services = ["visit", "talk"]
conditions = ["Poor sleep", "Back pain"]
hours = [{days = "Mon-Fri", from = "09:00", to = "13:00", location = "main"}]

[[practitioners]]
slug = "di"
name = "Di"
services = ["visit"]
hours = [
    {days = "Mon-Fri", from = "09:00", to = "12:00", location = "main"},
    {days = "Tue", from = "14:00", to = "18:00", location = "north", weeks = 2, since = 2027-01-05},
]
extra_hours = [{on = 2027-01-16, from = "10:00", to = "14:00", location = "main"}]
time_off = [{from = 2027-02-24T12:00:00, to = 2027-02-27T00:00:00, note = "Holiday"}]

[[closures]]
on = 2027-04-02
name = "Good Friday"

[[closures]]
from = 2027-03-01T09:00:00
to = 2027-03-01T12:00:00
name = "Painting"
room = "green"

[[staff]]
email = "cy@elm.example"
name = "Cy"
role = "front-desk"
"""

NINE = datetime(2027, 1, 12, 9, 0, tzinfo=UTC)  # Tuesday, in London too
HOURS = '{days = "Mon-Fri", from = "09:00", to = "13:00", location = "main"}'


def elm(*changes: tuple[str, str]) -> str:
    text = ELM
    for old, new in changes:
        assert text.count(old) == 1, f"{old!r} must stand once in the file"
        text = text.replace(old, new)
    return text


def actor(slug: str) -> Actor:
    return db.session.scalars(sa.select(Actor).where(Actor.slug == slug)).one()


def location(slug: str) -> Location:
    return db.session.scalars(sa.select(Location).where(Location.slug == slug)).one()


def service(slug: str) -> Service:
    return db.session.scalars(sa.select(Service).where(Service.slug == slug)).one()


def entries() -> list[Actor | Location | Service]:
    return [actor("green"), actor("di"), location("north"), service("talk")]


def count(model: type) -> int:
    return db.session.scalar(sa.select(sa.func.count()).select_from(model)) or 0


def book(now: datetime, *, who: str = "Ada", practitioner: str = "bo", at: datetime = NINE) -> Appointment:
    wish = Wish(service("visit").id, practitioner=actor(practitioner).id)
    person = Person(who, f"{who.lower()}@example.com", None, "en")
    return appointments.book(by_slug("elm").id, wish, at, person, by=PUBLIC, now=now)


@pytest.mark.usefixtures("both_databases")
def test_a_load_makes_the_clinic_and_a_second_one_changes_nothing(now: datetime) -> None:
    first = clinics.load(ELM, now=now)
    rows = [count(model) for model in (Clinic, Location, Actor, Service, AvailableTime, NotAvailable)]

    second = clinics.load(ELM, now=now)

    assert (first.created, first.changed) == (True, True)
    assert second == Loaded(first.clinic_id, 1, created=False, changed=False)
    assert [count(model) for model in (Clinic, Location, Actor, Service, AvailableTime, NotAvailable)] == rows
    assert by_slug("elm").revision == 1


@pytest.mark.usefixtures("both_databases")
def test_a_dump_says_what_the_file_said(now: datetime) -> None:
    clinics.load(ELM, now=now)

    text = clinics.dump("elm")

    assert parse(text) == parse(ELM)
    assert parse(text).revision == 1
    assert clinics.load(text, now=now).changed is False


def test_a_clinic_that_is_not_there_cannot_be_dumped() -> None:
    with pytest.raises(NotFound):
        clinics.dump("oak")


def test_the_heart_sees_what_the_file_says(now: datetime) -> None:
    loaded = clinics.load(ELM, now=now)

    plan = diary.current_plan(loaded.clinic_id)

    visit = plan.services[service("visit").id]
    assert visit.rooms == (actor("blue").id,)
    assert [room.places for room in plan.rooms.values()] == [2, 1]
    assert [person.slug for person in plan.practitioners.values()] == ["bo", "di"]
    assert plan.practitioners[actor("bo").id].services == {visit.id, service("talk").id}
    assert [closure.room for closure in plan.closures if closure.name == "Painting"] == [actor("green").id]


def test_a_condition_is_kept_in_all_its_languages(now: datetime) -> None:
    clinics.load(ELM, now=now)

    assert service("visit").conditions == [{"en": "Poor sleep", "es": "Mal sueño"}]
    assert actor("bo").conditions == [{"en": "Poor sleep", "es": "Mal sueño"}, "Back pain"]


def test_a_faulty_file_changes_nothing_and_check_names_the_fault(now: datetime) -> None:
    text = elm(('"020 7946 0018"', '"12"'))

    with pytest.raises(ClinicFileInvalid):
        clinics.load(text, now=now)

    assert count(Clinic) == 0
    assert [fault.key for fault in clinics.check(text)] == ["clinic.phone"]
    assert clinics.check(ELM) == []


def test_a_change_raises_the_revision_of_the_clinic_and_of_whose_entry_it_is(now: datetime) -> None:
    clinics.load(ELM, now=now)

    loaded = clinics.load(elm((HOURS, HOURS.replace("13:00", "15:00"))), now=now)

    assert (loaded.created, loaded.changed) == (False, True)
    assert by_slug("elm").revision == 2
    assert {slug: actor(slug).revision for slug in ("bo", "di", "blue", "green")} == {
        "bo": 2,
        "di": 1,
        "blue": 1,
        "green": 1,
    }
    assert parse(clinics.dump("elm")).practitioners[0].hours[0].closes == 15 * 60


GONE = [
    ('[[rooms]]\nslug = "green"\nname = "Green room"\nlocation = "main"\n', ""),
    ('[[closures]]\nfrom = 2027-03-01T09:00:00\nto = 2027-03-01T12:00:00\nname = "Painting"\nroom = "green"\n', ""),
    (ELM[ELM.index('[[practitioners]]\nslug = "di"') : ELM.index("[[closures]]\non")], ""),
    ('[[locations]]\nslug = "north"\nname = "North"\naddress = ["9 Hill Street"]\nzone = "Europe/London"\n', ""),
    ('[[services]]\nslug = "talk"\nname = "Talk"\nstages = [{minutes = 30}]\n', ""),
    ('["visit", "talk"]', '["visit"]'),
]


@pytest.mark.usefixtures("both_databases")
def test_entries_that_are_gone_are_archived_and_come_back_with_their_slug(now: datetime) -> None:
    clinics.load(ELM, now=now)
    ids = [row.id for row in entries()]

    clinics.load(elm(*GONE), now=now)

    rows = entries()
    assert [row.archived_at for row in rows] == [now] * 4
    assert parse(clinics.dump("elm")) == parse(elm(*GONE))

    clinics.load(ELM, now=now + timedelta(days=1))

    rows = entries()
    assert [row.archived_at for row in rows] == [None] * 4
    assert [row.id for row in rows] == ids
    assert parse(clinics.dump("elm")) == parse(ELM)


def test_staff_are_only_added(now: datetime) -> None:
    cy = StaffUser("cy@elm.example", "Cy", StaffRole.FRONT_DESK)
    loaded = clinics.load(ELM, now=now)
    assert loaded.new_staff == (cy,)

    demoted = clinics.load(elm(('role = "front-desk"', 'role = "practitioner"')), now=now)
    exchanged = clinics.load(elm(("cy@elm.example", "Eve@elm.example"), ('name = "Cy"', 'name = "Eve"')), now=now)

    assert (demoted.changed, demoted.new_staff) == (False, ())
    assert (exchanged.changed, exchanged.new_staff) == (
        True,
        (StaffUser("eve@elm.example", "Eve", StaffRole.FRONT_DESK),),
    )
    assert by_slug("elm").revision == 1
    person = staff.by_email("cy@elm.example")
    assert person is not None
    assert staff.role(loaded.clinic_id, person.id) == "front-desk"


def test_a_file_older_than_the_settings_is_loaded_by_force_only(now: datetime) -> None:
    clinics.load(ELM, now=now)
    old = clinics.dump("elm")
    clinics.load(elm(('name = "Bo"', 'name = "Bo Lind"')), now=now)

    with pytest.raises(OlderFile) as refused:
        clinics.load(old, now=now)

    assert (refused.value.revision, refused.value.current) == (1, 2)
    assert actor("bo").name == "Bo Lind"

    clinics.load(old, force=True, now=now)

    assert actor("bo").name == "Bo"
    assert by_slug("elm").revision == 3


STRANDING = [
    # what is changed while Ada has a visit with Bo in the blue room on Tuesday 09:00-09:20, and what speaks against it
    ("room of the service", [('rooms = ["blue"]', 'rooms = ["green"]')], ReasonCode.NO_ROOM),
    (
        "room gone",
        [
            ('[[rooms]]\nslug = "blue"\nname = "Blue room"\nlocation = "main"\nplaces = 2\n', ""),
            ('["blue"]', '["green"]'),
        ],
        ReasonCode.NO_ROOM,
    ),
    ("room moved", [('"Blue room"\nlocation = "main"', '"Blue room"\nlocation = "north"')], ReasonCode.NO_ROOM),
    ("practitioner gone", [('slug = "bo"', 'slug = "bea"')], ReasonCode.NOT_OFFERED),
    ("service no longer theirs", [('["visit", "talk"]', '["talk"]')], ReasonCode.NOT_OFFERED),
    ("hours begin later", [(HOURS, HOURS.replace("09:00", "09:05"))], ReasonCode.CLOSED),
    ("hours end earlier", [(HOURS, HOURS.replace("13:00", "09:15"))], ReasonCode.CLOSED),
    ("a day less", [(HOURS, HOURS.replace("Mon-Fri", "Mon,Wed-Fri"))], ReasonCode.CLOSED),
    ("hours elsewhere", [(HOURS, HOURS.replace("main", "north"))], ReasonCode.CLOSED),
    ("every second week", [(HOURS, HOURS.replace("}", ", weeks = 2, since = 2027-01-04}"))], ReasonCode.CLOSED),
    (
        "another zone",
        [
            ('London"]\nzone = "Europe/London"', 'London"]\nzone = "America/Chicago"'),
            ('Street"]\nzone = "Europe/London"', 'Street"]\nzone = "America/Chicago"'),
        ],
        ReasonCode.CLOSED,
    ),
    ("closure", [("on = 2027-04-02", "on = 2027-01-12")], ReasonCode.CLOSURE),
    (
        "time off",
        [(HOURS + "]", HOURS + "]\ntime_off = [{from = 2027-01-12T09:15:00, to = 2027-01-13T00:00:00}]")],
        ReasonCode.TIME_OFF,
    ),
    (
        "room closed",
        [
            ('"Painting"\nroom = "green"', '"Painting"\nroom = "blue"'),
            ("from = 2027-03-01T09:00:00", "from = 2027-01-12T09:15:00"),
        ],
        ReasonCode.ROOM_CLOSED,
    ),
]


def test_a_change_that_would_strand_a_visit_lists_it_and_is_not_made(now: datetime) -> None:
    clinics.load(ELM, now=now)
    visit = book(now)
    before = clinics.dump("elm")

    for name, changes, reason in STRANDING:
        with pytest.raises(Stranded) as refused:
            clinics.load(elm(*changes), now=now)

        (listed,) = refused.value.visits
        assert listed.reasons == (reason,), name
        assert (listed.public_id, listed.reference, listed.starts_at) == (visit.public_id, visit.reference, NINE)
        assert (listed.practitioner, listed.service, listed.zone) == ("Bo", "Visit", "Europe/London")
        assert clinics.dump("elm") == before, name


@pytest.mark.usefixtures("both_databases")
def test_a_visit_kept_through_a_change_holds_its_time_and_is_marked_for_the_desk(now: datetime) -> None:
    clinics.load(ELM, now=now)
    visit = book(now)
    board = by_slug("elm").board_revision

    loaded = clinics.load(elm((HOURS, HOURS.replace("09:00", "10:00"))), keep_visits=True, now=now)

    assert [stranded.public_id for stranded in loaded.stranded] == [visit.public_id]
    db.session.refresh(visit)
    assert (visit.needs_desk, visit.status, visit.starts_at) == ("stranded", "booked", NINE)
    assert hold.of_appointment(visit.id) is not None
    assert by_slug("elm").board_revision > board
    assert parse(clinics.dump("elm")).practitioners[0].hours[0].opens == 600


def test_a_visit_that_was_outside_already_is_not_listed_again(now: datetime) -> None:
    clinics.load(ELM, now=now)
    book(now)
    late = (HOURS, HOURS.replace("09:00", "10:00"))
    clinics.load(elm(late), keep_visits=True, now=now)

    loaded = clinics.load(elm((HOURS, HOURS.replace("09:00", "11:00"))), now=now)

    assert loaded.stranded == ()


def test_a_new_cause_against_a_visit_that_was_outside_already_is_listed(now: datetime) -> None:
    clinics.load(ELM, now=now)
    book(now)
    late = (HOURS, HOURS.replace("09:00", "10:00"))
    clinics.load(elm(late), keep_visits=True, now=now)

    with pytest.raises(Stranded) as refused:
        clinics.load(elm(late, ("on = 2027-04-02", "on = 2027-01-12")), now=now)

    assert refused.value.visits[0].reasons == (ReasonCode.CLOSURE,)


HARMLESS = [
    ("longer hours", [(HOURS, HOURS.replace("13:00", "15:00"))]),
    ("shorter hours at the other end", [(HOURS, HOURS.replace("13:00", "09:20"))]),
    ("another grid", [('rooms = ["blue"]', 'every = 35\nrooms = ["blue"]')]),
    ("other stages", [("{minutes = 20}", "{minutes = 240}")]),
    ("by phone only", [('rooms = ["blue"]', 'online = false\nrooms = ["blue"]')]),
    ("new patients only", [('rooms = ["blue"]', 'new_patients = "only"\nrooms = ["blue"]')]),
    ("a shorter horizon", [('region = "GB"', 'region = "GB"\nhorizon = 1\nminimum_notice = 10080')]),
    ("another room too", [('rooms = ["blue"]', 'rooms = ["green", "blue"]')]),
    ("fewer places than before but enough", [("places = 2", "places = 1")]),
    ("a closure of the other location", [("on = 2027-04-02", 'on = 2027-01-12\nlocation = "north"')]),
    (
        "time off from the patient's end, during the turnover",
        [(HOURS + "]", HOURS + "]\ntime_off = [{from = 2027-01-12T09:20:00, to = 2027-01-13T00:00:00}]")],
    ),
    (
        "the room closes at the patient's end",
        [
            ('"Painting"\nroom = "green"', '"Painting"\nroom = "blue"'),
            ("from = 2027-03-01T09:00:00", "from = 2027-01-12T09:20:00"),
        ],
    ),
    ("other practitioner gone", [GONE[2]]),
]


def test_a_change_that_leaves_the_visit_its_room_and_hours_is_made(now: datetime) -> None:
    clinics.load(ELM, now=now)
    visit = book(now)

    for name, changes in HARMLESS:
        loaded = clinics.load(elm(*changes), now=now)

        assert (loaded.changed, loaded.stranded) == (True, ()), name
        db.session.refresh(visit)
        assert visit.needs_desk is None, name
        assert clinics.load(ELM, now=now).stranded == (), name


def test_visits_that_are_over_or_cancelled_strand_nothing(now: datetime) -> None:
    clinics.load(ELM, now=now)
    clinic_id = by_slug("elm").id
    cancelled = book(now)
    appointments.cancel(clinic_id, cancelled.public_id, by=PUBLIC, now=now)
    book(now, who="Flo", practitioner="di")

    loaded = clinics.load(elm(("on = 2027-04-02", "on = 2027-01-12")), now=NINE + timedelta(minutes=20))

    assert loaded.stranded == ()


def test_where_a_room_gets_too_few_places_the_visits_booked_last_are_stranded(now: datetime) -> None:
    clinics.load(ELM, now=now)
    book(now, who="Ada", practitioner="di")
    last = book(now, who="Flo", practitioner="bo")
    book(now, who="Gil", practitioner="bo", at=NINE + timedelta(hours=1))

    with pytest.raises(Stranded) as refused:
        clinics.load(elm(("places = 2", "places = 1")), now=now)

    (listed,) = refused.value.visits
    assert (listed.public_id, listed.reasons) == (last.public_id, (ReasonCode.ROOM_FULL,))


def test_a_refused_load_leaves_no_trace_in_what_the_process_remembers(now: datetime) -> None:
    loaded = clinics.load(ELM, now=now)
    book(now)
    with pytest.raises(Stranded):
        clinics.load(elm((HOURS, HOURS.replace("09:00", "10:00"))), now=now)

    clinics.load(elm((HOURS, HOURS.replace("13:00", "14:00"))), now=now)

    bo = diary.current_plan(loaded.clinic_id).practitioners[actor("bo").id]
    assert [(hours.opens, hours.closes) for hours in bo.hours] == [(9 * 60, 14 * 60)]


def test_any_sequence_of_files_ends_where_the_last_one_says(now: datetime) -> None:
    texts = [elm(*changes) for _, changes, _ in STRANDING]

    for text in [*texts[::2], ELM, *texts[1::2]]:
        clinics.load(text, keep_visits=True, now=now)
        assert parse(clinics.dump("elm")) == parse(text)


OWNER, CY, DI = (Caller("staff", id, role) for id, role in ((101, "owner"), (102, "front-desk"), (103, "front-desk")))


@pytest.fixture
def people(context: None, now: datetime) -> None:
    """The rows of the staff who are named in what changed."""
    for caller in (OWNER, CY, DI):
        db.session.add(Staff(id=caller.id, email=f"{caller.id}@elm.example", name="Somebody", created_at=now))
    db.session.commit()


def noon(day: int) -> datetime:
    return datetime(2027, 1, day, 12, 0)


@pytest.mark.usefixtures("both_databases", "people")
def test_time_off_is_added_and_taken_back(now: datetime) -> None:
    clinic_id = clinics.load(ELM, now=now).clinic_id

    added = clinics.add_time_off(clinic_id, "bo", noon(20), noon(21), "Away", by=CY, now=now)

    assert (added.changed, added.revision) == (True, 2)
    assert clinics.current("elm").practitioners[0].time_off == (TimeOff(noon(20), noon(21), "Away"),)

    clinics.remove_time_off(clinic_id, "bo", noon(20), noon(21), by=CY, now=now)

    assert clinics.current("elm") == replace(parse(ELM), staff=())
    with pytest.raises(NotFound):
        clinics.remove_time_off(clinic_id, "bo", noon(20), noon(21), by=CY, now=now)


@pytest.mark.parametrize(
    ("starts", "ends", "note", "field"),
    [
        (noon(20), noon(20), "", "to"),
        (noon(20), noon(19), "", "to"),
        (noon(20).replace(minute=3), noon(21), "", "from"),
        (noon(20), noon(21), "x" * 201, "note"),
        (noon(20), noon(21), "a\x07b", "note"),
    ],
)
def test_time_off_that_a_file_could_not_have_is_refused(
    now: datetime, starts: datetime, ends: datetime, note: str, field: str
) -> None:
    clinic_id = clinics.load(ELM, now=now).clinic_id

    with pytest.raises(Invalid) as refused:
        clinics.add_time_off(clinic_id, "bo", starts, ends, note, by=CY, now=now)

    assert list(refused.value.faults) == [field]
    with pytest.raises(NotFound):
        clinics.add_time_off(clinic_id, "nobody", noon(20), noon(21), by=CY, now=now)


@pytest.mark.usefixtures("both_databases", "people")
def test_undoing_a_change_brings_back_what_was_and_takes_the_mark_from_visits_that_fit_again(now: datetime) -> None:
    clinic_id = clinics.load(ELM, now=now).clinic_id
    visit = book(now)
    with pytest.raises(Stranded):
        clinics.add_time_off(clinic_id, "bo", NINE.replace(tzinfo=None), noon(13), by=CY, now=now)
    off = clinics.add_time_off(clinic_id, "bo", NINE.replace(tzinfo=None), noon(13), keep_visits=True, by=CY, now=now)
    db.session.refresh(visit)
    assert visit.needs_desk == "stranded"

    clinics.undo(clinic_id, off.revision, by=CY, now=now)

    assert clinics.current("elm") == replace(parse(ELM), staff=())
    db.session.refresh(visit)
    assert visit.needs_desk is None


@pytest.mark.usefixtures("people")
def test_owners_undo_every_change_and_others_their_own_while_it_is_the_last(now: datetime) -> None:
    clinic_id = clinics.load(ELM, now=now).clinic_id
    first = clinics.add_time_off(clinic_id, "bo", noon(20), noon(21), by=CY, now=now).revision

    assert [clinics.may_undo(clinic_id, first, by) for by in (OWNER, CY, DI)] == [True, True, False]
    with pytest.raises(NotAllowed):
        clinics.undo(clinic_id, first, by=DI, now=now)
    with pytest.raises(NotAllowed):
        clinics.undo(clinic_id, 99, by=OWNER, now=now)

    clinics.add_time_off(clinic_id, "bo", noon(25), noon(26), by=OWNER, now=now)
    with pytest.raises(OlderFile):
        clinics.undo(clinic_id, first, by=CY, now=now)


@pytest.mark.usefixtures("people")
def test_a_screen_that_was_read_before_another_change_saves_nothing(now: datetime) -> None:
    clinic_id = clinics.load(ELM, now=now).clinic_id
    read = clinics.current("elm")
    clinics.add_time_off(clinic_id, "bo", noon(20), noon(21), by=CY, now=now)

    with pytest.raises(OlderFile):
        clinics.save(replace(read, rooms=()), "rooms", by=OWNER, now=now)

    assert clinics.before(clinic_id, 1) == read
    assert clinics.before(clinic_id, 2) is None


@pytest.mark.usefixtures("people")
def test_changes_of_settings_are_in_the_audit_by_their_part(now: datetime) -> None:
    clinic_id = clinics.load(ELM, now=now).clinic_id
    clinics.add_time_off(clinic_id, "bo", noon(20), noon(21), "Away", by=CY, now=now)
    read = clinics.current("elm")
    clinics.save(replace(read, clinic=replace(read.clinic, horizon=30)), "rules", by=OWNER, now=now)

    found = db.session.scalars(sa.select(audit.Entry).where(audit.Entry.clinic_id == clinic_id).order_by("seq"))

    assert [(entry.action, entry.object, entry.by_id, entry.facts) for entry in found] == [
        ("settings.loaded", "", None, {"revision": "1"}),
        ("settings.time-off-added", "practitioners:bo", 102, {"revision": "2"}),
        ("settings.changed", "rules", 101, {"revision": "3"}),
    ]

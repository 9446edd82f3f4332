"""Looking for a time: the clinic's pages, the services, the week and the day."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient

from tests.cast import ELM, Make
from tests.visitor import Visitor

Clock = Callable[[datetime], None]
VISIT = "/elm/book/visit"


@pytest.fixture
def ada(client: FlaskClient, make: Make) -> Visitor:
    """Ada at her browser; Elm Clinic is there."""
    assert make.elm
    return Visitor(client)


# The clinic


def test_the_only_clinic_is_the_front_page(ada: Visitor) -> None:
    assert ada.open("/").path == "/elm/"


def test_several_clinics_are_listed(ada: Visitor, make: Make) -> None:
    make.clinic(slug="oak", name="Oak Clinic")
    assert ada.open("/").follow("Oak Clinic").path == "/oak/"


def test_the_front_page_of_an_empty_house_says_so(client: FlaskClient) -> None:
    assert "There is no clinic here yet." in Visitor(client).open("/").words


def test_the_home_page_says_what_when_where_and_who(ada: Visitor) -> None:
    ada.open("/elm/")
    for said in (
        "Elm Clinic",
        "020 7946 0142",
        "Next free: Today, 09:00",
        "45 min, first visit 60 min",
        "Bo Andersen",
        "Back pain",
        "1 Elm Road",
        "The blue door beside the bakery",
        "Today, Monday",
        "Ring us from nine to five.",
    ):
        assert said in ada.words, said


def test_the_first_free_time_is_one_press_away_from_the_form(ada: Visitor) -> None:
    ada.open("/elm/").press("Book this time")
    assert ada.path == f"{VISIT}/details"
    assert "Monday, 11 January 2027, 09:00" in ada.words
    assert "We are holding this time for you until 08:10." in ada.words


def test_where_first_visits_differ_the_home_page_offers_a_time_for_each(client: FlaskClient, make: Make) -> None:
    make.clinic(confirmation="request-new")
    ada = Visitor(client).open("/elm/")
    assert "First visit here Today, 09:00" in ada.words
    assert "I have been before Today, 09:00" in ada.words
    ada.press("Ask for this time")
    assert ada.fields("name")["new"] == "1"


def test_where_a_first_visit_comes_first_the_home_page_offers_newcomers_that_one(
    client: FlaskClient, make: Make
) -> None:
    first, then = 'slug = "visit"\n', 'new_patients = "longer"\n'
    make.clinic(
        ELM.replace(first, first + 'new_patients = "only"\n')
        .replace(then, 'new_patients = "no"\nfirst_visit = "visit"\n')
        .replace(ELM[ELM.index("new_patient_stages") : ELM.index("[[practitioners]]")], "")
    )
    ada = Visitor(client).open("/elm/")
    assert "First visit here Today, 09:00 Visit, with Bo" in ada.words
    assert "I have been before Today, 09:00 Community acupuncture, with Bo" in ada.words


def test_the_clinics_words_on_contact_keep_their_paragraphs(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM.replace('"Ring us from nine to five."', '"""Ring us.\n\nIn an emergency call 999."""'))
    html = Visitor(client).open("/elm/").html
    assert "<p>Ring us.</p><p>In an emergency call 999.</p>" in html


def test_search_engines_are_told_in_a_block_that_runs_nothing(ada: Visitor) -> None:
    block = re.search(r'<script type="application/ld\+json">(.*?)</script>', ada.open("/elm/").html)
    assert block
    told = json.loads(block[1])
    assert (told["name"], told["telephone"]) == ("Elm Clinic", "+442079460142")
    assert told["location"][0]["geo"]["latitude"] == 51.5403


@pytest.mark.parametrize(
    "path", ["/elm/", "/elm/directions", "/elm/book", VISIT, "/elm/book/needles", "/elm/lost-link", "/elm/nothing"]
)
def test_every_page_ends_with_the_same_three_ways_to_the_clinic(ada: Visitor, path: str) -> None:
    ada.open(path)
    assert ada.page.links[0].words == "Skip to content"
    last = [(" ".join(link.words.split()), link.attributes["href"]) for link in ada.page.links[-3:]]
    assert last == [
        ("020 7946 0142", "tel:+442079460142"),
        ("Directions", "/elm/directions"),
        ("Contact/Schedule", "/elm/book"),
    ]


def test_directions_work_without_the_map(ada: Visitor) -> None:
    ada.open("/elm/directions")
    assert "1 Elm Road" in ada.words
    assert "ring twice" in ada.words
    assert ada.link("Open the map").endswith("query=51.5403,-0.0935")


def test_todays_hours_are_bold_and_closures_are_named(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM + '\n[[closures]]\non = 2027-01-13\nname = "Stocktaking"\n')
    ada = Visitor(client).open("/elm/directions")
    assert re.search(r'<tr class="p-today">\s*<th scope="row">Today, Monday</th>', ada.html)
    assert "Wednesday Closed: Stocktaking" in ada.words
    assert "Closed on Wednesday 13 January (Stocktaking)" in ada.words


# Choosing a service


def test_a_reason_leads_to_the_services_that_help(ada: Visitor) -> None:
    ada.open("/elm/book").follow("Poor sleep")
    assert "Community acupuncture" in ada.words
    assert "/elm/book/visit" not in ada.html


def test_a_practitioner_leads_to_their_services_and_times(ada: Visitor) -> None:
    ada.open("/elm/book").follow("Dee Marsh")
    assert "Community acupuncture" not in ada.words
    ada.follow("Visit")
    assert "Today" not in ada.words  # she is there on Tuesdays
    assert "First available Tomorrow, 10:00" in ada.words


@pytest.mark.parametrize("narrowed", ["reason=nothing", "practitioner=nobody"])
def test_what_the_clinic_does_not_have_is_not_found(ada: Visitor, narrowed: str) -> None:
    assert ada.open(f"/elm/book?{narrowed}").status == 404


def test_a_clinic_with_one_service_and_one_practitioner_goes_straight_to_the_times(
    client: FlaskClient, make: Make
) -> None:
    file = ELM[: ELM.index('[[services]]\nslug = "needles"')] + ELM[ELM.index("[[practitioners]]") :]
    file = file[: file.index('[[practitioners]]\nslug = "dee"')] + file[file.index("[[staff]]") :]
    make.clinic(file.replace('services = ["visit", "needles"]', 'services = ["visit"]'), conditions=["Back pain"])
    assert Visitor(client).open("/elm/book").path == VISIT


def test_nobody_is_asked_about_a_first_visit_that_is_booked_by_phone_only(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM.replace('public_name = "Your visit"\n', "online = false\n"))
    ada = Visitor(client).open("/elm/book/needles")
    assert "This visit is booked by phone only." in ada.words
    assert "been here before" not in ada.words


def test_a_service_by_phone_only_shows_the_number_instead_of_times(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM.replace('name = "Visit"\n', 'name = "Visit"\nonline = false\n'))
    ada = Visitor(client)
    assert "By phone only" in ada.open("/elm/book").words
    ada.open(VISIT)
    assert "This visit is booked by phone only." in ada.words
    assert not ada.buttons()


# New or returning


def test_a_service_that_treats_new_patients_differently_asks_first(ada: Visitor) -> None:
    ada.open("/elm/book/needles")
    assert "Have you been here before?" in ada.words
    ada.follow("First visit here")
    assert "60 min first visit here" in ada.words


def test_new_patients_are_led_to_the_visit_that_comes_first(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM.replace('name = "Visit"\n', 'name = "Visit"\nnew_patients = "no"\nfirst_visit = "needles"\n'))
    ada = Visitor(client).open(VISIT).follow("First visit here")
    assert ada.follow("See times for a first visit").path == "/elm/book/needles"
    assert "first visit here" in ada.words


# The week and the day


@pytest.mark.parametrize(
    ("after", "said"),
    [(timedelta(), "16 free"), (timedelta(hours=8, minutes=45), "call us"), (timedelta(hours=10), "closed")],
)
def test_today_never_counts_as_full_because_it_is_late(
    ada: Visitor, make: Make, set_clock: Clock, after: timedelta, said: str
) -> None:
    set_clock(make.now + after)  # 8 in the morning and later; they close at 5
    assert f"Mon 11 Jan {said}" in ada.open(VISIT).words


def test_days_beyond_the_horizon_are_not_called_full(ada: Visitor) -> None:
    ada.open(VISIT + "?from=2027-03-12")
    assert "Fri 12 Mar 16 free" in ada.words
    assert "Mon 15 Mar not yet" in ada.words


def test_the_week_shows_how_much_is_free_full_or_closed(ada: Visitor, make: Make) -> None:
    for clock in ("09:00", "09:30"):
        make.hold(f"Tue {clock}", session_key=clock)
    ada.open(VISIT + "?practitioner=bo")
    days = [" ".join(link.words.split()) for link in ada.page.links if "data-swap" in link.attributes][:7]
    assert days == [
        "Mon 11 Jan 16 free",
        "Tue 12 Jan 14 free",
        "Wed 13 Jan 16 free",
        "Thu 14 Jan 16 free",
        "Fri 15 Jan 16 free",
        "Sat 16 Jan closed",
        "Sun 17 Jan closed",
    ]


def test_a_day_without_a_free_time_is_full_when_somebody_is_there(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM.replace('from = "10:00", to = "14:00"', 'from = "10:00", to = "10:30"'))
    make.appointment("Tue 10:00", practitioner="dee")
    ada = Visitor(client).open(VISIT + "?practitioner=dee")
    assert "Tue 12 Jan full" in ada.words


def test_times_are_grouped_by_the_part_of_the_day(ada: Visitor) -> None:
    ada.open(VISIT)
    words = ada.words
    assert words.index("Morning") < words.index("11:30") < words.index("Afternoon") < words.index("12:00")
    assert "No evening times left" in words
    assert "Times are London time." in words


def test_with_anyone_each_time_says_with_whom(ada: Visitor) -> None:
    ada.open(VISIT).follow("Tue 12 Jan")
    assert "09:00Bo" in ada.html.replace('</time><span class="p-sub">', "")
    assert "Bo or Dee" in ada.words
    assert ada.link("Dee Marsh") == "/elm/book/visit?practitioner=dee"


def test_weeks_are_paged_within_the_horizon(ada: Visitor) -> None:
    ada.open(VISIT)
    assert not [link for link in ada.page.links if "Earlier week" in link.words]
    for _week in range(8):
        ada.follow("Later week")
    assert not [link for link in ada.page.links if "Later week" in link.words]
    ada.follow("Earlier week")
    assert ada.status == 200


def test_an_empty_week_leads_to_the_next_free_time(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM + '\n[[closures]]\nfrom = 2027-01-11T00:00:00\nto = 2027-02-01T00:00:00\nname = "Rebuilding"\n')
    ada = Visitor(client).open(VISIT)
    assert "Nothing free this week. The next free time is Mon 1 Feb, 09:00." in ada.words
    assert "Mon 1 Feb 16 free" in ada.follow("See that week").words


def test_nothing_in_the_horizon_says_until_when_and_gives_the_phone(client: FlaskClient, make: Make) -> None:
    make.clinic(ELM + '\n[[closures]]\nfrom = 2027-01-01T00:00:00\nto = 2027-04-01T00:00:00\nname = "Rebuilding"\n')
    ada = Visitor(client).open(VISIT)
    assert "We have no free times before Friday 12 March." in ada.words
    assert "Please call us on 020 7946 0142" in ada.words


def test_what_others_hold_and_have_booked_is_not_shown(ada: Visitor, make: Make) -> None:
    make.hold("Mon 09:00")
    make.appointment("Mon 09:30")
    ada.open(VISIT)
    assert "10:00Bo" in " ".join(ada.buttons())
    assert not [button for button in ada.buttons() if button.startswith("09")]


@pytest.mark.parametrize("asked", ["from=2027-02-30", "from=soon", "day=99", "from=99999-01-01"])
def test_impossible_dates_are_refused_on_a_page_with_the_phone(ada: Visitor, asked: str) -> None:
    ada.open(f"{VISIT}?{asked}")
    assert ada.status == 422
    assert "020 7946 0142" in ada.words


@pytest.mark.parametrize("asked", ["from=1999-01-01", "from=9999-12-31", "from=2027-01-13&day=2031-01-01"])
def test_dates_outside_the_horizon_show_its_nearest_week(ada: Visitor, asked: str) -> None:
    assert ada.open(f"{VISIT}?{asked}").status == 200


def test_a_location_can_be_chosen_where_there_are_two(client: FlaskClient, make: Make) -> None:
    second = ELM[ELM.index("[[locations]]") : ELM.index("[[rooms]]")].replace('"main"', '"east"').replace("Elm", "East")
    file = ELM.replace("[[rooms]]", second + "[[rooms]]").replace(
        'hours = [{days = "Tue", from = "10:00", to = "14:00", location = "main"}]',
        'hours = [{days = "Tue", from = "10:00", to = "14:00", location = "east"}]',
    )
    make.clinic(file)
    ada = Visitor(client).open(VISIT)
    assert "First available Today, 09:00 with Bo, Elm House" in ada.words
    ada.follow("East House")
    assert "First available Tomorrow, 10:00 with Dee" in ada.words
    assert "Dee" in " ".join(ada.buttons())
    ada.open(VISIT).press("09:00")
    assert "Elm House." in ada.words


def test_a_held_time_is_freed_when_another_is_chosen(ada: Visitor) -> None:
    ada.open(VISIT).press("09:00")
    ada.open(VISIT).press("09:30")
    ada.open(VISIT)
    assert [button[:5] for button in ada.buttons()[1:3]] == ["09:00", "10:00"]

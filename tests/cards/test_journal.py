"""The log of a household: what gets into it, what never does, and that nobody changes it."""

import datetime
import re

import pytest
from django.apps import apps
from django.conf import settings
from django.test import RequestFactory
from django.utils import timezone

from cards.journal import SHOWN, differences, forget_log, note, note_change, state_of
from cards.models import Card, Household, LogEntry, LogIsAppendOnly, Member, Person
from tests.family import Family, sign_in

pytestmark = pytest.mark.django_db

Kind = LogEntry.Kind


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def lines_of(family):
    """Return the log in the order of the acts, without the sign-in of the test itself."""
    lines = LogEntry.objects.filter(household=family.household).exclude(kind="signed_in").order_by("pk")
    return [(line.member.name, line.kind, line.subject, line.changed) for line in lines]


def test_note_says_who_did_what_to_what_and_from_where(family):
    request = RequestFactory().post("/", REMOTE_ADDR="2001:db8::7")
    note(family.manager, Kind.DELETED, "card:5", "M" * 300, request=request)
    line = LogEntry.objects.get()
    assert (line.household, line.member, line.kind, line.subject) == (
        family.household, family.manager, "deleted", "card:5",
    )  # fmt: skip
    assert (line.name, line.changed, line.address) == ("M" * 200, {}, "2001:db8::7")


@pytest.mark.parametrize("address", ["", "unix:", "1.2.3.4, 5.6.7.8", "<script>"])
def test_note_takes_only_an_address_for_an_address(family, address):
    note(family.owner, Kind.ADDED, request=RequestFactory().get("/", REMOTE_ADDR=address))
    assert LogEntry.objects.get().address is None


ACTS = {
    "save": lambda rows: rows.get().save(),
    "delete": lambda rows: rows.get().delete(),
    "update": lambda rows: rows.update(name="x"),
    "delete all": lambda rows: rows.delete(),
    "bulk update": lambda rows: rows.bulk_update([rows.get()], ["name"]),
    "bulk create": lambda rows: rows.bulk_create([rows.get()], update_conflicts=True),
    "update or create": lambda rows: rows.update_or_create(kind="added", defaults={"name": "x"}),
}


@pytest.mark.parametrize("act", ACTS)
def test_line_is_neither_changed_nor_deleted(family, act):
    note(family.owner, Kind.ADDED, "card:1", "Mamá")
    with pytest.raises(LogIsAppendOnly):
        ACTS[act](LogEntry.objects.all())
    assert LogEntry.objects.get().name == "Mamá"


def test_no_code_of_the_app_writes_past_it():
    """Only cards/journal.py adds lines and takes old ones away."""
    pattern = re.compile(r"LogEntry\.(?:_base_manager|objects\.(?:create|bulk_create|get_or_create))|_raw_delete")
    found = set()
    for folder in ("cards", "renewals", "config"):
        for path in sorted(settings.BASE_DIR.joinpath(folder).rglob("*.py")):
            if pattern.search(path.read_text()):
                found.add(path.relative_to(settings.BASE_DIR).as_posix())
    assert found == {"cards/journal.py"}


def test_lines_go_with_their_household_and_stay_without_their_member(family):
    other = Family("Pérez")
    note(family.viewer, Kind.ADDED)
    note(other.owner, Kind.ADDED)
    family.viewer.delete()
    assert LogEntry.objects.get(household=family.household).member is None
    Card.objects.filter(household=family.household).delete()
    Person.objects.filter(household=family.household).delete()
    family.household.delete()
    assert [line.household for line in LogEntry.objects.all()] == [other.household]


@pytest.mark.parametrize(("seconds", "left"), [(-1, 0), (0, 1), (1, 1)])
def test_old_lines_are_forgotten_by_the_second(family, seconds, left):
    now = timezone.now()
    note(family.owner, Kind.ADDED)
    LogEntry._base_manager.update(at=now + datetime.timedelta(seconds=seconds))
    assert forget_log(now) == 1 - left
    assert LogEntry.objects.count() == left


def test_change_is_told_by_values_and_what_is_nobodys_business_only_as_changed(family):
    card = family.card
    before = state_of(card)
    card.name, card.responsible, card.notes, card.number = "Mamá Habana", family.manager, "PUK 12345678", "+5359999999"
    card.activated_on, card.account_username = datetime.date(2026, 1, 2), "rosa"
    card.save()
    note_change(family.owner, before, card)
    line = LogEntry.objects.get()
    assert (line.kind, line.subject, line.name) == ("changed", f"card:{card.pk}", "Mamá Habana")
    assert line.changed == {
        "name": ["Mamá Chen", "Mamá Habana"],
        "responsible": [None, "Mario Chen"],
        "activated_on": [None, "2026-01-02"],
        "notes": [],
        "number": [],
        "account_username": [],
    }


def test_nothing_changed_is_no_line(family):
    for row in (family.card, family.document, family.household, family.owner, family.person, family.payment):
        note_change(family.owner, state_of(row), type(row).objects.get(pk=row.pk))
    assert not LogEntry.objects.exists()


def test_who_sees_a_private_card_is_told_by_name(family):
    before = state_of(family.card)
    family.card.is_private = True
    family.card.seen_by.set([family.owner, family.viewer])
    changed = differences(before, family.card)
    assert changed == {"is_private": [False, True], "seen_by": [[], ["Olga Chen", "Vera Chen"]]}


def test_own_settings_are_logged_with_their_values(family, browser):
    page = browser.get("/settings/")
    data = {
        name: field.value() for name, field in ((each.name, each) for each in page.context["form"]) if field.value()
    }
    browser.post("/settings/", data | {"reminder_level": "calm", "time_zone": "Asia/Shanghai"})
    assert lines_of(family) == [
        ("Olga Chen", "changed", f"member:{family.owner.pk}",
         {"time_zone": ["America/Havana", "Asia/Shanghai"], "reminder_level": ["standard", "calm"]}),
    ]  # fmt: skip


def test_flight_feed_and_plan_are_logged(family, browser):
    change = family.plan_change
    browser.post(f"/travel/{family.trip.pk}/cancel/")
    browser.post("/settings/calendar/", {"do": "new"})
    browser.post("/settings/calendar/", {"do": "revoke"})
    browser.post(f"/plan-changes/{change.pk}/cancel/")
    plans = {"plan": [str(change.plan_after), str(change.plan_before)]}
    assert lines_of(family) == [
        ("Olga Chen", "deleted", f"trip:{family.trip.pk}", {}),
        ("Olga Chen", "added", f"feed:{family.owner.pk}", {}),
        ("Olga Chen", "deleted", f"feed:{family.owner.pk}", {}),
        ("Olga Chen", "changed", f"card:{family.balance_card.pk}", plans),
    ]


def test_record_is_logged_when_it_is_added_and_corrected(family, browser):
    data = {"bars": "3", "checked_on": family.signal.checked_on.isoformat()}
    browser.post(f"/cards/{family.card.pk}/log/?kind=signal", data)
    browser.post(f"/log/signal/{family.signal.pk}/correct/", data | {"bars": "1"})
    assert lines_of(family) == [
        ("Olga Chen", "added", f"card:{family.card.pk}", {"record": "signal"}),
        ("Olga Chen", "changed", f"card:{family.card.pk}", {"record": "signal", "bars": [3, 1]}),
    ]


def test_closed_card_and_the_way_back_are_logged(family, browser):
    card = family.add_card(name="Tía")
    day = timezone.localdate().isoformat()
    browser.post(f"/cards/{card.pk}/close/", {"how": "lapsed", "ends_on": day})
    card.refresh_from_db()
    closed_on = card.closed_on and card.closed_on.isoformat()
    browser.post(f"/cards/{card.pk}/close/", {"do": "open"})
    assert closed_on
    assert lines_of(family) == [
        ("Olga Chen", "changed", f"card:{card.pk}", {"closed_on": [None, closed_on]}),
        ("Olga Chen", "changed", f"card:{card.pk}", {"closed_on": [closed_on, None]}),
    ]


def test_refusal_is_logged_once_a_minute_and_member_and_looking_never(family):
    client = sign_in(family.viewer)
    for address in ("/cards/new/", f"/cards/{family.card.pk}/edit/", "/documents/new/"):
        assert client.get(address).status_code == 403
    assert lines_of(family) == []
    for address in ("/cards/new/", f"/cards/{family.card.pk}/edit/", "/documents/new/"):
        assert client.post(address).status_code == 403
    assert lines_of(family) == [("Vera Chen", "denied", "right:change", {})]
    LogEntry._base_manager.update(at=timezone.now() - datetime.timedelta(seconds=61))
    client.post("/cards/new/")
    assert len(lines_of(family)) == 2


def test_strangers_row_and_missing_row_leave_no_line(family):
    stranger = Family("Pérez").owner
    sign_in(stranger).post(f"/cards/{family.card.pk}/edit/")
    assert not LogEntry.objects.exclude(kind="signed_in").exists()


def test_login_without_a_household_leaves_no_line(family):
    client = sign_in(family.viewer)
    Member.objects.filter(pk=family.viewer.pk).update(left_at=timezone.now())
    assert client.post("/cards/new/").status_code == 403
    assert lines_of(family) == []


def test_model_is_shown_only_where_its_fields_exist():
    """A renamed field would silently not be told any more."""
    models = {model.__name__: model for model in apps.get_models() if model.__name__ in SHOWN}
    for name, fields in SHOWN.items():
        assert fields <= {field.name for field in models[name]._meta.get_fields()}, name
    assert Household in models.values()

"""Erasing a household: asked for by its owner, told to all, done a week later, and nothing is left; and what ages."""

import datetime
import os
from pathlib import Path

import pytest
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.conf import settings as installation
from django.contrib.sessions.models import Session
from django.db import connection
from django.utils import timezone

from cards.journal import note
from cards.models import Household, Invitation, LogEntry, Member, Operator, Plan, User
from cards.secrets import write_secret
from renewals.erasing import WAIT, ask_to_erase, erase_due, keep_household
from renewals.forgetting import forget_old
from renewals.models import Delivery, Document, LinkUse, ReminderRun
from renewals.reminders.delivery import run_once
from renewals.reminders.planning import queue_test
from renewals.uploads import keep
from tests.factories import MemberFactory, UserFactory
from tests.family import Family, every_row, field_of, said, sign_in

pytestmark = pytest.mark.django_db

CANARY = "Quittenkanarie"


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.MEDIA_ROOT, settings.OUTBOX_DIR = tmp_path / "uploads", tmp_path / "outbox"
    settings.DATA_DIR = tmp_path
    return tmp_path


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def owner(family):
    return sign_in(family.owner)


def erase_at(family):
    return Household.objects.get(pk=family.household.pk).erase_at


def rows_of(household):
    """Return how many rows of each table name the household."""
    owned = [model for model in apps.get_models() if "household" in {each.name for each in model._meta.get_fields()}]
    return {model._meta.label: model._base_manager.filter(household=household).count() for model in owned}


def test_owner_asks_and_all_members_are_told_in_their_language(
    family, owner, mailoutbox, django_capture_on_commit_callbacks
):
    Member.objects.filter(pk=family.manager.pk).update(language="es", time_zone="Asia/Shanghai")
    MemberFactory(household=family.household, role="viewer", left_at=timezone.now())
    before = timezone.now()
    with django_capture_on_commit_callbacks(execute=True):
        page = owner.post("/household/erase/", {"name": " Chen  family "}, follow=True)
    assert WAIT <= erase_at(family) - before < WAIT + datetime.timedelta(minutes=1)
    assert "The household will be erased." in said(page)[0]
    assert "This household will be erased on" in page.text
    assert "Keep the household" in page.text
    assert {mail.to[0] for mail in mailoutbox} == {
        family.owner.user.email, family.manager.user.email, family.viewer.user.email,
    }  # fmt: skip
    assert all("Chen family" in mail.body and "Olga Chen" in mail.body for mail in mailoutbox)
    line = LogEntry.objects.get(kind="changed")
    assert (line.subject, list(line.changed)) == (f"household:{family.household.pk}", ["erase_at"])


@pytest.mark.parametrize("typed", ["", "chen family", "Chen", "Pérez family", "x" * 101])
def test_household_is_not_erased_by_a_slip(family, owner, typed):
    before = every_row()
    page = owner.post("/household/erase/", {"name": typed})
    assert page.status_code == 200
    assert "error" in field_of(page, "name")
    assert every_row() == before


def test_who_has_not_proved_lately_who_they_are_is_asked_to(family, owner):
    session = owner.session
    session["proved_at"] = session["proved_at"] - 16 * 60
    session.save()
    answer = owner.post("/household/erase/", {"name": "Chen family"})
    assert answer.status_code == 302
    assert answer.url.startswith("/accounts/reauthenticate/")
    assert erase_at(family) is None


@pytest.mark.parametrize("role", ["manager", "viewer"])
def test_only_the_owner_erases_and_keeps(family, role):
    client = sign_in(getattr(family, role))
    assert client.post("/household/erase/", {"name": "Chen family"}).status_code == 403
    Household.objects.filter(pk=family.household.pk).update(erase_at=timezone.now() + WAIT)
    assert client.post("/household/keep/").status_code == 403
    assert erase_at(family)
    page = client.get("/")
    assert "This household will be erased on" in page.text
    assert "Keep the household" not in page.text


def test_it_can_be_taken_back_and_all_are_told(family, owner, mailoutbox, django_capture_on_commit_callbacks):
    now = timezone.now()
    assert (ask_to_erase(family.owner, now), ask_to_erase(family.owner, now)) == (True, False)
    with django_capture_on_commit_callbacks(execute=True):
        page = owner.post("/household/keep/", follow=True)
    assert said(page) == ["The household stays. Nothing is erased."]
    assert "will be erased on" not in page.text
    assert len(mailoutbox) == 3
    assert not keep_household(family.owner)
    assert (erase_due(now + 2 * WAIT), erase_at(family)) == (0, None)


@pytest.mark.parametrize(("seconds", "gone"), [(-1, False), (0, True), (1, True)])
def test_it_is_erased_a_week_later_to_the_second(family, seconds, gone):
    now = timezone.now()
    ask_to_erase(family.owner, now)
    assert erase_due(now + WAIT + datetime.timedelta(seconds=seconds)) == gone
    assert Household.objects.filter(pk=family.household.pk).exists() == (not gone)


def test_another_household_keeps_all_and_whoever_belongs_to_both_their_login(family, folders):
    other = Family("Pérez").fill()
    both = MemberFactory(household=other.household, user=family.viewer.user, role="viewer")
    staff = User.objects.filter(pk=family.manager.user_id)
    staff.update(is_staff=True)
    keep(other.payment, "receipt", "pdf", b"%PDF-")
    other.payment.save()
    theirs, people = rows_of(other.household), Member.objects.filter(household=other.household)
    logins = set(people.values_list("user", flat=True))
    erase_now(family)
    assert rows_of(other.household) == theirs
    assert set(User.objects.values_list("pk", flat=True)) == logins | {staff.get().pk}
    assert both.user_id in logins
    assert (folders / "uploads" / other.payment.receipt.name).exists()


def erase_now(family):
    now = timezone.now()
    ask_to_erase(family.owner, now)
    assert erase_due(now + WAIT) == 1


def fill_with_canaries(family):
    """Put the canary into every place where a household's own words are kept."""
    operator = Operator.objects.create(household=family.household, slug="own", name=CANARY)
    plan = Plan.objects.create(household=family.household, operator=operator, slug="own-plan", name=CANARY)
    family.add_card(plan, name=CANARY, notes=CANARY, number="+5358887776")
    write_secret(family.card, "puk", CANARY)
    family.card.save()
    named = (family.card, family.person, family.owner, family.household, family.account)
    rows = [(row, "name") for row in named]
    rows += [(family.payment, "reference"), (family.document, "issued_by"), (family.signal, "note")]
    for row, field in rows:
        setattr(row, field, CANARY)
        row.save()
    User.objects.filter(pk=family.owner.user_id).update(email=f"{CANARY.lower()}@example.org")
    note(family.owner, LogEntry.Kind.CHANGED, f"card:{family.card.pk}", CANARY, {"name": ["x", CANARY]})
    keep(family.payment, "receipt", "pdf", CANARY.encode())
    family.payment.save()
    keep(family.document, "scan", "pdf", CANARY.encode())
    family.document.save()


@pytest.mark.django_db(transaction=True)
def test_nothing_of_it_is_left_in_any_table_file_or_journal(folders, settings):
    settings.EMAIL_BACKEND = "config.outbox.EmailBackend"
    family = Family().fill()
    fill_with_canaries(family)
    queue_test(Member.objects.get(pk=family.owner.pk), timezone.now())
    run_once(None)
    key = sign_in(Member.objects.get(pk=family.owner.pk)).session.session_key
    UserSession.objects.create(user_id=family.owner.user_id, session_key=key, ip="192.0.2.7", user_agent=CANARY)
    assert any(canary_in(path) for path in folders.rglob("*.eml"))
    if connection.vendor == "sqlite":
        assert any(canary_in(path) for path in database_files())
    erase_now(family)
    assert {label: count for label, count in rows_of(family.household.pk).items() if count} == {}
    assert not Household.objects.exists()
    assert not User.objects.exists()
    assert not Session.objects.filter(session_key=key).exists()
    files = [path for path in folders.rglob("*") if path.is_file()]
    assert {path.name for path in files if canary_in(path)} == set()
    assert {path.name for path in files if path.is_relative_to(folders / "uploads")} == set()
    if connection.vendor == "sqlite":
        assert {path.name for path in database_files() if canary_in(path)} == set()


def database_files():
    name = Path(str(connection.settings_dict["NAME"]))
    return [path for path in (name, Path(f"{name}-wal"), Path(f"{name}-shm")) if path.exists()]


def canary_in(path):
    content = path.read_bytes()
    words = {CANARY, CANARY.lower(), CANARY[4:], "5358887776"}
    return any(word.encode() in content for word in words)


@pytest.mark.django_db(transaction=True)
def test_older_backup_does_not_bring_it_back(folders):
    family, other = Family().fill(), Family("Pérez")
    backup = Household.objects.filter(pk=family.household.pk).values()[0]
    erase_now(family)
    mark = (folders / "erased").read_text()
    assert "Chen" not in mark
    back = Household.objects.create(**backup | {"erase_at": None})
    MemberFactory(household=back, name="Olga Chen")
    assert erase_due(timezone.now()) == 1
    assert list(Household.objects.all()) == [other.household]
    assert (folders / "erased").read_text() == mark
    # Another one that merely has the same number, as in an installation that was begun anew, stays.
    fresh = Household.objects.create(pk=family.household.pk, name="Fresh")
    assert erase_due(timezone.now()) == 0
    assert Household.objects.filter(pk=fresh.pk).exists()


def test_erasure_that_was_cut_off_is_finished_by_the_next_run(family, monkeypatch, caplog):
    now = timezone.now()
    keep(family.payment, "receipt", "pdf", b"%PDF-")
    family.payment.save()
    ask_to_erase(family.owner, now)
    with monkeypatch.context() as broken:
        broken.setattr("renewals.erasing._forget_mails", None)
        assert erase_due(now + WAIT) == 0
    assert "could not be erased; the next run tries again" in caplog.text
    assert Household.objects.filter(pk=family.household.pk).exists()
    assert erase_due(now + WAIT) == 1
    assert not Household.objects.filter(pk=family.household.pk).exists()


def test_runs_of_the_reminders_erase_and_clean_up_once_a_day(family, monkeypatch):
    days = []
    monkeypatch.setattr("renewals.reminders.delivery.forget_old", lambda now: days.append(now.date()))
    start = datetime.datetime(2031, 3, 4, 23, 58, tzinfo=datetime.UTC)
    for minutes in range(5):
        run_once(60, lambda at=start + datetime.timedelta(minutes=minutes): at)
    assert days == [datetime.date(2031, 3, 4), datetime.date(2031, 3, 5)]


def test_clock_that_jumped_years_ahead_deletes_nothing(family):
    """The first run after a jump waits for the next one to find the same time."""
    now = timezone.now()
    ask_to_erase(family.owner, now)
    ReminderRun.objects.create(started_at=now, finished_at=now)
    note(family.owner, LogEntry.Kind.ADDED, "card:1")
    run_once(60, lambda: now + datetime.timedelta(days=3000))
    assert Household.objects.filter(pk=family.household.pk).exists()
    assert LogEntry.objects.filter(subject="card:1").exists()


DAY = datetime.timedelta(days=1)


def old_invitation(family, at):
    Invitation.objects.update(made_at=at)
    return lambda: Invitation.objects.exists()


def old_link(family, at):
    LinkUse.objects.create(
        household=family.household, delivery=queue_test(family.owner, at), card=family.card, action="take", used_at=at
    )
    return lambda: LinkUse.objects.exists()


def old_answer(family, at):
    delivery = queue_test(family.owner, at)
    Delivery.objects.filter(pk=delivery.pk).update(state="sent", answer="250 ok", created_at=at)
    return lambda: Delivery.objects.get(pk=delivery.pk).answer == "250 ok"


def old_line(family, at):
    note(family.owner, LogEntry.Kind.ADDED, "card:1")
    LogEntry._base_manager.filter(subject="card:1").update(at=at)
    return lambda: LogEntry.objects.filter(subject="card:1").exists()


def old_document(family, at):
    Document.objects.filter(pk=family.document.pk).update(deleted_at=at)
    return lambda: Document.objects.filter(pk=family.document.pk).exists()


def old_mail(family, at):
    path = Path(installation.OUTBOX_DIR) / "20260101-120000-x.eml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("To: rosa")
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path.exists


def old_session(family, at):
    client = sign_in(family.viewer)
    key = client.session.session_key
    Session.objects.filter(session_key=key).update(expire_date=at)
    return lambda: Session.objects.filter(session_key=key).exists()


@pytest.mark.parametrize(
    ("make", "days"),
    [(old_invitation, 90), (old_link, 90), (old_answer, 90), (old_line, 730), (old_document, 30), (old_mail, 30),
     (old_session, 0)],
)  # fmt: skip
@pytest.mark.parametrize(("seconds", "left"), [(-2, False), (2, True)])
def test_what_is_too_old_is_forgotten_to_the_second(family, make, days, seconds, left):
    now = timezone.now()
    is_there = make(family, now - days * DAY + datetime.timedelta(seconds=seconds))
    assert is_there()
    forget_old(now)
    assert is_there() == left


def test_fault_in_one_part_of_the_sweep_stops_no_other(family, monkeypatch, caplog):
    is_there = old_invitation(family, timezone.now() - 91 * DAY)

    def empty_bin(now):
        raise OSError("the disk is full")

    monkeypatch.setattr("renewals.forgetting.empty_bin", empty_bin)
    forget_old(timezone.now())
    assert not is_there()
    assert "empty_bin failed; the next day tries again." in caplog.text


def test_delivery_that_still_waits_keeps_what_the_server_said(family):
    delivery = queue_test(family.owner, timezone.now())
    Delivery.objects.filter(pk=delivery.pk).update(state="retry", last_error="451", created_at="2020-01-01T00:00Z")
    forget_old(timezone.now())
    assert Delivery.objects.get(pk=delivery.pk).last_error == "451"


def test_login_of_somebody_who_left_another_family_stays_for_its_history(family):
    user = UserFactory()
    other = Family("Pérez")
    MemberFactory(household=other.household, user=user, role="viewer", left_at=timezone.now())
    MemberFactory(household=family.household, user=user, role="viewer")
    erase_now(family)
    assert User.objects.filter(pk=user.pk).exists()

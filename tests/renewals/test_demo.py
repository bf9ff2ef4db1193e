import datetime
import io
import re

import pytest
from django.apps import apps
from django.core.files.storage import default_storage
from django.core.management import CommandError, call_command
from django.db import transaction
from django.urls import reverse
from django.utils import timezone
from PIL import Image

from cards.catalogue import load_catalogue
from cards.models import Card, Household, LinkedAccount, Member, Operator, Plan, User
from renewals import demo
from renewals.deadlines import recompute_cards, stage_of, today_for
from renewals.management.commands import demo_household
from renewals.models import Activity, Document, Payment, Reading, Renewal, SignalCheck
from renewals.models.events import Record

pytestmark = pytest.mark.django_db

LOGINS = ["owner@example.org", "manager@example.org", "viewer@example.org"]
STAGES = {
    "Mamá": "urgent",
    "Lucía UK": "due",
    "Papá roaming": "active",
    "Tío HK": "active",
    "Lucía US": "grace",
    "Abuela": "closed",
}


@pytest.fixture(autouse=True)
def of_its_own(settings, tmp_path, monkeypatch):
    settings.MEDIA_ROOT = tmp_path
    monkeypatch.delenv("DEMO_PASSWORD", raising=False)


def run(*args):
    out = io.StringIO()
    call_command("demo_household", *args, stdout=out)
    return out.getvalue()


def printed_password(out):
    return re.search(r"^Password: (\S+)$", out, re.MULTILINE)[1]


def sign_in(client, email, password):
    return client.post(reverse("account_login"), {"login": email, "password": password})


def files():
    return default_storage.listdir("receipts")[1] if default_storage.exists("receipts") else []


def rows_of(household):
    models = [model for app in ("cards", "renewals") for model in apps.get_app_config(app).get_models()]
    owned = [model for model in models if any(field.name == "household" for field in model._meta.fields)]
    return [row for model in owned for row in model.objects.filter(household=household)]


def test_logins_are_printed_and_sign_in(client, settings):
    out = run()
    password = printed_password(out)
    assert len(password) == 16
    assert out.count(password) == 1
    assert f"Open {settings.SITE_URL}" in out
    assert re.findall(r"\S+@\S+", out) == LOGINS
    for email in LOGINS:
        assert sign_in(client, email, password).status_code == 302
        assert client.get(reverse("dashboard")).status_code == 200
        client.logout()


def test_members_have_the_promised_roles_and_languages():
    run()
    members = Member.objects.order_by("pk").values_list("name", "role", "language", "time_zone", "person__name")
    assert list(members) == [
        ("Lucía", "owner", "en", "America/Havana", "Lucía Chen"),
        ("Wei", "manager", "zh-hans", "Asia/Shanghai", "Wei Chen"),
        ("Abuela Rosa", "viewer", "es", "America/Havana", "Rosa Chen"),
    ]
    administrators = User.objects.filter(is_staff=True, is_superuser=True)
    assert [user.email for user in administrators] == ["owner@example.org"]
    assert not User.objects.exclude(pk__in=administrators).filter(is_staff=True).exists()


def test_random_password_is_another_one_each_time():
    passwords = set()
    for _ in range(2):
        with transaction.atomic():
            passwords.add(printed_password(run()))
            transaction.set_rollback(True)
    assert len(passwords) == 2


def test_password_from_the_environment_signs_in_and_is_not_printed(client, monkeypatch):
    monkeypatch.setenv("DEMO_PASSWORD", "as agreed by phone")
    out = run()
    assert "as agreed by phone" not in out
    assert "DEMO_PASSWORD" in out
    assert sign_in(client, "owner@example.org", "as agreed by mail").status_code == 200
    assert sign_in(client, "owner@example.org", "as agreed by phone").status_code == 302


def test_second_run_is_refused_and_changes_nothing():
    run()
    before = [Card.objects.count(), User.objects.count(), files()]
    with pytest.raises(CommandError, match="already has a household or a login; nothing was changed") as refused:
        run()
    assert refused.value.returncode == 1
    assert [Card.objects.count(), User.objects.count(), files()] == before


def test_founded_installation_is_refused():
    Household.objects.create(name="Real family")
    with pytest.raises(CommandError, match="already has a household"):
        run("--cards", "3")
    assert list(Household.objects.values_list("name", flat=True)) == ["Real family"]
    assert not User.objects.exists()


def test_installation_with_only_a_login_is_refused():
    User.objects.create_superuser("admin@example.org", "a real password")
    with pytest.raises(CommandError, match="already has a household or a login"):
        run()
    assert not Household.objects.exists()


@pytest.mark.parametrize(
    "now",
    [
        "2026-11-22T12:00-05:00",
        "2026-12-31T23:59-05:00",
        "2027-01-01T00:01-05:00",
        "2027-02-28T18:00-05:00",
        "2027-03-14T01:30-04:00",
        "2028-02-29T08:00-05:00",
        "2027-08-07T20:00-04:00",
        "2027-10-31T12:00-05:00",
    ],
)
def test_story_has_the_promised_stages_on_any_day(now):
    load_catalogue()
    now = datetime.datetime.fromisoformat(now)
    family = demo.found_chens("secret")
    demo.tell_story(family, now)
    cards = {card.name: card for card in Card.objects.select_related("plan__operator")}
    days = {name: today_for(family.owner, card.plan.operator.country, now) for name, card in cards.items()}
    assert {name: stage_of(card, days[name]) for name, card in cards.items()} == STAGES
    assert (cards["Mamá"].deadline - days["Mamá"]).days == 3
    assert 20 <= (cards["Lucía UK"].deadline - days["Lucía UK"]).days <= 24
    assert (cards["Lucía US"].grace_ends_on - days["Lucía US"]).days in {17, 18}
    assert {card.plan.operator.country for card in cards.values()} == {"CU", "CN", "GB", "HK", "US"}
    assert Renewal.objects.open().get().deadline_before == cards["Tío HK"].deadline


def test_dates_are_those_of_the_history():
    run()
    assert Card.objects.exclude(deadline=None).count() == 6
    assert recompute_cards(Card.objects.all()) == 0


def test_every_row_is_valid_and_nothing_lies_ahead():
    run("--households", "2")
    now = timezone.now()
    for household in Household.objects.all():
        rows = rows_of(household)
        assert len(rows) > 30
        for row in rows:
            row.full_clean(exclude=[field.name for field in row._meta.fields if getattr(row, field.attname) is None])
            if isinstance(row, Record):
                day = next(
                    getattr(row, name) for name in ("paid_on", "done_on", "read_on", "checked_on") if hasattr(row, name)
                )
                assert day <= now.astimezone(row.by.zone).date()
                assert row.recorded_at <= now


def test_one_renewal_awaits_its_review_after_a_rejected_try():
    run()
    now = timezone.now()
    renewal = Renewal.objects.open().get()
    assert renewal.state == "awaiting"
    assert renewal.card.name == "Tío HK"
    assert renewal.holder(now) == Member.objects.get(role="manager")
    assert datetime.timedelta(hours=5) <= now - renewal.submitted_at < datetime.timedelta(hours=5, minutes=5)
    assert renewal.follow_up_at > now
    payment = renewal.payments.get()
    assert (payment.confirmed_on, payment.reference) == (None, "CS-31902")
    assert (renewal.retry_of.state, renewal.retry_of.failed_step) == ("rejected", "pay")
    assert "declined" in renewal.retry_of.reason
    assert [step.key for step in renewal.steps.filter(done_at=None)] == ["confirm"]


def test_receipt_opens_for_the_household_and_is_kept_encrypted(client):
    password = printed_password(run())
    payment = Payment.objects.exclude(receipt="").get()
    sign_in(client, "manager@example.org", password)
    response = client.get(reverse("receipt", args=[payment.pk]))
    assert response.status_code == 200
    content = response.getvalue()
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        assert (image.format, image.size) == ("PNG", (420, 280))
    with payment.receipt.open() as kept:
        assert content not in kept.read()
    assert len(files()) == 1


def test_one_renewal_is_finished_with_all_steps():
    run()
    renewal = Renewal.objects.get(state="renewed")
    owner = Member.objects.get(role="owner")
    assert [step.key for step in renewal.steps.filter(done_by=owner, is_skipped=False)] == [
        "balance", "validity", "documents", "visit", "sign_in", "choose", "pay", "confirm",
    ]  # fmt: skip
    assert renewal.finished_by == owner
    assert renewal.deadline_before < renewal.deadline_after == renewal.card.deadline
    assert renewal.payments.get().confirmed_on == renewal.finished_at.astimezone(owner.zone).date()
    assert renewal.readings.count() == 3
    assert {check.result for check in renewal.document_checks.all()} == {"ready", "missing"}
    assert renewal.plan_terms["operator"] == "Cubacel"


def test_papers_accounts_and_checks_are_there():
    run()
    today = today_for(Member.objects.get(role="owner"), "CU", timezone.now())
    passport = Document.objects.get(person__name="Guoqiang Chen", kind="passport")
    assert (passport.expires_on - today).days == 58
    assert [str(row.person) for row in Document.objects.filter(expires_on__lt=today)] == ["Ming Chen"]
    accounts = set(LinkedAccount.objects.filter(card__name="Mamá").values_list("name", flat=True))
    assert accounts == {"Banco Metropolitano", "WhatsApp", "WeChat"}
    closed = Card.objects.exclude(closed_on=None).get()
    assert closed.linked_accounts.get().moved_on < closed.closed_on < today
    assert Activity.objects.filter(card__name="Lucía UK", kind="sms").count() == 2
    assert SignalCheck.objects.count() == 4
    assert Reading.objects.filter(card__name="Mamá").count() == 4


def test_pages_of_the_story_open_for_every_member(client):
    run()
    addresses = [reverse("dashboard"), reverse("documents"), reverse("household")]
    addresses += [reverse("card", args=[card.pk]) for card in Card.objects.all()]
    addresses += [reverse("renewal", args=[renewal.pk]) for renewal in Renewal.objects.all()]
    addresses += [reverse("renewal_step", args=[Renewal.objects.open().get().pk, "confirm"])]
    for member in Member.objects.select_related("user"):
        client.force_login(member.user)
        assert {address: client.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 200)


def test_empty_catalogue_is_loaded_and_a_loaded_one_kept():
    run()
    assert Plan.objects.filter(household=None).count() >= 60
    assert load_catalogue().created == 0


def test_operator_edited_before_stays_as_it_is():
    load_catalogue()
    Operator.objects.filter(slug="giffgaff").update(name="giffgaff (ours)")
    run()
    assert Card.objects.get(name="Lucía UK").plan.operator.name == "giffgaff (ours)"


def test_random_cards_cover_the_catalogue_and_keep_to_their_household():
    run("--cards", "90", "--households", "2", "--seed", "7")
    for household in Household.objects.all():
        cards = household.cards.all()
        assert len(cards) == 90
        assert len({card.number for card in cards}) == 90
        assert {card.plan_id for card in cards} == set(Plan.objects.filter(household=None).values_list("pk", flat=True))
        assert {card.person.household_id for card in cards} == {household.pk}
        assert {row.card.household_id for row in rows_of(household) if isinstance(row, Record)} == {household.pk}
    today = timezone.now().date()
    assert {"active", "due", "urgent", "grace", "unknown", "closed"} <= {
        stage_of(card, today) for card in Card.objects.all()
    }
    assert recompute_cards(Card.objects.all()) == 0


def test_households_without_cards_are_the_story_and_five_random_cards_each(client):
    password = printed_password(run("--households", "3"))
    assert [household.cards.count() for household in Household.objects.order_by("pk")] == [6, 5, 5]
    assert set(User.objects.values_list("email", flat=True)) == {
        *LOGINS,
        *(email.replace("@", f"{number}@") for email in LOGINS for number in (2, 3)),
    }
    assert User.objects.filter(is_staff=True).count() == 1
    assert sign_in(client, "manager3@example.org", password).status_code == 302
    others = Card.objects.exclude(household__name="Chen family").first()
    assert client.get(reverse("card", args=[Card.objects.get(name="Mamá").pk])).status_code == 404
    assert others.household.name in {"Pérez family", "Wang family", "García family", "Liu family"}


def test_equal_seed_gives_equal_cards_and_another_seed_others():
    def crowd(seed):
        with transaction.atomic():
            run("--cards", "40", "--seed", seed)
            cards = Card.objects.order_by("pk")
            fields = ["name", "number", "plan__slug", "deadline", "lost_on", "closed_on", "activated_on", "location"]
            rows = list(cards.values_list(*fields)), [card.iccid for card in cards]
            payments = list(Payment.objects.order_by("pk").values_list("amount", "currency", "paid_on", "reference"))
            accounts = list(LinkedAccount.objects.order_by("pk").values_list("name", flat=True))
            transaction.set_rollback(True)
        return rows, payments, accounts

    first = crowd("1")
    assert crowd("1") == first
    other = crowd("2")
    assert all(one != two for one, two in zip(first, other, strict=True))


def test_progress_is_not_printed_without_a_terminal(capsys):
    run("--cards", "3")
    assert capsys.readouterr().err == ""


def test_progress_counts_the_cards_on_a_terminal(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    run("--cards", "3", "--households", "2")
    assert "6/6" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments", [["--cards", "0"], ["--cards", "-1"], ["--cards", "1000001"], ["--households", "0"]]
)
def test_impossible_numbers_are_refused(arguments):
    with pytest.raises(CommandError, match="wants a number"):
        run(*arguments)
    assert not Household.objects.exists()


def test_failure_leaves_nothing_behind(monkeypatch):
    seen = []

    def fail(*args):
        seen.extend(files())
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_household, "add_random_cards", fail)
    with pytest.raises(KeyboardInterrupt):
        run("--households", "2")
    assert len(seen) == 1
    assert files() == []
    for model in (Household, User, Card, Plan, Operator, Payment):
        assert not model.objects.exists()


def test_broken_catalogue_is_told_and_leaves_nothing(monkeypatch, tmp_path, capsys):
    (tmp_path / "xx.yaml").write_text("version: 1\noperators: nonsense\n")
    monkeypatch.setattr(demo_household, "load_catalogue", lambda: load_catalogue(tmp_path))
    with pytest.raises(CommandError, match="nothing was made"):
        run()
    assert "xx.yaml" in capsys.readouterr().err
    assert not User.objects.exists()

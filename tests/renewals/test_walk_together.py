"""Several members and several tabs on one renewal: who is doing it, what is stale, how typed input survives."""

import datetime

import pytest
from django.utils import timezone

from renewals.models import Payment, Renewal
from renewals.views.card import card_today
from renewals.walkthrough import start_renewal
from tests.factories import giffgaff
from tests.family import Family, every_row, field_of, in_days, is_answered, said, save_step, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def renewal(family):
    """Opened, and thereby taken, by the owner."""
    return family.renewal


@pytest.fixture
def owner(family):
    return sign_in(family.owner)


@pytest.fixture
def manager(family):
    return sign_in(family.manager)


def pay_data(family, **changes):
    paid_on = card_today(family.owner, family.card).isoformat()
    data = {"kind": "top_up", "amount": "111", "currency": "CUP", "channel": "inside", "paid_on": paid_on}
    return data | {"reference": "A-17"} | changes


def test_another_member_sees_who_is_doing_it_everywhere(family, renewal, manager):
    for address in ("/", f"/renewals/{renewal.pk}/", f"/renewals/{renewal.pk}/pay/"):
        assert "Olga Chen" in manager.get(address).text
    page = manager.get(f"/renewals/{renewal.pk}/pay/")
    assert "Olga Chen is doing it since" in page.text
    assert "Ask before you pay, so that it is not paid twice." in page.text
    assert 'name="amount"' not in page.text


def test_who_has_not_taken_over_cannot_pay_and_loses_nothing_typed(family, renewal, manager):
    before = every_row()
    data = pay_data(family)
    page = save_step(manager, renewal, "pay", **data)
    assert "Olga Chen is doing it since" in page.text
    assert every_row() == before
    for name in ("amount", "reference"):
        assert is_answered(page, name, "", data[name])
    page = save_step(manager, renewal, "pay", take="1", **data)
    renewal.refresh_from_db()
    assert renewal.taken_by == family.manager
    assert is_answered(page, "reference", "", "A-17")
    assert not Payment.objects.filter(reference="A-17").exists()
    save_step(manager, renewal, "pay", **data)
    assert Payment.objects.get(reference="A-17").by == family.manager


def test_taking_over_lets_one_pay_and_stops_the_other(family, renewal, owner, manager):
    page = manager.post(f"/renewals/{renewal.pk}/take/", follow=True)
    assert page.redirect_chain == [(f"/renewals/{renewal.pk}/balance/", 302)]
    assert "Mario Chen is doing it since" in owner.get(f"/renewals/{renewal.pk}/pay/").text
    save_step(owner, renewal, "pay", **pay_data(family, reference="by the owner"))
    save_step(manager, renewal, "pay", **pay_data(family, reference="by the manager"))
    assert [row.reference for row in Payment.objects.exclude(reference="")] == ["by the manager"]


def test_claim_lapses_after_a_day(family, renewal, manager):
    for age, is_held in ((datetime.timedelta(hours=23, minutes=59), True), (datetime.timedelta(days=1), False)):
        Renewal.objects.update(taken_at=timezone.now() - age)
        page = manager.get(f"/renewals/{renewal.pk}/pay/")
        assert ("is doing it since" in page.text) == is_held
        assert ('name="amount"' in page.text) == (not is_held)


def test_act_step_is_held_like_the_payment(family, manager):
    card = family.add_card(giffgaff())
    renewal = start_renewal(card, family.owner, timezone.now())
    before = every_row()
    page = save_step(manager, renewal, "act", kind="sms", done_on="2026-01-31")
    assert "Olga Chen is doing it since" in page.text
    assert every_row() == before


STEPS = {
    "balance": {"balance": "77", "currency": "CUP", "read_on": "2026-01-31", "how": "by phone"},
    "validity": {"valid_until": "2027-06-30", "read_on": "2026-01-31", "how": "by phone"},
    "visit": {"note": "closed on Sunday"},
    "sign_in": {"note": "by phone"},
    "choose": {"option": "other", "amount": "77", "currency": "CUP"},
    "pay": {"amount": "77", "currency": "CUP", "kind": "top_up", "channel": "inside", "paid_on": "2026-01-31"},
}


@pytest.mark.parametrize("key", STEPS)
def test_stale_second_tab_says_by_whom_and_writes_nothing(family, renewal, owner, manager, key):
    Renewal.objects.update(taken_by=None)
    assert save_step(owner, renewal, key, **STEPS[key] | {"note": "seen by me"}).status_code == 200
    before = every_row()
    page = manager.post(f"/renewals/{renewal.pk}/{key}/", {"do": "done", "revision": 0} | STEPS[key])
    assert said(page)[0].startswith("Olga Chen did this step meanwhile, at ")
    assert "Done by Olga Chen" in page.text
    for name, value in STEPS[key].items():
        if name not in {"option", "kind", "channel"}:
            assert is_answered(page, name, "", value)
    assert every_row() == before
    typed = {"revision": page.context["step"].revision, "do": "done"} | STEPS[key]
    manager.post(f"/renewals/{renewal.pk}/{key}/", typed)
    assert renewal.steps.get(key=key).done_by == family.manager


def test_stale_second_tab_shows_the_result_of_the_other(family, renewal, owner, manager):
    save_step(owner, renewal, "balance", **STEPS["balance"] | {"balance": "20"})
    page = manager.post(f"/renewals/{renewal.pk}/balance/", {"do": "done", "revision": 0} | STEPS["balance"])
    assert "20 CUP" in page.text
    assert is_answered(page, "balance", "", "77")


def test_stale_skip_keeps_its_reason(renewal, owner, manager):
    save_step(owner, renewal, "visit")
    before = every_row()
    page = manager.post(f"/renewals/{renewal.pk}/visit/", {"do": "skip", "revision": 0, "skip-reason": "no shop here"})
    assert said(page)[0].startswith("Olga Chen did this step meanwhile")
    assert is_answered(page, "skip-reason", "", "no shop here")
    assert every_row() == before


@pytest.mark.parametrize("revision", ["", "x", "-1", "99", str(2**63), "\0"])
def test_revision_nobody_saw_is_never_taken_for_the_present_one(family, renewal, owner, revision):
    save_step(owner, renewal, "visit", note="first")
    before = every_row()
    page = owner.post(f"/renewals/{renewal.pk}/visit/", {"do": "done", "revision": revision, "note": "second"})
    assert said(page)[0].startswith("Olga Chen did this step meanwhile")
    assert every_row() == before


@pytest.mark.parametrize("state", ["renewed", "rejected", "abandoned"])
@pytest.mark.parametrize("part", ["balance/", "pay/", "confirm/", "take/", "abandon/"])
def test_renewal_finished_meanwhile_is_told_and_nothing_written(family, renewal, manager, state, part):
    Renewal.objects.update(state=state, finished_at=timezone.now(), finished_by=family.owner)
    before = every_row()
    data = pay_data(family, do="done", revision=0, balance="5", reason="too late")
    page = manager.post(f"/renewals/{renewal.pk}/{part}", data, follow=True)
    assert page.redirect_chain == [(f"/renewals/{renewal.pk}/", 302)]
    assert said(page) == [f"This renewal has ended meanwhile: {state}, by Olga Chen. Nothing was changed."]
    assert every_row() == before


def test_looking_at_a_step_of_a_finished_renewal_leads_to_its_record(renewal, manager):
    Renewal.objects.update(state="renewed", finished_at=timezone.now())
    page = manager.get(f"/renewals/{renewal.pk}/pay/", follow=True)
    assert (page.redirect_chain, said(page)) == ([(f"/renewals/{renewal.pk}/", 302)], [])


BAD = [
    ("balance", "balance", "", "This field is required."),
    ("balance", "balance", "-1", "greater than or equal to 0"),
    ("balance", "balance", "1.000,5", "Write an amount in digits"),
    ("balance", "balance", "1234567890123", "no more than 12 digits in total"),
    ("balance", "currency", "XXQ", "“XXQ” is not a currency."),
    ("balance", "currency", "", "Say in which currency"),
    ("balance", "read_on", "03/04/2027", "Write the day as year-month-day"),
    ("balance", "how", "x" * 61, "at most 60 characters"),
    ("validity", "valid_until", "", "This field is required."),
    ("validity", "valid_until", "03/04/2027", "Write the day as year-month-day"),
    ("validity", "read_on", "2100-01-01", "This day is still to come."),
    ("visit", "note", "x" * 501, "at most 500 characters"),
    ("sign_in", "note", "x\0", "Null characters are not allowed."),
    ("choose", "amount", "", "Write the amount, or choose one of the offers."),
    ("choose", "amount", "0", "greater than or equal to 0.01"),
    ("choose", "amount", "-7", "greater than or equal to 0.01"),
    ("choose", "amount", "1234567890123", "no more than 12 digits in total"),
    ("choose", "currency", "XXQ", "“XXQ” is not a currency."),
    ("choose", "currency", "", "Say in which currency"),
    ("pay", "amount", "", "This field is required."),
    ("pay", "amount", "0", "An amount is more than zero."),
    ("pay", "paid_on", "2100-01-01", "This day is still to come."),
    ("pay", "currency", "C\0P", "Null characters are not allowed."),
]


@pytest.mark.parametrize(("key", "name", "typed", "words"), BAD)
def test_step_answers_in_words_and_loses_nothing(renewal, owner, key, name, typed, words):
    before, data = every_row(), STEPS[key] | {name: typed}
    page = save_step(owner, renewal, key, **data)
    assert is_answered(page, name, words, None if "\0" in typed else typed)
    for other in set(data) - {name, "option", "kind", "channel"}:
        assert is_answered(page, other, "", data[other])
    assert every_row() == before


@pytest.mark.parametrize("do", ["", "pay", "DONE", "\0"])
def test_doing_what_no_button_asks_for_does_nothing(renewal, owner, do):
    before = every_row()
    assert owner.post(f"/renewals/{renewal.pk}/visit/", {"do": do, "note": "x"}).status_code == 200
    assert every_row() == before


def test_step_the_renewal_does_not_have_is_404(renewal, owner):
    for key in ("act", "nothing", "Pay"):
        assert owner.get(f"/renewals/{renewal.pk}/{key}/").status_code == 404


@pytest.mark.parametrize(
    ("name", "typed", "words"),
    [
        ("reason", "", "This field is required."),
        ("reason", "x" * 501, "at most 500 characters"),
        ("failed_step", "visit", "Select a valid choice."),
        ("failed_step", "act", "Select a valid choice."),
        ("failed_step", "", "This field is required."),
    ],
)
def test_rejection_answers_in_words_and_loses_nothing(family, renewal, owner, name, typed, words):
    save_step(owner, renewal, "pay", **pay_data(family))
    before, data = every_row(), {"reason": "bad photo", "failed_step": "documents"} | {name: typed}
    page = owner.post(
        f"/renewals/{renewal.pk}/confirm/", {"do": "reject"} | {f"reject-{key}": value for key, value in data.items()}
    )
    assert words in field_of(page, f"reject-{name}")
    assert is_answered(page, "reject-reason", "", data["reason"])
    assert every_row() == before


def test_stopping_needs_a_reason_and_keeps_what_was_typed(renewal, owner):
    before = every_row()
    for typed, words in (("", "This field is required."), ("x" * 501, "at most 500 characters")):
        page = owner.post(f"/renewals/{renewal.pk}/abandon/", {"reason": typed})
        assert is_answered(page, "reason", words, typed)
    assert every_row() == before


def test_readings_of_a_renewal_count_from_their_own_day(family, renewal, owner):
    today = card_today(family.owner, family.card)
    data = {"valid_until": in_days(today, 5).isoformat(), "read_on": in_days(today, -9).isoformat()}
    save_step(owner, renewal, "validity", **data)
    family.card.refresh_from_db()
    assert family.card.readings.get(step="validity").read_on == in_days(today, -9)

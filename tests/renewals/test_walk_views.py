"""The walk-through, step by step through its pages."""

import datetime

import pytest
from dateutil.relativedelta import relativedelta
from django.utils import timezone

from cards.models import Promotion, StepGuide
from renewals.models import Activity, Document, Payment, Reading, Renewal, RenewalStep
from renewals.views.card import card_today
from renewals.words import say_short_day
from tests.factories import cubacel, giffgaff, unicom
from tests.family import Family, every_row, field_of, in_days, is_answered, open_renewal, said, save_step, sign_in

pytestmark = pytest.mark.django_db

PAY_STEPS = ["balance", "validity", "documents", "visit", "sign_in", "choose", "pay", "confirm"]
ACT_STEPS = ["balance", "validity", "documents", "act", "confirm"]


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def live_card(family, plan=None, days=10):
    """Return a card and the day it lives until, `days` from today, as somebody has seen at the operator."""
    card = family.add_card(plan)
    today = card_today(family.owner, card)
    data = {"valid_until": in_days(today, days).isoformat(), "read_on": in_days(today, -100).isoformat()}
    sign_in(family.manager).post(f"/cards/{card.pk}/log/?kind=reading", data)
    card.refresh_from_db()
    return card, today


def start(client, card):
    client.post(f"/renewals/start/{card.pk}/")
    return open_renewal(card)


def place(page):
    """Return the step the page shows."""
    return page.redirect_chain[-1][0].rstrip("/").rpartition("/")[2]


def walk_to_pay(client, renewal, today):
    """Do everything before the payment of 100 CUP, and the payment."""
    save_step(client, renewal, "balance", balance="20", currency="CUP", read_on=today.isoformat(), how="*222#")
    deadline = renewal.card.deadline.isoformat()
    save_step(client, renewal, "validity", valid_until=deadline, read_on=today.isoformat(), how="*222#")
    save_step(client, renewal, "documents")
    save_step(client, renewal, "visit")
    save_step(client, renewal, "sign_in", note="the app")
    rung = renewal.card.plan.rules.get().steps.first()
    save_step(client, renewal, "choose", option=f"{rung.minimum_amount:.0f} {rung.currency} {rung.channel}")
    return pay(client, renewal, today)


def pay(client, renewal, day, amount="100", **typed):
    data = {"kind": "top_up", "amount": amount, "currency": "CUP", "channel": "inside", "paid_on": day.isoformat()}
    return save_step(client, renewal, "pay", **data | typed)


def confirm(client, renewal, today, days):
    data = {"valid_until": in_days(today, days).isoformat(), "read_on": today.isoformat()}
    return save_step(client, renewal, "confirm", **data)


def test_eight_steps_of_a_top_up_lead_to_the_record(family, browser):
    card, today = live_card(family)
    before = card.deadline
    renewal = start(browser, card)
    assert [step.key for step in renewal.steps.all()] == PAY_STEPS
    typed = {"read_on": today.isoformat(), "how": "*222#"}
    page = save_step(browser, renewal, "balance", balance="20,50", currency="cup", **typed)
    assert (place(page), open_renewal(card).state) == ("validity", "preparing")
    page = save_step(browser, renewal, "validity", valid_until=before.isoformat(), **typed)
    assert place(page) == "documents"
    page = save_step(browser, renewal, "documents")
    assert (place(page), open_renewal(card).state) == ("visit", "renewing")
    assert place(save_step(browser, renewal, "visit", note="the shop is open")) == "sign_in"
    assert place(save_step(browser, renewal, "sign_in")) == "choose"
    rung = card.plan.rules.get().steps.first()
    page = save_step(browser, renewal, "choose", option=f"{rung.minimum_amount:.0f} {rung.currency} {rung.channel}")
    assert (place(page), str(open_renewal(card).amount)) == ("pay", "100.00")
    assert 'value="100.00"' in field_of(page, "amount")
    page = pay(browser, renewal, today, reference="A-17")
    assert (place(page), open_renewal(card).state) == ("confirm", "awaiting")
    assert "A-17" in page.text
    card.refresh_from_db()
    assert card.deadline == before
    page = confirm(browser, renewal, today, 330)
    assert said(page) == ["Mamá is renewed."]
    renewal, payment = Renewal.objects.get(), Payment.objects.get()
    card.refresh_from_db()
    assert (renewal.state, renewal.deadline_before) == ("renewed", before)
    assert renewal.deadline_after == card.deadline == in_days(today, 330)
    assert (payment.renewal, payment.confirmed_on, payment.by) == (renewal, today, family.owner)
    assert (renewal.finished_by, renewal.opened_by) == (family.owner, family.owner)


def test_every_step_keeps_who_did_it_and_when_and_another_member_goes_on(family):
    card, today = live_card(family)
    owner, manager = sign_in(family.owner), sign_in(family.manager)
    begun = timezone.now()
    renewal = start(owner, card)
    typed = {"read_on": today.isoformat()}
    page = save_step(owner, renewal, "balance", balance="20", currency="CUP", **typed)
    assert manager.post(f"/renewals/start/{card.pk}/").url == f"/renewals/{renewal.pk}/validity/"
    page = save_step(manager, renewal, "validity", valid_until=card.deadline.isoformat(), **typed)
    steps = list(RenewalStep.objects.filter(renewal=renewal).exclude(done_at=None))
    assert [(step.key, step.done_by) for step in steps] == [("balance", family.owner), ("validity", family.manager)]
    assert all(begun <= step.done_at <= timezone.now() for step in steps)
    assert [reading.by for reading in renewal.readings.order_by("pk")] == [family.owner, family.manager]
    assert "Olga Chen" in page.text


def test_going_back_corrects_by_a_new_row_that_names_the_old_one(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    typed = {"read_on": today.isoformat(), "currency": "CUP"}
    save_step(browser, renewal, "balance", balance="20", **typed)
    page = browser.get(f"/renewals/{renewal.pk}/balance/")
    assert is_answered(page, "balance", "", "20.00")
    assert "Save again to correct it." in page.text
    save_step(sign_in(family.manager), renewal, "balance", balance="25", **typed)
    old, new = Reading.objects.filter(step="balance").order_by("pk")
    assert (new.corrects, new.by, str(new.balance)) == (old, family.manager, "25.00")
    assert (old.by, str(old.balance)) == (family.owner, "20.00")
    assert RenewalStep.objects.get(renewal=renewal, key="balance").done_by == family.manager


def test_going_back_to_the_payment_corrects_it_and_keeps_the_state(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    pay(browser, renewal, today, amount="250", channel="abroad")
    assert [str(row.amount) for row in renewal.payments.valid()] == ["250.00"]
    assert open_renewal(card).state == "awaiting"


@pytest.mark.parametrize("key", PAY_STEPS[:-1])
def test_step_is_skipped_only_with_a_reason(family, browser, key):
    card, _today = live_card(family)
    renewal = start(browser, card)
    address, data = f"/renewals/{renewal.pk}/{key}/", {"do": "skip", "revision": 0}
    before = every_row()
    for reason, words in (
        ("", "This field is required."),
        (" ", "This field is required."),
        ("x" * 501, "at most 500"),
    ):
        assert is_answered(browser.post(address, data | {"skip-reason": reason}), "skip-reason", words, reason.strip())
    assert every_row() == before
    browser.post(address, data | {"skip-reason": "the app is down"})
    step = renewal.steps.get(key=key)
    assert (step.is_skipped, step.note, step.done_by) == (True, "the app is down", family.owner)


def test_confirming_cannot_be_skipped_nor_come_first(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    page = browser.get(f"/renewals/{renewal.pk}/confirm/", follow=True)
    assert (place(page), said(page)) == ("balance", ["First the steps before it."])
    walk_to_pay(browser, renewal, today)
    browser.post(f"/renewals/{renewal.pk}/confirm/", {"do": "skip", "revision": 0, "skip-reason": "x"})
    assert open_renewal(card).steps.get(key="confirm").done_at is None


def test_activity_is_one_act_and_its_confirmation(family, browser):
    card, today = live_card(family, giffgaff())
    renewal = start(browser, card)
    assert [step.key for step in renewal.steps.all()] == ACT_STEPS
    save_step(browser, renewal, "balance", balance="5", currency="GBP", read_on=today.isoformat())
    save_step(browser, renewal, "validity", valid_until=card.deadline.isoformat(), read_on=today.isoformat())
    page = save_step(browser, renewal, "documents")
    assert place(page) == "act"
    assert "incoming calls and SMS or free numbers" in page.text
    page = save_step(browser, renewal, "act", kind="sms", done_on=today.isoformat(), cost="0,10", currency="GBP")
    assert place(page) == "confirm"
    card.refresh_from_db()
    assert card.deadline == in_days(today, 10)
    page = save_step(browser, renewal, "confirm", balance="4,90", currency="GBP", read_on=today.isoformat())
    assert said(page) == ["Mamá is renewed."]
    card.refresh_from_db()
    assert card.deadline == today + relativedelta(months=6)
    assert Activity.objects.get().confirmed_on == today


@pytest.mark.parametrize("days", [10, 9, -1])
def test_day_that_has_not_moved_keeps_awaiting_and_the_payment_unconfirmed(family, browser, days):
    card, today = live_card(family)
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    page = confirm(browser, renewal, today, days)
    assert place(page) == "confirm"
    assert "the deadline has not moved: the number is not renewed yet" in said(page)[0]
    card.refresh_from_db()
    assert (open_renewal(card).state, Payment.objects.get().confirmed_on) == ("awaiting", None)
    assert card.deadline == in_days(today, days)
    assert renewal.readings.filter(step="confirm").count() == 1
    assert said(confirm(browser, renewal, today, 330)) == ["Mamá is renewed."]


def test_balance_alone_confirms_by_the_rule(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    save_step(browser, renewal, "confirm", balance="120", currency="CUP", read_on=today.isoformat())
    card.refresh_from_db()
    assert (Renewal.objects.get().state, card.deadline) == ("renewed", in_days(today, 330))


def test_99_cup_say_why_the_deadline_will_not_change(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    page = pay(browser, renewal, today, amount="99")
    assert said(page) == [
        "This is less than the operator asks for, so the deadline does not change. "
        "Top up at least 100 CUP inside the country, or 250 CUP from abroad."
    ]


def test_review_can_be_asked_about_again_later(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    waited = open_renewal(card).follow_up_at - open_renewal(card).submitted_at
    assert waited == datetime.timedelta(hours=48)
    address = f"/renewals/{renewal.pk}/confirm/"
    for day, words in ((today, "Choose a day from tomorrow on."), ("", "This field is required.")):
        page = browser.post(address, {"do": "wait", "wait-follow_up_on": day})
        assert is_answered(page, "wait-follow_up_on", words)
    page = browser.post(address, {"do": "wait", "wait-follow_up_on": in_days(today, 3).isoformat()}, follow=True)
    assert said(page) == ["We ask again on that day."]
    assert open_renewal(card).follow_up_at.astimezone(family.owner.zone).date() == in_days(today, 3)


def documents_card(family, **operator):
    card, today = live_card(family, cubacel(operator__requires_document=True, operator__document_kinds=["passport"]))
    card.person = family.household.people.create(name="Rosa Chen")
    card.save()
    return card, today


@pytest.mark.parametrize(
    ("expires_in", "result", "is_refused"),
    [(None, "ready", False), (330, "ready", False), (329, "expires_too_soon", True), (-1, "expired", True)],
)
def test_documents_step_says_how_ready_a_paper_is(family, browser, expires_in, result, is_refused):
    card, today = documents_card(family)
    expires_on = None if expires_in is None else in_days(today, expires_in)
    paper = Document.objects.create(
        household=family.household, person=card.person, kind="passport", expires_on=expires_on
    )
    renewal = start(browser, card)
    shown = field_of(browser.get(f"/renewals/{renewal.pk}/documents/"), "passport")
    assert (say_short_day(expires_on) if expires_on else "∞") in shown
    page = save_step(browser, renewal, "documents", passport=paper.pk)
    if is_refused:
        assert "No paper is ready." in page.text
        assert f'value="{paper.pk}" selected' in field_of(page, "passport")
        paper.expires_on = None
        paper.save()
        save_step(browser, renewal, "documents", passport=paper.pk)
        result = "ready"
    check = renewal.document_checks.get()
    assert (check.document, check.result, check.checked_by) == (paper, result, family.owner)


def test_documents_step_without_a_paper_is_missing_or_not_required(family, browser):
    card, _today = documents_card(family)
    renewal = start(browser, card)
    before = every_row()
    assert "No paper is ready." in save_step(browser, renewal, "documents", passport="").text
    assert every_row() == before
    save_step(browser, renewal, "documents", passport="not_required")
    assert [check.result for check in renewal.document_checks.all()] == ["not_required"]
    assert 'value="not_required" selected' in field_of(browser.get(f"/renewals/{renewal.pk}/documents/"), "passport")


def test_one_ready_paper_of_two_kinds_is_enough(family, browser):
    kinds = ["identity_card", "passport"]
    card, _today = live_card(family, cubacel(operator__requires_document=True, operator__document_kinds=kinds))
    card.person = family.household.people.create(name="Rosa Chen")
    card.save()
    paper = Document.objects.create(household=family.household, person=card.person, kind="passport")
    renewal = start(browser, card)
    save_step(browser, renewal, "documents", identity_card="", passport=paper.pk)
    assert {(check.kind, check.result) for check in renewal.document_checks.all()} == {
        ("identity_card", "missing"),
        ("passport", "ready"),
    }


def test_operator_that_wants_no_papers_gets_a_check_that_says_so(family, browser):
    card, _today = live_card(family)
    renewal = start(browser, card)
    assert "This operator asks for no papers." in browser.get(f"/renewals/{renewal.pk}/documents/").text
    save_step(browser, renewal, "documents")
    assert renewal.document_checks.get().result == "not_required"


def test_balance_step_says_whether_it_is_enough_for_the_fee(family, browser):
    card, today = live_card(family, unicom())
    renewal = start(browser, card)
    for balance, words in (("5", "short by 3 CNY"), ("8", "the balance is enough")):
        save_step(browser, renewal, "balance", balance=balance, currency="CNY", read_on=today.isoformat())
        assert words in browser.get(f"/renewals/{renewal.pk}/balance/").text


def test_guides_in_ones_language_and_running_promotions_are_shown(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    about = {"operator": card.plan.operator, "step": "choose"}
    StepGuide.objects.create(language="en", text="Look at the number twice.", **about)
    StepGuide.objects.create(language="es", text="Mire dos veces.", **about)
    for title, first, last in (("Double", -1, 0), ("Ended", -9, -1), ("Not yet", 1, 9)):
        about = {"starts_on": in_days(today, first), "ends_on": in_days(today, last), "title": title}
        Promotion.objects.create(operator=card.plan.operator, **about)
    page = browser.get(f"/renewals/{renewal.pk}/choose/")
    shown = [
        words for words in ("Look at the number twice.", "Mire", "Double", "Ended", "Not yet") if words in page.text
    ]
    assert shown == ["Look at the number twice.", "Double"]

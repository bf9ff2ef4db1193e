"""How a renewal ends: renewed, rejected and tried again, stopped; in one form; and what its record shows."""

import re
import threading

import pytest
from dateutil.relativedelta import relativedelta
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection

from cards.models import Plan
from renewals.models import Activity, Payment, Reading, Renewal, SignalCheck
from renewals.views.card import card_today
from renewals.words import say_day
from tests.factories import giffgaff, starhub
from tests.family import Family, every_row, in_days, is_answered, open_renewal, said, save_step, sign_in
from tests.files import pdf
from tests.renewals.test_walk_views import confirm, live_card, pay, place, start, walk_to_pay

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def reject(client, renewal, step, reason="The photo is too dark"):
    data = {"do": "reject", "reject-reason": reason, "reject-failed_step": step}
    return client.post(f"/renewals/{renewal.pk}/confirm/", data, follow=True)


def test_rejection_keeps_reason_and_old_deadline(family, browser):
    card, today = live_card(family)
    before = card.deadline
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    page = reject(browser, renewal, "documents")
    renewal.refresh_from_db()
    card.refresh_from_db()
    assert (renewal.state, renewal.reason, renewal.finished_by) == ("rejected", "The photo is too dark", family.owner)
    assert (card.deadline, Payment.objects.get().confirmed_on, renewal.deadline_after) == (before, None, None)
    assert "The photo is too dark" in page.text
    assert "Try again from the step that failed" in page.text


@pytest.mark.parametrize(
    ("failed", "undone"),
    [
        ("documents", ["documents", "confirm"]),
        ("choose", ["choose", "pay", "confirm"]),
        ("pay", ["pay", "confirm"]),
    ],
)
def test_new_try_starts_from_the_failed_step_with_the_reason(family, browser, failed, undone):
    card, today = live_card(family)
    first = start(browser, card)
    walk_to_pay(browser, first, today)
    reject(browser, first, failed)
    page = sign_in(family.manager).post(f"/renewals/start/{card.pk}/", follow=True)
    second = open_renewal(card)
    assert (second.retry_of, place(page)) == (first, failed)
    assert "The last try was rejected here: The photo is too dark" in page.text
    assert [step.key for step in second.steps.filter(done_at=None)] == undone
    assert second.steps.get(key="balance").done_by == family.owner
    assert Payment.objects.get().renewal == (first if "pay" in undone else second)
    page = sign_in(family.manager).post(f"/renewals/start/{card.pk}/", follow=True)
    assert Renewal.objects.count() == 2


def test_new_try_can_be_confirmed_like_the_first(family, browser):
    card, today = live_card(family)
    first = start(browser, card)
    walk_to_pay(browser, first, today)
    reject(browser, first, "documents")
    second = start(browser, card)
    save_step(browser, second, "documents")
    assert said(confirm(browser, second, today, 330)) == ["Mamá is renewed."]
    card.refresh_from_db()
    assert (Payment.objects.get().confirmed_on, card.deadline) == (today, in_days(today, 330))


def test_rejected_act_is_done_again(family, browser):
    card, today = live_card(family, giffgaff())
    first = start(browser, card)
    save_step(browser, first, "act", kind="sms", done_on=today.isoformat())
    reject(browser, first, "act", "It was a free number")
    second = start(browser, card)
    assert [step.key for step in second.steps.filter(done_at=None)][-2:] == ["act", "confirm"]


def test_stopped_renewal_says_why_and_a_new_one_starts_from_the_beginning(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    page = browser.post(f"/renewals/{renewal.pk}/abandon/", {"reason": "We give the line up"}, follow=True)
    assert "We give the line up" in page.text
    renewal.refresh_from_db()
    assert (renewal.state, renewal.finished_by) == ("abandoned", family.owner)
    assert start(browser, card).steps.exclude(done_at=None).count() == 0


def test_one_card_has_one_open_renewal_whoever_starts(family, browser):
    card, _today = live_card(family)
    renewal = start(browser, card)
    for client in (browser, sign_in(family.manager)):
        assert start(client, card) == renewal
    assert Renewal.objects.count() == 1


def quick(client, card, record="payment", **typed):
    """Record in one form what somebody did without the walk-through."""
    what = {"kind": "top_up", "amount": "100", "currency": "CUP", "channel": "inside"}
    if record == "activity":
        what = {"kind": "sms"}
    return client.post(f"/cards/{card.pk}/log/?kind={record}", what | typed, follow=True)


def known(client, address):
    """Return the mark of the newest entry that a form carries."""
    return re.search(r'name="known" value="([\w-]+)"', client.get(address).text)[1]


def test_already_topped_up_and_seen_is_a_whole_renewal(family, browser):
    card, today = live_card(family)
    before, paid_on, seen = card.deadline, in_days(today, -3), in_days(today, 327)
    data = {"paid_on": paid_on.isoformat(), "reference": "A-17", "seen-valid_until": seen.isoformat()}
    page = quick(browser, card, **data)
    renewal, payment = Renewal.objects.get(), Payment.objects.get()
    assert page.redirect_chain == [(f"/renewals/{renewal.pk}/", 302)]
    assert said(page) == ["Mamá is renewed."]
    card.refresh_from_db()
    assert (renewal.state, renewal.deadline_before, renewal.deadline_after) == ("renewed", before, seen)
    assert (card.deadline, payment.paid_on, payment.confirmed_on) == (seen, paid_on, today)
    assert {step.key for step in renewal.steps.filter(is_skipped=False)} == {"pay", "confirm"}
    assert page.text.count("Recorded afterwards in one form") == 6


def test_already_topped_up_but_not_looked_yet_awaits_its_confirmation(family, browser):
    card, today = live_card(family)
    before = card.deadline
    page = quick(browser, card, paid_on=today.isoformat())
    assert place(page) == "confirm"
    assert said(page) == [
        "Paid is not renewed: the old deadline stays until you have seen the new one at the operator."
    ]
    card.refresh_from_db()
    assert (open_renewal(card).state, card.deadline, Payment.objects.get().confirmed_on) == ("awaiting", before, None)
    assert said(confirm(browser, open_renewal(card), today, 330)) == ["Mamá is renewed."]


@pytest.mark.parametrize("seen", [None, 10])
def test_99_cup_in_one_form_say_why_the_deadline_does_not_change(family, browser, seen):
    card, today = live_card(family)
    seen = in_days(today, seen).isoformat() if seen else ""
    page = quick(browser, card, amount="99", paid_on=today.isoformat(), **{"seen-valid_until": seen})
    assert said(page) == [
        "This is less than the operator asks for, so the deadline does not change. "
        "Top up at least 100 CUP inside the country, or 250 CUP from abroad."
    ]
    card.refresh_from_db()
    assert card.deadline == in_days(today, 10)


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({"amount": "100", "channel": "abroad"}, "This is less than the operator asks for"),
        ({"amount": "100", "currency": "USD"}, "The rule of this plan is in another currency"),
        ({"amount": "100", "kind": "fee"}, "By the rule of this plan this does not count"),
    ],
)
def test_other_payments_that_do_not_count_say_why(family, browser, typed, words):
    card, today = live_card(family)
    assert said(quick(browser, card, paid_on=today.isoformat(), **typed))[0].startswith(words)


@pytest.mark.parametrize("is_charged", [True, False])
def test_i_sent_an_sms(family, browser, is_charged):
    card, today = live_card(family, giffgaff())
    before = card.deadline
    done_on = in_days(today, -2)
    data = {"done_on": done_on.isoformat()} | ({"seen-is_charged": "on"} if is_charged else {})
    page = quick(browser, card, "activity", **data)
    activity = Activity.objects.get()
    card.refresh_from_db()
    if is_charged:
        assert said(page) == ["Mamá is renewed."]
        assert (card.deadline, activity.confirmed_on) == (done_on + relativedelta(months=6), today)
    else:
        assert place(page) == "confirm"
        assert (card.deadline, activity.confirmed_on, open_renewal(card).state) == (before, None, "awaiting")


def test_one_form_finishes_the_renewal_that_is_open(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    save_step(browser, renewal, "visit", note="done by hand")
    data = {"paid_on": today.isoformat(), "seen-valid_until": in_days(today, 330).isoformat()}
    quick(sign_in(family.manager), card, **data)
    renewal.refresh_from_db()
    assert (Renewal.objects.count(), renewal.state, renewal.finished_by) == (1, "renewed", family.manager)
    visit = renewal.steps.get(key="visit")
    assert (visit.note, visit.done_by, visit.is_skipped) == ("done by hand", family.owner, False)


def test_form_sent_twice_records_once(family, browser):
    card, today = live_card(family, starhub())
    address = f"/cards/{card.pk}/log/?kind=payment"
    data = {"kind": "fee", "amount": "12", "currency": "SGD", "paid_on": today.isoformat(), "reference": "A-17"}
    data |= {"seen-balance": "0", "seen-balance_currency": "SGD", "known": known(browser, address)}
    first, before = browser.post(address, data, follow=True), every_row()
    second = sign_in(family.owner).post(address, data)
    assert said(first) == ["Mamá is renewed."]
    assert said(second) == [
        "Olga Chen wrote something down meanwhile. Look at the history; save again only if yours is another entry."
    ]
    assert is_answered(second, "reference", "", "A-17")
    assert every_row() | {"cards.User": None} == before | {"cards.User": None}
    card.refresh_from_db()
    assert Payment.objects.count() == 1
    assert f'name="known" value="{known(browser, address)}"' in second.text


def test_start_page_sent_twice_records_once(family, browser):
    card = family.add_card(starhub())
    today, address = card_today(family.owner, card), f"/cards/{card.pk}/start/"
    data = {"acted_on": today.isoformat(), "amount": "12", "currency": "SGD", "known": known(browser, address)}
    browser.post(address, data)
    page = sign_in(family.manager).post(address, data)
    assert said(page)[0].startswith("Olga Chen wrote something down meanwhile.")
    assert is_answered(page, "amount", "", "12")
    card.refresh_from_db()
    assert (Payment.objects.count(), card.deadline) == (1, today + relativedelta(months=1))


@pytest.mark.django_db(transaction=True)
def test_of_two_members_recording_at_the_same_moment_one_is_told(family):
    card, today = live_card(family)
    clients, barrier, answers = [sign_in(family.owner), sign_in(family.manager)], threading.Barrier(2), []
    data = {"paid_on": today.isoformat(), "seen-valid_until": in_days(today, 330).isoformat()}
    data["known"] = known(clients[0], f"/cards/{card.pk}/log/?kind=payment")

    def record(client):
        barrier.wait()
        try:
            answers.append("wrote something down meanwhile" in quick(client, card, **data).text)
        finally:
            connection.close()

    threads = [threading.Thread(target=record, args=[client]) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, True]
    assert (Renewal.objects.get().state, Payment.objects.count()) == ("renewed", 1)


def test_record_shows_every_step_who_amounts_reference_receipt_and_both_deadlines(family, browser):
    card, today = live_card(family)
    before = card.deadline
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    receipt = SimpleUploadedFile("receipt.pdf", pdf())
    more = {"charged_amount": "4.25", "charged_currency": "EUR", "method": "e_wallet"}
    pay(sign_in(family.manager), renewal, today, reference="A-17", receipt=receipt)
    renewal.taken_by = family.manager
    renewal.save()
    pay(sign_in(family.manager), renewal, today, reference="A-17", receipt=SimpleUploadedFile("r.pdf", pdf()), **more)
    confirm(browser, renewal, today, 330)
    payment = renewal.payments.valid().get()
    page = sign_in(family.manager).get(f"/renewals/{renewal.pk}/")
    assert [step.key for step in page.context["steps"] if step.done_at and step.done_by] == [
        "balance", "validity", "documents", "visit", "sign_in", "choose", "pay", "confirm",
    ]  # fmt: skip
    for words in ("Check the balance", "Await review and confirm", "the app", "Olga Chen", "Mario Chen", "A-17",
                  "100 CUP", "4.25 EUR", "e-wallet", "20 CUP", f"/payments/{payment.pk}/receipt/",
                  say_day(before), say_day(in_days(today, 330)), "Cubacel · Permanent prepaid line"):  # fmt: skip
        assert words in page.text, words


def test_record_of_an_open_renewal_says_that_the_old_deadline_stays(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    walk_to_pay(browser, renewal, today)
    page = browser.get(f"/renewals/{renewal.pk}/")
    assert "not confirmed yet: the old deadline stays" in page.text
    assert "not confirmed" in page.text


def test_plan_edited_afterwards_does_not_change_the_record(family, browser):
    card, _today = live_card(family)
    renewal = start(browser, card)
    card.plan.operator.name = "Etecsa Nueva"
    card.plan.operator.save()
    Plan.objects.update(name="Another plan", fee=99, currency="CUP")
    card.plan.rules.update(value=5)
    page = browser.get(f"/renewals/{renewal.pk}/")
    assert "Cubacel · Permanent prepaid line" in page.text
    assert "Another plan" not in page.text
    renewal.refresh_from_db()
    assert (renewal.plan_terms["fee"], renewal.plan_terms["rules"][0]["value"]) == (None, 330)


def test_deadline_read_in_the_first_steps_is_the_one_before(family, browser):
    card, today = live_card(family)
    renewal = start(browser, card)
    data = {"valid_until": in_days(today, 4).isoformat(), "read_on": today.isoformat()}
    save_step(browser, renewal, "validity", **data)
    assert open_renewal(card).deadline_before == in_days(today, 4)


@pytest.mark.parametrize("rows", [1, 30])
def test_record_and_step_ask_the_database_equally_often(family, browser, rows, django_assert_num_queries):
    family.fill()
    renewal, about = family.renewal, {"household": family.household, "by": family.manager, "card": family.card}
    day = card_today(family.owner, family.card)
    for _each in range(rows):
        Payment.objects.create(renewal=renewal, amount=9, currency="CUP", paid_on=day, via=family.channel, **about)
        Activity.objects.create(renewal=renewal, kind="sms", done_on=day, **about)
        Reading.objects.create(renewal=renewal, read_on=day, balance=5, currency="CUP", **about)
        SignalCheck.objects.create(bars=3, checked_on=day, **about)
        renewal.document_checks.create(
            household=family.household, document=family.document, checked_by=family.manager, kind="passport"
        )
    with django_assert_num_queries(10):
        browser.get(f"/renewals/{renewal.pk}/")
    with django_assert_num_queries(24):
        browser.get(f"/renewals/{renewal.pk}/pay/")


def test_wrong_day_in_one_form_writes_nothing(family, browser):
    card, today = live_card(family)
    before = every_row()
    page = quick(browser, card, paid_on=in_days(today, 1).isoformat(), reference="A-17")
    assert is_answered(page, "paid_on", "This day is still to come.", in_days(today, 1).isoformat())
    assert is_answered(page, "reference", "", "A-17")
    assert every_row() == before

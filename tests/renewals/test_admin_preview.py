"""A saved rule moves deadlines: it is shown first, and what is shown is what comes."""

import datetime
import logging
from decimal import Decimal
from html import unescape

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.utils import timezone

from cards.models import Act, CatalogueChange, KeepRule, Plan, PlanChange, StepGuide
from renewals.deadlines import recompute_card
from renewals.models import Activity, Payment, RuleChange
from renewals.rule_changes import recount_pending
from tests.admin import add_row, agree, at, beside, fields_of, ladder, press, save, unplaced
from tests.factories import CardFactory, cubacel, giffgaff, unicom
from tests.family import Family, every_row, said, sign_in

pytestmark = pytest.mark.django_db

LADDER = [(Decimal(100), "inside", 330), (Decimal(250), "abroad", 330)]
SHORTER = {"steps-0-value": "300", "value": "300"}


def paid(family, plan, day, amount=100):
    card = family.add_card(plan)
    about = {"card": card, "household": family.household, "currency": "CUP"}
    Payment.objects.create(amount=amount, paid_on=day, confirmed_on=day, **about)
    recompute_card(card)
    return card


def shown(page):
    """Return the table of a preview: how many cards, deadline before and after, day of loss before and after."""
    groups = page.context["moves"]["groups"]
    return [(g.count, g.deadline_before, g.deadline_after, g.lost_before, g.lost_after) for g in groups]


def day(text):
    return datetime.date.fromisoformat(text)


# It is shown first


def test_preview_counts_the_cards_and_households_by_their_dates(staff, family, used):
    other = Family("Ruiz")
    paid(other, used.plan, day("2026-01-31"))
    paid(family, used.plan, day("2026-02-28"))
    paid(family, used.plan, day("2026-03-10"), amount=99)
    closed = paid(family, used.plan, day("2026-04-01"))
    type(closed).objects.filter(pk=closed.pk).update(closed_on=day("2026-05-01"))
    elsewhere = paid(family, cubacel(), day("2026-01-31"))

    page = save(staff, at(used.plan.rules.get()), **SHORTER)
    assert shown(page) == [
        (2, day("2026-12-27"), day("2026-11-27"), day("2027-01-27"), day("2026-12-28")),
        (1, day("2027-01-24"), day("2026-12-25"), day("2027-02-24"), day("2027-01-25")),
    ]
    text = unescape(page.text)
    assert "3 cards in 2 households get other dates." in text
    assert "3 cards get an earlier deadline." in text
    for words in ("Dec 27, 2026", "Nov 27, 2026", "lost on Jan 27, 2027", "lost on Dec 28, 2026"):
        assert words in text
    for private in (used.number, used.name, "Chen", "Ruiz", "REF-77-PRIVATE", elsewhere.number):
        assert private not in text.partition("<main")[2]


def test_preview_writes_nothing(staff, used):
    before = every_row()
    page = save(staff, at(used.plan.rules.get()), **SHORTER)
    assert "moves" in page.context
    assert every_row() == before
    assert not list(get_messages(page.wsgi_request))


@pytest.mark.parametrize("place", ["plan", "rule"])
def test_preview_when_agreed_to_saves_what_was_typed(staff, used, place):
    rule = used.plan.rules.get()
    typed = {"value": "300", "grace_value": "60", "qualifying_acts": ["top_up", "sms"], "grace_acts": None}
    address = at(rule) if place == "rule" else at(used.plan)
    prefix = "" if place == "rule" else "rules-0-"
    page = agree(staff, address, **{prefix + name: value for name, value in typed.items()})
    assert "1 card has new dates." in said(page)
    found = KeepRule.objects.values("value", "grace_value", "qualifying_acts", "grace_acts").get()
    assert found == {"value": 300, "grace_value": 60, "qualifying_acts": ["top_up", "sms"], "grace_acts": []}
    used.refresh_from_db()
    assert used.lost_on == used.deadline + datetime.timedelta(days=61)
    assert Plan.objects.get(pk=used.plan.pk).recount_since is None


def test_preview_back_shows_the_form_with_what_was_typed(staff, used):
    before = every_row()
    preview = save(staff, at(used.plan), **{"rules-0-grace_value": "77", "extras": "Line one\r\nLine two & <more>"})
    page = press(staff, preview, "_back")
    fields = fields_of(page).sent
    assert fields["rules-0-grace_value"] == "77"
    assert fields["extras"].replace("\r", "") == "Line one\nLine two & <more>"
    assert fields["rules-0-qualifying_acts"] == ["top_up", "plan_purchase"]
    assert beside(page, "grace_value") == unplaced(page) == []
    assert not page.context["errors"]
    assert every_row() == before
    sent = {name: value for name, value in fields.items() if "__prefix__" not in name}
    again = staff.post(at(used.plan), sent, follow=True)
    assert shown(again) == shown(preview)
    press(staff, again)
    assert KeepRule.objects.get().grace_value == 77


def test_preview_back_with_something_wrong_says_what(staff, used):
    preview = save(staff, at(used.plan), **{"rules-0-grace_value": "77"})
    page = press(staff, preview, "_back", **{"rules-0-value": "0"})
    assert "A rule keeps a number for at least one day." in beside(page, "value")


def test_preview_keeps_the_button_that_was_pressed(staff, used):
    preview = save(staff, at(used.plan), **{"rules-0-grace_value": "60", "_continue": "x"})
    page = press(staff, preview)
    assert page.redirect_chain[-1][0] == at(used.plan)


def test_preview_is_not_asked_when_no_card_moves(staff, used):
    other = giffgaff()
    page = save(staff, at(other), **{"rules-0-value": "7"})
    assert "moves" not in page.context
    assert "0 cards have new dates." in said(page)
    assert Plan.objects.get(pk=other.pk).recount_since is None


def test_preview_is_not_asked_for_what_moves_no_dates(staff, used):
    page = save(staff, at(used.plan), extras="Only a word", features=["voicemail"], port_out_days="30", refund_days="0")
    assert [message for message in said(page) if "new dates" in message] == []
    found = Plan.objects.values("extras", "features", "port_out_days", "refund_days", "recount_since").get()
    assert found == {
        "extras": "Only a word",
        "features": ["voicemail"],
        "port_out_days": 30,
        "refund_days": 0,
        "recount_since": None,
    }


def test_preview_shows_a_changed_fee(staff, family):
    card = family.add_card(unicom())
    day_read = day("2026-11-02")
    card.readings.create(household=family.household, read_on=day_read, balance=Decimal(24), currency="CNY")
    recompute_card(card)
    assert card.deadline == day("2027-03-01")
    page = save(staff, at(card.plan), fee="12")
    assert [group[1:3] for group in shown(page)] == [(day("2027-03-01"), day("2027-02-01"))]
    press(staff, page)
    card.refresh_from_db()
    assert card.deadline == day("2027-02-01")


def test_preview_says_what_becomes_known_or_unknown(staff, family):
    known = giffgaff()
    card = family.add_card(known)
    Activity.objects.create(
        card=card, household=family.household, kind="sms", done_on=day("2026-05-05"), confirmed_on=day("2026-05-05")
    )
    recompute_card(card)
    assert card.deadline == day("2026-11-05")
    page = save(staff, at(known), **{"rules-0-qualifying_acts": ["call"]})
    assert "The deadline of 1 card is not known any more." in page.text
    press(staff, page)
    card.refresh_from_db()
    assert card.deadline is None
    page = save(staff, at(known), **{"rules-0-qualifying_acts": ["sms"]})
    assert "The deadline of 1 card was not known and is now." in page.text
    page = press(staff, page)
    page = save(staff, at(known), **{"rules-0-value": "7"})
    assert "1 card gets a later deadline." in page.text
    page = save(staff, at(known), **{"rules-0-lead_days": "40"})
    assert "1 card keeps its deadline; the days before or after it move." in page.text


def test_preview_shows_twenty_groups_and_counts_the_rest(staff, family, used):
    for number in range(1, 24):
        paid(family, used.plan, day("2026-02-01") + datetime.timedelta(days=number))
    paid(family, used.plan, day("2026-02-02"))
    page = save(staff, at(used.plan.rules.get()), **SHORTER)
    assert [group[0] for group in shown(page)] == [2, *[1] * 19]
    assert "and 4 more cards" in page.text
    assert "25 cards in one household get other dates." in page.text


def test_preview_counts_the_cards_that_will_come_to_the_plan(staff, family, used):
    card = paid(family, cubacel(), day("2026-01-31"))
    PlanChange.objects.create(
        household=family.household, card=card, plan_before=card.plan, plan_after=used.plan, starts_on=day("2026-01-01")
    )
    recompute_card(card)
    assert shown(save(staff, at(used.plan.rules.get()), **SHORTER))[0][0] == 2


def test_preview_of_many_cards_asks_the_same_number_of_queries(staff, family, used, django_assert_num_queries):
    sent = fields_of(staff.get(at(used.plan))).sent | {"rules-0-grace_value": "60"}
    sent = {name: value for name, value in sent.items() if "__prefix__" not in name}
    for number in range(1, 31):
        if number > 1:
            paid(family, used.plan, day("2026-02-02"))
        if number in {1, 30}:
            with django_assert_num_queries(48):
                assert "moves" in staff.post(at(used.plan), sent).context


# It is computed once it is agreed to


def test_admin_rule_of_a_used_plan_moves_the_deadline(staff, used):
    others = CardFactory(plan=giffgaff(), deadline=datetime.date(2026, 5, 5))
    rule = used.plan.rules.get()
    page = agree(staff, at(rule), **SHORTER)
    used.refresh_from_db()
    others.refresh_from_db()
    assert used.deadline == datetime.date(2026, 11, 27)
    assert others.deadline == datetime.date(2026, 5, 5)
    assert "1 card has new dates." in said(page)
    assert page.redirect_chain[-1][0] == at(used.plan)
    change = RuleChange.objects.get()
    assert (change.card, change.plan) == (used, used.plan)
    assert (change.old_deadline, change.new_deadline) == (day("2026-12-27"), day("2026-11-27"))


def test_admin_rule_on_the_page_of_its_plan_moves_the_deadline(staff, used):
    page = agree(staff, at(used.plan), **{"rules-0-grace_value": "60"})
    used.refresh_from_db()
    assert used.grace_ends_on == used.deadline + datetime.timedelta(days=60)
    assert "1 card has new dates." in said(page)


def test_admin_new_step_moves_the_deadline(staff, used):
    rule = used.plan.rules.get()
    step = {"minimum_amount": "90", "currency": "cup", "channel": "inside", "value": "400"}
    agree(staff, at(rule), **{f"steps-2-{name}": value for name, value in step.items()})
    assert ladder(rule) == [(Decimal(90), "inside", 400), *LADDER]
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 1, 31) + datetime.timedelta(days=400)
    page = agree(staff, at(rule), **{"steps-0-DELETE": "on"})
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 12, 27)
    assert "1 card has new dates." in said(page)


def test_admin_new_rule_moves_the_deadline(staff, used):
    rule = {"kind": "activity", "value": "90", "unit": "days", "qualifying_acts": ["top_up", "sms"]}
    page = press(staff, add_row(staff, at(used.plan), "rules", **rule))
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 5, 1)
    assert "1 card has new dates." in said(page)
    second = used.plan.rules.last()
    agree(staff, at(used.plan), **{"rules-1-DELETE": "on"})
    used.refresh_from_db()
    assert not KeepRule.objects.filter(pk=second.pk).exists()
    assert used.deadline == datetime.date(2026, 12, 27)


def test_admin_logs_a_save_that_was_agreed_to_once(staff, used):
    agree(staff, at(used.plan), **{"rules-0-grace_value": "60"})
    assert [entry.object_id for entry in LogEntry.objects.all()] == [str(used.plan.pk)]
    assert CatalogueChange.objects.count() == 1


def test_admin_says_so_when_the_dates_cannot_be_computed_at_once(staff, used, monkeypatch, caplog):
    def fail(now):
        raise RuntimeError("out of order")

    monkeypatch.setattr("renewals.admin.previews.recount_pending", fail)
    with caplog.at_level(logging.ERROR):
        page = agree(staff, at(used.plan), **{"rules-0-grace_value": "60"})
    assert "It is saved. The dates will be computed in the background." in said(page)
    assert "out of order" in caplog.text
    assert KeepRule.objects.get().grace_value == 60
    assert Plan.objects.get().recount_since


def test_admin_leaves_many_cards_to_the_background(staff, used, monkeypatch):
    monkeypatch.setattr("renewals.admin.previews.MOST_AT_ONCE", 0)
    page = agree(staff, at(used.plan), **{"rules-0-grace_value": "60"})
    assert "It is saved. The dates will be computed in the background." in said(page)
    assert Plan.objects.get().recount_since
    assert recount_pending(timezone.now()) == 1


def test_admin_keeps_nothing_of_a_save_that_fails(staff, used, monkeypatch):
    def fail(plans):
        raise RuntimeError

    monkeypatch.setattr("renewals.admin.saving.preview_of", fail)
    rule = used.plan.rules.get()
    with pytest.raises(RuntimeError):
        save(staff, at(rule), **{"steps-0-value": "300"})
    assert ladder(rule) == LADDER
    assert Plan.objects.get(pk=used.plan.pk).edited_at is None
    assert not CatalogueChange.objects.exists()


def test_admin_guide_moves_nothing(staff, used):
    guide = StepGuide.objects.create(plan=used.plan, step="pay", language="en", text="Dial")
    page = save(staff, at(guide), text="Dial twice")
    assert "moves" not in page.context
    assert StepGuide.objects.get().text == "Dial twice"


def test_admin_takes_no_preview_from_who_is_not_staff(family, used):
    page = sign_in(family.manager).post(at(used.plan), {"_confirmed": "x"}, follow=True)
    assert page.status_code == 404
    assert Act.TOP_UP in KeepRule.objects.get().qualifying_acts

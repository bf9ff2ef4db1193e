"""What a release says other than what was edited here waits until someone decides."""

import datetime

import pytest
from django.test import RequestFactory

from cards.catalogue import write_operator, write_plan
from cards.catalogue.guides import write_guide
from cards.models import CatalogueChange, KeepRule, Operator, Plan, StepGuide
from renewals.admin.index import index
from tests.admin import at, listed, press
from tests.factories import MemberFactory, OperatorFactory, cubacel, giffgaff
from tests.family import every_row, said, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/admin/cards/plan/decisions/"
NOW = datetime.datetime(2026, 11, 24, tzinfo=datetime.UTC)


def decide_address(row):
    return f"{PAGE}{row._meta.model_name}/{row.pk}/"


def offer(row, **changes):
    """Let a release offer what the row says, but for some changes, after an edit."""
    ours = {Plan: write_plan, Operator: write_operator, StepGuide: write_guide}[type(row)](row)
    row.offered = ours | changes
    if not isinstance(row, StepGuide):
        row.edited_at = NOW
    row.save()
    return row


def offer_rule(plan, **changes):
    rules = write_plan(plan)["rules"]
    return offer(plan, rules=[{**rules[0], **changes}, *rules[1:]])


def waiting(page):
    """Return what the page lists: which row, and of each difference ours and the release's."""
    return {
        each.row: {difference.path: (difference.before, difference.after) for difference in each.differences}
        for each in page.context["waiting"]
    }


@pytest.fixture
def guide(used):
    return StepGuide.objects.create(plan=used.plan, step="pay", language="en", text="Dial", sources=["https://a.cu"])


def test_decisions_list_both_values_of_all_kinds(staff, used, guide, own):
    offer(used.plan, extras="Theirs", name="Other name")
    offer(used.plan.operator, support="Dial 52642266")
    offer(guide, text="Dial *222#")
    offer(own, extras="Secret")
    Plan.objects.filter(pk=giffgaff().pk).update(edited_at=NOW)
    page = staff.get(PAGE)
    assert waiting(page) == {
        used.plan: {"name": ("Permanent prepaid line", "Other name"), "extras": (None, "Theirs")},
        used.plan.operator: {"support": (None, "Dial 52642266")},
        guide: {"text": ("Dial", "Dial *222#")},
    }
    for words in ("Ours", "The release's", "Keep ours", "Take the release's", at(guide)):
        assert words in page.text
    assert "Secret" not in page.text


def test_decisions_are_said_to_be_none(staff, used):
    assert "Nothing waits for a decision." in staff.get(PAGE).text


def test_lists_can_be_filtered_by_what_waits(staff, used, guide):
    other = giffgaff()
    for row in (used.plan, used.plan.operator, guide):
        offer(row)
        model = row._meta.model_name
        assert listed(staff, model, waiting="yes") == {row}
        assert row in listed(staff, model, waiting="perhaps")
    assert other in listed(staff, "plan")


def test_list_of_plans_and_first_page_say_how_many_wait(staff, used, guide, family):
    assert "To decide (0)" in staff.get("/admin/cards/plan/").text
    for row in (used.plan, used.plan.operator, guide):
        offer(row)
    assert "To decide (3)" in staff.get("/admin/cards/plan/").text
    assert PAGE in staff.get("/admin/").text
    request = RequestFactory().get("/admin/")
    request.user = family.owner.user
    page = index(request).render().content.decode()
    assert "3 entries where a release says something else" in page
    assert "1 plan not checked for 180 days" in page


def test_decision_to_keep_ours_settles_it(staff, family, used):
    offer(used.plan, extras="Theirs")
    before = write_plan(used.plan)
    page = staff.post(decide_address(used.plan), {"take": "ours"}, follow=True)
    assert said(page) == ["Decided."]
    assert page.redirect_chain[-1][0] == PAGE
    plan = Plan.objects.get()
    assert (write_plan(plan), plan.offered, plan.shipped["extras"]) == (before, None, "Theirs")
    assert plan.edited_at
    change = CatalogueChange.objects.get()
    assert (change.how, change.changed_by, change.plan) == ("decision", family.owner.user, plan)


def test_decision_to_take_the_releases_moves_no_card_unseen(staff, used):
    offer_rule(used.plan, grace_value=60)
    before = every_row()
    page = staff.post(decide_address(used.plan), {"take": "release"})
    assert page.context["moves"]["cards"] == 1
    assert "Nothing is saved yet." in page.text
    assert f'href="{PAGE}"' in page.text
    assert every_row() == before
    page = press(staff, page)
    assert said(page) == ["Decided.", "1 card has new dates."]
    used.refresh_from_db()
    assert used.grace_ends_on == used.deadline + datetime.timedelta(days=60)
    plan = Plan.objects.get()
    assert (plan.offered, plan.recount_since, plan.edited_at) == (None, None, None)


def test_decision_that_moves_no_card_is_done_at_once(staff, used):
    offer(used.plan, extras="Theirs")
    page = staff.post(decide_address(used.plan), {"take": "release"}, follow=True)
    assert said(page) == ["Decided."]
    assert Plan.objects.get().extras == "Theirs"


def test_decision_on_a_guide_and_an_operator(staff, used, guide):
    offer(guide, text="Dial *222#")
    offer(used.plan.operator, support="Dial 52642266")
    staff.post(decide_address(guide), {"take": "release"})
    staff.post(decide_address(used.plan.operator), {"take": "release"})
    guide.refresh_from_db()
    assert (guide.text, guide.offered, guide.shipped["text"]) == ("Dial *222#", None, "Dial *222#")
    assert Operator.objects.get().support == "Dial 52642266"
    assert waiting(staff.get(PAGE)) == {}


def test_decision_made_twice_is_said_so(staff, used):
    offer(used.plan, extras="Theirs")
    staff.post(decide_address(used.plan), {"take": "ours"}, follow=True)
    page = staff.post(decide_address(used.plan), {"take": "release"}, follow=True)
    assert said(page)[-1] == "This was decided meanwhile."
    assert Plan.objects.get().extras == ""


def test_decision_that_cannot_be_had_says_why(staff, used):
    offer(used.plan, operator="gone")
    before = every_row()
    page = staff.post(decide_address(used.plan), {"take": "release"}, follow=True)
    assert said(page) == ["There is no operator “gone” any more."]
    assert every_row() == before


@pytest.mark.parametrize("take", [None, "", "both", "\0"])
def test_decision_wants_one_of_the_two(staff, used, take):
    offer(used.plan, extras="Theirs")
    assert staff.post(decide_address(used.plan), {"take": take} if take is not None else {}).status_code == 404
    assert Plan.objects.get().offered


def test_decision_is_on_a_row_that_is_there(staff, own, used):
    offer(own, extras="Secret")
    for address in (decide_address(own), f"{PAGE}card/{used.pk}/", f"{PAGE}plan/{10**30}/"):
        assert staff.post(address, {"take": "release"}).status_code == 404
    own.refresh_from_db()
    assert own.offered
    assert staff.get(decide_address(used.plan)).status_code == 405
    assert staff.post(PAGE).status_code == 405


def test_decisions_keep_others_out(family, staff, used):
    offer(used.plan, extras="Theirs")
    reader = MemberFactory(user__is_staff=True)
    for member in (family.manager, family.viewer, reader):
        client = sign_in(member)
        assert client.get(PAGE, follow=True).status_code in {403, 404}
        assert client.post(decide_address(used.plan), {"take": "release"}, follow=True).status_code in {403, 404}
    assert Plan.objects.get().offered


def test_decisions_are_read_in_pages_with_the_same_queries(staff, django_assert_num_queries):
    operator = OperatorFactory()
    for number in range(1, 31):
        plan = cubacel(operator=operator)
        KeepRule.objects.create(plan=plan, kind="activity", value=90, qualifying_acts=["sms"])
        if number < 10:
            offer(plan, extras="Theirs")
        offer(StepGuide.objects.create(plan=plan, step="pay", language="en", text="Dial"), text="Other")
        if number in {1, 30}:
            with django_assert_num_queries(10):
                page = staff.get(PAGE)
            assert len(waiting(page)) == {1: 2, 30: 20}[number]
    for number in ("2", "3", "4", "x", "9" * 5000, "\0"):
        assert staff.get(PAGE, {"p": number}).status_code == 200

"""Facts that nobody has checked for long: a list to work through, worst first."""

import datetime

import pytest
from django.utils import timezone

from cards.models import CatalogueChange, Plan
from tests.admin import at
from tests.factories import MemberFactory, OperatorFactory, cubacel
from tests.family import said, sign_in

pytestmark = pytest.mark.django_db

PAGE = "/admin/cards/plan/facts/"


@pytest.fixture
def today(family):
    return timezone.localdate(timezone=family.owner.zone)


def checked(today, days, cards=0, family=None, **fields):
    """Return a plan that was checked so many days ago and has so many open cards."""
    checked_on = None if days is None else today - datetime.timedelta(days=days)
    plan = cubacel(checked_on=checked_on, **fields)
    for _number in range(cards):
        family.add_card(plan)
    return plan


def facts(page):
    return [(fact.plan, fact.cards, fact.age) for fact in page.context["facts"]]


def test_worklist_has_the_old_facts_by_the_cards_that_depend_on_them(staff, family, today):
    plans = [
        checked(today, days, cards, family) for days, cards in ((181, 1), (400, 2), (None, 1), (900, 0), (None, 0))
    ]
    for fresh in (0, 179, 180):
        checked(today, fresh, 3, family)
    family.add_card(plans[3], closed_on=today)
    old, older, never, unused, unused_never = plans
    assert facts(staff.get(PAGE)) == [
        (older, 2, "checked 400 days ago"),
        (never, 1, "never checked"),
        (old, 1, "checked 181 days ago"),
        (unused_never, 0, "never checked"),
        (unused, 0, "checked 900 days ago"),
    ]


def test_worklist_leaves_out_what_is_retired_and_unused_and_what_households_own(staff, family, today, own):
    checked(today, None, retired_on=today)
    in_use = checked(today, None, 1, family, retired_on=today)
    family.add_card(own)
    assert [plan for plan, _cards, _age in facts(staff.get(PAGE))] == [in_use]


def test_worklist_says_when_there_is_nothing_to_check(staff, today):
    checked(today, 3)
    assert "All facts were checked within 180 days." in staff.get(PAGE).text


@pytest.mark.parametrize(
    ("source", "link"),
    [
        ("https://www.etecsa.cu/a?b=1&c=2", "https://www.etecsa.cu/a?b=1&amp;c=2"),
        ("http://www.etecsa.cu/", "http://www.etecsa.cu/"),
        ("javascript:alert(1)", None),
        ("A letter of <ETECSA>", None),
    ],
)
def test_worklist_links_to_sources_on_the_web_only(staff, today, source, link):
    checked(today, None, source_url=source)
    text = staff.get(PAGE).text
    if link:
        assert f'<a href="{link}" rel="noreferrer">' in text
    else:
        assert "noreferrer" not in text
        assert source.replace("<", "&lt;").replace(">", "&gt;") in text


def test_worklist_is_reached_from_the_list_and_the_first_page_and_leads_to_the_plan(staff, today):
    plan = checked(today, None)
    for address in ("/admin/", "/admin/cards/plan/"):
        assert f'href="{PAGE}"' in staff.get(address).text
    assert f'href="{at(plan)}"' in staff.get(PAGE).text


def test_check_off_notes_the_day_and_is_no_edit(staff, family, today):
    plan = checked(today, 400, 1, family)
    page = staff.post(f"{PAGE}{plan.pk}/", follow=True)
    assert said(page) == [f"Checked today: {plan}"]
    assert facts(page) == []
    plan = Plan.objects.get()
    assert (plan.checked_on, plan.edited_at, plan.recount_since) == (today, None, None)
    change = CatalogueChange.objects.get()
    assert (change.how, change.changed_by, change.after["checked"]) == ("edit", family.owner.user, today.isoformat())
    staff.post(f"{PAGE}{plan.pk}/")
    assert CatalogueChange.objects.count() == 1


def test_check_off_wants_a_shared_plan(staff, own):
    for number in (own.pk, 0, 10**30):
        assert staff.post(f"{PAGE}{number}/").status_code == 404
    assert staff.get(f"{PAGE}{own.pk}/").status_code == 405
    assert staff.post(PAGE).status_code == 405
    own.refresh_from_db()
    assert own.checked_on is None


def test_worklist_keeps_others_out(family, staff, today):
    plan = checked(today, None)
    for member in (family.manager, family.viewer, MemberFactory(user__is_staff=True)):
        client = sign_in(member)
        assert client.get(PAGE, follow=True).status_code in {403, 404}
        assert client.post(f"{PAGE}{plan.pk}/", follow=True).status_code in {403, 404}
    assert Plan.objects.get().checked_on is None


def test_worklist_is_read_in_pages_with_the_same_queries(staff, family, today, django_assert_num_queries):
    operator = OperatorFactory()
    for number in range(1, 61):
        checked(today, None, 1, family, operator=operator)
        if number in {1, 50}:
            with django_assert_num_queries(5):
                page = staff.get(PAGE)
            assert len(facts(page)) == number
    assert len(facts(staff.get(PAGE, {"p": "2"}))) == 10
    for junk in ("0", "x", "9" * 5000, "\0"):
        assert staff.get(PAGE, {"p": junk}).status_code == 200

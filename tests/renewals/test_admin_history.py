"""Every save is kept with who and when, and can be taken back."""

import datetime
from html import unescape

import pytest

from cards.catalogue import load_catalogue, note_change, snapshot
from cards.models import CatalogueChange, Operator, Plan, User
from renewals.models import RuleChange
from tests.admin import add_row, agree, at, save
from tests.factories import MemberFactory, OperatorFactory, cubacel, giffgaff
from tests.family import every_row, said, sign_in

pytestmark = pytest.mark.django_db


def told(page):
    """Return what the history says: how, by whom, and what each change made of what."""
    return [
        (
            entry.change.how,
            entry.change.changed_by.email if entry.change.changed_by else "",
            {each.path: (each.before, each.after) for each in entry.differences},
        )
        for entry in page.context["entries"]
    ]


def revert_address(row, change):
    return f"/admin/cards/{row._meta.model_name}/{row.pk}/history/{change.pk}/revert/"


def take_back(client, row):
    """Take the last change of a row back, through the page that asks."""
    change = row.changes.first()
    page = client.get(revert_address(row, change))
    assert page.status_code == 200
    return client.post(revert_address(row, change), follow=True)


def test_history_tells_each_save_with_who_and_what(staff, family, used):
    save(staff, at(used.plan), extras="Ours", receives_abroad="true")
    agree(staff, at(used.plan.rules.get()), **{"grace_value": "60", "steps-0-value": "300"})
    by = family.owner.user.email
    page = staff.get(at(used.plan, "history"))
    assert told(page) == [
        (
            "edit",
            by,
            {
                "rules 1 · grace_value": ("30", "60"),
                "rules 1 · steps": (
                    "100 CUP inside 330 days; 250 CUP abroad 330 days",
                    "100 CUP inside 300 days; 250 CUP abroad 330 days",
                ),
            },
        ),
        ("edit", by, {"extras": (None, "Ours"), "receives_abroad": (None, "yes")}),
    ]
    text = unescape(page.text)
    assert by in text
    assert "not known" in text


def test_history_of_a_rule_is_that_of_its_plan(staff, used):
    page = staff.get(at(used.plan.rules.get(), "history"), follow=True)
    assert page.redirect_chain[-1][0] == at(used.plan, "history")
    assert "Nothing was changed here yet." in page.text


def test_history_tells_of_an_operator_and_its_channels(staff, family):
    operator = OperatorFactory()
    save(staff, at(operator), support="Ours")
    add_row(staff, at(operator), "channels", kind="outlet", name="Corner shop", url="")
    page = staff.get(at(operator, "history"))
    assert [list(differences) for _how, _who, differences in told(page)] == [["channels · Corner shop"], ["support"]]
    assert Operator.objects.get().edited_at


def test_history_begins_with_who_made_the_row(staff, family):
    save(staff, "/admin/cards/operator/add/", name="New One", slug="new-one", country="gb")
    operator = Operator.objects.get()
    page = staff.get(at(operator, "history"))
    ((how, by, differences),) = told(page)
    assert (how, by) == ("edit", family.owner.user.email)
    assert differences["country"] == (None, "GB")
    assert "Revert to before this" not in page.text
    change = operator.changes.get()
    assert change.before is None
    assert staff.get(revert_address(operator, change)).status_code == 404
    assert staff.post(revert_address(operator, change)).status_code == 404


def test_history_is_not_written_when_nothing_was_typed(staff, used):
    save(staff, at(used.plan))
    save(staff, at(used.plan.operator))
    save(staff, at(used.plan.rules.get()))
    assert not CatalogueChange.objects.exists()


def test_history_tells_of_retiring_and_taking_back(staff, used):
    chosen = {"_selected_action": [used.plan.pk]}
    staff.post("/admin/cards/plan/", chosen | {"action": "retire"})
    staff.post("/admin/cards/plan/", chosen | {"action": "take_back"})
    staff.post("/admin/cards/operator/", {"_selected_action": [used.plan.operator.pk], "action": "retire"})
    changes = used.plan.changes.order_by("pk")
    assert [(bool(each.before["retired_on"]), bool(each.after["retired_on"])) for each in changes] == [
        (False, True),
        (True, False),
    ]
    assert used.plan.operator.changes.get().after["retired_on"]
    assert Plan.objects.get().edited_at is None


def test_history_of_a_release_names_nobody(staff):
    load_catalogue()
    plan = Plan.objects.get(slug="hk-clubsim")
    change = {"how": "release", "before": snapshot(plan) | {"extras": "Old"}, "after": snapshot(plan)}
    CatalogueChange.objects.create(plan=plan, **change)
    page = staff.get(at(plan, "history"))
    assert [(how, by) for how, by, _differences in told(page)] == [("release", "")]
    assert "by a release of the catalogue" in page.text


def test_history_is_read_in_pages_with_the_same_queries(staff, used, django_assert_num_queries):
    plan, users = used.plan, [MemberFactory().user for _ in range(30)]
    for number, user in enumerate(users, start=1):
        before = snapshot(plan)
        Plan.objects.filter(pk=plan.pk).update(extras=f"Text {number}")
        note_change(plan, "edit", user, before)
        if number in {1, 20}:
            with django_assert_num_queries(7):
                page = staff.get(at(plan, "history"))
            assert len(told(page)) == number
    page = staff.get(at(plan, "history"), {"p": "2"})
    assert len(told(page)) == 10
    for junk in ("0", "x", "9" * 5000, "%00", "%ED%A0%80", "3"):
        assert staff.get(f"{at(plan, 'history')}?p={junk}").status_code == 200


def test_history_of_another_households_row_is_not_there(staff, own):
    note_change(own, "edit", None, snapshot(own) | {"extras": "Secret"})
    assert staff.get(revert_address(own, own.changes.get())).status_code == 404
    assert staff.post(revert_address(own, own.changes.get())).status_code == 404
    assert staff.get(at(own, "history")).status_code == 302


def test_revert_shows_what_it_would_do_and_writes_nothing(staff, used):
    agree(staff, at(used.plan), **{"rules-0-grace_value": "60", "extras": "Ours"})
    before = every_row()
    page = staff.get(revert_address(used.plan, used.plan.changes.get()))
    assert every_row() == before
    assert {each.path: (each.before, each.after) for each in page.context["differences"]} == {
        "extras": ("Ours", None),
        "rules 1 · grace_value": ("60", "30"),
    }
    assert page.context["moves"]["cards"] == 1
    assert "1 card in one household gets other dates." in page.text


def test_revert_puts_everything_back_and_moves_the_cards(staff, family, used):
    rule = used.plan.rules.get()
    before = snapshot(used.plan)
    agree(staff, at(rule), **{"steps-0-value": "300", "value": "300", "grace_value": ""})
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 11, 27)
    page = take_back(staff, used.plan)
    assert said(page)[-2:] == ["It is as it was before the change.", "1 card has new dates."]
    assert page.redirect_chain[-1][0] == at(used.plan, "history")
    used.refresh_from_db()
    assert used.deadline == datetime.date(2026, 12, 27)
    assert snapshot(used.plan) == before
    assert used.plan.rules.get() == rule
    assert told(staff.get(at(used.plan, "history")))[0][:2] == ("revert", family.owner.user.email)
    # The household is back where it was this morning: nothing to tell.
    assert not RuleChange.objects.exists()


def test_revert_takes_later_changes_back_too(staff, used):
    save(staff, at(used.plan), extras="One")
    first = used.plan.changes.get()
    save(staff, at(used.plan), extras="Two", sms_count="5")
    staff.post(revert_address(used.plan, first))
    assert Plan.objects.values_list("extras", "sms_count").get() == ("", None)
    assert [change.how for change in used.plan.changes.all()] == ["revert", "edit", "edit"]


def test_revert_of_an_operator(staff):
    operator = OperatorFactory(support="Dial 2266")
    save(staff, at(operator), support="Ours")
    take_back(staff, operator)
    assert Operator.objects.get().support == "Dial 2266"


def test_revert_says_why_it_cannot_be(staff):
    parent, brand = OperatorFactory(slug="parent"), OperatorFactory(slug="brand")
    save(staff, at(brand), belongs_to=parent.pk)
    save(staff, at(brand), belongs_to="")
    last = brand.changes.first()
    parent.delete()
    before = every_row()
    page = staff.get(revert_address(brand, last))
    assert "There is no operator “parent” any more." in page.text
    assert 'type="submit"' not in page.text.partition("<main")[2].partition("content-main")[2]
    page = staff.post(revert_address(brand, last))
    assert "There is no operator “parent” any more." in page.text
    assert every_row() == before


def test_revert_wants_a_change_of_this_row(staff, used):
    other = giffgaff()
    save(staff, at(used.plan), extras="Ours")
    change = used.plan.changes.get()
    assert staff.get(revert_address(other, change)).status_code == 404
    assert staff.get(revert_address(used.plan.operator, change)).status_code == 404
    assert staff.post(f"/admin/cards/plan/{used.plan.pk}/history/{10**30}/revert/").status_code == 404
    assert staff.put(revert_address(used.plan, change)).status_code == 405


def test_history_keeps_others_out(family, staff, used):
    save(staff, at(used.plan), extras="Ours")
    address = revert_address(used.plan, used.plan.changes.get())
    for member in (family.manager, family.viewer):
        assert sign_in(member).post(address, follow=True).status_code == 404
    reader = MemberFactory(user__is_staff=True)
    for answer in (sign_in(reader).get(address), sign_in(reader).post(address)):
        assert answer.status_code in {403, 404}
    assert Plan.objects.get().extras == "Ours"


def test_history_survives_the_user_who_wrote_it(staff, used):
    user = MemberFactory().user
    note_change(used.plan, "edit", user, snapshot(used.plan) | {"extras": "Old"})
    User.objects.get(pk=user.pk).delete()
    assert [(how, by) for how, by, _differences in told(staff.get(at(used.plan, "history")))] == [("edit", "")]


def test_history_goes_with_a_plan_that_nobody_uses(staff):
    plan = cubacel()
    save(staff, at(plan), extras="Ours")
    staff.post(at(plan, "delete"), {"post": "yes"})
    assert not Plan.objects.exists()
    assert not CatalogueChange.objects.exists()

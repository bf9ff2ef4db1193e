"""Who may do what: the whole table once more, and for each right a page that asks for it."""

import pytest

from cards.models import Member
from cards.rights import RIGHTS, Right
from tests.family import Family, every_row, sign_in

pytestmark = pytest.mark.django_db

TABLE = {
    "look": {"owner", "manager", "viewer"},
    "change": {"owner", "manager"},
    "reveal": {"owner", "manager"},
    "arrange": {"owner", "manager"},
    "members": {"owner"},
    "log": {"owner"},
    "erase": {"owner"},
}
# A page, or a form sent empty, that needs the right and nothing else; what it answers to who may is no refusal.
NEEDS = {
    "look": [("get", "/"), ("get", "/cards/{card}/"), ("get", "/payments/csv/"), ("get", "/renewals/{renewal}/")],
    "change": [
        ("get", "/cards/new/"),
        ("get", "/cards/{card}/edit/"),
        ("post", "/cards/{card}/log/"),
        ("post", "/renewals/{renewal}/take/"),
        ("get", "/documents/new/"),
        ("post", "/household/people/"),
    ],
    "reveal": [("get", "/payments/{payment}/receipt/"), ("post", "/cards/{card}/secrets/puk/")],
    "arrange": [("get", "/household/edit/"), ("post", "/household/edit/")],
    "members": [
        ("post", "/household/invitations/"),
        ("post", "/household/invitations/{invitation}/again/"),
        ("get", "/household/members/{viewer}/remove/"),
        ("post", "/household/members/{viewer}/role/"),
        ("get", "/household/members/{viewer}/hand-over/"),
    ],
    "log": [("get", "/household/log/")],
    "erase": [("get", "/household/erase/")],
}


@pytest.fixture
def family():
    return Family().fill()


def address(family, path):
    things = {"card": family.card, "renewal": family.renewal, "payment": family.payment}
    things |= {"invitation": family.invitation, "viewer": family.viewer}
    return path.format(**{name: thing.pk for name, thing in things.items()})


def test_table_of_rights_is_this_one():
    assert {right.value: set(roles) for right, roles in RIGHTS.items()} == TABLE
    assert {right.value for right in Right} == set(TABLE) == set(NEEDS)
    assert set().union(*TABLE.values()) == set(Member.Role.values)


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
def test_member_has_the_rights_of_their_role(role):
    assert Member(role=role).rights == {right for right, roles in TABLE.items() if role in roles}


def test_role_that_the_table_does_not_know_may_nothing():
    assert Member(role="boss").rights == set()


@pytest.mark.parametrize("role", ["owner", "manager", "viewer"])
@pytest.mark.parametrize("right", TABLE)
def test_page_that_needs_a_right_is_refused_to_every_other_role(family, right, role):
    for method, path in NEEDS[right]:
        client = sign_in(getattr(family, role))
        answer = getattr(client, method)(address(family, path))
        assert (path, answer.status_code == 403) == (path, role not in TABLE[right])
        # The card has no PUK and the payment no receipt to be revealed.
        assert answer.status_code != 404 or right == "reveal"


@pytest.mark.parametrize("right", ["change", "reveal", "arrange", "members"])
def test_refused_act_changes_nothing_but_the_log(family, right):
    client, before = sign_in(family.viewer), every_row()
    for _method, path in NEEDS[right]:
        client.post(address(family, path), {"role": "manager", "name": "X"})
    after = every_row()
    assert {table for table in before if before[table] != after[table]} <= {"cards.LogEntry"}

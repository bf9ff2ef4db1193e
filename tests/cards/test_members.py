"""Roles, handing over, removing and leaving, and what then becomes of a member's cards, mails and feeds."""

import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, connection, transaction
from django.test import Client
from django.utils import timezone

from cards.membership import NotPossible, change_role, hand_over, invite, leave, remove_member
from cards.models import Card, LogEntry, Member, Person
from renewals.feeds import make_feed
from renewals.models import CalendarFeed, Channel, Delivery, Renewal, Snooze
from renewals.reminders.delivery import claim_next, deliver
from renewals.reminders.links import Action, act_url, stop_url
from renewals.reminders.mail import render
from renewals.reminders.planning import members_due, queue_test
from renewals.reminders.postman import Postman
from renewals.walkthrough import take_renewal
from tests.factories import MemberFactory
from tests.family import Family, every_row, said, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    return Family()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def page_of(member, act):
    return f"/household/members/{member.pk}/{act}/"


def roles(family):
    rows = Member.objects.filter(household=family.household, left_at=None).order_by("pk")
    return [(member.name.split()[0], member.role) for member in rows]


def log():
    return [(line.kind, line.name, line.changed) for line in LogEntry.objects.order_by("pk")]


def path_of(url):
    return url.removeprefix("http://127.0.0.1:8000")


def test_owner_changes_a_role(family, browser):
    page = browser.post(page_of(family.viewer, "role"), {"role": "manager"}, follow=True)
    assert said(page) == ["Saved."]
    assert roles(family) == [("Olga", "owner"), ("Mario", "manager"), ("Vera", "manager")]
    assert log() == [("role", "Vera Chen", {"role": ["viewer", "manager"]})]
    before = every_row()
    browser.post(page_of(family.viewer, "role"), {"role": "manager"})
    assert every_row() == before


def test_changed_role_holds_on_the_next_request(family, browser):
    client = sign_in(family.manager)
    assert client.get("/cards/new/").status_code == 200
    browser.post(page_of(family.manager, "role"), {"role": "viewer"})
    assert client.get("/cards/new/").status_code == 403


@pytest.mark.parametrize("role", ["owner", "boss", "", "OWNER"])
def test_no_other_role_is_given(family, browser, role):
    before = every_row()
    page = browser.post(page_of(family.viewer, "role"), {"role": role}, follow=True)
    assert said(page) == ["Choose a role: manager or viewer."]
    assert every_row() == before


def test_role_of_the_owner_does_not_change(family, browser):
    before = every_row()
    page = browser.post(page_of(family.owner, "role"), {"role": "viewer"}, follow=True)
    assert said(page) == ["A household has one owner. Hand it over to another member instead."]
    assert every_row() == before


def test_household_has_one_owner_also_for_the_database(family):
    with pytest.raises(IntegrityError), transaction.atomic():
        MemberFactory(household=family.household, role="owner")
    with pytest.raises(IntegrityError), transaction.atomic():
        Member.objects.filter(pk=family.manager.pk).update(role="owner")


def test_handing_over_asks_first_and_then_swaps_the_roles(family, browser):
    path = page_of(family.manager, "hand-over")
    before = every_row()
    assert "Make Mario Chen the owner?" in browser.get(path).text
    assert every_row() == before
    page = browser.post(path, follow=True)
    assert said(page) == ["Mario Chen is the owner now. You are a manager."]
    assert roles(family) == [("Olga", "manager"), ("Mario", "owner"), ("Vera", "viewer")]
    assert browser.post(path).status_code == 403
    assert roles(family) == [("Olga", "manager"), ("Mario", "owner"), ("Vera", "viewer")]
    assert [line[:2] for line in log()][:2] == [("role", "Olga Chen"), ("role", "Mario Chen")]


def test_household_is_not_handed_to_its_owner(family, browser):
    before = every_row()
    page = browser.post(page_of(family.owner, "hand-over"), follow=True)
    assert said(page) == ["The household is yours already."]
    assert every_row() == before


@pytest.mark.parametrize("act", ["role", "hand-over", "remove"])
def test_member_of_another_household_is_not_there(family, browser, act):
    other = Family("Pérez")
    before = every_row()
    for member in (other.manager, Member(pk=987654321)):
        assert browser.post(page_of(member, act), {"role": "viewer"}).status_code == 404
        assert browser.get(page_of(member, act)).status_code == (405 if act == "role" else 404)
    assert every_row() == before


@pytest.mark.parametrize("act", ["role", "hand-over", "remove"])
@pytest.mark.parametrize("role", ["manager", "viewer"])
def test_only_the_owner_changes_members(family, act, role):
    before = roles(family)
    for member in (family.owner, family.manager, family.viewer):
        answer = sign_in(getattr(family, role)).post(page_of(member, act), {"role": "viewer"})
        assert answer.status_code == 403
    assert roles(family) == before


def test_removing_says_first_what_becomes_of_the_cards(family, browser):
    family.add_card(name="With a deputy", responsible=family.manager, deputy=family.viewer)
    family.add_card(name="Without one", responsible=family.manager)
    family.add_card(name="Not theirs", responsible=family.owner, deputy=family.manager)
    before = every_row()
    page = browser.get(page_of(family.manager, "remove")).text
    assert "Remove Mario Chen from the household?" in page
    taken_over, left_over = page.split("Nobody is responsible any more")
    assert "With a deputy" in taken_over
    assert "Vera Chen" in taken_over
    assert "Without one" in left_over
    assert "Not theirs" not in page
    assert every_row() == before


def test_cards_of_who_is_removed_go_to_the_deputy(family, browser):
    both = family.add_card(responsible=family.manager, deputy=family.viewer)
    alone = family.add_card(responsible=family.manager)
    standing_in = family.add_card(responsible=family.owner, deputy=family.manager)
    untouched = family.add_card(responsible=family.owner, deputy=family.viewer)
    page = browser.post(page_of(family.manager, "remove"), follow=True)
    assert said(page) == ["Mario Chen is no member any more."]
    cards = {card.pk: (card.responsible, card.deputy) for card in Card.objects.select_related("responsible", "deputy")}
    assert cards == {
        both.pk: (family.viewer, None),
        alone.pk: (None, None),
        standing_in.pk: (family.owner, None),
        untouched.pk: (family.owner, family.viewer),
    }
    assert roles(family) == [("Olga", "owner"), ("Vera", "viewer")]
    assert log()[-1][:2] == ("removed", "Mario Chen")
    assert browser.post(page_of(family.manager, "remove")).status_code == 404


def test_private_card_that_only_who_leaves_sees_is_seen_by_all(family):
    own, shared = (family.add_card(name=name, is_private=True) for name in ("Own", "Shared"))
    own.seen_by.set([family.manager])
    shared.seen_by.set([family.manager, family.owner])
    leave(family.manager, timezone.now())
    assert {card.name for card in Card.objects.for_member(family.viewer)} == {"Own"}
    assert {card.name for card in Card.objects.for_member(family.owner)} == {"Own", "Shared"}
    assert Card.objects.get(name="Shared").is_private


def test_person_is_not_tied_to_who_has_left(family):
    person = Person.objects.create(household=family.household, name="Mario", member=family.manager)
    leave(family.manager, timezone.now())
    person.refresh_from_db()
    assert person.member is None


def test_history_still_names_who_has_left(family):
    family.fill()
    Member.objects.filter(pk=family.manager.pk).update(name="Mario the brother")
    family.card.readings.update(by=family.manager)
    leave(family.manager, timezone.now())
    assert "Mario the brother" in sign_in(family.owner).get(f"/cards/{family.card.pk}/").text


def furnish(family, member):
    """Give a member all that ends with the membership; return the address of their feed and a link of a mail."""
    family.fill()
    now = timezone.now()
    about = {"household": family.household, "member": member}
    feed = path_of(make_feed(member, now))
    Snooze.objects.create(card=family.card, about_on="2026-12-31", until_on="2026-12-30", **about)
    Channel.objects.create(url="ntfy://x", service="ntfy", **about)
    mail = queue_test(member, now)
    take_renewal(family.renewal, member, now)
    return feed, path_of(act_url(mail, family.card, Action.TAKE))


def test_what_reaches_who_leaves_ends(family):
    feed, _link = furnish(family, family.manager)
    other = queue_test(family.viewer, timezone.now())
    Delivery.objects.filter(member=family.manager).update(state="claimed")
    leave(family.manager, timezone.now())
    for model in (CalendarFeed, Snooze, Channel):
        assert not model.objects.filter(member=family.manager).exists()
    assert set(family.manager.deliveries.values_list("state", flat=True)) == {"withdrawn"}
    assert Delivery.objects.get(pk=other.pk).state == "queued"
    renewal = Renewal.objects.get(pk=family.renewal.pk)
    assert renewal.holder(timezone.now()) is None
    assert Card.objects.get(pk=family.card.pk).quiet_since is None
    assert family.manager.pk not in {member.pk for member in members_due(timezone.now())}
    assert Client().get(feed).status_code == 404


def test_mail_that_was_queued_in_the_same_moment_does_not_go_out(family):
    mail = queue_test(family.manager, timezone.now())
    Member.objects.filter(pk=family.manager.pk).update(left_at=timezone.now())
    assert render(Delivery.objects.get(pk=mail.pk), timezone.now()) is None
    claimed = claim_next(timezone.now())
    assert deliver(claimed, Postman(), timezone.now()) == "withdrawn"


def test_removed_member_has_no_access_on_the_very_next_request(family):
    """Homebox CVE-2026-40196: whoever was removed kept a key."""
    feed, link = furnish(family, family.manager)
    client = sign_in(family.manager)
    pages = ["/", "/household/", f"/cards/{family.card.pk}/", f"/renewals/{family.renewal.pk}/", "/payments/csv/",
             "/documents/", f"/cards/{family.card.pk}/calendar.ics"]  # fmt: skip
    assert {client.get(page).status_code for page in pages} <= {200, 302}
    assert Client().get(feed).status_code == Client().get(link).status_code == 200
    remove_member(family.manager, family.owner, timezone.now())
    before = every_row()
    answers = [client.get(page) for page in pages]
    assert {answer.status_code for answer in answers} <= {403, 404}
    assert not any("Chen family" in answer.text or family.card.number in answer.text for answer in answers)
    for address in (feed, link, path_of(stop_url(family.manager))):
        assert Client().get(address).status_code == 404 or "Mamá" not in Client().get(address).text
        assert "Chen" not in Client().post(address).text
    assert Client().get(feed).status_code == 404
    assert client.post(f"/renewals/{family.renewal.pk}/take/").status_code in {403, 404}
    tables = set(before) - {"cards.LogEntry"}
    after = every_row()
    assert {table for table in tables if before[table] != after[table]} == set()


def test_who_leaves_is_asked_first_and_is_out(family):
    client = sign_in(family.viewer)
    before = every_row()
    assert "Leave Chen family?" in client.get("/household/leave/").text
    assert every_row() == before
    assert client.post("/household/leave/").url == "/"
    assert client.get("/household/").status_code == 403
    assert log()[-1][:2] == ("left", "Vera Chen")
    assert "Vera" not in str(roles(family))


def test_who_leaves_one_household_stays_in_the_other(family):
    other = Family("Pérez")
    member = MemberFactory(household=other.household, user=family.viewer.user, name="Vera")
    client = sign_in(family.viewer)
    client.post("/household/leave/")
    assert "<h1>Pérez family</h1>" in client.get("/household/").text
    assert Member.objects.get(pk=member.pk).left_at is None


@pytest.mark.parametrize("alone", [False, True])
def test_owner_cannot_leave(family, browser, alone):
    if alone:
        for member in (family.manager, family.viewer):
            leave(member, timezone.now())
    words = "You are the only member" if alone else "Hand the household over to another member first"
    before = every_row()
    page = browser.get("/household/leave/").text
    assert words in page
    assert ">Leave</button>" not in page
    page = browser.post("/household/leave/", follow=True)
    assert words in said(page)[0]
    page = browser.post(page_of(family.owner, "remove"), follow=True)
    assert said(page) == ["The owner cannot be removed. Hand the household over first."]
    assert every_row() == before


def test_owner_leaves_after_handing_over(family, browser):
    browser.post(page_of(family.viewer, "hand-over"))
    assert browser.post("/household/leave/").url == "/"
    assert roles(family) == [("Mario", "manager"), ("Vera", "owner")]


def test_act_of_a_stale_tab_is_refused(family):
    """The page was shown when they might; in the meantime they handed over, or were removed."""
    owner, now = Member.objects.get(pk=family.owner.pk), timezone.now()
    hand_over(family.manager, family.owner)
    before = every_row()
    for act in (
        lambda: invite(owner, name="Bo", email="bo@example.org", role="viewer", language="en", now=now),
        lambda: change_role(family.viewer, "manager", owner),
        lambda: hand_over(family.viewer, owner),
        lambda: remove_member(family.viewer, owner, now),
    ):
        with pytest.raises(PermissionDenied):
            act()
    assert every_row() == before


def test_act_on_who_has_left_meanwhile_is_refused(family):
    leave(family.viewer, timezone.now())
    before = every_row()
    for act in (
        lambda: change_role(family.viewer, "manager", family.owner),
        lambda: hand_over(family.viewer, family.owner),
        lambda: remove_member(family.viewer, family.owner, timezone.now()),
    ):
        with pytest.raises(NotPossible, match="Vera Chen is no member any more"):
            act()
    with pytest.raises(PermissionDenied):
        leave(family.viewer, timezone.now())
    assert every_row() == before


def at_once(*acts):
    """Run the acts in threads that start together; return what each raised, None for nothing."""
    start, raised = threading.Barrier(len(acts)), [None] * len(acts)

    def run(number, act):
        start.wait()
        try:
            act()
        except (NotPossible, PermissionDenied) as error:
            raised[number] = error
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=each) for each in enumerate(acts)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("_round", range(5))
def test_handing_over_to_who_leaves_at_that_moment_keeps_one_present_owner(_round):
    family = Family()
    at_once(
        lambda: hand_over(family.manager, family.owner),
        lambda: leave(family.manager, timezone.now()),
    )
    owners = Member.objects.filter(household=family.household, role="owner", left_at=None)
    assert owners.count() == 1


@pytest.mark.django_db(transaction=True)
def test_handing_over_to_two_at_once_makes_one_owner():
    family = Family()
    raised = at_once(
        lambda: hand_over(family.manager, family.owner),
        lambda: hand_over(family.viewer, family.owner),
    )
    assert [type(error) for error in raised if error] == [PermissionDenied]
    assert [role for _name, role in roles(family)].count("owner") == 1


@pytest.mark.django_db(transaction=True)
def test_two_who_remove_one_member_remove_them_once():
    family = Family()
    raised = at_once(*[lambda: remove_member(family.viewer, family.owner, timezone.now())] * 3)
    assert [type(error) for error in raised if error] == [NotPossible, NotPossible]
    assert LogEntry.objects.filter(kind="removed").count() == 1


NOT_ASKED_FOR = {"role": "owner", "is_staff": "on", "is_superuser": "on", "is_active": "", "id": "1", "pk": "1",
                 "user": "1", "left_at": "2026-01-31", "household": "1", "household_id": "1", "owner": "1",
                 "by": "1", "erase_at": "2026-01-31", "data_key": "x", "token_hash": "x", "deleted_at": "2026-01-31",
                 "accepted_at": "2026-01-31", "revoked_at": "2026-01-31", "requires_second_factor": "on"}  # fmt: skip


def test_mass_assignment_changes_nothing_of_member_login_or_household(family):
    """Fields that no form has are posted with every form of members, cards and documents."""
    family.fill()
    other = Family("Pérez")
    theirs = NOT_ASKED_FOR | {"household": other.household.pk, "household_id": other.household.pk, "user":
                              other.owner.user.pk, "by": other.owner.pk}  # fmt: skip
    more = theirs | {f"invite-{name}": value for name, value in theirs.items() if name != "role"}
    del more["role"]
    client, owner = sign_in(family.manager), sign_in(family.owner)
    watched = ("cards.User", "cards.Household", "cards.Member")
    rows = {table: every_row()[table] for table in watched}
    card = {"number": "+53 5 111 2233", "name": "Papá", "plan": family.card.plan.pk}
    for path, data in {
        "/household/people/": {"name": "Aunt"},
        f"/household/people/{family.person.pk}/edit/": {"name": "Rosa"},
        "/household/members/1/role/": {},
        "/cards/new/": card,
        f"/cards/{family.card.pk}/edit/": card | {"number": family.card.number},
        "/documents/new/": {"person": family.person.pk, "kind": "passport"},
        f"/documents/{family.document.pk}/edit/": {"person": family.person.pk, "kind": "passport"},
        f"/cards/{family.card.pk}/accounts/": {"name": "Bank", "kind": "bank", "importance": "high"},
    }.items():
        client.post(path, data | theirs)
    invited = {"invite-name": "Bo", "invite-email": "bo@example.org", "invite-role": "viewer", "invite-language": "en"}
    owner.post("/household/invitations/", more | invited)
    assert {table: every_row()[table] for table in watched} == rows
    for model in (Card, Person):
        assert set(model.objects.filter(household=other.household)) == set()
    invitation = family.household.invitations.get(email="bo@example.org")
    assert (invitation.by, invitation.role, invitation.accepted_at, invitation.revoked_at) == (
        family.owner,
        "viewer",
        None,
        None,
    )
    assert len(invitation.token_hash) == 64
    assert not Card.objects.exclude(closed_on=None).exists()

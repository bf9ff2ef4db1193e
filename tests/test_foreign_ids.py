"""A form that carries the id of another household's row, or a role nobody gave: refused, and nothing is written."""

import pytest

from cards.models import Card, KeepRule, LinkedAccount, Member, Operator, Person, Plan, TopUpChannel
from renewals.models import Document, Payment
from tests.factories import PlanFactory, cubacel
from tests.family import Family, every_row, field_of, save_step, sign_in


@pytest.fixture
def family(db):
    return Family("Chen").fill()


@pytest.fixture
def other(db):
    """Another household, which also has an operator, a plan and a channel of its own."""
    other = Family("Pérez")
    operator = Operator.objects.create(household=other.household, slug="own", name="Movitel", country="CU")
    other.fill(cubacel(household=other.household, operator=operator, name="Plan of the Pérez family"))
    other.package = PlanFactory(household=other.household, operator=operator, type="package", fee=5, currency="CUP")
    return other


def card_data(family, **changes):
    return {"number": "+53 5 111 2233", "name": "Papá", "plan": family.card.plan.pk} | changes


FOREIGN = {
    "person": lambda other: other.person.pk,
    "responsible": lambda other: other.owner.pk,
    "deputy": lambda other: other.manager.pk,
    "plan": lambda other: other.card.plan.pk,
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("address", ["/cards/new/", "/cards/{}/edit/"])
def test_card_takes_no_row_of_another_household(family, other, address, name):
    client, data = sign_in(family.owner), card_data(family, **{name: FOREIGN[name](other)})
    before = every_row()
    page = client.post(address.format(family.card.pk), data)
    assert page.status_code == 200
    assert "Select a valid choice." in field_of(page, name)
    assert "Pérez" not in page.text
    assert every_row() == before


@pytest.mark.parametrize("name", FOREIGN)
def test_card_takes_the_own_rows(family, name):
    assert sign_in(family.owner).post("/cards/new/", card_data(family, **{name: FOREIGN[name](family)})).url


def test_forms_offer_only_what_the_household_may_choose(family, other):
    client = sign_in(family.owner)
    page = client.post("/cards/new/", {"number": "+5352345678"})
    assert family.card.plan.name in page.text
    assert [name for name in ("Pérez", "Movitel") if name in page.text] == []
    assert "Rosa Chen" in client.get("/documents/new/").text
    assert "Pérez" not in client.get("/documents/new/").text


@pytest.mark.parametrize("address", ["/documents/new/", "/documents/{}/edit/"])
def test_document_takes_no_person_of_another_household(family, other, address):
    client, before = sign_in(family.owner), every_row()
    page = client.post(address.format(family.document.pk), {"person": other.person.pk, "kind": "passport"})
    assert "Select a valid choice." in field_of(page, "person")
    assert every_row() == before


@pytest.mark.parametrize("address", ["/cards/{card}/log/?kind=payment", "/log/payment/{payment}/correct/"])
def test_payment_takes_no_channel_of_another_operator(family, other, address):
    client, before = sign_in(family.owner), every_row()
    data = {"kind": "top_up", "amount": "100", "currency": "CUP", "channel": "inside", "paid_on": "2026-01-31"}
    address = address.format(card=family.card.pk, payment=family.payment.pk)
    page = client.post(address, data | {"via": other.channel.pk})
    assert "Select a valid choice." in field_of(page, "via")
    assert every_row() == before
    assert client.post(address, data | {"via": family.channel.pk}).status_code == 302
    assert Payment.objects.filter(via=family.channel).count() == 1


def test_pay_step_takes_no_channel_of_another_operator(family, other):
    client, before = sign_in(family.owner), every_row()
    data = {"kind": "top_up", "amount": "100", "currency": "CUP", "channel": "inside", "paid_on": "2026-01-31"}
    page = save_step(client, family.renewal, "pay", **data, via=other.channel.pk)
    assert "Select a valid choice." in field_of(page, "via")
    assert every_row() == before


def test_documents_step_takes_no_document_of_anybody_else(family, other):
    operator = family.card.plan.operator
    operator.requires_document = True
    operator.save()
    aunt = Document.objects.create(
        household=family.household,
        person=Person.objects.create(household=family.household, name="Aunt"),
        kind="passport",
    )
    client, before = sign_in(family.owner), every_row()
    for document in (other.document, aunt):
        page = save_step(client, family.renewal, "documents", passport=document.pk)
        assert "Select a valid choice." in field_of(page, "passport")
    assert every_row() == before
    save_step(client, family.renewal, "documents", passport=family.document.pk)
    assert [check.document for check in family.renewal.document_checks.exclude(document=None)] == [family.document]


def test_choose_step_takes_no_plan_and_no_rung_of_another_household(family, other):
    other.card.plan.rules.get().steps.update(minimum_amount=77)
    client, before = sign_in(family.owner), every_row()
    for option in (f"plan{other.package.pk}", "77 CUP inside", "fee", ""):
        page = save_step(client, family.renewal, "choose", option=option)
        assert page.status_code == 200
        assert "errorlist" in field_of_first(page, "option")
    assert every_row() == before


def field_of_first(page, name):
    """A choice of several radio buttons has its name once for each."""
    return next(block for block in page.text.split('<fieldset class="field"') if f'name="{name}"' in block)


def test_foreign_account_cannot_be_moved_by_its_id(family, other):
    client, before = sign_in(family.owner), every_row()
    assert client.post(f"/linked-accounts/{other.account.pk}/moved/").status_code == 404
    assert every_row() == before


@pytest.mark.parametrize("role", ["owner", "boss", ""])
def test_new_member_gets_no_role_that_is_not_to_be_given(family, role):
    client, before = sign_in(family.owner), every_row()
    data = {"name": "Bo", "email": "bo@example.org", "role": role, "language": "en"}
    page = client.post("/household/invitations/", {f"invite-{name}": value for name, value in data.items()})
    words = "Select a valid choice." if role else "This field is required."
    assert words in field_of(page, "invite-role")
    assert every_row() == before


def test_fields_that_no_form_asks_for_are_not_taken(family, other):
    """A member types more than the form has: household, role, login, author, renewal."""
    theirs = {"household": other.household.pk, "household_id": other.household.pk, "by": other.owner.pk}
    theirs |= {"renewal": other.renewal.pk, "card": other.card.pk, "confirmed_on": "2026-01-31", "pk": other.card.pk}
    client = sign_in(family.manager)
    client.post("/household/people/", {"name": "Aunt", **theirs})
    client.post("/cards/new/", card_data(family, **theirs))
    client.post(f"/cards/{family.card.pk}/accounts/", {"name": "Bank", "kind": "bank", "importance": "high", **theirs})
    data = {"kind": "sms", "done_on": "2026-01-31"}
    client.post(f"/cards/{family.card.pk}/log/?kind=activity", data | theirs)
    assert Person.objects.get(name="Aunt").household == family.household
    assert Card.objects.get(name="Papá").household == family.household
    assert LinkedAccount.objects.get(name="Bank").card == family.card
    activity = family.card.activities.get(done_on="2026-01-31")
    assert (activity.household, activity.by, activity.confirmed_on) == (family.household, family.manager, None)
    assert activity.renewal == family.renewal
    assert other.household.cards.count() == 2


def test_settings_change_neither_role_nor_household(family, other):
    data = {
        "name": "Vera",
        "language": "en",
        "time_zone": "UTC",
        "remind_at": "08:00",
        "reminder_level": "calm",
        "role": "owner",
        "household": other.household.pk,
        "user": other.owner.user.pk,
    }
    assert sign_in(family.viewer).post("/settings/", data).url == "/settings/"
    viewer = Member.objects.get(pk=family.viewer.pk)
    assert (viewer.name, viewer.reminder_level) == ("Vera", "calm")
    assert (viewer.role, viewer.household, viewer.user) == ("viewer", family.household, family.viewer.user)


def test_plan_entered_by_hand_is_seen_by_nobody_else(family, other):
    own = {"operator": "Radio Isla", "kind": "activity", "value": "90", "unit": "days"}
    data = card_data(family, plan="") | {f"own-{name}": value for name, value in own.items()}
    assert sign_in(family.owner).post("/cards/new/", data).status_code == 302
    plan = Plan.objects.get(name="Radio Isla")
    assert (plan.household, plan.operator.household) == (family.household, family.household)
    assert KeepRule.objects.get(plan=plan).value == 90
    for each, is_offered in ((family, True), (other, False)):
        page = sign_in(each.owner).post("/cards/new/", {"number": "+5359999999"})
        assert ("Radio Isla" in page.text) == is_offered
    page = sign_in(other.owner).post("/cards/new/", card_data(other, plan=plan.pk))
    assert "Select a valid choice." in field_of(page, "plan")


def test_channels_of_the_families_differ(family, other):
    """What the tests above rest on: there was something to refuse."""
    assert set(TopUpChannel.objects.all()) == {family.channel, other.channel}

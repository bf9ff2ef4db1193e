import datetime

import pytest

from cards.models import Act, KeepRule, TopUpStep
from renewals.deadlines import recompute_card
from renewals.models import Payment
from tests.factories import OperatorFactory, PlanFactory, cubacel
from tests.family import Family, sign_in


@pytest.fixture
def family():
    return Family("Chen")


@pytest.fixture
def staff(family):
    """The browser of the family's owner, who is also the site's administrator."""
    family.owner.user.is_staff = family.owner.user.is_superuser = True
    family.owner.user.save()
    return sign_in(family.owner)


@pytest.fixture
def own(family):
    """An operator and a plan that the family entered for itself."""
    operator = OperatorFactory(household=family.household, name="Secretel", country="ZW")
    plan = PlanFactory(household=family.household, operator=operator, name="Secret tariff")
    rule = KeepRule.objects.create(plan=plan, kind="top_up", value=90, qualifying_acts=[Act.TOP_UP])
    TopUpStep.objects.create(rule=rule, minimum_amount=5, currency="USD", value=90)
    return plan


@pytest.fixture
def used(family):
    """A card that 100 CUP of 31 January 2026 keep until 27 December."""
    card = family.add_card(cubacel())
    paid_on = datetime.date(2026, 1, 31)
    about = {"card": card, "household": family.household, "currency": "CUP", "reference": "REF-77-PRIVATE"}
    Payment.objects.create(amount=100, paid_on=paid_on, confirmed_on=paid_on, **about)
    recompute_card(card)
    assert card.deadline == datetime.date(2026, 12, 27)
    return card

"""The few people and things that tests need. What matters to a test is written in the test."""

import datetime
from decimal import Decimal

import factory
from cryptography.hazmat.primitives.asymmetric import ec
from factory.django import DjangoModelFactory
from fido2.cose import ES256
from fido2.utils import websafe_encode
from fido2.webauthn import AttestationObject, AttestedCredentialData, AuthenticatorData

from cards.models import Act, Card, Household, Invitation, KeepRule, Member, Operator, Person, Plan, TopUpStep, User

PASSWORD = "correct horse battery staple"


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    email = factory.Sequence(lambda n: f"user{n}@example.org")
    password = factory.django.Password(PASSWORD)


class HouseholdFactory(DjangoModelFactory):
    class Meta:
        model = Household

    name = "Chen family"


class MemberFactory(DjangoModelFactory):
    class Meta:
        model = Member

    household = factory.SubFactory(HouseholdFactory)
    user = factory.SubFactory(UserFactory)
    name = factory.Sequence(lambda n: f"Member {n}")
    # The first member of a household owns it.
    role = factory.LazyAttribute(
        lambda member: "manager" if member.household.members.filter(role="owner").exists() else "owner"
    )
    time_zone = "America/Havana"
    remind_at = datetime.time(8)


class PersonFactory(DjangoModelFactory):
    class Meta:
        model = Person

    household = factory.SubFactory(HouseholdFactory)
    name = factory.Sequence(lambda n: f"Rosa Chen {n}")


class InvitationFactory(DjangoModelFactory):
    class Meta:
        model = Invitation

    household = factory.SubFactory(HouseholdFactory)
    name = "Bo"
    email = factory.Sequence(lambda n: f"bo{n}@example.org")
    token_hash = factory.Sequence(lambda n: f"{n:064x}")


class OperatorFactory(DjangoModelFactory):
    class Meta:
        model = Operator

    slug = factory.Sequence(lambda n: f"operator-{n}")
    name = "Cubacel"
    country = "CU"
    balance_code = "*222#"
    validity_code = "*222#"
    requires_document = False


class PlanFactory(DjangoModelFactory):
    class Meta:
        model = Plan

    operator = factory.SubFactory(OperatorFactory)
    slug = factory.Sequence(lambda n: f"plan-{n}")
    name = "Permanent prepaid line"


class CardFactory(DjangoModelFactory):
    class Meta:
        model = Card

    household = factory.SubFactory(HouseholdFactory)
    plan = factory.SubFactory(PlanFactory)
    name = "Mamá"
    number = factory.Sequence(lambda n: f"+535{2000000 + n}")


def passkey_credential() -> dict:
    """What a browser sends when a passkey is added."""
    key = ES256.from_cryptography_key(ec.generate_private_key(ec.SECP256R1()).public_key())
    data = AttestedCredentialData.create(bytes(16), b"passkey", key)
    made = AttestationObject.create("none", AuthenticatorData.create(bytes(32), 0x45, 0, data), {})
    name = websafe_encode(b"passkey")
    said = websafe_encode(b'{"type": "webauthn.create", "challenge": "", "origin": ""}')
    response = {"clientDataJSON": said, "attestationObject": websafe_encode(made)}
    return {"id": name, "rawId": name, "type": "public-key", "clientExtensionResults": {}, "response": response}


def cubacel(**fields) -> Plan:
    """100 CUP inside Cuba or 250 CUP from abroad keep the number for 330 days; 30 days of grace."""
    plan = PlanFactory(**fields)
    rule = KeepRule.objects.create(
        plan=plan,
        kind=KeepRule.Kind.TOP_UP,
        value=330,
        qualifying_acts=[Act.TOP_UP, Act.PLAN_PURCHASE],
        grace_value=30,
        grace_acts=[Act.TOP_UP],
    )
    for amount, channel in ((100, "inside"), (250, "abroad")):
        TopUpStep.objects.create(rule=rule, minimum_amount=Decimal(amount), currency="CUP", channel=channel, value=330)
    return plan


def giffgaff(**fields) -> Plan:
    """One use keeps the number for six months; then it can be ported away for 30 days."""
    plan = PlanFactory(operator=OperatorFactory(name="giffgaff", country="GB", validity_code=""), **fields)
    KeepRule.objects.create(
        plan=plan,
        kind=KeepRule.Kind.ACTIVITY,
        value=6,
        unit="months",
        qualifying_acts=[Act.SMS, Act.CALL, Act.DATA, Act.TOP_UP],
        grace_value=0,
        recovery_value=30,
    )
    return plan


def unicom(**fields) -> Plan:
    """8 CNY are taken from the balance on the first of each month."""
    plan = PlanFactory(
        operator=OperatorFactory(name="China Unicom", country="CN"), fee=Decimal(8), currency="CNY", **fields
    )
    KeepRule.objects.create(
        plan=plan,
        kind=KeepRule.Kind.FEE_FROM_BALANCE,
        value=1,
        unit="months",
        counts_from="month_start",
        qualifying_acts=[Act.TOP_UP],
        lead_days=7,
        buffer_days=3,
    )
    return plan


def starhub(**fields) -> Plan:
    """12 SGD a month, paid by somebody; four months of grace."""
    plan = PlanFactory(
        operator=OperatorFactory(name="StarHub", country="SG"), fee=Decimal(12), currency="SGD", **fields
    )
    KeepRule.objects.create(
        plan=plan,
        kind=KeepRule.Kind.FEE_PAID,
        value=1,
        unit="months",
        counts_from="expiry",
        qualifying_acts=[Act.FEE, Act.PLAN_PURCHASE],
        grace_value=120,
        lead_days=7,
        buffer_days=3,
    )
    return plan

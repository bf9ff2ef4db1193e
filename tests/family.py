"""Families for tests about who may see and do what, and how a page answers them."""

import datetime
import html
import re

from django.apps import apps
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from cards.models import LinkedAccount, LogEntry, Member, PlanChange, TopUpChannel
from renewals.models import (
    Activity,
    Delivery,
    Document,
    Payment,
    Reading,
    Reminder,
    Renewal,
    RenewalStep,
    SignalCheck,
    Trip,
    new_message_id,
)
from renewals.views.card import card_today
from renewals.walkthrough import start_renewal
from tests.factories import (
    CardFactory,
    HouseholdFactory,
    InvitationFactory,
    MemberFactory,
    PersonFactory,
    cubacel,
    unicom,
)


class Family:
    """A household with an owner, a manager and a viewer; their names carry the family's."""

    def __init__(self, name="Chen"):
        self.name = name
        self.household = HouseholdFactory(name=f"{name} family")
        self.owner, self.manager, self.viewer = (
            MemberFactory(household=self.household, name=f"{given} {name}", role=role)
            for given, role in (("Olga", "owner"), ("Mario", "manager"), ("Vera", "viewer"))
        )

    def add_card(self, plan=None, **fields):
        return CardFactory(household=self.household, plan=plan or cubacel(), **fields)

    def fill(self, plan=None):
        """Give the family one of everything; return itself."""
        about = {"household": self.household, "by": self.owner}
        self.person = PersonFactory(household=self.household, name=f"Rosa {self.name}")
        self.invitation = InvitationFactory(household=self.household, name=f"Bo {self.name}", by=self.owner)
        self.card = self.add_card(plan, name=f"Mamá {self.name}", person=self.person)
        today = card_today(self.owner, self.card)
        self.channel = TopUpChannel.objects.create(operator=self.card.plan.operator, kind="app", name="Transfermóvil")
        self.balance_card = self.add_card(unicom(), name=f"Papá {self.name}", number="+8613012345678")
        self.plan_change = PlanChange.objects.create(
            household=self.household,
            card=self.balance_card,
            plan_before=self.balance_card.plan,
            plan_after=self.card.plan,
            starts_on=today + datetime.timedelta(days=100),
            by=self.owner,
        )
        self.account = LinkedAccount.objects.create(
            household=self.household, card=self.card, name=f"WeChat {self.name}"
        )
        self.document = Document.objects.create(household=self.household, person=self.person, kind="passport")
        self.trip = Trip.objects.create(
            household=self.household, leaves_on=in_days(today, 10), from_country="CU", to_country="CN", by=self.owner
        )
        self.renewal = start_renewal(self.card, self.owner, timezone.now())
        self.reading = Reading.objects.create(card=self.card, read_on=today, valid_until=today, **about)
        self.activity = Activity.objects.create(card=self.card, kind="sms", done_on=today, **about)
        self.signal = SignalCheck.objects.create(card=self.card, bars=3, checked_on=today, **about)
        self.payment = Payment.objects.create(
            card=self.card, renewal=self.renewal, amount=100, currency="CUP", paid_on=today, **about
        )
        return self


def sign_in(member: Member) -> Client:
    """Return a browser in which the member is signed in."""
    client = Client()
    client.force_login(member.user)
    return client


def every_row():
    """Return all rows of all tables but the sessions, to be compared with those of another moment.

    That somebody was refused is written into the log, and no change.
    """
    models = [model for model in apps.get_models() if model not in {Session, LogEntry}]
    rows = {model._meta.label: list(model._base_manager.order_by("pk").values_list()) for model in models}
    return rows | {"log": list(LogEntry.objects.exclude(kind="denied").order_by("pk").values_list())}


def field_of(page, name):
    """Return the HTML around one field of a page: label, help, errors and input belong to it and nothing else."""
    blocks = re.split(r'<(?:div|fieldset) class="field', page.text)[1:]
    found = [block for block in blocks if f'name="{name}"' in block]
    assert len(found) == 1, f"{name}: {len(found)} fields of this name"
    return html.unescape(re.split(r"</(?:div|fieldset)>", found[0])[0])


def is_answered(page, name, words, typed=None):
    """Check that the page is shown again, with `words` beside the field and what was typed still in it."""
    field = field_of(page, name)
    assert page.status_code == 200
    assert words in field
    if typed:
        assert f'value="{typed}"' in field or f">{typed}</textarea>" in field.replace("\n", "").replace("\r", "")
    return True


def said(page):
    """Return what the page's message says."""
    return [str(message) for message in page.context["messages"]]


def save_step(client, renewal, key, follow=True, **typed):
    """Post one step as the browser does: with the revision that the step has now."""
    revision = RenewalStep.objects.get(renewal=renewal, key=key).revision
    data = {"do": "done", "revision": revision} | typed
    return client.post(f"/renewals/{renewal.pk}/{key}/", data, follow=follow)


def has_heard_of_the_month(member, day):
    """Let a mail have told the member that this month too their numbers are watched over."""
    about = {"household": member.household, "member": member}
    sent = Delivery.objects.create(
        kind="test", state="sent", local_date=day, message_id=new_message_id("example.org"), **about
    )
    first = day.replace(day=1)
    household = f"household:{member.household_id}"
    Reminder.objects.create(delivery=sent, kind="watching", subject=household, about_on=first, moment_on=first, **about)


def in_days(day, days):
    return day + datetime.timedelta(days=days)


def open_renewal(card) -> Renewal:
    return Renewal.objects.open().get(card=card)

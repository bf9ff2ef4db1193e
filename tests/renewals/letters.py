"""Members with something to be told, and their mails as they arrive at a real SMTP server on this machine."""

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from cards.models import Card, LinkedAccount, Promotion
from renewals.deadlines import recompute_card
from renewals.models import Document, Reading, Reminder, RuleChange, Task, Trip
from renewals.reminders.delivery import run_once
from renewals.walkthrough import start_renewal
from tests.factories import CardFactory, MemberFactory, PersonFactory, cubacel, giffgaff, unicom
from tests.family import has_heard_of_the_month

NOW = datetime(2026, 12, 24, 15, tzinfo=UTC)
TODAY = NOW.date()
SITE = "https://keepnumber.example.org"


def in_days(days):
    return TODAY + timedelta(days=days)


def olga():
    """A member who has heard already that her numbers are watched over, in a household without tasks."""
    member = MemberFactory(time_zone="UTC", name="Olga")
    member.household.checks_signal = member.household.backs_up_papers = False
    member.household.save()
    has_heard_of_the_month(member, TODAY)
    return member


def card_until(member, days, plan=None, **fields):
    """A card of which the operator said two months ago that it is valid for so many days from today."""
    about = {"responsible": member, "household": member.household} | fields
    card = CardFactory(plan=plan or cubacel(), **about)
    Reading.objects.create(household=card.household, card=card, read_on=in_days(-60), valid_until=in_days(days))
    recompute_card(card)
    return card


class _Page(HTMLParser):
    """What a reader of the HTML gets: headings, links, and all lines of text with the addresses written out."""

    def __init__(self, text):
        super().__init__()
        self.headings, self.links, self.lines, self.tags, self.language, self._open = [], [], [], set(), "", []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        if tag == "html":
            self.language = dict(attrs)["lang"]
        if tag not in {"meta", "br"}:
            self._open.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop()[0] == tag

    def handle_data(self, data):
        if not data.strip() or self._open[-1][0] == "title":
            return
        tag, attrs = self._open[-1]
        if tag == "a":
            self.links.append((attrs["href"], data))
            self.lines.append(f"{data}: {attrs['href']}")
        else:
            self.lines.append(data.strip())
        if tag in {"h1", "h2"}:
            self.headings.append((tag, data))


class Mail:
    """A mail as it was received."""

    def __init__(self, message):
        # A long header begins on a line of its own; the space before it belongs to the fold.
        self.message, self.subject = message, message["Subject"].strip()
        self.text = message.get_body(("plain",)).get_content().replace("\r\n", "\n")
        self.html = message.get_body(("html",)).get_content()
        self.page = _Page(self.html)

    @property
    def lines(self):
        """The lines of the plain text; a list's mark and the line above a signature are no words."""
        lines = [line.removeprefix("- ").strip() for line in self.text.splitlines()]
        return [line for line in lines if line not in {"", "--"}]

    @property
    def headings(self):
        return [heading for tag, heading in self.page.headings if tag == "h2"]

    def block(self, heading):
        """The lines of the plain text under a heading, without the site's address."""
        return self.text.split(f"\n{heading}\n")[1].split("\n\n")[0].replace(SITE, "").splitlines()

    def link(self, words):
        (url,) = {url for url, text in self.page.links if text == words}
        return url.removeprefix(SITE)


def receive(smtp_server, member, now=NOW):
    """Run the reminders once and return the mails to the member that arrived by that."""
    seen = len(smtp_server.messages)
    run_once(None, lambda: now)
    mails = [Mail(message) for message in smtp_server.messages[seen:]]
    return [mail for mail in mails if mail.message["To"] == member.user.email]


def grace(member):
    card_until(member, -3, name="Mamá")


def recovery(member):
    card_until(member, -5, giffgaff(), name="Mamá")


def lost(member):
    card_until(member, -40, giffgaff(), name="Mamá")


def deadline(member):
    card = card_until(member, 3, name="Mamá")
    LinkedAccount.objects.create(household=card.household, card=card, name="WeChat")
    card.plan.operator.website = "https://cubacel.example"
    card.plan.operator.save()


def balance(member):
    card = CardFactory(household=member.household, plan=unicom(), responsible=member, name="Mamá")
    about = {"household": card.household, "card": card}
    Reading.objects.create(read_on=in_days(-10), balance=5, currency="CNY", **about)
    recompute_card(card)


def unreachable(member):
    about = {"unreachable_since": NOW - timedelta(days=8), "unreachable_reason": "550 5.1.1 No such user"}
    mario = MemberFactory(household=member.household, name="Mario", **about)
    card_until(mario, 200, name="Abuela")
    card_until(mario, 190, name="Papá")


def accounts(member):
    card = card_until(member, 230, name="Mamá", closed_on=TODAY)
    about = {"household": card.household, "card": card}
    LinkedAccount.objects.create(name="WeChat", **about)
    Task.objects.create(kind="move_accounts", due_on=in_days(5), opened_at=NOW, **about)


def rule(member):
    card = card_until(member, 220, name="Mamá")
    RuleChange.objects.create(
        household=card.household,
        card=card,
        changed_on=in_days(-1),
        old_deadline=in_days(300),
        new_deadline=card.deadline,
    )


def review(member):
    renewal = start_renewal(card_until(member, 200, name="Mamá"), member, NOW - timedelta(days=4))
    renewal.state, renewal.follow_up_at = "awaiting", NOW - timedelta(days=1)
    renewal.save()


def trip(member):
    card_until(member, 40, name="Mamá")
    Trip.objects.create(household=member.household, leaves_on=in_days(3), from_country="CU", to_country="CN")


def unknown(member):
    CardFactory(household=member.household, plan=cubacel(), responsible=member, name="Mamá")


def papers(member):
    person = PersonFactory(household=member.household, name="Rosa Chen")
    card = card_until(member, 50, name="Mamá", person=person)
    card.plan.operator.requires_document = True
    card.plan.operator.save()
    Document.objects.create(household=member.household, person=person, kind="passport", expires_on=in_days(40))


def document(member):
    person = PersonFactory(household=member.household, name="Li Chen", member=member)
    Document.objects.create(household=member.household, person=person, kind="passport", expires_on=in_days(20))


def details(member):
    card = card_until(member, 210, name="Mamá")
    person = PersonFactory(household=member.household, name="Lin Chen")
    about = {"household": card.household, "card": card, "person": person}
    Task.objects.create(kind="update_details", details=["address"], opened_at=NOW, **about)


def reading(member):
    card = card_until(member, 240, name="Mamá")
    Reading.objects.filter(card=card).update(read_on=in_days(-95))


def signal(member):
    member.household.checks_signal = True
    member.household.save()
    card = card_until(member, 240, name="Mamá", location="blue phone")
    Card.objects.filter(pk=card.pk).update(created_at=NOW - timedelta(days=95))


def copy(member):
    member.household.backs_up_papers, member.household.created_at = True, NOW - timedelta(days=370)
    member.household.save()


def promotion(member):
    card = card_until(member, 240, name="Mamá")
    about = {"title": "Double data", "starts_on": TODAY, "ends_on": in_days(9), "url": "https://cubacel.example/double"}
    Promotion.objects.create(operator=card.plan.operator, **about)


def watching(member):
    Reminder.objects.all().delete()
    card_until(member, 240, name="Papá")
    card_until(member, 230, name="Mamá")


EVERY_KIND = (grace, recovery, lost, deadline, balance, unreachable, accounts, rule, review, trip, unknown, papers,
              document, details, reading, signal, copy, promotion, watching)  # fmt: skip


def everything(member):
    """Give the household a reason for each kind of line."""
    for setup in EVERY_KIND:
        setup(member)

"""What a mail says about each kind of line."""

import re
import unicodedata
from datetime import timedelta

import pytest

from cards.models import Card
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Document, RenewalStep, Trip
from renewals.reminders.ladder import WORST_FIRST
from renewals.reminders.planning import queue_alerts
from renewals.walkthrough import start_renewal
from tests.factories import CardFactory, MemberFactory, cubacel, giffgaff
from tests.renewals.letters import (
    EVERY_KIND,
    NOW,
    SITE,
    TODAY,
    accounts,
    balance,
    card_until,
    copy,
    deadline,
    details,
    document,
    grace,
    in_days,
    lost,
    olga,
    papers,
    promotion,
    reading,
    receive,
    recovery,
    review,
    rule,
    signal,
    trip,
    unknown,
    unreachable,
    watching,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def site(settings):
    settings.SITE_URL = SITE


@pytest.fixture
def member():
    return olga()


@pytest.fixture
def post(smtp_server):
    """Run the reminders once and return the mails to a member that arrived by that."""
    return lambda member, now=NOW: receive(smtp_server, member, now)


KINDS = {
    grace: (
        "Mamá: deadline past, 27 days to save it",
        [
            "Cubacel · {number}",
            "The deadline is past. Top up at least 100 CUP inside the country, or 250 CUP from abroad by "
            "Wednesday, January 20, 2027: this still saves the number.",
            "The day after that, the number is lost.",
            "Code to look it up: *222#",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
            "I am doing it: /mail/act/…/",
        ],
    ),
    recovery: (
        "Mamá: ask for it back",
        [
            "giffgaff · {number}",
            "Ask the operator to give the number back, before Tuesday, January 19, 2027.",
            "After that the number is lost.",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
            "I am doing it: /mail/act/…/",
        ],
    ),
    lost: (
        "Mamá: lost, by our dates",
        [
            "giffgaff · {number}",
            "By our dates the number is lost. Try it: if it still works, write down what the operator shows.",
            "You are responsible.",
            "Write down a reading of Mamá: /cards/{card}/log/?kind=reading",
            "Let this number go: /cards/{card}/close/",
        ],
    ),
    deadline: (
        "Mamá: 3 days left",
        [
            "Cubacel · {number}",
            "Top up at least 100 CUP inside the country, or 250 CUP from abroad by Sunday, December 27, 2026.",
            "After that it can only be saved, not used, until Jan 26, 2027; then the number is lost.",
            "On it hang: WeChat.",
            "Code to look it up: *222#",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
            "I am doing it: /mail/act/…/",
            "Go to Cubacel: https://cubacel.example",
        ],
    ),
    balance: (
        "Mamá: balance too low, 8 days left",
        [
            "China Unicom · {number}",
            "Keep at least 8 CNY on the balance for the next fee by Friday, January 1, 2027.",
            "By the balance that was seen on Dec 14, 2026, the charge of Jan 1, 2027 cannot be covered.",
            "How long the number can still be saved after that is not known.",
            "Code for the balance: *222#",
            "Code to look it up: *222#",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
            "I am doing it: /mail/act/…/",
            "Remind me later: /mail/act/…/",
        ],
    ),
    unreachable: (
        "Mario: mail does not arrive",
        [
            "No mail reaches Mario since Wednesday, December 16, 2026: the address does not exist, or takes no mail "
            "any more. (550 5.1.1 No such user)",
            "Tell Mario in another way. If {email} is not their address any more, tell whoever runs this site to "
            "change it.",
            "Numbers that Mario is responsible for: Papá (190 days left) and Abuela (200 days left).",
            "Until mail arrives again, the deputy is reminded instead, and everybody where there is none.",
            "Open the page of the household: /household/",
        ],
    ),
    accounts: (
        "Mamá: move its accounts, 5 days left",
        [
            "Cubacel · {number}",
            "Move to another number by Dec 29, 2026: WeChat.",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
        ],
    ),
    rule: (
        "Mamá: the rule of its plan has changed",
        [
            "Cubacel · {number}",
            "The rule of this plan has changed: Oct 20, 2027 → Aug 1, 2027.",
            "Top up at least 100 CUP inside the country, or 250 CUP from abroad by Sunday, August 1, 2027.",
            "After that it can only be saved, not used, until Aug 31, 2027; then the number is lost.",
            "Code to look it up: *222#",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
        ],
    ),
    review: (
        "Mamá: was the renewal accepted?",
        [
            "Cubacel · {number}",
            "It was done, but nobody has confirmed that the operator accepted it. Look there; until then the old "
            "deadline stays.",
            "The old deadline: Monday, July 12, 2027 (200 days left).",
            "Code to look it up: *222#",
            "You are responsible.",
            "Confirm the renewal of Mamá: /renewals/{renewal}/confirm/",
        ],
    ),
    trip: (
        "Cuba → China: flight on Dec 27, 2026, 1 card to see to",
        [
            "Flight on Sunday, December 27, 2026: think of these numbers, as some things are only possible, or "
            "cheaper, on one side.",
            "Mamá: Top up at least 100 CUP before you leave Cuba; from abroad it takes 250 CUP. "
            "Its deadline, Feb 2, 2027, comes after the flight.",
            "Open the flight and its cards: /travel/{trip}/",
        ],
    ),
    unknown: (
        "Mamá: until when is it valid?",
        [
            "Cubacel · {number}",
            "Look up at the operator until when this number is valid, and write it down.",
            "Code to look it up: *222#",
            "You are responsible.",
            "Write down what you know of Mamá: /cards/{card}/start/",
        ],
    ),
    papers: (
        "Mamá: a paper expires before the renewal",
        [
            "Cubacel · {number}",
            "passport · Rosa Chen expires on Tuesday, February 2, 2027. Cubacel asks for it when this number is "
            "renewed, by Friday, February 12, 2027: get a new one in time.",
            "You are responsible.",
            "Open this paper: /documents/{document}/edit/",
        ],
    ),
    document: (
        "passport · Li Chen: expires in 20 days",
        [
            "passport · Li Chen expires on Wednesday, January 13, 2027. Apply for a new one in time, and write its "
            "date down.",
            "Open this paper: /documents/{document}/edit/",
        ],
    ),
    details: (
        "Mamá: tell the operator the new details",
        [
            "Cubacel · {number}",
            "Tell Cubacel the new address of Lin Chen.",
            "You are responsible.",
            "Open the page of Mamá: /cards/{card}/",
        ],
    ),
    reading: (
        "Mamá: look at the balance and validity",
        [
            "Cubacel · {number}",
            "Look at the operator what the balance is and until when the number is valid, and write it down.",
            "This was last written down on Sunday, September 20, 2026.",
            "Code for the balance: *222#",
            "Code to look it up: *222#",
            "You are responsible.",
            "Write down a reading of Mamá: /cards/{card}/log/?kind=reading",
        ],
    ),
    signal: (
        "Mamá: check the signal",
        [
            "Cubacel · {number}",
            "Put the SIM into a phone and see whether it still finds its network.",
            "Where the SIM is: blue phone",
            "You are responsible.",
            "Write down the signal check of Mamá: /cards/{card}/log/?kind=signal",
        ],
    ),
    copy: (
        "Make a safe copy of the papers",
        [
            "Make a safe copy of the papers, PUKs and account names, and keep it in another place.",
            "Open the page of the household: /household/",
        ],
    ),
    promotion: (
        "Cubacel: promotion until Jan 2, 2027",
        [
            "Double data",
            "From Thursday, December 24, 2026 to Saturday, January 2, 2027.",
            "You keep there: Mamá.",
            "Look at the promotion: https://cubacel.example/double",
            "Open the plan Cubacel · Permanent prepaid line: /plans/{plan}/",
        ],
    ),
    watching: (
        "Still watching 2 numbers",
        [
            "This mail comes on the first of each month, so that you know that reminders still reach you.",
            "The soonest deadline: Mamá, Wednesday, August 11, 2027 (230 days left).",
            "Open all numbers: /",
        ],
    ),
}


def test_every_kind_of_line_is_read_here():
    assert {setup.__name__ for setup in KINDS} == set(WORST_FIRST)
    assert list(KINDS) == list(EVERY_KIND)


@pytest.mark.parametrize("setup", KINDS, ids=lambda setup: setup.__name__)
def test_each_kind_says_how_it_stands_what_to_do_and_where(member, post, setup):
    setup(member)
    (mail,) = post(member)
    subject, block = KINDS[setup]
    card, renewal = Card.objects.filter(name="Mamá").first(), RenewalStep.objects.first()
    about = {
        "number": f"{card.number[:3]} {card.number[3]} {card.number[4:]}" if card else "",
        "card": card and card.pk,
        "plan": card and card.plan.slug,
        "renewal": renewal and renewal.renewal_id,
        "trip": getattr(Trip.objects.first(), "pk", None),
        "document": getattr(Document.objects.first(), "pk", None),
        "email": member.household.members.last().user.email,
    }
    assert mail.subject in {subject, f"{subject}, and 1 more"}
    assert mail.headings[0] == subject
    assert [re.sub(r"(/mail/act/)[^/]+", r"\1…", line) for line in mail.block(subject)] == [
        line.format(**about) for line in block
    ]


def test_numbers_of_which_nobody_knows_until_when_they_live_are_counted(member, post):
    watching(member)
    for name in ("Abuela", "Abuelo"):
        CardFactory(household=member.household, plan=giffgaff(), name=name)
    (mail,) = post(member)
    block = mail.block("Still watching 4 numbers")
    assert block[1] == "The soonest deadline: Mamá, Wednesday, August 11, 2027 (230 days left)."
    assert block[2] == "Of 2 numbers nobody knows until when they live."


@pytest.mark.parametrize(("days", "ago"), [(1, "1 day ago"), (9, "9 days ago"), (400, "400 days ago")])
def test_grace_without_a_known_end_says_how_long_mails_go_on_and_how_they_end(member, post, days, ago):
    card = card_until(member, -days, name="Mamá")
    card.plan.rules.update(grace_value=None)
    recompute_card(card)
    (mail,) = post(member)
    block = mail.block("Mamá: deadline past, save it now")
    assert f"The deadline was {ago}. A mail comes every second day until the number is saved or let go." in block
    assert block[1].endswith(" today; nobody knows how long it can still be saved.")
    assert mail.link("Let this number go") == f"/cards/{card.pk}/close/"


def test_last_day_of_grace_is_called_so(member, post):
    card_until(member, -30)
    assert post(member)[0].subject == "Mamá: deadline past, today is the last day to save it"


@pytest.mark.parametrize(("done", "key"), [(0, "balance"), (3, "visit"), (6, "pay"), (8, "confirm")])
def test_open_renewal_is_linked_at_its_present_step(member, post, done, key):
    renewal = start_renewal(card_until(member, 3), member, NOW - timedelta(days=2))
    steps = list(renewal.steps.all())
    RenewalStep.objects.filter(pk__in=[step.pk for step in steps[:done]]).update(done_at=NOW)
    (mail,) = post(member)
    step = next(step for step in steps if step.key == key)
    assert mail.link(f"Go on with the renewal: {step}") == f"/renewals/{renewal.pk}/{key}/"
    assert renewal.current_key == key


@pytest.mark.parametrize("setup", [reading, signal, lost, unknown, papers, document], ids=lambda setup: setup.__name__)
def test_viewer_is_led_to_no_page_that_refuses_them(member, post, setup):
    member.role = "viewer"
    member.save()
    setup(member)
    (mail,) = post(member)
    (open_page,) = {url.removeprefix(SITE) for url, words in mail.page.links if words.startswith("Open the ")}
    assert re.fullmatch(r"/cards/\d+/|/documents/", open_page)
    assert not re.search(r"/log/|/edit/|/start/|/close/|/mail/act/", mail.text)


def test_viewer_may_put_off_but_not_take_on(member, post):
    member.role = "viewer"
    member.save()
    card_until(member, 20)
    (mail,) = post(member)
    assert "Remind me later" in mail.text
    assert "I am doing it" not in mail.text


def test_mail_says_who_is_responsible_who_stands_in_and_who_is_doing_it(member, post):
    mario = MemberFactory(household=member.household, name="Mario")
    card = card_until(mario, 2, name="Mamá", deputy=member)
    (mail,) = post(member)
    assert "Mario is responsible." in mail.block("Mamá: 2 days left")
    mario.away_from, mario.away_until = TODAY, in_days(20)
    mario.save()
    (mail,) = post(member, NOW + timedelta(days=2))
    assert "Mario is responsible, but away until Jan 13, 2027." in mail.lines
    assert "You stand in." in mail.lines
    mario.away_from, mario.away_until, mario.mail_stopped_at = None, None, NOW
    mario.save()
    start_renewal(card, member, NOW + timedelta(days=2, hours=1))
    (mail,) = post(member, NOW + timedelta(days=3))
    assert "Mario is responsible, but no mail arrives there." in mail.lines
    assert "You said on Dec 26, 2026 4:00 PM that you are doing it." in [
        unicodedata.normalize("NFKC", line) for line in mail.lines
    ]
    assert "I am doing it" not in mail.text
    Card.objects.update(responsible=None)
    (mail,) = post(member, NOW + timedelta(days=5))
    assert "Nobody is responsible for it, so everybody gets this mail." in mail.lines


def test_plan_that_is_not_well_confirmed_is_said_to_be_so(member, post):
    card_until(member, 3, cubacel(confidence="low"))
    assert "This rule is not well confirmed: ask the operator." in post(member)[0].lines


REFUSALS = [
    ("550 5.1.1 No such user", "the address does not exist, or takes no mail any more."),
    ("550 No such user", "the address does not exist, or takes no mail any more."),
    ("553 mailbox name not allowed", "the address does not exist, or takes no mail any more."),
    ("552 5.2.2 Over quota", "the mailbox is full."),
    ("552 too much mail data", "the mailbox is full."),
    ("550 5.2.1 Disabled", "the mailbox takes no mail any more."),
    ("550-5.7.26 Not signed", "the mail server there does not want our mails."),
    ("554 Transaction failed", "the mail server there refuses them."),
    ("571 5.0.0 no", "the mail server there refuses them."),
]


@pytest.mark.parametrize(("answer", "why"), REFUSALS)
def test_alert_tells_the_others_in_plain_words_why_no_mail_arrives(member, post, answer, why):
    mario = MemberFactory(household=member.household, name="Mario", unreachable_since=NOW, unreachable_reason=answer)
    card_until(mario, 100, name="Papá")
    queue_alerts(mario, NOW)
    (mail,) = post(member)
    assert mail.subject == "Mario: mail does not arrive"
    assert mail.lines == mail.page.lines
    assert mail.block(mail.subject) == [
        f"No mail reaches Mario since Thursday, December 24, 2026: {why} ({answer})",
        f"Tell Mario in another way. If {mario.user.email} is not their address any more, "
        "tell whoever runs this site to change it.",
        "Numbers that Mario is responsible for: Papá (100 days left).",
        "Until mail arrives again, the deputy is reminded instead, and everybody where there is none.",
        "Open the page of the household: /household/",
    ]
    assert mail.message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_alert_repeats_no_address_that_a_server_named(member, post):
    answer = "550 5.1.1 <postmaster@elsewhere.example>: unknown"
    mario = MemberFactory(household=member.household, name="Mario", unreachable_since=NOW, unreachable_reason=answer)
    queue_alerts(mario, NOW)
    (mail,) = post(member)
    assert "(550 5.1.1 <…@…>: unknown)" in mail.text
    assert "elsewhere" not in mail.text + mail.html


def test_alert_about_stopped_mails_says_that_they_were_stopped(member, post):
    mario = MemberFactory(household=member.household, name="Mario", mail_stopped_at=NOW)
    queue_alerts(mario, NOW)
    (mail,) = post(member)
    assert mail.subject == "Mario: has stopped their mails"
    assert mail.block(mail.subject) == [
        "Mario has stopped their mails on Thursday, December 24, 2026.",
        "Tell Mario in another way, and ask whether it was meant. In the settings they can let mails come again.",
        "Mario is responsible for no number.",
        "Open the page of the household: /household/",
    ]


@pytest.mark.parametrize("about", ["reachable again", "removed", "reader stopped theirs"])
def test_alert_that_is_over_is_withdrawn(member, post, about):
    mario = MemberFactory(household=member.household, name="Mario", mail_stopped_at=NOW)
    queue_alerts(mario, NOW)
    if about == "reachable again":
        mario.mail_stopped_at = None
        mario.save()
    elif about == "removed":
        mario.user.is_active = False
        mario.user.save()
    else:
        member.mail_stopped_at = NOW
        member.save()
    assert post(member) == []
    assert Delivery.objects.get(kind="alert").state == "withdrawn"

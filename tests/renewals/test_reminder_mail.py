"""The mails as a whole: both parts, their size, their headers, and what drops out of them."""

import re
from datetime import timedelta

import pytest

from cards.models import Card, LinkedAccount
from renewals.deadlines import recompute_card
from renewals.models import Delivery, Reading, Reminder, RuleChange, Snooze
from renewals.reminders.mail import MOST_BYTES, MOST_OF_A_SUBJECT, render
from renewals.reminders.planning import plan_member, queue_test
from renewals.walkthrough import start_renewal
from tests.factories import MemberFactory
from tests.renewals.letters import (
    EVERY_KIND,
    NOW,
    SITE,
    TODAY,
    card_until,
    copy,
    deadline,
    everything,
    in_days,
    olga,
    promotion,
    receive,
    rule,
    trip,
    unknown,
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


@pytest.mark.parametrize("language", ["en", "zh-hans", "es"])
def test_both_parts_say_the_same_in_every_language(member, post, language):
    everything(member)
    member.language = language
    member.save()
    (mail,) = post(member)
    assert mail.lines == mail.page.lines
    assert mail.page.language == {"en": "en", "zh-hans": "zh-Hans", "es": "es"}[language]
    assert len(mail.headings) > 5
    assert len(mail.message.as_bytes()) <= MOST_BYTES


def test_mail_in_html_is_read_in_every_client(member, post):
    everything(member)
    (mail,) = post(member)
    assert mail.page.tags == {
        *("html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "b", "br", "a", "ul", "li")
    }
    assert [tag for tag, _heading in mail.page.headings] == ["h1"] + ["h2"] * len(mail.headings)
    assert len({words for _url, words in mail.page.links}) > 10
    assert all(url.startswith("https://") for url, _words in mail.page.links)
    assert not re.search(r"<style|<script|<img|url\(|display:\s*(flex|grid)|position:", mail.html)
    assert max(len(line.encode()) for line in mail.html.splitlines()) <= 998


def test_worst_line_comes_first_and_gives_the_subject(member, post):
    everything(member)
    (mail,) = post(member)
    assert (
        mail.subject
        == f"Mamá: deadline past, 27 days to save it, and {Reminder.objects.filter(member=member).count() - 1} more"
    )
    assert mail.headings[:4] == [
        "Mamá: deadline past, 27 days to save it",
        "Mamá: ask for it back",
        "Mamá: lost, by our dates",
        "Mamá: 3 days left",
    ]
    assert mail.headings[-1] == "Also"


def test_mail_names_the_day_of_the_next_one_and_what_it_will_say(member, post):
    card_until(member, 14, name="Mamá")
    card_until(member, 30, name="Papá")
    (mail,) = post(member)
    assert (
        "The next mail comes on Thursday, December 31, 2026: Mamá: 7 days left. If it does not come, look at the site."
    ) in mail.lines
    (following,) = post(member, NOW + timedelta(days=7))
    assert following.subject == "Mamá: 7 days left"


def test_without_anything_to_come_the_mail_says_so(member, post):
    copy(member)
    member.household.backs_up_papers = False
    member.household.save()
    queue_test(member, NOW)
    assert "No further mail is set." in post(member)[0].lines


def test_line_of_a_card_renewed_meanwhile_drops_out(member, post):
    renewed, waiting = card_until(member, 3, name="Mamá"), card_until(member, 7, name="Papá")
    plan_member(member, NOW)
    Reading.objects.create(card=renewed, household=renewed.household, read_on=TODAY, valid_until=in_days(300))
    recompute_card(renewed)
    (mail,) = post(member)
    assert mail.headings == ["Papá: 7 days left"]
    assert Delivery.objects.get(kind="digest").state == "sent"
    assert waiting.deadline == in_days(7)


@pytest.mark.parametrize("about", ["snoozed", "closed", "renewed", "taken by another", "stopped"])
def test_mail_with_nothing_left_to_say_is_withdrawn(member, post, about):
    card = card_until(member, 20)
    plan_member(member, NOW)
    if about == "snoozed":
        wish = {"about_on": card.deadline, "until_on": in_days(3)}
        Snooze.objects.create(household=member.household, member=member, card=card, **wish)
    elif about == "closed":
        Card.objects.update(closed_on=TODAY)
    elif about == "renewed":
        Card.objects.update(deadline=in_days(90), due_on=in_days(60), safe_on=in_days(85))
    elif about == "taken by another":
        start_renewal(card, MemberFactory(household=member.household), NOW)
    else:
        member.mail_stopped_at = NOW
        member.save()
    assert post(member) == []
    assert Delivery.objects.get(kind="digest", member=member).state == "withdrawn"


def test_mail_that_waited_says_what_is_so_when_it_leaves(member, post):
    """Planned in time, sent after a week without a server: the day is today's, and what was due is past."""
    card_until(member, 3, name="Mamá")
    card_until(member, 14, name="Papá")
    plan_member(member, NOW)
    delivery = Delivery.objects.get(kind="digest")
    later = NOW + timedelta(days=7)
    message = render(delivery, later)
    assert message.subject == "Mamá: deadline past, 26 days to save it, and 1 more"
    assert "\nPapá: 7 days left\n" in message.body


def test_deadline_that_rests_on_the_balance_by_now_is_still_said(member):
    card_until(member, 3)
    plan_member(member, NOW)
    Card.objects.update(deadline_source={"reason": "balance", "on": "2026-12-20"})
    assert render(Delivery.objects.get(kind="digest"), NOW).subject == "Mamá: balance too low, 3 days left"


def test_change_of_a_rule_on_another_day_waits_for_its_own_mail(member):
    rule(member)
    plan_member(member, NOW)
    delivery, card = Delivery.objects.get(kind="digest"), Card.objects.get()
    assert render(delivery, NOW).subject == "Mamá: the rule of its plan has changed"
    RuleChange.objects.update(changed_on=TODAY, new_deadline=card.deadline)
    assert render(delivery, NOW) is None


def test_rule_that_is_unknown_is_asked_for_whatever_fortnight_it_is(member):
    unknown(member)
    plan_member(member, NOW)
    delivery = Delivery.objects.get(kind="digest")
    assert {render(delivery, NOW + timedelta(days=days)).subject for days in (0, 14, 28)} == {
        "Mamá: until when is it valid?"
    }


def test_headers_name_the_mail_and_let_it_be_stopped_by_one_press(member, post):
    deadline(member)
    (mail,) = post(member)
    message = mail.message
    assert message["Message-ID"] == Delivery.objects.get(kind="digest").message_id
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert message["List-Id"] == f"<household-{member.household_id}.keepnumber.example.org>"
    assert message["List-Unsubscribe"].strip() == f"<{SITE}{mail.link('Stop all mails')}>"
    assert re.fullmatch(r"<https://keepnumber\.example\.org/mail/stop/[\w.-]+/>", message["List-Unsubscribe"].strip())
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/alternative",
        "text/plain",
        "text/html",
    ]


def test_mail_over_plain_http_promises_no_single_press(member, post, settings):
    settings.SITE_URL = "http://192.168.1.5:8000"
    deadline(member)
    (mail,) = post(member)
    assert mail.message["List-Unsubscribe"].strip().startswith("<http://192.168.1.5:8000/mail/stop/")
    assert mail.message["List-Unsubscribe-Post"] is None


def test_test_mail_says_that_it_arrived_and_what_comes_next(member, post):
    deadline(member)
    has_heard = plan_member(member, NOW)
    Delivery.objects.filter(pk=has_heard.pk).update(state="sent")
    queue_test(member, NOW)
    (mail,) = post(member)
    assert mail.subject == "Keepnumber: the test mail has arrived"
    assert mail.lines == mail.page.lines
    assert mail.lines[1] == "This test went the way of every reminder. You read it, so reminders reach you."
    assert mail.lines[2].startswith("The next mail comes on Friday, December 25, 2026: Mamá: 2 days left")
    assert mail.message["List-Unsubscribe"] is None
    assert "Stop all mails" not in mail.text


HOSTILE = [
    "Mamá\r\nBcc: evil@example.com\r\n\r\nHello",
    "\u2028\u2029\x85\x0b\x0c\x1c<b>&amp;",
    "\u202eesrever\u202c \u2066iso\u2069",
    "{{ 7 }}{% now %} %(card)s %s",
    "</title><script>alert(1)</script>",
    "👩‍👩‍👧‍👦" * 8,
    "مها " * 15,
    "=?utf-8?q?x?= " * 4,
    "\x01\x07\x1b[31m",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_stay_names(member, post, name):
    member.household.name = member.name = name
    member.household.save()
    member.save()
    card = card_until(member, 3, name=name[:60])
    LinkedAccount.objects.create(household=card.household, card=card, name=name[:100])
    card.plan.operator.name = name[:100]
    card.plan.operator.save()
    (mail,) = post(member)
    assert mail.message["Bcc"] is None
    assert len(mail.message.keys()) == len(set(mail.message.keys()))
    assert mail.subject.endswith(": 3 days left")
    assert len(mail.subject) <= MOST_OF_A_SUBJECT
    assert mail.headings[0].endswith(": 3 days left")
    assert mail.page.tags == {"html", "head", "meta", "title", "body", "div", "h1", "h2", "p", "b", "br", "a"}
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]", mail.subject + mail.text)
    assert mail.lines == mail.page.lines
    assert mail.link("I am doing it").startswith("/mail/act/")


LONGEST = "长" * 60


@pytest.mark.parametrize("language", ["en", "zh-hans", "es"])
@pytest.mark.parametrize("setup", EVERY_KIND, ids=lambda setup: setup.__name__)
def test_subject_of_a_long_name_still_says_how_it_stands(member, setup, language):
    everything_named(member, setup, LONGEST)
    member.language = language
    plan_member(member, NOW)
    delivery = Delivery.objects.select_related("member").get(kind="digest")
    delivery.member.language = language
    subject = render(delivery, NOW).subject
    assert len(subject) <= MOST_OF_A_SUBJECT
    if setup not in {copy, watching, trip, promotion}:
        assert "长长…" in subject
        assert not subject.endswith("…")


def everything_named(member, setup, name):
    setup(member)
    Card.objects.update(name=name)
    member.household.people.update(name=name)
    member.household.members.exclude(pk=member.pk).update(name=name)


def due_cards(member, count, *, is_worst=False):
    """Give the household so many cards that are due today, with long names; at worst all names are the longest."""
    model = card_until(member, 3, name=f"000{'长' * 57}")
    if is_worst:
        member.name = member.household.name = "名" * 100
        model.plan.operator.name, model.plan.operator.website = "营" * 100, f"https://example.org/{'x' * 150}"
        for row in (member, member.household, model.plan.operator):
            row.save()
    dates = {name: getattr(model, name) for name in ("deadline", "due_on", "safe_on", "grace_ends_on", "lost_on")}
    cards = Card.objects.bulk_create(
        Card(
            household=member.household,
            plan=model.plan,
            responsible=member,
            name=f"{number:03}{'长' * 57}",
            number=f"+5353{number:06}",
            **dates,
        )
        for number in range(1, count)
    )
    if is_worst:
        LinkedAccount.objects.bulk_create(
            LinkedAccount(household=member.household, card=card, name="账" * 100)
            for card in cards
            for _each in range(8)
        )


@pytest.mark.parametrize("is_worst", [False, True])
@pytest.mark.parametrize("language", ["en", "zh-hans"])
@pytest.mark.parametrize("count", [2, 20, 300])
def test_mail_is_small_whatever_is_due(member, post, language, count, is_worst):
    due_cards(member, count, is_worst=is_worst)
    member.language = language
    member.save()
    (mail,) = post(member)
    delivery = Delivery.objects.select_related("member__user", "member__household").get(kind="digest")
    assert len(render(delivery, NOW).message().as_bytes(linesep="\r\n")) <= MOST_BYTES
    # As it came: what reads it here folds some headers in another way.
    assert len(mail.message.as_bytes().replace(b"\n", b"\r\n")) <= MOST_BYTES + 100
    assert mail.lines == mail.page.lines
    full, short = mail.headings[: count if count == 2 else -1], re.findall(r"<li[^>]*><a [^>]*>(\d{3})长", mail.html)
    seen = [*(heading[:3] for heading in full), *short]
    assert len(set(seen)) == len(seen)
    assert len(full) >= 2
    assert is_worst or count == 2 or (len(full) >= 5 and len(short) >= 8)
    if count > 2 and language == "en":
        assert f"{count - len(seen)} more on the site: {SITE}/" in mail.lines


@pytest.mark.parametrize("count", [2, 40])
def test_mail_asks_the_database_equally_often(member, count, django_assert_num_queries):
    due_cards(member, count)
    for card in Card.objects.all():
        LinkedAccount.objects.create(household=card.household, card=card, name="WeChat")
        start_renewal(card, member, NOW - timedelta(days=2))
    plan_member(member, NOW)
    delivery = Delivery.objects.select_related("member__user", "member__household").get(kind="digest")
    with django_assert_num_queries(19):
        render(delivery, NOW)

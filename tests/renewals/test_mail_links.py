"""Acting from a mail without a sign-in: what a link does, when it is dead, and what it does not give away."""

import io
import logging
import re
import threading
from datetime import timedelta

import pytest
from django.conf import settings as site_settings
from django.contrib.sessions.models import Session
from django.core import signing
from django.db import connection
from django.test import Client
from django.utils import timezone
from django.utils.module_loading import import_string

from cards.models import Card, Member
from renewals.deadlines import recompute_card
from renewals.models import Delivery, LinkUse, Reading, Renewal, Snooze
from renewals.reminders.delivery import run_once
from renewals.reminders.links import (
    Action,
    DeadLink,
    act_url,
    read_act,
    read_stop,
    snooze_by_link,
    stop_url,
    take_by_link,
)
from renewals.views.card import card_today
from renewals.walkthrough import start_renewal
from tests.factories import CardFactory, MemberFactory, cubacel
from tests.family import Family, every_row, in_days, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def family():
    family = Family()
    Member.objects.update(time_zone="Asia/Shanghai", remind_at="00:00")
    for member in (family.owner, family.manager, family.viewer):
        member.refresh_from_db()
    return family


@pytest.fixture
def card(family):
    """Olga's card with twenty days left; it is safe for thirteen."""
    card = CardFactory(household=family.household, plan=cubacel(), responsible=family.owner, number="+5352345678")
    today = card_today(family.owner, card)
    about = {"household": family.household, "card": card}
    Reading.objects.create(read_on=in_days(today, -60), valid_until=in_days(today, 20), **about)
    recompute_card(card)
    return card


@pytest.fixture
def delivery(family):
    return deliver_to(family.owner)


def deliver_to(member):
    about = {"household": member.household, "member": member, "state": "sent"}
    today = timezone.now().astimezone(member.zone).date()
    return Delivery.objects.create(local_date=today, message_id=f"<{member.pk}@example.org>", **about)


def address_of(url):
    return url.removeprefix(site_settings.SITE_URL)


def take_address(delivery, card):
    return address_of(act_url(delivery, card, Action.TAKE))


def snooze_address(delivery, card):
    return address_of(act_url(delivery, card, Action.SNOOZE))


def browser():
    """A browser in which nobody is signed in, which sends only forms that it was given."""
    return Client(enforce_csrf_checks=True)


def press(client, address, **data):
    """Open a page and press the button of its form, as a browser does."""
    page = client.get(address)
    fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', page.text.split('<main class="')[1]))
    return client.post(address, fields | data)


def buttons_of(page):
    return re.findall(r"<button[^>]*>([^<]+)</button>", page.text.split('<main class="')[1])


def acts_of(card):
    """What a link can have changed."""
    return (
        list(Renewal.objects.filter(card=card).values_list("taken_by", "taken_at")),
        list(Snooze.objects.values_list("member", "card", "until_on")),
        LinkUse.objects.count(),
    )


def test_links_of_a_mail_work_as_they_came(smtp_server, family, card):
    run_once(None)
    (message,) = [each for each in smtp_server.messages if each["To"] == family.owner.user.email]
    text = message.get_body(("plain",)).get_content()
    take = address_of(re.search(r"I am doing it: (\S+)", text)[1])
    snooze = address_of(re.search(r"Remind me later: (\S+)", text)[1])
    stop = address_of(message["List-Unsubscribe"].strip().strip("<>"))
    assert "You are reminded again on" in press(browser(), snooze, days="3").text
    assert "You are doing it." in press(browser(), take).text
    assert "No more mails" in Client().post(stop, {"List-Unsubscribe": "One-Click"}).text
    assert {use.action for use in LinkUse.objects.all()} == {"take", "snooze"}


@pytest.mark.parametrize("address_of_link", [take_address, snooze_address])
@pytest.mark.parametrize("method", ["get", "head"])
def test_looking_changes_nothing_however_often(delivery, card, address_of_link, method):
    address, before = address_of_link(delivery, card), every_row()
    for _each in range(3):
        assert getattr(browser(), method)(address).status_code == 200
    assert every_row() == before
    assert not Session.objects.exists()


def test_page_shows_the_card_and_nothing_else_of_the_household(family, delivery, card):
    family.fill()
    card.name, card.notes, card.location = "Mamá", "secret note", "blue phone"
    card.save()
    for address in (take_address(delivery, card), snooze_address(delivery, card)):
        page = browser().get(address)
        assert "Mamá" in page.text
        assert "…5678" in page.text
        assert not re.search(r"Chen|2345678|234 5678|secret|blue phone|WeChat|Cubacel|CUP|Top up", page.text)


def test_taking_on_starts_the_renewal_and_keeps_the_others_from_it(family, delivery, card):
    page = press(browser(), take_address(delivery, card))
    renewal = Renewal.objects.get()
    assert page.status_code == 200
    assert (renewal.card, renewal.opened_by, renewal.taken_by) == (card, family.owner, family.owner)
    assert renewal.holder(timezone.now()) == family.owner
    assert f'href="/renewals/{renewal.pk}/balance/"' in page.text
    use = LinkUse.objects.get()
    assert (use.household, use.delivery, use.card, use.action) == (family.household, delivery, card, "take")


def test_taking_on_an_open_renewal_keeps_what_was_done(family, delivery, card):
    renewal = start_renewal(card, family.manager, timezone.now() - timedelta(days=2))
    press(browser(), take_address(delivery, card))
    renewal.refresh_from_db()
    assert (Renewal.objects.get(), renewal.taken_by, renewal.opened_by) == (renewal, family.owner, family.manager)


def test_who_is_doing_it_is_shown_before_it_is_taken_over(family, delivery, card):
    address, client = take_address(delivery, card), browser()
    client.get(address)
    token = client.cookies["csrftoken"].value
    start_renewal(card, family.manager, timezone.now())
    before = acts_of(card)
    page = client.post(address, {"csrfmiddlewaretoken": token})
    assert page.status_code == 200
    assert "Mario Chen is doing it since" in page.text
    assert buttons_of(page) == ["I take over"]
    assert acts_of(card) == before
    page = client.post(address, {"csrfmiddlewaretoken": token, "seen": str(family.viewer.pk)})
    assert buttons_of(page) == ["I take over"]
    assert acts_of(card) == before
    assert "You are doing it." in press(client, address).text
    assert Renewal.objects.get().taken_by == family.owner


def test_own_renewal_is_taken_on_again_without_a_question(family, delivery, card):
    start_renewal(card, family.owner, timezone.now() - timedelta(hours=20))
    page = browser().get(take_address(delivery, card))
    assert buttons_of(page) == ["I am doing it"]
    press(browser(), take_address(delivery, card))
    assert timezone.now() - Renewal.objects.get().taken_at < timedelta(minutes=5)


@pytest.mark.parametrize("days", [1, 3, 7])
def test_putting_off_lasts_as_long_as_was_chosen(family, delivery, card, days):
    page = press(browser(), snooze_address(delivery, card), days=str(days))
    made, today = Snooze.objects.get(), card_today(family.owner, card)
    assert page.status_code == 200
    assert (made.member, made.card, made.until_on) == (family.owner, card, in_days(today, days))
    assert LinkUse.objects.get().action == "snooze"


def test_each_button_names_its_day_and_none_lies_past_the_safe_date(family, delivery, card):
    today = card_today(family.owner, card)
    Card.objects.update(safe_on=in_days(today, 2))
    page = browser().get(snooze_address(delivery, card))
    assert re.findall(r'name="days" value="(\d)"', page.text) == ["1", "3"]
    assert [text.rpartition(" ")[2] for text in buttons_of(page)] == [str(in_days(today, days).year) for days in (1, 2)]
    press(browser(), snooze_address(delivery, card), days="3")
    assert Snooze.objects.get().until_on == in_days(today, 2)


@pytest.mark.parametrize("days", [{}, {"days": ""}, {"days": "2"}, {"days": "x"}, {"days": "0"}, {"days": "9" * 5000}])
def test_other_days_are_asked_for_again_and_use_nothing_up(delivery, card, days):
    page = press(browser(), snooze_address(delivery, card), **days)
    assert page.status_code == 200
    assert "Choose 1, 3 or 7 days." in page.text
    assert len(buttons_of(page)) == 3
    assert acts_of(card) == ([], [], 0)


def test_viewer_puts_off_their_own_mails_and_takes_nothing_on(family, card):
    delivery = deliver_to(family.viewer)
    press(browser(), snooze_address(delivery, card), days="1")
    assert Snooze.objects.get().member == family.viewer
    address = take_address(delivery, card)
    assert (browser().get(address).status_code, Client().post(address).status_code) == (410, 410)
    assert not Renewal.objects.exists()


@pytest.mark.parametrize("language", ["en", "zh-hans", "es"])
def test_page_speaks_the_language_and_the_zone_of_its_member(family, delivery, card, language):
    Member.objects.filter(pk=family.owner.pk).update(language=language)
    start_renewal(card, family.manager, timezone.now())
    other = "es" if language == "en" else "en"
    page = browser().get(take_address(delivery, card), headers={"accept-language": other})
    shown = {"en": "en", "zh-hans": "zh-Hans", "es": "es"}[language]
    assert f'<html lang="{shown}">' in page.text
    assert page.headers["Content-Language"] == language
    hour = Renewal.objects.get().taken_at.astimezone(family.owner.zone)
    assert re.search(rf"\b0?({hour.hour}|{hour.hour % 12 or 12}):{hour.minute:02}\b", page.text)


@pytest.mark.parametrize("address_of_link", [take_address, snooze_address])
def test_link_works_once(delivery, card, address_of_link):
    address, client = address_of_link(delivery, card), browser()
    client.get(address)
    data = {"days": "3", "csrfmiddlewaretoken": client.cookies["csrftoken"].value}
    assert client.post(address, data).status_code == 200
    before = acts_of(card)
    for answer in (client.post(address, data), client.get(address)):
        assert answer.status_code == 410
        assert "works only once" in answer.text
        assert buttons_of(answer) == []
    assert acts_of(card) == before


@pytest.mark.parametrize("action", [Action.TAKE, Action.SNOOZE])
def test_link_of_two_stale_pages_works_once(delivery, card, action):
    """Two presses that both found the link unused: the row in the table decides."""
    now, token = timezone.now(), address_of(act_url(delivery, card, action)).split("/")[3]
    first, second = read_act(token, now), read_act(token, now)
    do = take_by_link if action is Action.TAKE else lambda link, now: snooze_by_link(link, 1, now)
    do(first, now)
    before = acts_of(card)
    with pytest.raises(DeadLink, match="used"):
        do(second, now + timedelta(hours=1))
    assert acts_of(card) == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("address_of_link", [take_address, snooze_address])
def test_of_presses_at_the_same_moment_one_acts(delivery, card, address_of_link):
    address, start, statuses = address_of_link(delivery, card), threading.Barrier(4), []

    def press_at_once():
        start.wait()
        statuses.append(Client().post(address, {"days": "3"}).status_code)
        connection.close()

    threads = [threading.Thread(target=press_at_once) for _each in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200, 410, 410, 410]
    assert LinkUse.objects.count() == 1


def renew(card, delivery):
    today = card_today(delivery.member, card)
    Reading.objects.create(household=card.household, card=card, read_on=today, valid_until=in_days(today, 300))
    recompute_card(card)


def remove_from_the_household(card, delivery):
    delivery.member.user.is_active = False
    delivery.member.user.save()


def make_a_viewer(card, delivery):
    Member.objects.filter(pk=delivery.member_id).update(role="viewer")


def close(card, delivery):
    Card.objects.update(closed_on=card_today(delivery.member, card))


def lose(card, delivery):
    Card.objects.update(lost_on=card_today(delivery.member, card))


def forget_the_deadline(card, delivery):
    Card.objects.update(deadline=None)


def grow_old(card, delivery):
    Delivery.objects.update(local_date=delivery.local_date - timedelta(days=61))


def end_the_safe_time(card, delivery):
    Card.objects.update(safe_on=card_today(delivery.member, card))


def delete_the_mail(card, delivery):
    Delivery.objects.all().delete()


DEAD = [
    (renew, {"take", "snooze"}, "its deadline is another day by now"),
    (close, {"take", "snooze"}, "renewed or let go"),
    (lose, {"take", "snooze"}, "renewed or let go"),
    (forget_the_deadline, {"take", "snooze"}, "renewed or let go"),
    (grow_old, {"take", "snooze"}, "more than two months old"),
    (remove_from_the_household, {"take", "snooze"}, "may not do this any more"),
    (delete_the_mail, {"take", "snooze"}, "may not do this any more"),
    (make_a_viewer, {"take"}, "may not do this any more"),
    (end_the_safe_time, {"snooze"}, "cannot wait any longer"),
]


@pytest.mark.parametrize(("happens", "dead", "words"), DEAD, ids=lambda value: getattr(value, "__name__", None))
def test_link_dies_with_what_it_was_about(delivery, card, happens, dead, words):
    addresses = {"take": take_address(delivery, card), "snooze": snooze_address(delivery, card)}
    for address in addresses.values():
        assert browser().get(address).status_code == 200
    happens(card, delivery)
    for action, address in addresses.items():
        before = acts_of(card)
        pages = browser().get(address), Client().post(address, {"days": "1"})
        assert [page.status_code for page in pages] == ([410, 410] if action in dead else [200, 200])
        if action in dead:
            assert all(words in page.text and 'href="/"' in page.text for page in pages)
            assert all("Mamá" not in page.text and "5678" not in page.text for page in pages)
            assert acts_of(card) == before


def test_link_lives_for_sixty_days(delivery, card):
    Delivery.objects.update(local_date=delivery.local_date - timedelta(days=60))
    assert browser().get(take_address(delivery, card)).status_code == 200


def test_link_still_takes_on_in_grace(delivery, card):
    today = card_today(delivery.member, card)
    Card.objects.update(deadline=in_days(today, -1), due_on=in_days(today, -30), safe_on=in_days(today, -8))
    card.refresh_from_db()
    assert "You are doing it." in press(browser(), take_address(delivery, card)).text
    assert browser().get(snooze_address(delivery, card)).status_code == 410


def test_deadline_that_changes_between_look_and_press_uses_nothing_up(delivery, card):
    client, address = browser(), take_address(delivery, card)
    client.get(address)
    renew(card, delivery)
    page = client.post(address, {"csrfmiddlewaretoken": client.cookies["csrftoken"].value})
    assert page.status_code == 410
    assert acts_of(card) == ([], [], 0)


def test_payment_at_the_moment_of_the_press_uses_nothing_up(delivery, card):
    """The link was still alive when it was read, and the card was locked only after the payment."""
    now = timezone.now()
    links = {action: read_act(address_of(act_url(delivery, card, action)).split("/")[3], now) for action in Action}
    renew(card, delivery)
    with pytest.raises(DeadLink, match="over"):
        take_by_link(links[Action.TAKE], now)
    with pytest.raises(DeadLink, match="over"):
        snooze_by_link(links[Action.SNOOZE], 1, now)
    assert acts_of(card) == ([], [], 0)


def forged_tokens(delivery, card, settings):
    real = take_address(delivery, card).split("/")[3]
    value, signature = real.split(".")
    other = snooze_address(delivery, card).split("/")[3]
    yield from (real[:-1], f"{real}A", value, f".{signature}", f"{value}.", real.upper())
    yield from ("x", "é", "." * 50, "A" * 3000)
    yield f"{other.split('.')[0]}.{signature}"
    yield signing.Signer(sep=".").sign_object([delivery.pk, delivery.member_id, card.pk, "take", str(card.deadline)])
    yield address_of(stop_url(delivery.member)).split("/")[3]
    settings.SECRET_KEY = "another one " * 5
    yield take_address(delivery, card).split("/")[3]


def test_forged_link_is_nothing_and_says_where_to_sign_in(delivery, card, settings):
    key, before = settings.SECRET_KEY, every_row()
    for token in list(forged_tokens(delivery, card, settings)):
        settings.SECRET_KEY = key
        for page in (browser().get(f"/mail/act/{token}/"), Client().post(f"/mail/act/{token}/", {"days": "1"})):
            assert (token, page.status_code) == (token, 404)
            assert "This link does not work" in page.text
            assert 'href="/"' in page.text
    assert every_row() == before


def test_link_of_one_household_touches_no_card_of_another(family, delivery, card):
    stranger = Family("Pérez").fill()
    token = take_address(delivery, stranger.card)
    assert browser().get(token).status_code == 410
    assert Client().post(token).status_code == 410
    assert not LinkUse.objects.exists()


def test_form_of_another_site_is_refused(delivery, card):
    before = every_row()
    for address in (take_address(delivery, card), snooze_address(delivery, card)):
        page = browser().post(address, {"days": "1", "csrfmiddlewaretoken": "x" * 32})
        assert page.status_code == 403
        assert "Please send it again" in page.text
    assert every_row() == before


def test_somebody_else_who_is_signed_in_acts_for_the_member_of_the_link(family, delivery, card):
    """A mail that was handed on does what it says, for whom it was written."""
    stranger = sign_in(Family("Pérez").owner)
    assert "You are doing it." in press(stranger, take_address(delivery, card)).text
    assert Renewal.objects.get().taken_by == family.owner


@pytest.mark.parametrize("method", ["put", "patch", "delete", "options"])
def test_other_methods_are_refused(delivery, card, method):
    before = every_row()
    for address in (take_address(delivery, card), address_of(stop_url(delivery.member))):
        assert getattr(Client(), method)(address).status_code == 405
    assert every_row() == before


def test_pages_are_kept_from_caches_search_engines_and_other_sites(delivery, card):
    used = snooze_address(delivery, card)
    press(browser(), used, days="1")
    stop = address_of(stop_url(delivery.member))
    for address in (take_address(delivery, card), used, "/mail/act/forged/", stop, "/mail/stop/forged/"):
        page = browser().get(address)
        assert "no-store" in page.headers["Cache-Control"]
        assert page.headers["X-Robots-Tag"] == "noindex"
        # The whole address goes to nobody, not even to this site; its form is taken all the same.
        assert page.headers["Referrer-Policy"] == "strict-origin"


def test_no_secret_of_an_address_reaches_the_log(delivery, card, caplog, settings):
    """Django writes down each address that it answers with an error."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(import_string(settings.LOGGING["formatters"]["line"]["()"])())
    take, stop = take_address(delivery, card), address_of(stop_url(delivery.member))
    press(browser(), take)
    logging.getLogger().addHandler(handler)
    try:
        browser().get(take)
        browser().post(take)
        browser().put(take)
        browser().put(stop)
        browser().get(f"{take[:-2]}/")
        browser().get(f"{stop[:-2]}/")
    finally:
        logging.getLogger().removeHandler(handler)
    secrets = {take.split("/")[3][:-1], stop.split("/")[3][:-1]}
    assert len(caplog.records) == 6
    assert all(secret in caplog.text for secret in secrets)
    assert len(written.getvalue().splitlines()) == 6
    assert not any(secret in written.getvalue() for secret in secrets)


def test_stop_page_says_what_it_would_mean_and_changes_nothing(family, card):
    address, before = address_of(stop_url(family.owner)), every_row()
    page = browser().get(address)
    assert page.status_code == 200
    assert "You are responsible for 1 number." in page.text
    assert "The others of your household will be told." in page.text
    assert 'href="/settings/"' in page.text
    assert not re.search(r"Chen|Mamá|5678|@", page.text)
    assert browser().head(address).status_code == 200
    assert every_row() == before


def test_stop_page_of_somebody_alone_says_that_nobody_will_notice():
    page = browser().get(address_of(stop_url(MemberFactory())))
    assert "Nobody else is in your household" in page.text


def test_one_press_in_the_mail_program_stops_the_mails_without_cookie_or_form(family, card):
    address = address_of(stop_url(family.owner))
    answer = browser().post(address, "List-Unsubscribe=One-Click", content_type="application/x-www-form-urlencoded")
    assert answer.status_code == 200
    assert "No more mails" in answer.text
    family.owner.refresh_from_db()
    stopped_at = family.owner.mail_stopped_at
    assert timezone.now() - stopped_at < timedelta(minutes=5)
    assert {row.member for row in Delivery.objects.filter(kind="alert")} == {family.manager, family.viewer}
    for again in (
        browser().post(address, {"List-Unsubscribe": "One-Click"}),
        browser().get(address),
    ):
        assert again.status_code == 200
        assert "No more mails" in again.text
    family.owner.refresh_from_db()
    assert family.owner.mail_stopped_at == stopped_at
    assert Delivery.objects.filter(kind="alert").count() == 2


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "x"}, {"anything": "One-Click"}])
def test_only_the_agreed_words_stop_the_mails(family, body):
    page = browser().post(address_of(stop_url(family.owner)), body)
    assert "Stop all mails?" in page.text
    assert not Member.objects.exclude(mail_stopped_at=None).exists()


def test_button_of_the_stop_page_sends_the_same(family):
    page = browser().get(address_of(stop_url(family.owner)))
    assert '<button class="btn" name="List-Unsubscribe" value="One-Click">' in page.text


def test_stop_link_dies_with_the_address_and_is_nobody_elses(family):
    address = address_of(stop_url(family.owner))
    number, signature = address.split("/")[3].split(".")
    tokens = (number, f"{number}.", f".{signature}", "x.y", f"{'9' * 40}.x", f"é.{signature}")
    others = [f"/mail/stop/{token}/" for token in (*tokens, f"{family.manager.pk}.{signature}")]
    family.owner.user.email = "new@example.org"
    family.owner.user.save()
    for each in (address, *others):
        for page in (browser().get(each), browser().post(each, {"List-Unsubscribe": "One-Click"})):
            assert (each, page.status_code) == (each, 404)
            assert "Take the link from the latest mail" in page.text
    assert not Member.objects.exclude(mail_stopped_at=None).exists()
    assert read_stop(address_of(stop_url(family.owner)).split("/")[3]) == family.owner


def test_stop_link_shows_nothing_of_its_member(family):
    address = stop_url(family.owner)
    assert "Olga" not in address
    assert family.owner.user.email not in address


def test_who_was_removed_stops_nothing(family):
    address = address_of(stop_url(family.owner))
    family.owner.user.is_active = False
    family.owner.user.save()
    assert browser().post(address, {"List-Unsubscribe": "One-Click"}).status_code == 404


def test_stop_page_speaks_the_language_of_its_member(family):
    Member.objects.filter(pk=family.owner.pk).update(language="es")
    page = browser().get(address_of(stop_url(family.owner)))
    assert '<html lang="es">' in page.text
    assert page.headers["Content-Language"] == "es"

"""What is deleted goes into the bin: it counts nowhere, can be put back for thirty days, and is gone after them."""

import datetime

import pytest
from django.utils import timezone

from cards.models import Card, LogEntry
from renewals.bin import KEPT, CannotDelete, bin_of, empty_bin, put_into_bin, restore, save_correction
from renewals.history import history_of, newest_of
from renewals.ledger import ledger_of
from renewals.models import Activity, Document, DocumentCheck, Payment, Reading, SignalCheck
from renewals.uploads import keep
from renewals.views.card import card_today
from tests.family import Family, every_row, in_days, said, sign_in

pytestmark = pytest.mark.django_db

MODELS = {"document": Document, "payment": Payment, "activity": Activity, "reading": Reading, "signal": SignalCheck}


@pytest.fixture(autouse=True)
def uploads(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path
    return tmp_path


@pytest.fixture
def family():
    return Family().fill()


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


@pytest.fixture
def today(family):
    return card_today(family.owner, family.card)


@pytest.fixture
def card(family):
    """A card without any history."""
    return family.add_card(name="Tía")


def top_up(family, card, day, **fields):
    about = {"household": family.household, "by": family.owner, "card": card, "confirmed_on": day}
    return Payment.objects.create(**about, amount=100, currency="CUP", paid_on=day, **fields)


def correct(family, old, day):
    row = Payment(household=family.household, by=family.owner, card=old.card, confirmed_on=day, amount=100,
                  currency="CUP", paid_on=day, corrects=old)  # fmt: skip
    save_correction(row)
    return row


def deadline_of(card):
    return Card.objects.get(pk=card.pk).deadline


def address(kind, row, act):
    return f"/documents/{row.pk}/delete/" if (kind, act) == ("document", "delete") else f"/log/{kind}/{row.pk}/delete/"


def row_of(family, kind):
    return getattr(family, kind)


@pytest.mark.parametrize("kind", MODELS)
def test_deleted_thing_is_in_the_bin_with_who_and_when_and_can_be_put_back(family, browser, kind):
    row = row_of(family, kind)
    page = browser.post(address(kind, row, "delete"), follow=True)
    undo = f"/bin/{kind}/{row.pk}/restore/"
    assert f'action="{undo}"' in page.text
    assert "Undo" in page.text
    row.refresh_from_db()
    assert row.deleted_by == family.owner
    assert abs(timezone.now() - row.deleted_at) < datetime.timedelta(minutes=1)
    assert f'action="{undo}"' in browser.get("/household/bin/").text
    assert said(browser.post(undo, follow=True)) == ["It is back, as it was before."]
    restored = MODELS[kind].objects.kept().get(pk=row.pk)
    assert (restored.deleted_at, restored.deleted_by) == (None, None)
    assert undo not in browser.get("/household/bin/").text
    acts = LogEntry.objects.filter(kind__in=["deleted", "restored"]).order_by("pk")
    subject = f"document:{row.pk}" if kind == "document" else f"card:{row.card_id}"
    assert [(line.kind, line.subject) for line in acts] == [("deleted", subject), ("restored", subject)]


@pytest.mark.parametrize("kind", MODELS)
def test_undo_is_offered_once_and_pressed_twice_it_changes_nothing_more(family, browser, kind):
    row = row_of(family, kind)
    browser.post(address(kind, row, "delete"), follow=True)
    undo = f"/bin/{kind}/{row.pk}/restore/"
    assert undo not in browser.get("/documents/").text
    browser.post(undo, follow=True)
    before = every_row()
    assert said(browser.post(undo, follow=True)) == ["This was put back before. Nothing was changed."]
    assert every_row() == before


@pytest.mark.parametrize("kind", MODELS)
def test_deleted_thing_cannot_be_opened_changed_or_deleted_again(family, browser, kind):
    row = row_of(family, kind)
    browser.post(address(kind, row, "delete"))
    gone = [address(kind, row, "delete")]
    gone.append(f"/documents/{row.pk}/edit/" if kind == "document" else f"/log/{kind}/{row.pk}/correct/")
    before = every_row()
    for each in gone:
        assert (browser.get(each).status_code, browser.post(each).status_code) == (404, 404)
    assert every_row() == before


def test_deleted_thing_shows_on_no_page(family, browser, today):
    family.document.issued_by, family.document.expires_on = "Oficina 7", in_days(today, 20)
    family.document.save()
    DocumentCheck.objects.create(
        household=family.household, renewal=family.renewal, document=family.document, kind="passport", result="ready"
    )
    Payment.objects.filter(pk=family.payment.pk).update(reference="A-17")
    Reading.objects.filter(pk=family.reading.pk).update(how="*333#")
    SignalCheck.objects.filter(pk=family.signal.pk).update(note="Balcony")
    told = ["Oficina 7", "A-17", "*333#", "Balcony"]
    pages = ["/", "/documents/", f"/cards/{family.card.pk}/", f"/renewals/{family.renewal.pk}/", "/payments/",
             "/payments/csv/", f"/renewals/{family.renewal.pk}/documents/"]  # fmt: skip
    shown = {word for page in pages for word in told if word in browser.get(page).text}
    assert shown == set(told)
    for kind in MODELS:
        browser.post(address(kind, row_of(family, kind), "delete"), follow=True)
    for page in pages:
        assert [word for word in told if word in browser.get(page).text] == [], page
    days = [entry.on for day in browser.get("/calendar/").context["days"] for entry in day.entries]
    assert family.document.expires_on not in days


def test_deleted_entries_count_for_nothing(family, card, today):
    first, second = top_up(family, card, in_days(today, -100)), top_up(family, card, in_days(today, -10))
    put_into_bin(second, family.owner, timezone.now())
    assert deadline_of(card) == in_days(today, 230)
    assert [entry.row for entry in history_of(card)] == [first]
    assert newest_of(card) == first
    assert second not in ledger_of(family.owner)
    restore(second)
    assert deadline_of(card) == in_days(today, 320)
    assert second in ledger_of(family.owner)


def test_deleted_payment_of_an_open_renewal_is_asked_for_anew_and_not_confirmed(family, browser):
    family.renewal.payments.update(confirmed_on=None)
    assert family.renewal.record_of("pay") == family.payment
    browser.post(f"/log/payment/{family.payment.pk}/delete/")
    assert family.renewal.record_of("pay") is None


def test_viewer_neither_deletes_nor_sees_the_bin_nor_puts_back(family, browser):
    browser.post(f"/log/payment/{family.payment.pk}/delete/")
    viewer = sign_in(family.viewer)
    before = every_row()
    assert viewer.get("/household/bin/").status_code == 403
    assert viewer.post(f"/bin/payment/{family.payment.pk}/restore/").status_code == 403
    assert every_row() == before
    assert "Bin" not in viewer.get("/household/").text


def test_stranger_neither_sees_nor_puts_back(family, browser):
    browser.post(f"/log/payment/{family.payment.pk}/delete/")
    stranger = sign_in(Family("Pérez").owner)
    before = every_row()
    assert stranger.post(f"/bin/payment/{family.payment.pk}/restore/").status_code == 404
    assert "The bin is empty." in stranger.get("/household/bin/").text
    assert every_row() == before


def test_bin_of_a_private_card_is_for_those_who_see_it(family, browser):
    browser.post(f"/log/payment/{family.payment.pk}/delete/")
    Card.objects.filter(pk=family.card.pk).update(is_private=True)
    family.card.seen_by.set([family.owner])
    manager = sign_in(family.manager)
    assert "The bin is empty." in manager.get("/household/bin/").text
    assert manager.post(f"/bin/payment/{family.payment.pk}/restore/").status_code == 404
    assert [each.row for each in bin_of(family.owner, timezone.now())] == [family.payment]


@pytest.mark.parametrize("kind", ["card", "member", "x", "household"])
def test_only_these_kinds_have_a_bin(family, browser, kind):
    assert browser.post(f"/bin/{kind}/1/restore/").status_code == 404


@pytest.mark.parametrize("rows", [1, 30])
def test_bin_page_asks_the_database_equally_often(family, browser, today, rows, django_assert_num_queries):
    about = {"deleted_at": timezone.now(), "deleted_by": family.manager}
    for _each in range(rows):
        top_up(family, family.card, today, **about)
        Document.objects.create(household=family.household, person=family.person, kind="other", **about)
    with django_assert_num_queries(8):
        page = browser.get("/household/bin/")
    assert page.text.count("deleted by Mario Chen") == 2 * rows


def test_deleted_correction_lets_the_old_entry_count_again_and_put_back_it_holds(family, card, today):
    old = top_up(family, card, in_days(today, -10))
    new = correct(family, old, in_days(today, -50))
    put_into_bin(new, family.owner, timezone.now())
    assert (deadline_of(card), list(Payment.objects.valid().filter(card=card))) == (in_days(today, 320), [old])
    restore(new)
    assert (deadline_of(card), list(Payment.objects.valid().filter(card=card))) == (in_days(today, 280), [new])


def test_entry_that_was_corrected_is_not_deleted(family, card, browser, today):
    old = top_up(family, card, in_days(today, -10))
    correct(family, old, in_days(today, -50))
    with pytest.raises(CannotDelete):
        put_into_bin(old, family.owner, timezone.now())
    before = every_row()
    page = browser.post(f"/log/payment/{old.pk}/delete/", follow=True)
    assert said(page) == ["This entry was corrected meanwhile. Delete the entry that corrects it instead."]
    assert every_row() == before


def test_entry_whose_correction_was_deleted_can_be_corrected_again(family, card, browser, today):
    """Of each entry one correction holds: the one that was put back or written last."""
    old = top_up(family, card, in_days(today, -10))
    first = correct(family, old, in_days(today, -50))
    put_into_bin(first, family.owner, timezone.now())
    data = {"kind": "top_up", "amount": "100", "currency": "CUP", "channel": "inside"}
    data["paid_on"] = in_days(today, -30).isoformat()
    assert said(browser.post(f"/log/payment/{old.pk}/correct/", data, follow=True)) == ["Written down."]
    second = Payment.objects.kept().get(corrects=old)
    assert list(Payment.objects.valid().filter(card=card)) == [second]
    restore(Payment.objects.get(pk=first.pk))
    assert list(Payment.objects.valid().filter(card=card)) == [first]
    assert deadline_of(card) == in_days(today, -50) + datetime.timedelta(days=330)


def test_chain_that_was_deleted_from_its_end_comes_back_with_what_it_corrects(family, card, today):
    rows = [top_up(family, card, in_days(today, -10))]
    rows += [correct(family, rows[-1], in_days(today, -50))]
    rows += [correct(family, rows[-1], in_days(today, -70))]
    now = timezone.now()
    for number, row in enumerate(reversed(rows)):
        put_into_bin(row, family.owner, now + datetime.timedelta(seconds=number))
    assert deadline_of(card) is None
    restore(Payment.objects.get(pk=rows[-1].pk))
    assert list(Payment.objects.valid().filter(card=card)) == [rows[-1]]
    assert Payment.objects.kept().filter(card=card).count() == 3


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize(("seconds", "left"), [(-1, True), (0, False), (1, False)])
def test_bin_is_emptied_after_thirty_days_to_the_second(family, kind, seconds, left):
    now, row = timezone.now(), row_of(family, kind)
    put_into_bin(row, family.owner, now)
    assert empty_bin(now + KEPT + datetime.timedelta(seconds=seconds)) == (not left)
    assert MODELS[kind].objects.filter(pk=row.pk).exists() == left


def test_bin_shows_nothing_that_is_about_to_go(family):
    now = timezone.now()
    put_into_bin(family.payment, family.owner, now)
    assert [each.row for each in bin_of(family.owner, now)] == [family.payment]
    assert bin_of(family.owner, now + KEPT) == []


def test_files_stay_as_long_as_what_names_them_and_are_not_handed_out_from_the_bin(family, browser, uploads, today):
    keep(family.payment, "receipt", "pdf", b"%PDF-1")
    family.payment.save()
    keep(family.document, "scan", "pdf", b"%PDF-2")
    family.document.save()
    correction = Payment(household=family.household, by=family.owner, card=family.card, amount=120, currency="CUP",
                         paid_on=today, corrects=family.payment)  # fmt: skip
    correction.receipt, correction.receipt_type = family.payment.receipt.name, "pdf"
    save_correction(correction)
    receipt, now = f"/payments/{correction.pk}/receipt/", timezone.now()
    assert browser.get(receipt).status_code == 200
    put_into_bin(correction, family.owner, now)
    put_into_bin(family.document, family.owner, now)
    assert browser.get(receipt).status_code == 404
    assert browser.post(f"/documents/{family.document.pk}/scan/").status_code == 404
    assert len(files_in(uploads)) == 2
    empty_bin(now + KEPT)
    assert files_in(uploads) == [uploads / family.payment.receipt.name]
    put_into_bin(Payment.objects.get(pk=family.payment.pk), family.owner, now)
    empty_bin(now + KEPT)
    assert files_in(uploads) == []


def files_in(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())

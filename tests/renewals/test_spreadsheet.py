"""The CSV of the payments: it opens right in a spreadsheet, and nothing in it runs."""

import csv
import datetime
import io
from decimal import Decimal

import pytest
from django.utils import translation

from cards.models import TopUpChannel
from renewals.ledger import ledger_of
from renewals.models import Payment
from renewals.spreadsheet import harmless, payments_to_csv, to_csv
from tests.family import Family

# What people type, or strangers make them type, and what a cell of it must be.
RUNS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://x","y")',
    "+53 5 234 5678",
    "+1-800-1",
    "-2",
    "-2+3+cmd|' /C calc'!A0",
    "@x",
    "@SUM(1+1)",
    "\t=1",
    "\ttab",
    "\r=1",
    "\rreturn",
    "\nnew line",
    " =1+1",
    "\u00a0=1+1",
    "\u3000-2",
    "＝1+1",
    "＋1",
    "－1",
    "＠x",
    "'quoted'",
    "\0x",
]
RESTS = [
    "",
    "plain",
    'with "quotes"',
    "a,b;c",
    "two\r\nlines",
    "inner =1+1",
    "1-2",
    "📱 emoji =1",
    "\u202eright to left",
    "العربية",
    "中文，标点",
    "5 pesos",
    "—dash",
    "x" * 1000,
    "tab\tinside",
    "\\=1",
]


def read(content):
    assert content.startswith(b"\xef\xbb\xbf")
    assert not content[3:].startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), strict=True))


@pytest.mark.parametrize("text", RUNS)
def test_text_that_could_run_gets_an_apostrophe(text):
    assert harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", RESTS)
def test_other_text_stays_as_it_is(text):
    assert harmless(text) == text


def test_table_reads_back_as_it_was_written():
    rows = [[harmless(text), "1.00"] for text in RUNS + RESTS]
    content = to_csv(["Name", "Größe"], rows)
    assert read(content) == [["Name", "Größe"], *rows]
    assert not [cell for cell, _amount in rows if cell[:1] in {"=", "+", "-", "@", "\t", "\r"}]


def test_lines_end_as_spreadsheets_expect():
    assert to_csv(["a", "b"], [["1", ""], ["2", "x"]]) == b"\xef\xbb\xbfa,b\r\n1,\r\n2,x\r\n"


@pytest.fixture
def family(db):
    return Family("Chen")


def pay(family, card, **fields):
    about = {"household": family.household, "card": card, "by": family.owner, "amount": 100, "currency": "CUP"}
    return Payment.objects.create(**about | {"paid_on": datetime.date(2026, 1, 31)} | fields)


def download(family):
    return read(payments_to_csv(ledger_of(family.owner).select_related("card__plan__operator", "via", "by")))


def test_payment_is_written_whole(family):
    card = family.add_card(name="Mamá", number="+5352345678")
    via = TopUpChannel.objects.create(operator=card.plan.operator, kind="app", name="@Transfermóvil")
    pay(
        family,
        card,
        amount=Decimal("250.5"),
        charged_amount=Decimal("12345.6"),
        charged_currency="EUR",
        method="credit_card",
        channel="abroad",
        via=via,
        covers_until=datetime.date(2026, 12, 31),
        reference="=1+1",
        confirmed_on=datetime.date(2026, 2, 1),
    )
    header, row = download(family)
    assert dict(zip(header, row, strict=True)) == {
        "Paid on": "2026-01-31",
        "Card": "Mamá",
        "Number": "'+5352345678",
        "Operator": "Cubacel",
        "What was paid": "top-up",
        "Amount": "250.50",
        "Currency": "CUP",
        "Really charged": "12345.60",
        "Currency charged": "EUR",
        "Paid with": "credit card",
        "Paid": "from abroad",
        "Paid through": "'@Transfermóvil",
        "Covers until": "2026-12-31",
        "Reference": "'=1+1",
        "Confirmed on": "2026-02-01",
        "Recorded by": "Olga Chen",
    }


def test_what_is_not_known_is_an_empty_cell(family):
    pay(family, family.add_card(), by=None)
    header, row = download(family)
    empty = {name for name, cell in zip(header, row, strict=True) if not cell}
    assert empty == {
        "Really charged",
        "Currency charged",
        "Paid with",
        "Paid through",
        "Covers until",
        "Reference",
        "Confirmed on",
        "Recorded by",
    }


def test_nasty_names_and_references_come_back_harmless(family):
    # PostgreSQL keeps no NUL, and no form lets one in.
    nasty = [text for text in RUNS + RESTS if len(text) <= 60 and "\0" not in text]
    assert len(nasty) >= 25
    for text in nasty:
        pay(family, family.add_card(name=text), reference=text)
    rows = download(family)[1:]
    assert {(row[1], row[13]) for row in rows} == {(harmless(text), harmless(text)) for text in nasty}
    assert {len(row) for row in rows} == {16}


@pytest.mark.parametrize("language", ["en", "es", "zh-hans"])
def test_days_and_amounts_are_the_same_in_every_language(family, language):
    pay(family, family.add_card(), amount=Decimal("1234567.8"))
    with translation.override(language):
        row = download(family)[1]
    assert (row[0], row[5]) == ("2026-01-31", "1234567.80")

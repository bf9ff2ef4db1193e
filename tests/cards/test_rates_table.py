"""Exchange rates from a CSV: read, shown, saved."""

import datetime
import re
from decimal import Decimal

import pytest
from django.contrib.admin.models import LogEntry
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile

from cards import rates_table
from cards.models import ExchangeRate
from cards.rates_table import compare_rates, decode_rates, import_rates, read_rates
from tests.admin import fields_of
from tests.family import Family, every_row, said, sign_in

TODAY = datetime.date(2026, 1, 24)
PAGE = "/admin/cards/exchangerate/import/"
HEADER = "currency,target,rate,dated_on,source\n"
INLINE = re.compile(r"<style|\sstyle=|\son[a-z]+=|javascript:|<script(?![^>]*\ssrc=)", re.IGNORECASE)


def rate(currency, target, value, days_ago=0, source=""):
    day = TODAY - datetime.timedelta(days=days_ago)
    return ExchangeRate(currency=currency, target=target, rate=Decimal(value), dated_on=day, source=source)


# A CSV of rates


def rows_of(text):
    table = read_rates(text, TODAY)
    assert table.mistakes == []
    return [(row.currency, row.target, row.rate, row.dated_on.isoformat(), row.source) for row in table.rows]


@pytest.mark.parametrize(
    "text",
    [
        "currency,target,rate,dated_on,source\nEUR,CUP,120.5,2026-01-24,bank\n",
        "currency,target,rate,dated_on,source\r\nEUR,CUP,120.5,2026-01-24,bank",
        "currency,target,rate,dated_on,source\rEUR,CUP,120.5,2026-01-24,bank\r",
        "\n\n Source , DATED_ON,rate,Target,currency\n\n bank ,2026-01-24, 120.5 ,cup,eur\n,,,,\n",
        "currency;target;rate;dated_on;source\nEUR;CUP;120,5;2026-01-24;bank\n",
        'currency,target,rate,dated_on,source\n"EUR","CUP","120,50","2026-01-24","bank"\n',
        "\ufeffcurrency,target,rate,dated_on,source\nEUR,CUP,120.5,2026-01-24,bank\n",
    ],
)
def test_rates_are_read_in_every_form(text):
    expected = [("EUR", "CUP", Decimal("120.5"), "2026-01-24", "bank")]
    assert rows_of(decode_rates(text.encode())) == expected


def test_rates_may_have_no_source():
    assert rows_of("currency,target,rate,dated_on\nEUR,CUP,120.5,2026-01-24\n")[0][4] == ""
    assert rows_of(HEADER + "EUR,CUP,120.5,2026-01-24,\n")[0][4] == ""


@pytest.mark.parametrize(
    ("text", "mistakes"),
    [
        ("", ["Line 1: The file is empty."]),
        (" \n\n", ["Line 1: The file is empty."]),
        (HEADER, ["There is no rate in this file."]),
        (
            "\ncurrency,rate,when,rate\nEUR,x,y,z\n",
            [
                "Line 2: The column “rate” is there twice.",
                "Line 2: There is no column “when”. The columns are: currency, target, rate, dated_on, source.",
                "Line 2: The column “target” is missing.",
                "Line 2: The column “dated_on” is missing.",
            ],
        ),
        (
            "EUR,CUP,120,2026-01-24\n",
            [
                *(
                    f"Line 1: There is no column “{name}”. The columns are: currency, target, rate, dated_on, source."
                    for name in ("eur", "cup", "120", "2026-01-24")
                ),
                *(f"Line 1: The column “{name}” is missing." for name in ("currency", "target", "rate", "dated_on")),
            ],
        ),
        (
            HEADER
            + "XXZ,,0,2026-01-25,ok\n"
            + "EUR,EUR,-1,24.11.2026,\n"
            + "EUR,CUP\n"
            + "\n"
            + "EUR,CUP,120,2026-01-24,a\n"
            + "EUR,USD,much,1889-01-01,b\n"
            + "eur,cup,121,2026-01-24,c\n"
            + "EUR,USD,0.000000001,2026-01-24,d\n"
            + "EUR,CNY,NaN,2026-01-24,e\n"
            + "EUR,CNY,12345678901,2026-01-24,f\0\n",
            [
                "Line 2: currency: “XXZ” is not a currency. Use three letters, such as CUP, CNY or EUR.",
                "Line 2: target: This field is required.",
                "Line 2: rate: A rate is more than zero.",
                "Line 2: dated_on: This day is still to come.",
                "Line 3: rate: A rate is more than zero.",
                "Line 3: dated_on: Write the day as year-month-day, such as 2027-03-04.",
                "Line 3: A rate is between two currencies.",
                "Line 4: There are 2 cells instead of 5.",
                "Line 7: rate: Write an amount in digits, such as 100 or 0.10.",
                "Line 7: dated_on: This year cannot be right.",
                "Line 8: The same currencies and day are in line 6.",
                "Line 9: rate: A rate is more than zero.",
                "Line 9: rate: Ensure that there are no more than 8 decimal places.",
                "Line 10: rate: Write an amount in digits, such as 100 or 0.10.",
                "Line 11: rate: Ensure that there are no more than 10 digits before the decimal point.",
                "Line 11: source: Null characters are not allowed.",
            ],
        ),
        (
            HEADER + f'EUR,CUP,1,2026-01-24,"one\ntwo"\nEUR,USD,1,2026-01-24,{"x" * 201}\n"a"b,c,d,e,f\nE,"open\n\n',
            [
                "Line 4: source: This is longer than 200 characters.",
                "Line 5: This line is not written as in a CSV; look at its quotation marks.",
                "Line 6: This line is not written as in a CSV; look at its quotation marks.",
            ],
        ),
    ],
)
def test_every_mistake_is_told_with_its_line(text, mistakes):
    assert sorted(read_rates(text, TODAY).mistakes) == sorted(mistakes)


def days_of_rates(count):
    first = datetime.date(1995, 1, 1)
    return HEADER + "".join(f"EUR,CUP,120,{first + datetime.timedelta(days=day)},\n" for day in range(count))


def test_as_many_lines_as_allowed_are_read():
    assert len(rows_of(days_of_rates(10_000))) == 10_000
    table = read_rates(days_of_rates(10_001), TODAY)
    assert (table.rows, table.mistakes) == ([], ["There are more than 10000 lines."])


@pytest.mark.parametrize(
    ("content", "line"),
    [("a\nb\nñ".encode("latin-1"), 3), (HEADER.encode("utf-16"), 1), (b"PK\x03\x04\xff", 1), (b"\xed\xa0\x80", 1)],
)
def test_file_in_another_encoding_is_refused(content, line):
    with pytest.raises(ValidationError) as refused:
        decode_rates(content)
    assert refused.value.messages == [f"Line {line}: this is not in UTF-8. Save the file as “CSV UTF-8”."]


# What it changes


@pytest.fixture
def there(db):
    ExchangeRate.objects.bulk_create(
        [rate("EUR", "CUP", 120, 1, "bank"), rate("EUR", "CUP", 119, 2), rate("CUP", "EUR", "0.008", 1)]
    )


def changes_of(*rows):
    changes = compare_rates(rows, ExchangeRate.objects.all())
    pairs = [(str(pair.before), str(pair.after)) for pair in changes.changed]
    return [str(row) for row in changes.new], pairs, changes.unchanged


def test_changes_are_told_from_what_is_there(there):
    assert changes_of(
        rate("EUR", "CUP", "120.00", 1, "bank"),
        rate("EUR", "CUP", "118.5", 2),
        rate("EUR", "CUP", 121, 0),
        rate("EUR", "USD", 1, 1),
        rate("CUP", "EUR", "0.008", 1),
    ) == (["1 EUR = 121 CUP", "1 EUR = 1 USD"], [("1 EUR = 119 CUP", "1 EUR = 118.5 CUP")], 2)
    assert changes_of() == ([], [], 0)


@pytest.mark.parametrize(
    ("value", "source", "changed"), [(120, "", 0), (120, "bank", 0), (120, "other", 1), (121, "bank", 1), (121, "", 1)]
)
def test_source_alone_is_a_change_unless_there_is_none(there, value, source, changed):
    assert len(changes_of(rate("EUR", "CUP", value, 1, source))[1]) == changed


def all_rates():
    return set(ExchangeRate.objects.values_list("currency", "target", "rate", "dated_on", "source"))


def terms(*rows):
    return {(row.currency, row.target, row.rate, row.dated_on, row.source) for row in rows}


def test_rates_are_saved_as_they_were_shown(there):
    rows = [rate("EUR", "CUP", 121, 1), rate("EUR", "USD", "1.08", 0, "bank"), rate("EUR", "CUP", 119, 2)]
    keys = dict(ExchangeRate.objects.values_list("pk", "dated_on"))
    mark = compare_rates(rows, ExchangeRate.objects.all()).mark
    saved = import_rates(rows, mark)
    assert (len(saved.new), len(saved.changed), saved.unchanged) == (1, 1, 1)
    assert all_rates() == terms(*rows, rate("CUP", "EUR", "0.008", 1))
    assert keys.items() <= dict(ExchangeRate.objects.values_list("pk", "dated_on")).items()


@pytest.mark.parametrize("meanwhile", ["changed", "deleted", "added"])
def test_rates_that_changed_meanwhile_are_not_saved(there, meanwhile):
    rows = [rate("EUR", "CUP", 121, 1), rate("EUR", "USD", "1.08")]
    mark = compare_rates(rows, ExchangeRate.objects.all()).mark
    if meanwhile == "changed":
        ExchangeRate.objects.filter(rate=120).update(rate=122)
    elif meanwhile == "deleted":
        ExchangeRate.objects.filter(rate=120).delete()
    else:
        rate("EUR", "USD", "1.07").save()
    before = all_rates()
    assert import_rates(rows, mark) is None
    assert all_rates() == before


def test_rate_written_by_somebody_else_between_look_and_save_is_kept(there, monkeypatch):
    rows = [rate("EUR", "CUP", 121, 1), rate("EUR", "USD", "1.08")]
    seen = compare_rates(rows, ExchangeRate.objects.all())
    rate("EUR", "USD", "1.07").save()
    before = all_rates()
    monkeypatch.setattr(rates_table, "compare_rates", lambda *_args: seen)
    assert import_rates(rows, seen.mark) is None
    assert all_rates() == before


# The pages


@pytest.fixture
def staff(db):
    owner = Family("Chen").owner
    owner.user.is_staff = owner.user.is_superuser = True
    owner.user.save()
    return sign_in(owner)


def upload(client, text, name="rates.csv"):
    content = text if isinstance(text, bytes) else text.encode()
    return client.post(PAGE, {"file": SimpleUploadedFile(name, content)})


def confirm(client, page):
    """Press “Save these rates”: the browser ends the lines of the hidden text in its own way."""
    sent = fields_of(page).sent
    return client.post(PAGE, sent | {"text": sent["text"].replace("\n", "\r\n")}, follow=True)


def test_import_shows_what_would_change_then_saves_it(staff, there):
    text = (
        HEADER + 'EUR,CUP,121.5,2026-01-23,"<b>two\nlines</b>"\nEUR,USD,1.08,2026-01-20,\nCUP,EUR,0.008,2026-01-23,\n'
    )
    before = every_row()
    page = upload(staff, text)
    assert every_row() == before
    for words in (
        "1 rate is new.",
        "1 rate changes.",
        "1 rate stays as it is.",
        "1 EUR = 120 CUP",
        "1 EUR = 121.5 CUP",
    ):
        assert words in page.text
    assert "<b>two" not in page.text
    assert "&lt;b&gt;two" in page.text
    assert INLINE.search(page.text) is None
    assert page.text.count("<h1") == 1
    answer = confirm(staff, page)
    assert answer.redirect_chain == [("/admin/cards/exchangerate/", 302)]
    assert said(answer) == ["Saved: 1 new, 1 changed, 1 as they were."]
    assert all_rates() == terms(
        rate("EUR", "CUP", "121.5", 1, "<b>two\nlines</b>"),
        rate("EUR", "USD", "1.08", 4),
        rate("EUR", "CUP", 119, 2),
        rate("CUP", "EUR", "0.008", 1),
    )
    noted = set(LogEntry.objects.values_list("action_flag", "object_repr", "change_message"))
    assert noted == {(1, "1 EUR = 1.08 USD", "Imported from a CSV."), (2, "1 EUR = 120 CUP", "Imported from a CSV.")}


def test_import_that_changes_nothing_saves_nothing(staff, there):
    page = upload(staff, HEADER + "EUR,CUP,120,2026-01-23,bank\n")
    assert "There is nothing to save." in page.text
    assert "Save these rates" not in page.text


def test_import_is_shown_again_when_the_rates_changed_meanwhile(staff, there):
    page = upload(staff, HEADER + "EUR,CUP,121,2026-01-23,\n")
    ExchangeRate.objects.filter(rate=120).update(rate=122)
    before = all_rates()
    again = confirm(staff, page)
    assert said(again) == ["The rates have changed meanwhile. Look again."]
    assert "1 EUR = 122 CUP" in again.text
    assert all_rates() == before
    confirm(staff, again)
    assert all_rates() != before


def test_import_checks_the_text_again_when_it_is_confirmed(staff, there):
    page = upload(staff, HEADER + "EUR,CUP,121,2026-01-23,\n")
    before, sent = every_row(), fields_of(page).sent
    answer = staff.post(PAGE, sent | {"text": HEADER + "EUR,CUP,-1,2026-01-23,\n"})
    assert "Line 2: rate: A rate is more than zero." in answer.text
    forged = staff.post(PAGE, sent | {"text": HEADER + "EUR,CUP,999,2026-01-23,\n"})
    assert "The rates have changed meanwhile. Look again." in forged.text
    assert every_row() == before


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "The submitted file is empty."),
        ("ñ".encode("latin-1"), "Line 1: this is not in UTF-8."),
        (HEADER.encode() + b" " * 1_000_000, "The file is larger than 1 MB."),
        (days_of_rates(10_001).encode(), "There are more than 10000 lines."),
        (HEADER.encode() + b"<script>,CUP,1,2026-01-23,\n", "Line 2: currency: “&lt;SCRIPT&gt;” is not a currency."),
        (b"<script>\n", "There is no column “&lt;script&gt;”."),
        (b"a,b\0\n", "Line 1: There is no column"),
    ],
)
def test_import_of_a_wrong_file_is_refused_in_words(staff, there, content, words):
    before = every_row()
    page = upload(staff, content)
    assert page.status_code == 200
    assert words in page.text
    assert "Nothing was saved." in page.text
    assert "<script>" not in page.text
    assert INLINE.search(page.text) is None
    assert every_row() == before


def test_import_names_the_first_thousand_mistakes(staff):
    page = upload(staff, HEADER + "x\n" * 1002)
    assert page.text.count("There are 1 cells instead of 5.") == 1000
    assert "There are 2 more mistakes." in page.text


@pytest.mark.parametrize("typed", [{}, {"text": ""}, {"text": "\0"}, {"mark": "x" * 65}, {"mark": "x"}])
def test_import_without_a_file_asks_for_one(staff, typed):
    before = every_row()
    page = staff.post(PAGE, typed)
    assert page.status_code == 200
    assert "Save these rates" not in page.text
    assert every_row() == before


def test_large_import_shows_the_first_and_saves_all(staff):
    page = upload(staff, days_of_rates(300))
    assert page.text.count("1 EUR = 120 CUP") == 200
    assert "Of each kind, the first 200 are shown; all of them are saved." in page.text
    confirm(staff, page)
    assert ExchangeRate.objects.count() == 300


@pytest.mark.parametrize(("rows", "queries"), [(1, 4), (300, 4)])
def test_import_asks_the_database_equally_often(staff, rows, queries, django_assert_num_queries):
    with django_assert_num_queries(queries):
        upload(staff, days_of_rates(rows))


def test_import_is_for_who_may_edit_rates(staff):
    user = Family("Ruiz").owner.user
    user.is_staff = True
    user.save()
    client = Family("Diaz").owner
    assert staff.get(PAGE).status_code == 200
    assert sign_in(user.members.get()).get(PAGE).status_code == 403
    assert sign_in(user.members.get()).post(PAGE).status_code == 403
    assert sign_in(client).get(PAGE).status_code == 302

"""Tables as CSV files that spreadsheets open right, and that run nothing in them."""

import csv
import datetime
import io
from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from .models import Payment

# By these a spreadsheet takes a text for a formula; the wide ones in some languages.
FORMULA = tuple("=+-@＝＋－＠")
CONTROL = ("\t", "\r", "\n", "\0")
MARK = "'"


def harmless(text: str) -> str:
    """Return the text, with an apostrophe before it where a spreadsheet could take it for a formula.

    A number such as +53 … is such a text: it would be added up. A text with an apostrophe of its own gets a second
    one, so that `typed` finds back what was meant.
    """
    is_marked = text.startswith((*CONTROL, MARK)) or text.lstrip().startswith((*FORMULA, "\0"))
    return f"{MARK}{text}" if is_marked else text


def typed(cell: str) -> str:
    """Return what somebody typed, from what `harmless` made of it."""
    return cell.removeprefix(MARK)


def to_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """Return a CSV in UTF-8 with the mark by which spreadsheets know it, lines ended by CR LF.

    The cells are written as they are: what people typed goes through `harmless` first, plain amounts need not.
    """
    file = io.StringIO(newline="")
    writer = csv.writer(file, lineterminator="\r\n")
    writer.writerow(header)
    writer.writerows(rows)
    return file.getvalue().encode("utf-8-sig")


def payments_to_csv(payments: Iterable[Payment]) -> bytes:
    """Return payments as a CSV, its header in the active language. They come with card, operator, `via` and `by`."""
    return to_csv(_payment_header(), map(_payment_cells, payments))


def _payment_header() -> list[str]:
    return [
        _("Paid on"),
        _("Card"),
        _("Number"),
        _("Operator"),
        _("What was paid"),
        _("Amount"),
        _("Currency"),
        _("Really charged"),
        _("Currency charged"),
        _("Paid with"),
        pgettext("from where", "Paid"),
        _("Paid through"),
        _("Covers until"),
        _("Reference"),
        _("Confirmed on"),
        _("Recorded by"),
    ]


def _payment_cells(payment: Payment) -> list[str]:
    return [
        payment.paid_on.isoformat(),
        harmless(payment.card.name),
        harmless(payment.card.number),
        harmless(payment.card.plan.operator.name),
        harmless(payment.get_kind_display()),
        _amount(payment.amount),
        payment.currency,
        _amount(payment.charged_amount),
        payment.charged_currency,
        harmless(payment.get_method_display()),
        harmless(payment.get_channel_display()),
        harmless(payment.via.name if payment.via else ""),
        _day(payment.covers_until),
        harmless(payment.reference),
        _day(payment.confirmed_on),
        harmless(payment.by.name if payment.by else ""),
    ]


def _amount(amount: Decimal | None) -> str:
    return "" if amount is None else f"{amount:.2f}"


def _day(day: datetime.date | None) -> str:
    return day.isoformat() if day else ""

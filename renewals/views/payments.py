import datetime
from collections.abc import Sequence
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET

from cards.access import member_of
from cards.models import Card
from cards.numbers import format_number
from cards.rates import Rates
from renewals.costs import CardCost, household_cost
from renewals.forms.ledger import LedgerForm
from renewals.ledger import Amount, ledger_of, names_of, paid_in_a_year, spent_by_month, totals_of, years_and_currencies
from renewals.models.events import RecordQuerySet
from renewals.spending import Spending, last_day_of, months_of, months_until, spending
from renewals.spreadsheet import payments_to_csv

PER_PAGE = 50
WITH_NAMES = ("card__plan__operator", "via", "by")


@dataclass(frozen=True)
class Kept:
    """A card with what it takes in a year, and what was paid for it in the last one."""

    row: CardCost
    paid: list[Amount]


@require_GET
def ledger(request: HttpRequest) -> HttpResponse:
    """The payments that are wanted, what they add up to, and what all cards take in a year beside it."""
    member, today = member_of(request), timezone.localdate()
    everything, rates = ledger_of(member), Rates.load(today)
    cards = list(
        Card.objects.for_member(member).select_related("plan__operator").prefetch_related("plan__rules__steps")
    )
    form = _form_of(request, everything, cards, today)
    wanted = form.narrow(everything)
    totals = totals_of(wanted)
    home = member.household.currency
    return render(
        request,
        "renewals/payments.html",
        {
            "form": form,
            "page": Paginator(wanted.select_related(*WITH_NAMES), PER_PAGE).get_page(request.GET.get("page")),
            "totals": totals,
            "together": rates.add_up([(total.amount, total.currency) for total in totals], home),
            "spending": _spending(wanted, form, cards, home, rates, today),
            "today": today,
            "home": home,
            **_keeping(everything, cards, home, rates, today),
        },
    )


@require_GET
def download(request: HttpRequest) -> HttpResponse:
    """Hand out the payments that are wanted as a CSV; a filter that is wrong is told on the page of the ledger."""
    member, today = member_of(request), timezone.localdate()
    everything = ledger_of(member)
    form = _form_of(request, everything, list(Card.objects.for_member(member)), today)
    if form.errors:
        return redirect(f"{reverse('payments')}?{request.GET.urlencode()}")
    return HttpResponse(
        payments_to_csv(form.narrow(everything).select_related(*WITH_NAMES)),
        content_type="text/csv; charset=utf-8",
        headers={
            "Content-Disposition": f'attachment; filename="keepnumber-payments-{today.isoformat()}.csv"',
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "no-store",
        },
    )


def _form_of(
    request: HttpRequest, everything: RecordQuerySet, cards: Sequence[Card], today: datetime.date
) -> LedgerForm:
    """Return the filters as the address gives them, checked."""
    years, currencies = years_and_currencies(everything)
    form = LedgerForm(
        request.GET,
        cards=[(card.pk, f"{card.name} · {format_number(card.number)}") for card in cards],
        years=sorted({today.year, *years}, reverse=True),
        currencies=currencies,
    )
    form.is_valid()
    return form


def _spending(
    wanted: RecordQuerySet, form: LedgerForm, cards: Sequence[Card], home: str, rates: Rates, today: datetime.date
) -> Spending:
    """Return the charts of the year that was asked for, or of the last twelve months."""
    year, currency = form.cleaned_data.get("year"), form.cleaned_data.get("currency")
    months = months_of(year) if year else months_until(today)
    spent = spent_by_month(wanted, months[0], last_day_of(months))
    return spending(spent, months, names_of(cards), currency or home, rates)


def _keeping(
    everything: RecordQuerySet, cards: Sequence[Card], home: str, rates: Rates, today: datetime.date
) -> dict[str, object]:
    """Return what the open cards take in a year, and what was paid for them in the last one."""
    cost = household_cost([card for card in cards if card.closed_on is None], home, rates)
    paid = paid_in_a_year(everything, today)
    kept = [Kept(row, paid.get(row.card.pk, [])) for row in cost.rows]
    return {"kept": kept, "cost": cost, "paid": rates.add_up((each for row in kept for each in row.paid), home)}

from decimal import Decimal
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cards.access import fetch, member_of
from cards.models import Card, KeepRule
from renewals import words
from renewals.charts import bars
from renewals.deadlines import forecast_of, with_history
from renewals.forms.balance import ReachForm
from renewals.lifecycle import Forecast

from .card import card_today

WIDTH, HEIGHT = 600, 120


@require_GET
def balance(request: HttpRequest, pk: int) -> HttpResponse:
    """How long the balance lasts: the charges to come, the day it runs out, and the top-up that reaches a day."""
    card = fetch(request, with_history(Card.objects.all()), pk)
    if all(rule.kind != KeepRule.Kind.FEE_FROM_BALANCE for rule in card.plan.rules.all()):
        raise Http404
    today = card_today(member_of(request), card)
    found = forecast_of(card, today)
    form = ReachForm(request.GET or None, today=today)
    until = form.cleaned_data["until"] if form.is_valid() else None
    return render(
        request,
        "renewals/balance.html",
        {
            "card": card,
            "rule": words.say_rule(words.rule_of(card), card.plan),
            "forecast": found,
            "has_run_out": found is not None and found.runs_out_on is not None and found.runs_out_on < today,
            "form": form,
            "until": until,
            **(_picture(found) if found else {}),
            "missing": found.top_up_to_reach(until) if found and until else None,
        },
    )


def _picture(found: Forecast) -> dict[str, Any]:
    """Return the bars of what is left after each charge, the first one being what is left now."""
    left = [("", found.balance), *(("", charge.balance_after or Decimal(0)) for charge in found.charges)]
    return {"bars": bars(left, WIDTH, HEIGHT), "width": WIDTH, "height": HEIGHT}

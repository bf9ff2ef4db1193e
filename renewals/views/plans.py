import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_GET

from cards.access import member_of
from cards.models import Card, Member, Plan
from cards.rates import Rates
from renewals.choosing import Choice, Purse, rank, sort_choices
from renewals.comparing import Viewpoint, with_facts
from renewals.comparing import compare as compare_plans
from renewals.forms.plans import ChooseForm, slugs_of
from renewals.plan_words import (
    is_web,
    ladders_of,
    say_checked,
    say_converted,
    say_cost,
    say_country,
    say_fee,
    sources_of,
)
from renewals.verdicts import Answers
from renewals.words import facts_are_old, say_last_checked

PLANS_A_PAGE = 50
MOST_COMPARED = 4
# Long columns that no list shows.
NOT_LISTED = ["extras", "confidence_reason", "sources", "shipped", "offered", "operator__shipped", "operator__offered"]
DIFFERENCES = "differences"


@dataclass(frozen=True)
class Entry:
    """A plan of the list in words."""

    choice: Choice
    point: Viewpoint

    @property
    def country(self) -> str:
        return say_country(self.choice.plan.operator.country)

    @property
    def fee(self) -> str:
        return say_fee(self.choice.plan) if self.choice.plan.fee is not None else ""

    @property
    def costs(self) -> list[str]:
        """What a year costs, in the operator's currency and in the household's where that is another one."""
        choice, point = self.choice, self.point
        converted = say_converted(choice.cost, choice.converted, point.purse.currency, point.today)
        return [say_cost(choice.cost), *([converted] if converted else [])]

    @property
    def checked(self) -> str:
        return say_checked(self.choice.plan, self.point.today)


@require_GET
def choose(request: HttpRequest) -> HttpResponse:
    """The plans, best first by four answers, with the reasons of each place; those that do not fit come folded."""
    member = member_of(request)
    point = _viewpoint_of(member)
    plans = Plan.objects.for_member(member).current().select_related("operator").defer(*NOT_LISTED)
    offered = list(plans.prefetch_related("rules__steps"))
    form = ChooseForm(request.GET, plans=offered)
    ranked = rank(filter(form.lets_through, offered), form.answers, point.today, point.purse)
    page = Paginator(sort_choices(ranked, form.order), PLANS_A_PAGE).get_page(request.GET.get("page"))
    entries = [Entry(choice, point) for choice in page]
    return render(
        request,
        "renewals/plans.html",
        {
            "form": form,
            "is_asked": form.answers != Answers(),
            "page": page,
            "fitting": [entry for entry in entries if entry.choice.fits],
            "others": [entry for entry in entries if not entry.choice.fits],
            "fitting_count": sum(choice.fits for choice in ranked),
            "other_count": sum(not choice.fits for choice in ranked),
            "most_compared": MOST_COMPARED,
        },
    )


@require_GET
def compare(request: HttpRequest) -> HttpResponse:
    """Up to four plans side by side; further ones and those that nobody knows are told and left out."""
    member = member_of(request)
    point = _viewpoint_of(member)
    asked = slugs_of(request.GET.getlist("plan"))
    found = _plans_by_slug(member, asked, point.today)
    plans = [found[slug] for slug in asked if slug in found]
    shown, left_out = plans[:MOST_COMPARED], plans[MOST_COMPARED:]
    is_short = request.GET.get("only") == DIFFERENCES and len(shown) > 1
    return render(
        request,
        "renewals/plans_compare.html",
        {
            "columns": [(plan, _without(plan, shown, is_short)) for plan in shown],
            "parts": compare_plans(shown, point, only_differences=is_short),
            "is_short": is_short,
            "left_out": left_out,
            "unknown": [slug for slug in asked if slug not in found],
            "most_compared": MOST_COMPARED,
        },
    )


@require_GET
def plan_page(request: HttpRequest, slug: str) -> HttpResponse:
    """All that is known of one plan, from where, and how old it is."""
    member = member_of(request)
    point = _viewpoint_of(member)
    plan = _plans_by_slug(member, [slug], point.today).get(slug)
    if plan is None:
        raise Http404
    cards = Card.objects.for_member(member).open().filter(plan=plan).only("name", "number")
    return render(
        request,
        "renewals/plan.html",
        {
            "plan": plan,
            "operator": plan.operator,
            "parts": compare_plans([plan], point),
            "ladders": ladders_of(plan),
            "is_old": facts_are_old(plan, point.today),
            "checked": say_last_checked(plan),
            "has_web_source": is_web(plan.source_url),
            "channels": list(plan.operator.channels.all()),
            "sources": sources_of(plan),
            "cards": list(cards),
        },
    )


def _viewpoint_of(member: Member) -> Viewpoint:
    """Return the day and the money of the member; the one place where these views read the clock."""
    today, currency = timezone.localdate(), member.household.currency
    return Viewpoint(today, Purse(currency, Rates.load(today)) if currency else Purse())


def _plans_by_slug(member: Member, slugs: Iterable[str], today: datetime.date) -> dict[str, Plan]:
    """Return the plans of these short names; the household's own one comes before a shared one of the same name."""
    plans = with_facts(Plan.objects.for_member(member).filter(slug__in=list(slugs)), today)
    return {plan.slug: plan for plan in sorted(plans, key=lambda plan: plan.household_id is not None)}


def _without(plan: Plan, plans: list[Plan], is_short: bool) -> str:
    """Return the query that compares the other plans only, and `is_short` still shows only their differences."""
    query = QueryDict(mutable=True)
    query.setlist("plan", [other.slug for other in plans if other != plan])
    if is_short:
        query["only"] = DIFFERENCES
    return query.urlencode()

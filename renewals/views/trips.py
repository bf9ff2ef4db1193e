import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from babel.core import get_global
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cards.access import fetch, fetch_to_change, manager_of, member_of
from cards.journal import note
from cards.models import Card, Household, LogEntry, Member
from renewals.deadlines import stage_of, today_for
from renewals.forms.trips import TripForm
from renewals.models import Renewal, Trip
from renewals.plan_words import say_country
from renewals.trips import TripCard, cards_of_trip

from .card import own_today
from .dashboard import Row


@dataclass(frozen=True)
class Flight:
    """A flight in words; `count` is to how many cards something is to be done because of it."""

    trip: Trip
    count: int = 0

    @property
    def origin(self) -> str:
        return say_country(self.trip.from_country)

    @property
    def destination(self) -> str:
        return say_country(self.trip.to_country)


@dataclass(frozen=True)
class Errand:
    """A card to which something is to be done because of the flight, and how it stands."""

    trip_card: TripCard
    row: Row


@require_http_methods(["GET", "POST"])
def trips(request: HttpRequest) -> HttpResponse:
    """The flights to come and those that were, and for those who may change things the form to add one."""
    member = manager_of(request) if request.method == "POST" else member_of(request)
    today, cards = own_today(member), list(_cards_of(member))
    rows = list(Trip.objects.for_member(member))
    form = TripForm(
        request.POST or None,
        countries={card.plan.operator.country for card in cards if card.plan.operator.country},
        today=today,
        initial=_likely_next(member, rows),
    )
    if request.method == "POST" and form.is_valid():
        trip = _add_once(request, member, form.instance)
        messages.success(request, _("The flight is written down. This is what it asks for."))
        return redirect("trip", trip.pk)
    ahead = [Flight(trip, len(cards_of_trip(trip, cards, today))) for trip in rows if trip.leaves_on >= today]
    past = [Flight(trip) for trip in reversed(rows) if trip.leaves_on < today]
    return render(request, "renewals/trips.html", {"form": form, "ahead": ahead, "past": past})


@require_GET
def trip_page(request: HttpRequest, pk: int) -> HttpResponse:
    """What to do before a flight and what after landing, card by card."""
    trip, member = fetch(request, Trip.objects.all(), pk), member_of(request)
    today = own_today(member)
    found = cards_of_trip(trip, _cards_of(member), today)
    errands = _errands(member, found)
    return render(
        request,
        "renewals/trip.html",
        {
            "trip": trip,
            "flight": Flight(trip),
            "days": (trip.leaves_on - today).days,
            "before": [errand for errand in errands if errand.trip_card.is_before],
            "after": [errand for errand in errands if not errand.trip_card.is_before],
        },
    )


@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that a flight does not take place; pressed again, it changes nothing."""
    trip = fetch_to_change(request, Trip.objects.all(), pk)
    with transaction.atomic():
        is_new = Trip.objects.filter(pk=trip.pk, cancelled_at=None).update(cancelled_at=timezone.now())
        if is_new:
            note(manager_of(request), LogEntry.Kind.DELETED, f"trip:{trip.pk}", str(trip), request=request)
    if is_new:
        messages.success(request, _("The flight is cancelled. Nobody is reminded of it any more."))
    else:
        messages.info(request, _("This flight was cancelled before."))
    return redirect("trips")


def _cards_of(member: Member) -> Iterable[Card]:
    cards = Card.objects.for_member(member).open().select_related("plan__operator")
    return cards.prefetch_related("plan__rules__steps")


def _likely_next(member: Member, rows: list[Trip]) -> dict[str, str]:
    """Return the way back of the last flight; without one, that the flight starts where the member lives."""
    flown = [trip for trip in rows if trip.cancelled_at is None]
    if flown:
        return {"from_country": flown[-1].to_country, "to_country": flown[-1].from_country}
    return {"from_country": get_global("zone_territories").get(member.time_zone, "")}


def _add_once(request: HttpRequest, member: Member, trip: Trip) -> Trip:
    """Write a flight down and return it; of two presses the second waits here and then gets the first one's."""
    with transaction.atomic():
        Household.objects.select_for_update().get(pk=member.household_id)
        added, is_new = Trip.objects.for_member(member).get_or_create(
            leaves_on=trip.leaves_on,
            from_country=trip.from_country,
            to_country=trip.to_country,
            cancelled_at=None,
            defaults={"household_id": member.household_id, "by": member},
        )
        if is_new:
            note(member, LogEntry.Kind.ADDED, f"trip:{added.pk}", str(added), request=request)
        return added


def _errands(member: Member, found: list[TripCard]) -> list[Errand]:
    """Return the cards with their open renewals; the one place where these views ask which day it is for a card."""
    now = timezone.now()
    open_renewals = Renewal.objects.for_member(member).open().filter(card__in=[each.card for each in found])
    renewals = {renewal.card_id: renewal for renewal in open_renewals.select_related("taken_by")}
    errands = []
    for each in found:
        day: datetime.date = today_for(member, each.card.plan.operator.country, now)
        errands.append(Errand(each, Row(each.card, stage_of(each.card, day), day, renewals.get(each.card.pk))))
    return errands

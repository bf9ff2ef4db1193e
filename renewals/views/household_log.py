"""Who did what in the household."""

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from cards.access import allowed
from cards.models import Card, LogEntry, Member
from cards.rights import Right
from renewals.log_words import Line

PER_PAGE = 50


@require_GET
def log_of_household(request: HttpRequest) -> HttpResponse:
    """The log, newest first; of one member, or of one kind of act, when the address says so.

    What it says of private cards is read by those who see them.
    """
    member = allowed(request, Right.LOG)
    members = list(Member.objects.for_member(member).order_by("name", "pk"))
    who = next((each for each in members if str(each.pk) == request.GET.get("who")), None)
    kind = next((each for each in LogEntry.Kind if each.value == request.GET.get("what")), None)
    entries = LogEntry.objects.for_member(member).exclude(subject__in=_hidden(member)).select_related("member")
    if who:
        entries = entries.filter(member=who)
    if kind:
        entries = entries.filter(kind=kind)
    page = Paginator(entries, PER_PAGE).get_page(request.GET.get("page"))
    return render(
        request,
        "renewals/log_of_household.html",
        {
            "page": page,
            "lines": [Line(entry) for entry in page],
            "members": members,
            "kinds": LogEntry.Kind.choices,
            "who": who,
            "kind": kind,
        },
    )


def _hidden(member: Member) -> list[str]:
    """Return the subjects of the private cards that the member does not see."""
    seen = Card.objects.for_member(member).values("pk")
    private = Card.objects.filter(household=member.household_id, is_private=True).exclude(pk__in=seen)
    return [f"card:{pk}" for pk in private.values_list("pk", flat=True)]

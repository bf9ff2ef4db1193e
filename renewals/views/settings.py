"""How a member wants to be reminded, and the mails that come of it."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from cards.access import member_of
from cards.fields import common_zones
from cards.forms import SettingsForm
from cards.journal import note_change, state_of
from cards.models import Member
from cards.stale import locked, posts_in_one_go
from renewals.delivery_words import say_in_short, without_addresses
from renewals.models import Channel, Delivery
from renewals.reminders.planning import Coming, next_mails

MAILS_AHEAD = 10
# So many lines of a mail to come are named.
MOST_LINES = 3


@dataclass(frozen=True)
class Preview:
    """A mail that is still to come, in words; the first line is the worst."""

    coming: Coming

    @property
    def lines(self) -> list[str]:
        return [say_in_short(line) for line in self.coming.lines[:MOST_LINES]]

    @property
    def more(self) -> int:
        return max(0, len(self.coming.lines) - MOST_LINES)


@require_http_methods(["GET", "POST"])
@posts_in_one_go
def member_settings(request: HttpRequest) -> HttpResponse:
    """Language, time zone, mail hour and reminders of the member who asks, and the next mails that follow from them."""
    member, now = member_of(request), timezone.now()
    own = locked(request, Member.objects.all()).get(pk=member.pk)
    before = state_of(own)
    form = SettingsForm(request.POST or None, instance=own)
    if request.method == "POST" and form.is_valid():
        # The next run finds the hour of today, or what today has still to say.
        form.instance.next_plan_at = None
        form.instance.save(update_fields=[*form.Meta.fields, "next_plan_at"])
        note_change(member, before, own, request)
        with translation.override(form.instance.language):
            messages.success(request, _("Saved."))
        return redirect("settings")
    return render(
        request,
        "renewals/settings.html",
        {
            "form": form,
            "zones": common_zones(),
            "coming": [Preview(coming) for coming in next_mails(member, now, MAILS_AHEAD)],
            "refusal": without_addresses(member.unreachable_reason),
            "channel": Channel.objects.for_member(member).filter(member=member).defer("url").first(),
            "tests": member.deliveries.filter(kind=Delivery.Kind.TEST).order_by("-created_at")[:3],
        },
    )

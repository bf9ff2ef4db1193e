"""Another channel than email for a member's own reminders."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from cards.access import member_of
from cards.journal import note
from cards.models import LogEntry, Member
from renewals.channels import SERVICES, is_available
from renewals.forms.channel import ChannelForm
from renewals.models import Channel


@require_http_methods(["GET", "POST"])
def edit_channel(request: HttpRequest) -> HttpResponse:
    """Set the channel of the member who asks, in place of the one before."""
    member = member_of(request)
    form = ChannelForm(request.POST or None)
    if request.method == "POST" and is_available() and form.is_valid():
        with transaction.atomic():
            Channel.objects.update_or_create(
                member=member,
                defaults={
                    "household": member.household,
                    "url": form.cleaned_data["url"],
                    "service": form.service,
                    "created_at": timezone.now(),
                    "failed_at": None,
                    "last_error": "",
                },
            )
            note(member, LogEntry.Kind.ADDED, f"channel:{member.pk}", form.service, request=request)
        messages.success(request, _("Saved. Send yourself a test from the settings page."))
        return redirect("channel")
    return render(
        request,
        "renewals/channel.html",
        {"form": form, "channel": _own(member), "services": SERVICES, "is_available": is_available()},
    )


@require_POST
def remove_channel(request: HttpRequest) -> HttpResponse:
    """Take the member's channel away, so that reminders come by email again."""
    member = member_of(request)
    channel = _own(member)
    if channel:
        with transaction.atomic():
            channel.delete()
            note(member, LogEntry.Kind.DELETED, f"channel:{member.pk}", channel.service, request=request)
        messages.success(request, _("Removed. Your reminders come by email again."))
    return redirect("channel")


def _own(member: Member) -> Channel | None:
    return Channel.objects.for_member(member).filter(member=member).first()

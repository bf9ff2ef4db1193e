from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from cards.access import member_of
from renewals.models import Delivery
from renewals.reminders.planning import queue_test


@require_POST
def send_test(request: HttpRequest) -> HttpResponse:
    """Queue a test mail to oneself; it goes the way of every reminder."""
    member = member_of(request)
    if member.deliveries.filter(kind=Delivery.Kind.TEST, state__in=Delivery.OPEN_STATES).exists():
        messages.info(request, _("A test is on its way already. Its state is shown below."))
    else:
        queue_test(member, timezone.now())
        messages.success(
            request, _("The test mail is queued. It goes the way of every reminder, within a minute or two.")
        )
    return redirect("settings")

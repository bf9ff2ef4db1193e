"""The first page of the administration, with how much waits for somebody."""

from django.contrib import admin
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache

from .decisions import count_waiting
from .worklist import old_plans


@never_cache
def index(request: HttpRequest) -> HttpResponse:
    """Django's own first page, and how many decisions wait and how many plans are to be checked; 404 but for staff."""
    if not admin.site.has_permission(request):
        raise Http404
    context = {"waiting": count_waiting(), "to_check": old_plans(timezone.localdate()).count()}
    return admin.site.index(request, context)

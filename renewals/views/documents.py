from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_http_methods

from cards.access import fetch_to_change, manager_of, member_of
from cards.models import Person
from renewals.forms.steps import DocumentForm
from renewals.models import Document


@require_GET
def documents(request: HttpRequest) -> HttpResponse:
    """The papers of each person, and when they expire."""
    member = member_of(request)
    people = Person.objects.for_member(member).prefetch_related("documents").order_by("name")
    today = timezone.now().astimezone(member.zone).date()
    return render(request, "renewals/documents.html", {"people": people, "today": today})


@require_http_methods(["GET", "POST"])
def add_document(request: HttpRequest) -> HttpResponse:
    member = manager_of(request)
    form = DocumentForm(request.POST or None, member=member, initial={"person": request.GET.get("person")})
    return _document_form(request, form)


@require_http_methods(["GET", "POST"])
def edit_document(request: HttpRequest, pk: int) -> HttpResponse:
    document = fetch_to_change(request, Document.objects.all(), pk)
    return _document_form(request, DocumentForm(request.POST or None, instance=document, member=member_of(request)))


@require_http_methods(["GET", "POST"])
def delete_document(request: HttpRequest, pk: int) -> HttpResponse:
    document = fetch_to_change(request, Document.objects.select_related("person"), pk)
    if request.method == "GET":
        return render(request, "renewals/delete_document.html", {"document": document})
    document.delete()
    messages.success(request, _("The document is deleted."))
    return redirect("documents")


def _document_form(request: HttpRequest, form: DocumentForm) -> HttpResponse:
    back = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = ""
    if request.method == "POST" and form.is_valid():
        form.save()
        return redirect(back or "documents")
    return render(request, "renewals/document_form.html", {"form": form, "document": form.instance})

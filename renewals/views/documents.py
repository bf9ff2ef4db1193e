import datetime
from collections.abc import Callable
from functools import wraps

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from cards.access import fetch_to_change, manager_of, member_of
from cards.journal import note, note_change, state_of
from cards.models import LogEntry, Member
from cards.rights import Right
from cards.sign_in import has_second_factor, recently_proved
from cards.stale import locked, posts_in_one_go
from renewals.forms.copies import CopyForm
from renewals.forms.steps import DocumentForm
from renewals.models import Document
from renewals.papers import paper_of, papers_by_person
from renewals.uploads import LOST, attachment, content_of, copy_for_operator, kept_with_rows

from .bin import delete_and_say

ScanView = Callable[[HttpRequest, Document], HttpResponse]


def with_scan(view: ScanView) -> Callable[[HttpRequest, int], HttpResponse]:
    """Let a view answer only who may look at a scan that is kept, has a second factor and has just proved who they are.

    The view is given the document in place of its number.
    """

    @wraps(view)
    def answer(request: HttpRequest, pk: int) -> HttpResponse:
        rows = Document.objects.kept().select_related("person", "household")
        document = fetch_to_change(request, rows, pk, Right.REVEAL)
        if not document.scan:
            raise Http404
        if not has_second_factor(request.user):
            about = {"row": document, "back": reverse("documents")}
            return render(request, "renewals/secrets_second_factor.html", about)
        return recently_proved(view)(request, document)

    return answer


@require_GET
def documents(request: HttpRequest) -> HttpResponse:
    """The papers of each person: when they expire, and which cards need them."""
    member = member_of(request)
    return render(request, "renewals/documents.html", {"people": papers_by_person(member, _today(member))})


@require_http_methods(["GET", "POST"])
def add_document(request: HttpRequest) -> HttpResponse:
    member = manager_of(request)
    initial = {"person": request.GET.get("person")}
    form = DocumentForm(request.POST or None, request.FILES or None, member=member, initial=initial)
    return _document_form(request, form)


@require_http_methods(["GET", "POST"])
@posts_in_one_go
def edit_document(request: HttpRequest, pk: int) -> HttpResponse:
    document = fetch_to_change(request, locked(request, Document.objects.kept()), pk)
    form = DocumentForm(request.POST or None, request.FILES or None, instance=document, member=member_of(request))
    return _document_form(request, form)


@require_http_methods(["GET", "POST"])
def delete_document(request: HttpRequest, pk: int) -> HttpResponse:
    document = fetch_to_change(request, Document.objects.kept().select_related("person"), pk)
    if request.method == "GET":
        return render(request, "renewals/delete_document.html", {"document": document})
    delete_and_say(request, "document", document, _("The document is deleted."))
    return redirect("documents")


@require_POST
@cache_control(no_store=True)
@with_scan
def scan(request: HttpRequest, document: Document) -> HttpResponse:
    """Hand out the scan as it is kept. A button, as a look at it is written into the log."""
    return _hand_out(request, document, "scan", lambda content: content)


@require_http_methods(["GET", "POST"])
@cache_control(no_store=True)
@with_scan
def copy(request: HttpRequest, document: Document) -> HttpResponse:
    """Ask what a copy is for, and hand one out that says so all over."""
    member = member_of(request)
    today = _today(member)
    form = CopyForm(request.POST or None, cards=paper_of(document, member, today).cards, today=today)
    if request.method == "POST" and form.is_valid():
        return _hand_out(
            request, document, "copy", lambda content: copy_for_operator(content, document.scan_type, form.words())
        )
    return render(request, "renewals/document_copy.html", {"form": form, "document": document})


def _hand_out(request: HttpRequest, document: Document, name: str, prepare: Callable[[bytes], bytes]) -> HttpResponse:
    try:
        content = prepare(content_of(document, "scan"))
    except FileNotFoundError:
        messages.error(request, _("The file of this scan is gone. Take the scan once more, and upload it anew."))
    except LOST as error:
        messages.error(request, str(error))
    else:
        subject = f"document:{document.pk}"
        note(member_of(request), LogEntry.Kind.DOWNLOADED, subject, str(document), {"scan": []}, request)
        return attachment(content, document.scan_type, f"{name}-{document.pk}")
    return redirect("documents")


def _document_form(request: HttpRequest, form: DocumentForm) -> HttpResponse:
    back = request.GET.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts=None):
        back = ""
    is_new = form.instance.pk is None
    before = {} if is_new else state_of(form.instance)
    if request.method == "POST" and form.is_valid():
        member = manager_of(request)
        with kept_with_rows():
            document = form.save()
            if is_new:
                note(member, LogEntry.Kind.ADDED, f"document:{document.pk}", str(document), request=request)
            else:
                note_change(member, before, document, request)
        return redirect(back or "documents")
    return render(request, "renewals/document_form.html", {"form": form, "document": form.instance})


def _today(member: Member) -> datetime.date:
    return timezone.now().astimezone(member.zone).date()

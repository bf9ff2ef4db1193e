"""The catalogue as files: out of the database, and back into it after a look at what they would change."""

import base64
import hashlib
from collections.abc import Sequence
from functools import partial

from django import forms
from django.contrib import messages
from django.core import signing
from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_GET, require_http_methods

from cards.catalogue import CatalogueError
from cards.catalogue.tables import (
    MOST_BYTES,
    Proposed,
    export_csv,
    export_yaml,
    preview_import,
    read_import,
    run_import,
)
from cards.models import Operator, Plan

from .pages import page, require_change_permission, staff_of
from .previews import finish_recount, moves, rehearse

# So long the file stays good between the preview and the press on “Import”.
KEPT_SECONDS = 60 * 60
# So many mistakes of a file are named.
MOST_SHOWN = 1000
SALT = "renewals.admin.imports"
SIGNED = "signed"


class ImportForm(forms.Form):
    file = forms.FileField(
        label=gettext_lazy("File"),
        widget=forms.FileInput(attrs={"accept": ".yaml,.yml,.csv"}),
        help_text=gettext_lazy("YAML or CSV as exported here, at most 2 MB. What it would change is shown first."),
    )

    def clean_file(self) -> UploadedFile:
        file: UploadedFile = self.cleaned_data["file"]
        if (file.size or 0) > MOST_BYTES:
            raise forms.ValidationError(_("The file is too large: 2 MB at most."), code="large")
        return file


@require_GET
def export_as_yaml(request: HttpRequest) -> HttpResponse:
    """The shared operators and plans in the format of the catalogue's files."""
    require_change_permission(request, Plan)
    return _download(export_yaml(), "application/yaml", "yaml")


@require_GET
def export_as_csv(request: HttpRequest) -> HttpResponse:
    """The shared plans as a table."""
    require_change_permission(request, Plan)
    return _download(export_csv(), "text/csv", "csv")


@require_http_methods(["GET", "POST"])
def import_catalogue(request: HttpRequest) -> HttpResponse:
    """Take a file, show what it would change, and do that when the preview is sent back."""
    require_change_permission(request, Operator)
    require_change_permission(request, Plan)
    if SIGNED in request.POST:
        return _import_signed(request)
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    if form.is_valid():
        file = form.cleaned_data["file"]
        try:
            return _preview(request, file.name, file.read())
        except CatalogueError as error:
            return _form_page(request, form, error.messages)
    return _form_page(request, form)


def _preview(request: HttpRequest, name: str, content: bytes) -> HttpResponse:
    """Show what the file would change. It goes along, signed, so that nothing of it is kept here meanwhile."""
    imported = read_import(name, content)
    proposed = preview_import(imported)
    sent = [name, base64.b64encode(content).decode(), _mark(proposed)]
    return page(
        request,
        "admin/cards/import_preview.html",
        _("What this file would change"),
        file=imported.name,
        proposed=proposed,
        moves=moves(rehearse(partial(run_import, imported, staff_of(request)))),
        signed=signing.dumps(sent, salt=SALT, compress=True),
    )


def _import_signed(request: HttpRequest) -> HttpResponse:
    """Import the file that comes back from the preview, or show it again when it would change something else now."""
    try:
        name, text, mark = signing.loads(request.POST[SIGNED], salt=SALT, max_age=KEPT_SECONDS)
        imported = read_import(name, base64.b64decode(text))
        if _mark(preview_import(imported)) != mark:
            messages.warning(request, _("The catalogue has changed meanwhile. Look again."))
            return _preview(request, name, base64.b64decode(text))
        loaded = run_import(imported, staff_of(request))
    except signing.BadSignature:
        return _form_page(request, ImportForm(), [_("This preview is too old. Choose the file again.")])
    except CatalogueError as error:
        return _form_page(request, ImportForm(), error.messages)
    said = _("Imported: %(created)d new, %(updated)d changed, %(unchanged)d as they were.")
    messages.success(
        request,
        said % {"created": loaded.created, "updated": loaded.updated, "unchanged": loaded.unchanged},
    )
    finish_recount(request)
    return redirect("admin:cards_plan_changelist")


def _mark(proposed: list[Proposed]) -> str:
    """Return a short text that tells one preview from another."""
    return hashlib.sha256(repr(proposed).encode()).hexdigest()


def _form_page(request: HttpRequest, form: ImportForm, problems: Sequence[str] = ()) -> HttpResponse:
    more = len(problems) - MOST_SHOWN
    shown = list(problems[:MOST_SHOWN])
    if more > 0:
        shown.append(ngettext("and %(count)d more", "and %(count)d more", more) % {"count": more})
    return page(request, "admin/cards/import.html", _("Import"), form=form, problems=shown)


def _download(content: str, kind: str, ending: str) -> HttpResponse:
    name = f"keepnumber-catalogue-{timezone.localdate()}.{ending}"
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(content, content_type=f"{kind}; charset=utf-8", headers=disposition)

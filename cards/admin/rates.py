"""The administration of exchange rates: one by one, or many from a CSV, which is shown before it is saved."""

from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.uploadedfile import UploadedFile
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from cards.models import ExchangeRate
from cards.rates import OLD_AFTER
from cards.rates_table import (
    COLUMNS,
    MOST_LINES,
    RateChanges,
    RateTable,
    compare_rates,
    decode_rates,
    import_rates,
    read_rates,
)

from .shared import CatalogueForm, SharedAdmin

MOST_BYTES = 1_000_000
# So many rates of each kind are shown in full before they are saved, and so many mistakes.
MOST_SHOWN, MOST_MISTAKES = 200, 1000


class RateForm(CatalogueForm):
    about = {"same": "target"}

    def clean_dated_on(self) -> Any:
        day = self.cleaned_data["dated_on"]
        if day > timezone.localdate():
            raise ValidationError(_("This day is still to come."), code="future")
        return day


class RatesFileForm(forms.Form):
    """A CSV of rates; on the way from the preview to its confirmation, its text and the mark of what was shown."""

    file = forms.FileField(
        label=_("CSV file"), required=False, widget=forms.FileInput(attrs={"accept": ".csv,text/csv,text/plain"})
    )
    text = forms.CharField(required=False, strip=False, widget=forms.HiddenInput)
    mark = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput)
    table: RateTable

    def clean_file(self) -> UploadedFile | None:
        upload: UploadedFile | None = self.cleaned_data["file"]
        if upload and (upload.size or 0) > MOST_BYTES:
            raise ValidationError(_("The file is larger than 1 MB."), code="large")
        return upload

    def clean(self) -> dict[str, Any]:
        """Read the file, or the text that was shown; every mistake in it stands with the file."""
        typed = super().clean() or {}
        if self.errors:
            return typed
        upload = typed["file"]
        try:
            text = decode_rates(upload.read() if upload else typed["text"].encode())
        except ValidationError as error:
            self.add_error("file", error)
            return typed
        if not text:
            self.add_error("file", _("Choose a file."))
            return typed
        self.table = read_rates(text, timezone.localdate())
        for mistake in self.table.mistakes[:MOST_MISTAKES]:
            self.add_error("file", mistake)
        if more := self.table.mistakes[MOST_MISTAKES:]:
            said = ngettext("There is %(count)d more mistake.", "There are %(count)d more mistakes.", len(more))
            self.add_error("file", said % {"count": len(more)})
        return typed | {"text": text}


@admin.register(ExchangeRate)
class ExchangeRateAdmin(SharedAdmin):
    form = RateForm
    fields = [("currency", "target"), "rate", "dated_on", "source"]
    list_display = ["__str__", "dated_on", "use", "source"]
    list_filter = ["currency", "target"]
    search_fields = ["currency", "target", "source"]
    date_hierarchy = "dated_on"

    def get_queryset(self, request: HttpRequest) -> QuerySet[ExchangeRate]:
        newest = ExchangeRate.objects.filter(
            currency=OuterRef("currency"), target=OuterRef("target"), dated_on__lte=timezone.localdate()
        ).order_by("-dated_on")
        return super().get_queryset(request).annotate(newest_on=Subquery(newest.values("dated_on")[:1]))

    @admin.display(description=_("use"))
    def use(self, rate: ExchangeRate) -> str:
        """Say whether amounts are converted by it: of each pair of currencies, the newest rate is used."""
        if rate.dated_on != getattr(rate, "newest_on", None):
            return "–"
        is_old = timezone.localdate() - rate.dated_on > OLD_AFTER
        return str(_("in use, but older than 90 days") if is_old else _("in use"))

    def get_urls(self) -> list[URLPattern]:
        address = path("import/", self.admin_site.admin_view(self.import_view), name="cards_exchangerate_import")
        return [address, *super().get_urls()]

    def import_view(self, request: HttpRequest) -> HttpResponse:
        """Take a CSV, show what it would change, and save that once it is confirmed."""
        if not (self.has_add_permission(request) and self.has_change_permission(request)):
            raise PermissionDenied
        form = RatesFileForm(request.POST or None, request.FILES or None)
        changes = None
        if request.method == "POST" and form.is_valid():
            rows, mark = form.table.rows, form.cleaned_data["mark"]
            if mark and not form.cleaned_data["file"]:
                if saved := import_rates(rows, mark):
                    self.note_import(request, saved)
                    return redirect("admin:cards_exchangerate_changelist")
                self.message_user(request, _("The rates have changed meanwhile. Look again."), messages.WARNING)
            changes = compare_rates(rows, ExchangeRate.objects.all())
        return TemplateResponse(
            request, "admin/cards/exchangerate/import.html", self.import_page(request, form, changes)
        )

    def import_page(self, request: HttpRequest, form: RatesFileForm, changes: RateChanges | None) -> dict[str, Any]:
        """Return what the page shows: the form for a file, or what it would change and the form that confirms it."""
        confirm = None
        if changes:
            confirm = RatesFileForm(initial={"text": form.cleaned_data["text"], "mark": changes.mark})
        return {
            **self.admin_site.each_context(request),
            "opts": self.opts,
            "title": _("Rates from a CSV"),
            "form": form,
            "confirm": confirm,
            "changes": changes,
            "columns": ", ".join(COLUMNS),
            "most_lines": MOST_LINES,
            "most_shown": MOST_SHOWN,
            "shown": f":{MOST_SHOWN}",
        }

    def note_import(self, request: HttpRequest, changes: RateChanges) -> None:
        """Write down who imported what, and say it."""
        user: Any = request.user
        for rows, flag in ((changes.new, ADDITION), ([pair.before for pair in changes.changed], CHANGE)):
            LogEntry.objects.log_actions(user.pk, rows, flag, str(_("Imported from a CSV.")))
        self.message_user(
            request,
            _("Saved: %(new)d new, %(changed)d changed, %(unchanged)d as they were.")
            % {"new": len(changes.new), "changed": len(changes.changed), "unchanged": changes.unchanged},
            messages.SUCCESS,
        )

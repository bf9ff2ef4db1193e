"""Two people change one thing at once: the second is told, shown both values, and only then may go on."""

from collections.abc import Callable
from contextlib import nullcontext
from functools import wraps
from typing import Any

from django import forms
from django.db import models, transaction
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare, salted_hmac
from django.utils.translation import gettext as _

# So much of a keyed hash is enough to see that a value is another one.
LENGTH = 16

View = Callable[..., HttpResponse]


def posts_in_one_go(view: View) -> View:
    """Let a view answer a POST in one transaction, in which `locked` holds the row from its reading to its saving."""

    @wraps(view)
    def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        with transaction.atomic() if request.method == "POST" else nullcontext():
            return view(request, *args, **kwargs)

    return answer


def locked(request: HttpRequest, rows: Any) -> Any:
    """Return the rows so that whoever else wants to save one waits until a POST is answered; a GET holds up nobody."""
    return rows.select_for_update(of=("self",)) if request.method == "POST" else rows


class StaleCheck(forms.BaseModelForm):
    """A form of a row that may have been changed since it was shown.

    It hides a keyed hash of each value it was shown with. Where the row has another value when the form comes back, and
    not the typed one, the form is shown again with what was typed, and the other value beside it; sent again it saves.
    The view is to fetch the row with `locked` under `posts_in_one_go`. A form that was sent without the hashes saves.
    What a form keeps `sealed` it never shows: of that it only says that it was changed.
    """

    data: Any
    sealed: tuple[str, ...] = ()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.stored: dict[str, Any] = {}
        if self.instance.pk:
            self.stored = forms.model_to_dict(self.instance, self._meta.fields)
            self.stored |= {name: getattr(self.instance, name) for name in self.sealed}
        if self.stored:
            self.fields["seen"] = forms.CharField(
                required=False, initial=self._marks(), widget=forms.HiddenInput, max_length=2000
            )

    def clean(self) -> Any:
        cleaned = super().clean()
        seen = self.cleaned_data.get("seen", "").split(".")
        names = [name for name in self.stored if name in self.fields]
        if len(seen) != len(self.stored):
            return cleaned
        known = dict(zip(self.stored, seen, strict=True))
        moved = [name for name in names if not constant_time_compare(known[name], self._mark(name))]
        differing = [name for name in moved if self._is_other(name)]
        for name in differing:
            self.add_error(name, self._say_change(name))
        if differing:
            self.add_error(
                None, _("Somebody changed this meanwhile. Look at the marked fields; save once more to keep yours.")
            )
            self.data = self.data.copy()
            self.data[self.add_prefix("seen")] = self._marks()
        return cleaned

    def _marks(self) -> str:
        return ".".join(map(self._mark, self.stored))

    def _mark(self, name: str) -> str:
        key = f"{self._meta.model._meta.label} {self.instance.pk} {name}"
        return salted_hmac("cards.stale", f"{key} {_plain(self.stored[name])!r}").hexdigest()[:LENGTH]

    def _is_other(self, name: str) -> bool:
        """Whether what was typed differs from what is stored now."""
        stored, field = _plain(self.stored[name]), self.fields[name]
        if name in self.sealed:
            return bool(self[name].data)
        if name in self.cleaned_data:
            return bool(_plain(self.cleaned_data[name]) != stored)
        return field.has_changed(field.prepare_value(stored), self[name].data)

    def _say_change(self, name: str) -> str:
        if name in self.sealed:
            return _("Meanwhile changed by somebody else.")
        return _("Meanwhile changed to: %(value)s") % {"value": self._say(name)}

    def _say(self, name: str) -> str:
        """Return the stored value as the form would show it."""
        field, stored = self.fields[name], _plain(self.stored[name])
        if isinstance(field, forms.BooleanField):
            return _("yes") if stored else _("no")
        if choices := dict(_flat(getattr(field, "choices", []))):
            chosen = [
                str(each) for each in (stored if isinstance(stored, list) else [stored]) if each not in (None, "")
            ]
            return ", ".join(choices.get(each, each) for each in chosen) or _("nothing")
        return str(field.prepare_value(stored) or _("nothing"))


def _plain(value: Any) -> Any:
    """Return a value as the row has it: rows by their keys, several of them in order."""
    if isinstance(value, models.Model):
        return value.pk
    if isinstance(value, models.QuerySet) or (isinstance(value, list) and value and isinstance(value[0], models.Model)):
        return sorted(row.pk for row in value)
    return value


def _flat(choices: Any) -> list[tuple[str, str]]:
    """Return choices without the groups they may stand in, with their values as text."""
    flat = []
    for value, label in choices:
        if isinstance(label, list | tuple):
            flat += _flat(label)
        else:
            flat.append((str(value), str(label)))
    return flat

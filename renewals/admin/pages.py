"""What the pages that are made here have in common with those that Django's admin makes."""

from typing import cast

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db import models
from django.http import HttpRequest
from django.template.response import TemplateResponse

from cards.models import Plan, User


def page(request: HttpRequest, template: str, title: str, **context: object) -> TemplateResponse:
    """Return a page in the frame of the admin, under the plans unless `opts` says otherwise.

    `original` is the row that the page is about.
    """
    frame = {**admin.site.each_context(request), "title": title, "opts": Plan._meta}
    return TemplateResponse(request, template, {**frame, "subtitle": context.get("original"), **context})


def require_change_permission(request: HttpRequest, model: type[models.Model]) -> None:
    """Raise PermissionDenied unless the reader may change rows of the model. That they are staff is checked before."""
    if not admin.site.get_model_admin(model).has_change_permission(request):
        raise PermissionDenied


def staff_of(request: HttpRequest) -> User:
    """Return who asks; on a page of the admin that is somebody."""
    return cast(User, request.user)


def number_of_page(request: HttpRequest) -> str:
    """Return what the address says of the page of a long list; the paginator takes anything."""
    return request.GET.get("p", "1")

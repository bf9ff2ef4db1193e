"""How people sign in: allauth's flows, with registration closed. The first login comes from /setup/."""

from typing import Any

from allauth.account import views as account
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import translation
from django.utils.crypto import get_random_string, salted_hmac
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext_lazy as _

from .background import send_in_background
from .models import LogEntry, Member
from .passwords import LONGEST, MaximumLengthValidator
from .sessions import device_of, end_other_sessions
from .sign_in import has_proved, login_of
from .sign_in_log import has_signed_in, note_failure, note_sign_in

# What a mail says was changed about the sign-in, by the name allauth gives it.
CHANGES = {
    "password_changed": _("The password was changed."),
    "password_set": _("A password was chosen."),
    "password_reset": _("The password was changed by a link from a mail."),
    "email_changed": _("The email address was changed. Mails go to the new one from now on."),
    "totp_activated": _("An app that makes codes was added as a second factor."),
    "totp_deactivated": _("The app that makes codes was removed: it is no second factor any more."),
    "recovery_codes_generated": _("There are ten other recovery codes. Those from before do not work any more."),
    "webauthn_added": _("A passkey was added."),
    "webauthn_removed": _("A passkey was removed."),
}

# A browser in which the login once signed in keeps its own count of failed sign-ins: strangers cannot lock it out.
KNOWN_DEVICE = "__Host-known" if settings.IS_HTTPS else "known"
KNOWN_FOR = 60 * 60 * 24 * 180


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def get_reset_password_from_key_url(self, key: str) -> str:
        """Return the link of the reset mail. Its host comes from SITE_URL, never from the request."""
        path = super().get_reset_password_from_key_url(key)
        return settings.SITE_URL + path[path.index("/", path.index("//") + 2) :] if "//" in path else path

    def is_safe_url(self, url: str) -> bool:
        """Whether one may be led to `url` after signing in or out: to a page of the host that was asked, no other."""
        return url_has_allowed_host_and_scheme(url, {self.request.get_host()})

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        return not has_proved(self.request)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("security")

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        """Refuse what is no password before anything is counted or hashed."""
        if len(credentials.get("password", "")) > LONGEST:
            raise ValidationError(MaximumLengthValidator().get_help_text())
        super().pre_authenticate(request, **credentials)

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        note_failure(credentials.get("email", ""), request)

    def post_login(self, request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> HttpResponse:
        response = super().post_login(request, user, **kwargs)
        is_new = not _known_device(request, EmailAddress.objects.get_primary_email(user).lower())
        if is_new and has_signed_in(user):
            super().send_notification_mail("account/email/new_browser", user, self._about_sign_in(user))
        note_sign_in(user, LogEntry.Kind.SIGNED_IN, request)
        _know_device(request, response, user)
        return response

    def logout(self, request: HttpRequest) -> None:
        note_sign_in(login_of(request), LogEntry.Kind.SIGNED_OUT, request)
        super().logout(request)

    def send_notification_mail(
        self,
        template_prefix: str,
        user: AbstractBaseUser,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Do what every change of the sign-in asks for: end the other sessions, note it, tell its owner.

        allauth calls this after each of them. `email` of None: the mail goes to the address of the login.
        """
        what = CHANGES[template_prefix.rpartition("/")[2]]
        end_other_sessions(self.request, user)
        with translation.override("en"):  # the log is kept in one language
            note_sign_in(user, LogEntry.Kind.ACCOUNT, self.request, str(what))
        more = {"what": what, **self._about_sign_in(user)}
        super().send_notification_mail("account/email/sign_in_changed", user, more | (context or {}), email)

    def _about_sign_in(self, user: AbstractBaseUser) -> dict[str, Any]:
        return {
            "user": user,
            "device": device_of(self.get_http_user_agent(self.request)),
            "security_url": settings.SITE_URL + reverse("security"),
            "reset_url": settings.SITE_URL + reverse("account_reset_password"),
        }

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Write a mail in the language of whose login it is about; it leaves after the answer."""
        member = Member.objects.filter(user=context["user"].pk).order_by("pk").first()
        with translation.override(member.language if member else translation.get_language()):
            message = self.render_mail(template_prefix, email, context)
        send_in_background(message)

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Return what failed sign-ins are counted by: the login, and never the host that was asked for."""
        login = credentials.get("email", "").lower()
        return f"{login} {_known_device(request, login)}"


@login_not_required
def sign_out(request: HttpRequest) -> HttpResponse:
    """Sign out, and have the browser forget what it has seen of the household."""
    response: HttpResponse = account.logout(request)
    if request.method == "POST":
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _known_device(request: HttpRequest, login: str) -> str:
    """Return the name of the browser, if the login has signed in there before; else an empty one."""
    cookie = request.get_signed_cookie(KNOWN_DEVICE, "", salt=KNOWN_DEVICE, max_age=KNOWN_FOR) or ""
    name, _colon, owner = cookie.partition(":")
    return name if owner == _owner_of(login) else ""


def _know_device(request: HttpRequest, response: HttpResponse, user: AbstractBaseUser) -> None:
    login = EmailAddress.objects.get_primary_email(user).lower()
    name = _known_device(request, login) or get_random_string(16)
    response.set_signed_cookie(
        KNOWN_DEVICE,
        f"{name}:{_owner_of(login)}",
        salt=KNOWN_DEVICE,
        max_age=KNOWN_FOR,
        secure=settings.IS_HTTPS,
        httponly=True,
        samesite="Lax",
    )


def _owner_of(login: str) -> str:
    return salted_hmac(KNOWN_DEVICE, login).hexdigest()

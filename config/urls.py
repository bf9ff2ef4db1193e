from allauth.account import views as account
from allauth.mfa.base import views as factor
from allauth.mfa.recovery_codes import views as codes
from allauth.mfa.totp import views as app
from allauth.mfa.webauthn import views as passkey
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import include, path, re_path, reverse, reverse_lazy
from django.views.generic import RedirectView
from django.views.i18n import set_language

from cards.accounts import sign_out
from cards.factors import EnrolAppView
from renewals.admin.index import index


@login_not_required
def closed(request: HttpRequest) -> HttpResponse:
    """allauth links to its registration; ours is closed."""
    raise Http404


@login_not_required
def admin_login(request: HttpRequest) -> HttpResponse:
    """Send anonymous to the one sign-in there is; who is signed in and gets here is no administrator."""
    if request.user.is_authenticated:
        raise Http404
    return redirect_to_login(request.GET.get("next", reverse("admin:index")))


# Of allauth's addresses, the ones a household needs.
accounts = [
    path("login/", account.login, name="account_login"),
    path("logout/", sign_out, name="account_logout"),
    path("signup/", closed, name="account_signup"),
    path("inactive/", account.account_inactive, name="account_inactive"),
    path("password/change/", account.password_change, name="account_change_password"),
    path("password/set/", account.password_set, name="account_set_password"),
    path("password/reset/", account.password_reset, name="account_reset_password"),
    path("password/reset/done/", account.password_reset_done, name="account_reset_password_done"),
    re_path(
        r"^password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/$",
        account.password_reset_from_key,
        name="account_reset_password_from_key",
    ),
    path(
        "password/reset/key/done/",
        account.password_reset_from_key_done,
        name="account_reset_password_from_key_done",
    ),
    path("reauthenticate/", account.reauthenticate, name="account_reauthenticate"),
    path("reauthenticate/code/", factor.reauthenticate, name="mfa_reauthenticate"),
    path("reauthenticate/passkey/", passkey.reauthenticate_webauthn, name="mfa_reauthenticate_webauthn"),
    path("factor/", factor.authenticate, name="mfa_authenticate"),
    path("factors/", RedirectView.as_view(url=reverse_lazy("security")), name="mfa_index"),
    path("app/", EnrolAppView.as_view(), name="mfa_activate_totp"),
    path(
        "app/remove/",
        app.DeactivateTOTPView.as_view(success_url=reverse_lazy("security")),
        name="mfa_deactivate_totp",
    ),
    path("codes/", codes.view_recovery_codes, name="mfa_view_recovery_codes"),
    path("codes/new/", codes.generate_recovery_codes, name="mfa_generate_recovery_codes"),
    path("passkeys/new/", passkey.add_webauthn, name="mfa_add_webauthn"),
    path("passkeys/sign-in/", passkey.login_webauthn, name="mfa_login_webauthn"),
    path(
        "passkeys/<int:pk>/remove/",
        passkey.RemoveWebAuthnView.as_view(success_url=reverse_lazy("security")),
        name="mfa_remove_webauthn",
    ),
]

handler403 = "cards.refused.refused"

urlpatterns = [
    path("", include("renewals.urls")),
    path("", include("cards.urls")),
    path("accounts/", include(accounts)),
    path("language/", login_not_required(set_language), name="set_language"),
    path("admin/login/", admin_login),
    path("admin/", index),
    path("admin/", admin.site.urls),
]

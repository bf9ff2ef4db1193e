"""What every answer tells the browser it may not do, and which requests of other sites are refused."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.csrf import csrf_failure

# What pages may load: files of this site, and nothing that stands inside a page.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'; "
    "object-src 'none'"
)
# What a download may do, should a browser open it all the same: nothing.
SANDBOX = "default-src 'none'; sandbox"
# Passkeys ask for the first two, the buttons that copy a code for the third.
NEEDED = ("publickey-credentials-create", "publickey-credentials-get", "clipboard-write")
NEVER = (
    "accelerometer",
    "autoplay",
    "browsing-topics",
    "camera",
    "clipboard-read",
    "cross-origin-isolated",
    "display-capture",
    "encrypted-media",
    "fullscreen",
    "gamepad",
    "geolocation",
    "gyroscope",
    "hid",
    "identity-credentials-get",
    "idle-detection",
    "keyboard-map",
    "local-fonts",
    "magnetometer",
    "microphone",
    "midi",
    "otp-credentials",
    "payment",
    "picture-in-picture",
    "screen-wake-lock",
    "serial",
    "storage-access",
    "sync-xhr",
    "usb",
    "window-management",
    "xr-spatial-tracking",
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(
        [f"{feature}=(self)" for feature in NEEDED] + [f"{feature}=()" for feature in NEVER]
    ),
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex",
    # No page is kept on a shared phone after the sign-out. Static files, and what says otherwise, keep their own.
    "Cache-Control": "no-store",
}
FROM_ELSEWHERE = {"cross-site", "same-site"}
CHANGES_NOTHING = {"GET", "HEAD", "OPTIONS", "TRACE"}

Answer = Callable[[HttpRequest], HttpResponse]


class HeadersMiddleware:
    """Give every answer, whoever made it, the headers of HEADERS that it does not have yet.

    It is the first of all, so errors, static files and refused host names have them too.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        # Django's pages for developers are written with everything inside.
        is_for_developers = settings.DEBUG and response.status_code in {404, 500}
        if response.headers.get("Content-Disposition", "").startswith("attachment"):
            response.headers["Content-Security-Policy"] = SANDBOX
        for name, value in HEADERS.items():
            if not (is_for_developers and name == "Content-Security-Policy"):
                response.headers.setdefault(name, value)
        # SecurityMiddleware does this as well, but not for a host name that it refuses.
        if settings.SECURE_HSTS_SECONDS and request.is_secure():
            response.headers.setdefault("Strict-Transport-Security", _strict_transport())
        return response


class OtherSitesMiddleware:
    """Refuse what a page of another site sends, by the browser's own word for it.

    It stands beside the token in each form. Views that are exempt from that one are exempt here.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponse], args: tuple, kwargs: dict[str, Any]
    ) -> HttpResponse | None:
        is_refused = request.method not in CHANGES_NOTHING and request.headers.get("Sec-Fetch-Site") in FROM_ELSEWHERE
        if is_refused and not getattr(view, "csrf_exempt", False):
            return csrf_failure(request, "sent by another site")
        return None


def _strict_transport() -> str:
    parts = [f"max-age={settings.SECURE_HSTS_SECONDS}"]
    parts += ["includeSubDomains"] if settings.SECURE_HSTS_INCLUDE_SUBDOMAINS else []
    parts += ["preload"] if settings.SECURE_HSTS_PRELOAD else []
    return "; ".join(parts)

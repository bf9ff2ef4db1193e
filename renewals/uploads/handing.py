"""The one way out for a file: a download that no browser opens as a page, runs, embeds or keeps."""

from django.http import HttpResponse

from config.headers import SANDBOX

from .checking import TYPES


def attachment(content: bytes, kind: str, name: str) -> HttpResponse:
    """Return the answer that hands out a file; `name` is without its ending, and ours, never what somebody typed."""
    return HttpResponse(
        content,
        content_type=TYPES[kind],
        headers={
            "Content-Disposition": f'attachment; filename="{name}.{kind}"',
            "X-Content-Type-Options": "nosniff",
            "Content-Security-Policy": SANDBOX,
            "Cross-Origin-Resource-Policy": "same-origin",
            "Cache-Control": "no-store",
        },
    )

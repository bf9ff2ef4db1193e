"""The second factor: how its secrets are kept, and the picture by which an app learns its own."""

from dataclasses import dataclass
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.totp.views import ActivateTOTPView
from qrcode.main import QRCode

from .encryption import seal, unseal


@dataclass(frozen=True)
class Picture:
    """A QR code for a template to draw: the path of its dark squares, in a square of `size`."""

    path: str
    size: int


class FactorAdapter(DefaultMFAAdapter):
    def encrypt(self, text: str) -> str:
        return seal(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text.encode()).decode()


class EnrolAppView(ActivateTOTPView):
    """Set up an app that makes codes. The picture is drawn in the page, as the policy allows no data: images."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        return context | {"picture": picture_of(context["totp_url"])}


def picture_of(text: str) -> Picture:
    """Return the QR code of a text."""
    code = QRCode()
    code.add_data(text)
    code.make()
    rows = code.get_matrix()
    squares = [f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, is_dark in enumerate(row) if is_dark]
    return Picture("".join(squares), len(rows))

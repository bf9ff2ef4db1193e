"""Run in a process of its own: enters 200 canaries through the pages, and counts where their bytes are afterwards.

The data folder, its database with the write-ahead log still open, the mails and all that is printed belong to it alone.
"""

import io
import json
import logging
import sys
from pathlib import Path

import django
import pypdf
from pypdf.generic import DecodedStreamObject, NameObject

django.setup()

from django.conf import settings  # noqa: E402
from django.core.files.uploadedfile import SimpleUploadedFile  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.test import Client  # noqa: E402
from django.utils import timezone  # noqa: E402

from cards import secret_forms  # noqa: E402
from cards.models import Card, Household, Member, Operator, Person, Plan, User  # noqa: E402
from cards.secrets import read_secret  # noqa: E402
from renewals.deadlines import recompute_card  # noqa: E402
from renewals.models import Document, Reading  # noqa: E402
from renewals.uploads import content_of  # noqa: E402

CARDS, PAPERS, SCANS = 50, 40, 10


def main() -> None:
    call_command("migrate", verbosity=0)
    call_command("createcachetable", verbosity=0)
    member = family()
    client = Client(raise_request_exception=False, headers={"host": "127.0.0.1"})
    client.force_login(member.user)
    canaries = enter(client, member)
    break_a_page(client)
    call_command("send_reminders", verbosity=0)
    files = [path for path in Path(settings.DATA_DIR).rglob("*") if path.is_file()]
    contents = {path.name: path.read_bytes() for path in files}
    hits = sorted({(name, text) for name, content in contents.items() for text in canaries if text.encode() in content})
    found = {"files": sorted({path.relative_to(settings.DATA_DIR).parts[0] for path in files}), "hits": hits,
             "written": len(canaries), "canaries": canaries, "read": sum(read_back(canaries)),
             "clear": sum(b"Canary in clear" in content for content in contents.values())}  # fmt: skip
    print(json.dumps(found))


def family() -> Member:
    household = Household.objects.create(name="Chen family")
    user = User.objects.create_user("olga@example.org")
    return Member.objects.create(household=household, user=user, name="Olga", role="owner", remind_at="00:00")


def enter(client: Client, member: Member) -> list[str]:
    """Type the canaries into the pages that take them, and return them."""
    today, household = timezone.now().date(), member.household
    plan = Plan.objects.create(operator=Operator.objects.create(slug="o", name="Cubacel"), slug="p", name="Line")
    person = Person.objects.create(household=household, name="Rosa Chen")
    canaries = []
    for at in range(CARDS):
        card = Card.objects.create(household=household, plan=plan, name="Canary in clear", number=f"+53520000{at:02}")
        Reading.objects.create(household=household, card=card, read_on=today, valid_until=today, by=member)
        recompute_card(card)
        codes = {"iccid": f"8953{71000000000000 + at * 7919}", "pin": f"{39100000 + at * 7}",
                 "puk": f"{58300000 + at * 7}"}  # fmt: skip
        answer = client.post(f"/cards/{card.pk}/secrets/", codes)
        assert answer.status_code == 302, answer.status_code
        canaries += codes.values()
    for at in range(PAPERS):
        text = f"CANARY-PAPER-{at:03}"
        scan = f"CANARY-SCAN-{at:03}"
        data = {"person": person.pk, "kind": "passport", "number": text}
        if at < SCANS:
            data["scan"] = SimpleUploadedFile(f"{scan}.pdf", pdf_of(scan), content_type="application/pdf")
            canaries.append(scan)
        assert client.post("/documents/new/", data).status_code == 302
        canaries.append(text)
    return canaries


def pdf_of(text: str) -> bytes:
    """Return a page on which the text is written, not compressed, so that a search of its bytes finds it."""
    writer, drawing, content = pypdf.PdfWriter(), DecodedStreamObject(), io.BytesIO()
    drawing.set_data(f"BT 20 50 Td ({text}) Tj ET".encode())
    page = writer.add_blank_page(200, 100)
    page[NameObject("/Contents")] = writer._add_object(drawing)
    writer.write(content)
    assert text.encode() in content.getvalue()
    return content.getvalue()


def break_a_page(client: Client) -> None:
    """Let a page fail while it holds secrets: what is printed of it is searched as well."""

    def fail(*args: object) -> None:
        raise RuntimeError("a page that fails")

    whole, secret_forms.write_secret = secret_forms.write_secret, fail
    logging.getLogger("django.request").setLevel(logging.DEBUG)
    card = Card.objects.first()
    answer = client.post(f"/cards/{card.pk}/secrets/", {"puk": read_secret(card, "puk")})
    assert answer.status_code == 500
    secret_forms.write_secret = whole


def read_back(canaries: list[str]):
    """Yield for each canary that is kept whether it can be read."""
    for card in Card.objects.all():
        for field in ("iccid", "pin", "puk"):
            yield read_secret(card, field) in canaries
    for document in Document.objects.all():
        yield read_secret(document, "number") in canaries
        if document.scan:
            yield content_of(document, "scan").startswith(b"%PDF-")


if __name__ == "__main__":
    main()
    sys.stdout.flush()

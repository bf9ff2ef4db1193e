"""What is taken in, whatever it is called, and what of it is kept."""

import base64
import io
import os
import re
import stat
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.utils import timezone
from PIL import Image, ImageCms, PngImagePlugin

from cards.journal import note
from renewals.models import Document, Payment
from renewals.uploads import LIMIT, check, checking, content_of, drop, keep, keeping, kept_with_rows, sweep_orphans
from renewals.uploads.pdfs import without_descriptions
from tests import files
from tests.family import Family, every_row, is_answered, sign_in

pytestmark = pytest.mark.django_db
REFUSED, CLEANED = files.refused(), files.cleaned()


@pytest.fixture(autouse=True)
def store(settings, tmp_path):
    settings.MEDIA_ROOT = tmp_path / "uploads"
    return settings.MEDIA_ROOT


@pytest.fixture
def family():
    return Family().fill()


def upload(content, name="a", content_type="application/octet-stream"):
    return SimpleUploadedFile(name, content, content_type)


@pytest.fixture
def browser(family):
    return sign_in(family.owner)


def send(browser, family, file, **more):
    address = f"/documents/{family.document.pk}/edit/"
    data = {"person": family.person.pk, "kind": "passport", "issued_by": "China", "scan": file} | more
    return browser.post(address, data)


def all_files(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def kept(family):
    family.document.refresh_from_db()
    return content_of(family.document, "scan")


def test_there_are_more_than_sixty_hostile_files():
    assert len(REFUSED) + len(CLEANED) + len(files.NAMES) > 60


@pytest.mark.parametrize("what", REFUSED)
def test_hostile_file_is_refused_in_words_and_nothing_is_kept(family, browser, tmp_path, what):
    name, content_type, content = REFUSED[what]
    before = every_row()
    page = send(browser, family, upload(content, name, content_type))
    assert is_answered(page, "scan", 'class="errorlist"')
    assert is_answered(page, "issued_by", "", "China")
    assert every_row() == before
    assert all_files(tmp_path) == set()


@pytest.mark.parametrize("what", CLEANED)
def test_file_with_something_hidden_is_kept_without_it(family, browser, store, tmp_path, what):
    name, content_type, content = CLEANED[what]
    assert send(browser, family, upload(content, name, content_type)).status_code == 302
    assert b"CANARY" not in kept(family)
    assert len(kept(family)) < len(content) + 2000
    assert all_files(tmp_path) == {store / family.document.scan.name}
    clean = check(upload(kept(family)), family.household)
    assert clean.kind == family.document.scan_type
    if clean.kind != "pdf":
        assert getattr(Image.open(io.BytesIO(kept(family))), "n_frames", 1) == 1


@pytest.mark.parametrize("what", files.NAMES)
def test_name_of_a_file_decides_nothing(family, browser, store, tmp_path, what):
    page = send(browser, family, upload(files.picture("png"), "a.png"), issued_by="Cuba")
    file = upload(files.picture("png"))
    file._name = files.NAMES[what]
    page = send(browser, family, file)
    family.document.refresh_from_db()
    assert page.status_code in {302, 400} or is_answered(page, "scan", 'class="errorlist"')
    assert re.fullmatch(r"scans/[\w-]{32}", family.document.scan.name)
    assert {path.parent for path in all_files(tmp_path)} == {store / "scans"}
    assert not any("CANARY" in str(path) for path in tmp_path.rglob("*"))


def test_file_sent_in_base64_full_of_blanks_is_only_a_file(family, tmp_path):
    """CVE-2026-33033: such a part took the parser minutes."""
    lines = b"".join(line + b" " * 500 for line in base64.encodebytes(files.picture("png")).splitlines(True))
    fields = {"person": family.person.pk, "kind": "passport"}
    body = b"".join(
        f'--X\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    )
    body += b'--X\r\nContent-Disposition: form-data; name="scan"; filename="a.png"\r\n'
    body += b"Content-Transfer-Encoding: base64\r\n\r\n" + lines + b"\r\n--X--\r\n"
    answer = sign_in(family.owner).post(
        f"/documents/{family.document.pk}/edit/", body, content_type="multipart/form-data; boundary=X"
    )
    assert answer.status_code in {200, 302, 400}
    assert len(all_files(tmp_path)) == (answer.status_code == 302)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (files.png_of(30_000, 30_000), "The picture has too many pixels."),
        (files.hostile_pdfs()["PDF with a password"], "Print it into a new PDF without one"),
        (files.hostile_pdfs()["PDF with an attachment"], "carries a program, a form or another file"),
        (files.HTML, "This is not a readable PDF, JPEG, PNG or WebP file"),
        (bytes(LIMIT + 1), "The file is larger than 10 MB."),
    ],
)
def test_refusal_says_what_to_do(family, content, words):
    with pytest.raises(ValidationError, match=words):
        check(upload(content), family.household)


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the most memory a process ever had")
def test_largest_pictures_are_opened_in_less_than_150_megabytes(tmp_path):
    for name, kind, mode, size, options in (
        ("a", "jpeg", "RGB", (8_000, 6_200), {}),
        ("b", "png", "RGB", (3_460, 3_460), {"compress_level": 1}),
        ("c", "png", "RGBA", (4_000, 2_250), {"compress_level": 1}),
        ("d", "webp", "RGBA", (4_000, 1_500), {"method": 0}),
        ("e", "jpeg", "RGB", (4_000, 2_250), {"progressive": True, "subsampling": 0}),
        ("g", "jpeg", "RGB", (3_600, 3_600), {}),
        ("h", "png", "P", (3_460, 3_460), {}),
        ("f", "png", "RGBA", (30_000, 30_000), None),
    ):
        content = io.BytesIO(files.png_of(*size)) if options is None else io.BytesIO()
        if options is not None:
            Image.new(mode, size).save(content, kind, **options)
        (tmp_path / f"{name}.{kind}").write_bytes(content.getvalue())
    grown = subprocess.check_output([sys.executable, "-c", MEASURE, tmp_path], text=True)
    assert 0 < int(grown) < 150 * 1024


MEASURE = """
import contextlib, pathlib, re, sys
sys.path.insert(0, "renewals/uploads")
from pictures import TooManyPixels, draw_anew
most = lambda: int(re.search(r"VmHWM:\\s+(\\d+)", pathlib.Path("/proc/self/status").read_text())[1])
before = most()
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with contextlib.suppress(TooManyPixels):
        draw_anew(path.read_bytes(), path.suffix[1:], 10**7)
print(most() - before)
"""


# What a file says beside what it shows


def exif(**tags):
    made = Image.Exif()
    made[0x010E], made[0x8298], made[0x013B] = "CANARY description", "CANARY copyright", "CANARY artist"
    made.get_ifd(0x8825).update({1: "N", 2: (23.0, 8.0, 1.0), 29: "CANARY GPS"})
    return made


def profile():
    made = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return made + b"CANARY"


def png_text(zipped):
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", "CANARY", zip=zipped)
    info.add_itxt("XML:com.adobe.xmp", "<x:xmpmeta>CANARY</x:xmpmeta>", zip=zipped)
    return info


def with_segment(marker, content):
    """Return a JPEG with one more segment after its start."""
    plain = files.picture("jpeg")
    return plain[:2] + bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content + plain[2:]


def photo_with_exif_in_a_pdf():
    described = files.picture("jpeg", exif=exif(), comment=b"CANARY")

    def put(writer, page):
        next(iter(page["/Resources"]["/XObject"].values())).get_object()._data = described

    return files.changed_pdf(put)


def pdf_with(where, **entries):
    """Return a PDF with more entries in its root or on its page."""

    def add(writer, page):
        place = page if where == "page" else writer.root_object
        place.update({files.name(key): writer._add_object(value) for key, value in entries.items()})

    return files.changed_pdf(add)


XMP = b'<?xpacket begin=""?><x:xmpmeta>CANARY</x:xmpmeta>'
TAGGED = {
    "JPEG with EXIF and GPS": files.picture("jpeg", exif=exif()),
    "JPEG with XMP": files.picture("jpeg", xmp=XMP),
    "JPEG with long XMP": with_segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0CANARY"),
    "JPEG with IPTC": with_segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x0cCANARY city\0"),
    "JPEG with a profile": files.picture("jpeg", icc_profile=profile()),
    "JPEG with a comment": files.picture("jpeg", comment=b"CANARY"),
    "JPEG with a small picture": with_segment(0xE0, b"JFXX\0\x10CANARY"),
    "JPEG with an unknown segment": with_segment(0xEB, b"CANARY"),
    "JPEG with another one after it": files.picture("jpeg") + files.picture("jpeg", comment=b"CANARY"),
    "PNG with EXIF and GPS": files.picture("png", exif=exif()),
    "PNG with text": files.picture("png", pnginfo=png_text(zipped=False)),
    "PNG with packed text": files.picture("png", pnginfo=png_text(zipped=True)),
    "PNG with a profile": files.picture("png", icc_profile=profile()),
    "PNG with a time": files.png_with(files.chunk(b"tIME", b"\x07\xea\x0b\x18CAN"), files.chunk(b"eXIf", b"CANARY")),
    "WebP with EXIF and GPS": files.picture("webp", exif=exif()),
    "WebP with XMP": files.picture("webp", xmp=XMP),
    "WebP with a profile": files.picture("webp", icc_profile=profile()),
    "PDF with information": files.photo_pdf(title="CANARY", author="CANARY", keywords="CANARY", creator="CANARY"),
    "PDF with XMP": pdf_with("root_object", Metadata=files.stream(XMP)),
    "PDF with XMP of a page": pdf_with("page", Metadata=files.stream(XMP)),
    "PDF with a small picture": pdf_with("page", Thumb=files.stream(b"CANARY")),
    "PDF with an editor's notes": pdf_with("page", PieceInfo=files.dictionary(A=files.TEXT)),
    "PDF with a photo with EXIF": photo_with_exif_in_a_pdf(),
}  # fmt: skip


@pytest.mark.parametrize("what", TAGGED)
def test_nothing_that_a_file_says_beside_what_it_shows_is_kept(family, what):
    content = TAGGED[what]
    clean = check(upload(content), family.household)
    assert b"CANARY" not in clean.content
    assert "CANARY".encode("utf-16-be") not in clean.content
    if clean.kind != "pdf":
        image = Image.open(io.BytesIO(clean.content))
        image.load()
        assert set(image.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density", "background", "loop",
                                   "timestamp", "duration"}  # fmt: skip
        assert dict(image.getexif()) == {}
        assert image.size == (40, 30)


def test_all_that_can_be_described_is_among_the_tagged_files():
    assert len(TAGGED) >= 20
    assert sum(b"CANARY" in content for content in TAGGED.values()) >= 15


def test_photo_inside_a_pdf_looks_as_before():
    plain = files.picture("jpeg")
    described = files.picture("jpeg", exif=exif(), comment=b"CANARY")
    kept = without_descriptions(described)
    assert b"CANARY" not in kept
    assert Image.open(io.BytesIO(kept)).size == Image.open(io.BytesIO(plain)).size
    with pytest.raises(ValueError, match="cut off"):
        without_descriptions(plain[:30])


Turn = Image.Transpose
# How a picture lies in a file of each orientation.
STORED = {2: Turn.FLIP_LEFT_RIGHT, 3: Turn.ROTATE_180, 4: Turn.FLIP_TOP_BOTTOM, 5: Turn.TRANSPOSE, 6: Turn.ROTATE_90,
          7: Turn.TRANSVERSE, 8: Turn.ROTATE_270}  # fmt: skip


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_photo_stands_upright_however_the_phone_was_held(family, orientation, kind):
    image, made, content = files.red_corner(), Image.Exif(), io.BytesIO()
    if orientation in STORED:
        image = image.transpose(STORED[orientation])
    made[0x0112] = orientation
    image.save(content, kind, exif=made)
    clean = Image.open(io.BytesIO(check(upload(content.getvalue()), family.household).content)).convert("RGB")
    assert clean.size == (64, 32)
    is_red = {place: clean.getpixel(place)[1] < 100 for place in [(8, 4), (55, 4), (8, 27), (55, 27)]}
    assert is_red == {(8, 4): True, (55, 4): False, (8, 27): False, (55, 27): False}


def test_what_was_written_into_a_form_stays_visible_and_does_nothing(family):
    look = files.stream(b"0 0 9 9 re f")
    look.update(files.dictionary(Subtype=files.name("Form"), BBox=files.RectangleObject((0, 0, 9, 9))))

    def fill(writer, page):
        field = files.dictionary(
            Subtype=files.name("Widget"),
            V=files.TEXT,
            Rect=files.RectangleObject((0, 0, 9, 9)),
            AP=files.dictionary(N=writer._add_object(look)),
        )
        page[files.name("Annots")] = files.ArrayObject([writer._add_object(field)])

    clean = check(upload(files.changed_pdf(fill)), family.household)
    page = files.pypdf.PdfReader(io.BytesIO(clean.content)).pages[0]
    mark = page["/Annots"][0].get_object()
    assert {key: mark[key] for key in ("/Subtype", "/F")} == {"/Subtype": "/Stamp", "/F": 4}
    assert mark["/AP"]["/N"].get_data() == b"0 0 9 9 re f"
    assert b"CANARY" not in clean.content


def test_large_photo_is_made_smaller_and_a_png_that_stays_large_becomes_a_jpeg(family, monkeypatch):
    content = io.BytesIO()
    Image.new("RGB", (6_000, 3_000), "teal").save(content, "jpeg")
    clean = check(upload(content.getvalue()), family.household)
    assert Image.open(io.BytesIO(clean.content)).size == (3_000, 1_500)
    monkeypatch.setattr(checking, "LIMIT", 3_000)
    content = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGBA").save(content, "png")
    assert len(content.getvalue()) > 2_000
    monkeypatch.setattr(checking, "LIMIT", len(content.getvalue()) - 1)
    small = upload(content.getvalue())
    small.size = 10
    assert check(small, family.household).kind == "jpeg"


# Kept


def test_files_are_for_this_login_only_also_from_eight_threads_and_without_a_umask(family, store):
    before = os.umask(0)
    try:
        threads = [
            threading.Thread(target=keeping._write, args=(store / folder / str(number), b"x"))
            for number in range(8)
            for folder in ("scans", "receipts")
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        os.umask(before)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in all_files(store)}
    assert (len(all_files(store)), modes) == (16, {0o600})
    assert {stat.S_IMODE(path.stat().st_mode) for path in (store, *store.iterdir())} == {0o700}


def test_kept_file_is_sealed_and_follows_no_link(family, store):
    keep(family.document, "scan", "png", b"plain")
    assert b"plain" not in (store / family.document.scan.name).read_bytes()
    (store / "scans" / "link").symlink_to(store / "elsewhere")
    with pytest.raises(FileExistsError):
        keeping._write(store / "scans" / "link", b"x")
    assert not (store / "elsewhere").exists()


def test_household_keeps_at_most_two_hundred_files(family, browser):
    family.document.scan = "scans/0"
    family.document.save()
    Document.objects.bulk_create(
        Document(household=family.household, person=family.person, kind="other", scan=f"scans/{number}")
        for number in range(1, 199)
    )
    check(upload(files.picture("png")), family.household)
    family.payment.receipt = "receipts/0"
    family.payment.save()
    with pytest.raises(ValidationError, match="200, or 500 MB"):
        check(upload(files.picture("png")), family.household)
    assert send(browser, family, upload(files.picture("png"))).status_code == 302
    check(upload(files.picture("png")), Family("Pérez").household)


def test_household_keeps_at_most_500_megabytes(family, store):
    keep(family.document, "scan", "png", b"x")
    family.document.save()
    os.truncate(store / family.document.scan.name, checking.MOST_BYTES - 100)
    with pytest.raises(ValidationError, match="200, or 500 MB"):
        check(upload(files.picture("png")), family.household)
    check(upload(files.picture("png")), family.household, family.document.scan.name)


def test_receipt_that_two_rows_name_counts_once_and_is_not_deleted_with_one(family, store):
    keep(family.payment, "receipt", "png", b"x")
    family.payment.save()
    other = Payment.objects.get(pk=family.payment.pk)
    other.pk, other.corrects = None, family.payment
    other.save()
    assert keeping.files_of(family.household) == {other.receipt.name}
    keeping.forget(other.receipt.name)
    assert all_files(store) == {store / other.receipt.name}


def test_file_of_a_row_that_could_not_be_saved_goes_with_it(family, store):
    with pytest.raises(IntegrityError), kept_with_rows():  # noqa: PT012 - the row has to be saved in it
        keep(family.document, "scan", "png", b"x")
        family.document.save()
        raise IntegrityError
    assert all_files(store) == set()
    family.document.refresh_from_db()
    assert not family.document.scan


@pytest.mark.django_db(transaction=True)
def test_file_stays_when_its_row_was_committed_and_only_the_answer_was_lost(family, store):
    def lose_the_answer():
        raise ConnectionError

    with pytest.raises(ConnectionError), kept_with_rows():  # noqa: PT012 - the row has to be saved in it
        keep(family.document, "scan", "png", b"x")
        family.document.save()
        # It is called when the commit is done.
        transaction.on_commit(lose_the_answer)
    assert all_files(store) == {store / Document.objects.get(pk=family.document.pk).scan.name}


def test_replaced_and_removed_scans_are_deleted_with_the_commit(family, store, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        keep(family.document, "scan", "png", b"one")
        family.document.save()
    first = store / family.document.scan.name
    with django_capture_on_commit_callbacks(execute=True):
        keep(family.document, "scan", "png", b"two")
        assert first.exists()
        family.document.save()
    assert all_files(store) == {store / family.document.scan.name}
    with django_capture_on_commit_callbacks(execute=True):
        drop(family.document, "scan")
        family.document.save()
    assert all_files(store) == set()


def age(path, hours):
    moment = (timezone.now() - timedelta(hours=hours)).timestamp()
    os.utime(path, (moment, moment))


@pytest.mark.parametrize(("hours", "is_swept"), [(23.9, 0), (24.1, 1)])
def test_orphan_is_swept_after_a_day_and_a_named_file_never(family, store, hours, is_swept):
    keep(family.document, "scan", "png", b"x")
    family.document.deleted_at = timezone.now()
    family.document.save()
    keep(Document(household=family.household), "scan", "png", b"orphan")
    for path in all_files(store):
        age(path, hours)
    assert sweep_orphans(timezone.now()) == is_swept
    assert len(all_files(store)) == 2 - is_swept
    assert (store / family.document.scan.name).exists()


def test_sweep_of_an_installation_without_files_finds_nothing():
    assert sweep_orphans(timezone.now()) == 0


POINTS = ["keeping.seal_file", "keeping._write", "keeping.os.fsync", "Document.save", "note", "commit"]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the pool of connections does not survive a fork")
@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("point", POINTS)
def test_process_that_is_killed_leaves_no_row_without_its_file(family, store, point, when):
    for _each in range(3):
        connection.close()
        child = os.fork()
        if child == 0:
            keep_and_die(family, point, when)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        named = set(Document.objects.exclude(scan="").values_list("scan", flat=True))
        assert {name for name in named if not (store / name).exists()} == set()
    for path in all_files(store):
        age(path, 25)
    sweep_orphans(timezone.now())
    assert all_files(store) == {store / name for name in named}


def keep_and_die(family, point, when):
    """Keep a scan in a process of its own that ends, without a word, before or after one step."""

    def dying(step):
        def act(*args, **kwargs):
            if when == "after":
                step(*args, **kwargs)
            os._exit(9)

        return act

    try:
        if point != "commit":
            place = {"keeping": keeping, "Document": Document, "note": sys.modules[__name__]}[point.partition(".")[0]]
            *path, name = point.split(".")[1:] or [point]
            for part in path:
                place = getattr(place, part)
            setattr(place, name, dying(getattr(place, name)))
        with kept_with_rows():
            keep(family.document, "scan", "png", b"x")
            family.document.save()
            note(family.owner, "changed", "document:1")
            if (point, when) == ("commit", "before"):
                os._exit(9)
        os._exit(9)
    finally:
        os._exit(1)


def test_the_store_is_in_no_folder_that_is_served(settings):
    assert settings.MEDIA_URL in {"", "/"}
    assert not Path(settings.STATIC_ROOT).is_relative_to(settings.DATA_DIR / "uploads")
    assert not (settings.DATA_DIR / "uploads").is_relative_to(settings.STATIC_ROOT)

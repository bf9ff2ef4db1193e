"""Files as families and attackers send them, made here and now."""

import gzip
import io
import struct
import zipfile
import zlib

import pypdf
from PIL import Image, ImageDraw
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    NameObject,
    RectangleObject,
    TextStringObject,
)

SCRIPT = b"<script>alert('CANARY')</script>"
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)">' + SCRIPT + b"</svg>"
HTML = b"<!doctype html><title>CANARY</title>" + SCRIPT
XHTML = b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>"
XXE = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>'
LAUGHS = b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "CANARY"><!ENTITY c "&b;&b;&b;">]><a>&c;</a>'


def picture(kind, **options):
    content = io.BytesIO()
    Image.effect_noise((40, 30), 90).convert("RGB").save(content, kind, **options)
    return content.getvalue()


def pdf(pages=1):
    content, writer = io.BytesIO(), pypdf.PdfWriter()
    for _each in range(pages):
        writer.add_blank_page(300, 400)
    writer.write(content)
    return content.getvalue()


def photo_pdf(**tags):
    """Return a PDF with a photo on its page."""
    content = io.BytesIO()
    Image.effect_noise((60, 40), 90).convert("RGB").save(content, "pdf", **tags)
    return content.getvalue()


def zipped(content=SCRIPT):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("CANARY.html", content)
    return packed.getvalue()


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def png_with(*chunks):
    """Return a PNG with these chunks before its pixels."""
    plain = picture("png")
    end_of_header = 8 + 25
    return plain[:end_of_header] + b"".join(chunks) + plain[end_of_header:]


def png_of(width, height):
    """Return a small PNG that says it is so large."""
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def jpeg_of(width, height):
    """Return a small JPEG that says it is so large."""
    plain = picture("jpeg")
    at = plain.index(b"\xff\xc0") + 5
    return plain[:at] + struct.pack(">HH", height, width) + plain[at + 4 :]


def webp_of(width, height):
    """Return a small WebP that says it is so large."""
    head = b"\x10\0\0\0" + struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    body = b"WEBPVP8X" + struct.pack("<I", 10) + head + picture("webp")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def animated(kind):
    frames = [Image.new("RGB", (40, 30), colour) for colour in ("red", "blue")]
    content = io.BytesIO()
    frames[0].save(content, kind, save_all=True, append_images=frames[1:], duration=100)
    return content.getvalue()


def dictionary(**entries):
    return DictionaryObject({NameObject(f"/{key}"): value for key, value in entries.items()})


def name(text):
    return NameObject(f"/{text}")


def changed_pdf(change):
    """Return a PDF to which `change` was done, a function of its writer and first page."""
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(photo_pdf()))
    change(writer, writer.pages[0])
    content = io.BytesIO()
    writer.write(content)
    return content.getvalue()


def acting(kind, **more):
    """Return an action of a PDF."""
    return dictionary(S=name(kind), **more)


def opens_with(action):
    return changed_pdf(lambda writer, page: writer.root_object.update({name("OpenAction"): action}))


def marked(subtype, **more):
    """Return a PDF with an annotation on its page."""

    def change(writer, page):
        mark = dictionary(Type=name("Annot"), Subtype=name(subtype), Rect=RectangleObject((0, 0, 9, 9)), **more)
        page[name("Annots")] = ArrayObject([writer._add_object(mark)])

    return changed_pdf(change)


def in_root(**entries):
    return changed_pdf(lambda writer, page: writer.root_object.update(dictionary(**entries)))


def stream(content):
    made = DecodedStreamObject()
    made.set_data(content)
    return made


TEXT = TextStringObject("app.alert('CANARY')")


def hostile_pdfs():
    """Return PDFs that can do more than be looked at."""
    script = acting("JavaScript", JS=TEXT)
    return {
        "PDF whose opening runs a script": opens_with(script),
        "PDF with a script in other letters": opens_with(script).replace(b"/JavaScript", b"/Java#53cript"),
        "PDF whose page runs a script": changed_pdf(lambda w, page: page.update({name("AA"): dictionary(O=script)})),
        "PDF with scripts by name": in_root(Names=dictionary(JavaScript=dictionary(Names=ArrayObject([TEXT, script])))),
        "PDF that starts a program": opens_with(acting("Launch", F=TextStringObject("CANARY.exe"))),
        "PDF with a link that starts a program": marked("Link", A=acting("Launch", F=TextStringObject("CANARY.exe"))),
        "PDF with an action after another": opens_with(acting("URI", URI=TEXT, Next=script)),
        "PDF with an attachment": changed_pdf(lambda w, page: w.add_attachment("CANARY.html", SCRIPT)),
        "PDF with a file pinned to its page": marked("FileAttachment"),
        "PDF with an associated file": in_root(AF=ArrayObject([dictionary(Type=name("Filespec"))])),
        "PDF with an XFA form": in_root(AcroForm=dictionary(Fields=ArrayObject(), XFA=TEXT)),
        "PDF with a form that is sent": marked("Widget", A=acting("SubmitForm", F=TextStringObject("//CANARY"))),
        "PDF that imports data": opens_with(acting("ImportData", F=TextStringObject("CANARY"))),
        "PDF that opens another file": opens_with(acting("GoToE")),
        "PDF with a film": marked("RichMedia", RichMediaContent=dictionary()),
        "PDF with a screen": marked("Screen"),
        "PDF with a model": marked("3D"),
        "PDF with a password": changed_pdf(lambda w, page: w.encrypt("CANARY", algorithm="RC4-128")),
        "PDF with an owner's password only": changed_pdf(
            lambda w, page: w.encrypt("", owner_password="CANARY", algorithm="RC4-128")
        ),
        "PDF whose pages are their own parents": changed_pdf(
            lambda w, page: w.root_object["/Pages"]["/Kids"].append(w.root_object.raw_get("/Pages"))
        ),
        "PDF without a page": pdf(0),
        "PDF of 101 pages": pdf(101),
    }


def refused():
    """Return what is no picture and no paper: (name, declared type, content)."""
    plain = {
        "SVG": ("a.svg", "image/svg+xml", SVG),
        "SVG called PNG": ("a.png", "image/png", SVG),
        "SVG called JPEG": ("a.jpg", "image/jpeg", SVG),
        "SVG called PDF": ("a.pdf", "application/pdf", SVG),
        "SVGZ": ("a.svgz", "image/svg+xml", gzip.compress(SVG)),
        "SVGZ called PNG": ("a.png", "image/png", gzip.compress(SVG)),
        "HTML": ("a.html", "text/html", HTML),
        "HTML called PDF": ("a.pdf", "application/pdf", HTML),
        "HTML called JPEG": ("a.jpg", "image/jpeg", HTML),
        "HTML called WebP": ("a.webp", "image/webp", HTML),
        "XHTML": ("a.xhtml", "application/xhtml+xml", XHTML),
        "XHTML called PNG": ("a.png", "image/png", XHTML),
        "XML that asks for a file": ("a.xml", "text/xml", XXE),
        "XML that asks for a file, called PDF": ("a.pdf", "application/pdf", XXE),
        "XML that grows": ("a.xml", "text/xml", LAUGHS),
        "GIF that is a script": ("a.gif", "image/gif", b"GIF89a/*" + bytes(20) + b"*/=1;alert('CANARY')"),
        "GIF that is a script, called JPEG": ("a.jpg", "image/jpeg", b"GIF89a/*\0*/=1;alert('CANARY')"),
        "GIF": ("a.gif", "image/gif", picture("gif")),
        "BMP called PNG": ("a.png", "image/png", picture("bmp")),
        "TIFF called JPEG": ("a.jpg", "image/jpeg", picture("tiff")),
        "EPS called PDF": ("a.pdf", "application/pdf", picture("eps")),
        "ICO": ("a.ico", "image/x-icon", picture("ico")),
        "JPEG 2000": ("a.jpg", "image/jpeg", picture("jpeg2000")),
        "HTML that starts like a JPEG": ("a.jpg", "image/jpeg", b"\xff\xd8\xff\xe0" + HTML),
        "HTML that starts like a PNG": ("a.png", "image/png", b"\x89PNG\r\n\x1a\n" + HTML),
        "HTML that starts like a WebP": ("a.webp", "image/webp", b"RIFF\xff\0\0\0WEBP" + HTML),
        "HTML that starts like a PDF": ("a.pdf", "application/pdf", b"%PDF-1.7\n" + HTML),
        "PDF after HTML": ("a.pdf", "application/pdf", HTML + pdf()),
        "ZIP": ("a.zip", "application/zip", zipped()),
        "ZIP called PDF": ("a.pdf", "application/pdf", zipped()),
        "program": ("a.pdf", "application/pdf", b"MZ\x90\0" + bytes(500)),
        "program of another system": ("a.jpg", "image/jpeg", b"\x7fELF" + bytes(500)),
        "PHP": ("a.php.jpg", "image/jpeg", b"<?php system('CANARY'); ?>"),
        "shell script": ("a.png", "image/png", b"#!/bin/sh\necho CANARY\n"),
        "film": ("a.mp4", "video/mp4", b"\0\0\0\x18ftypmp42" + bytes(500)),
        "half a JPEG": ("a.jpg", "image/jpeg", picture("jpeg")[: len(picture("jpeg")) // 2]),
        "half a PNG": ("a.png", "image/png", picture("png")[:300]),
        "half a WebP": ("a.webp", "image/webp", picture("webp")[:100]),
        "half a PDF": ("a.pdf", "application/pdf", photo_pdf()[:400]),
        "PNG of 30,000 by 30,000": ("a.png", "image/png", png_of(30_000, 30_000)),
        "PNG of 2,000,000,000 by 1": ("a.png", "image/png", png_of(2_000_000_000, 1)),
        "PNG of 0 by 0": ("a.png", "image/png", png_of(0, 0)),
        "PNG one row over the limit": ("a.png", "image/png", png_of(3_000, 3_001)),
        "JPEG of 65,000 by 65,000": ("a.jpg", "image/jpeg", jpeg_of(65_000, 65_000)),
        "WebP of 16,000 by 16,000": ("a.webp", "image/webp", webp_of(16_000, 16_000)),
        "PNG with a text that grows": (
            "a.png",
            "image/png",
            png_with(chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(90_000_000), 9))),
        ),
        "empty file": ("a.png", "image/png", b""),
        "file of one byte more than may be": (
            "a.jpg",
            "image/jpeg",
            picture("jpeg").ljust(10 * 1024 * 1024 + 1, b"\0"),
        ),
    }
    return plain | {what: ("a.pdf", "application/pdf", content) for what, content in hostile_pdfs().items()}


def cleaned():
    """Return what is a picture or a paper with something hidden in it: (name, declared type, content)."""
    comment = picture("jpeg", comment=b"CANARY" + SCRIPT)
    return {
        "JPEG with HTML after it": ("a.jpg", "image/jpeg", picture("jpeg") + HTML),
        "JPEG with HTML after it, called HTML": ("a.html", "text/html", picture("jpeg") + HTML),
        "JPEG with a script in its comment": ("a.jpg", "image/jpeg", comment),
        "JPEG called SVG": ("a.svg", "image/svg+xml", comment),
        "PNG with a ZIP after it": ("a.png", "image/png", picture("png") + zipped()),
        "PNG with PHP in its text": ("a.php", "image/png", png_with(chunk(b"tEXt", b"a\0<?php CANARY ?>"))),
        "PNG with a chunk nobody knows": ("a.png", "image/png", png_with(chunk(b"caNy", SCRIPT))),
        "WebP with HTML after it": ("a.webp", "image/webp", picture("webp") + HTML),
        "WebP that moves": ("a.webp", "image/webp", animated("webp")),
        "PNG that moves": ("a.png", "image/png", animated("png")),
        "PDF with a ZIP after it": ("a.pdf", "application/pdf", photo_pdf() + zipped()),
        "PDF with HTML after it": ("a.pdf", "application/pdf", photo_pdf() + HTML),
        "PDF with a link": ("a.pdf", "application/pdf", marked("Link", A=acting("URI", URI=TEXT))),
        "PDF that opens at its first page": ("a.pdf", "application/pdf", in_root(OpenAction=ArrayObject(), Lang=TEXT)),
    }


NAMES = {
    "path upwards": "../../../etc/CANARY.png",
    "path upwards in other letters": "..%2f..%2fCANARY.png",
    "path of another system": "..\\..\\CANARY.png",
    "path from the top": "/etc/CANARY.png",
    "letter that is none": "CANARY\0.png",
    "letters from right to left": "CANARY\u202egnp.exe",
    "300 letters": "CANARY" + "a" * 294 + ".png",
    "line break": "CANARY\r\nSet-Cookie: a=b.png",
    "quote": 'CANARY".png',
    "hidden file": ".htaccess",
    "device": "CON.png",
    "HTML": "<img src=x onerror=alert(1)>CANARY.png",
    "template": "{{ CANARY }}{% include 'x' %}.png",
    "dots": "..",
}


def red_corner():
    """Return a picture of which only the upper left quarter is red."""
    image = Image.new("RGB", (64, 32), "white")
    ImageDraw.Draw(image).rectangle((0, 0, 31, 15), fill="red")
    return image

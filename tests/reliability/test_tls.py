"""Mail over TLS: nothing goes in clear where TLS was asked for, and nobody is trusted without a proof of their name."""

import datetime
import ssl
from collections import Counter
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.reliability.crowd import SOON, addresses, arrived, make_crowd, nothing_is_lost, run
from tests.reliability.scripted import GARBAGE, STALL, TOO_LONG
from tests.smtp import DROP

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Return a function that makes a server's TLS context for a name, and the file that says whom to trust."""
    folder = tmp_path_factory.mktemp("tls")

    def issue(name, *, is_self_signed=False):
        key, path = ec.generate_private_key(ec.SECP256R1()), folder / f"{name}-{is_self_signed}.pem"
        certificate = certificate_of(name, key, *((None, key) if is_self_signed else (root, root_key)))
        private = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    root_key = ec.generate_private_key(ec.SECP256R1())
    root = certificate_of("Our own authority", root_key, None, root_key)
    trusted = folder / "trusted.pem"
    trusted.write_bytes(root.public_bytes(serialization.Encoding.PEM))
    return issue, trusted


def certificate_of(name, key, issuer, issuer_key):
    """Return a certificate for `name`; without an `issuer` it is its own."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if " " not in name:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def sign_in_over_tls(settings, monkeypatch, trusted, *, is_tls):
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    settings.EMAIL_HOST, settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "localhost", "us", "ours"
    settings.EMAIL_USE_SSL, settings.EMAIL_USE_TLS = is_tls, not is_tls


@pytest.mark.parametrize("is_tls", [False, True], ids=["starttls", "smtps"])
def test_a_trusted_certificate_of_the_right_name_is_taken(is_tls, server_with, settings, monkeypatch, authority):
    issue, trusted = authority
    members = make_crowd(3)
    server = server_with(offers=["AUTH PLAIN", "STARTTLS"], tls=issue("localhost"), is_tls=is_tls)
    sign_in_over_tls(settings, monkeypatch, trusted, is_tls=is_tls)
    assert run().sent == 3
    assert arrived(server) == Counter(addresses(members))


@pytest.mark.parametrize("is_tls", [False, True], ids=["starttls", "smtps"])
@pytest.mark.parametrize(("name", "is_self_signed"), [("mail.example.org", False), ("localhost", True)])
def test_a_certificate_of_another_name_or_of_nobody_is_refused(
    is_tls, name, is_self_signed, server_with, settings, monkeypatch, authority
):
    issue, trusted = authority
    members = make_crowd(3)
    tls = issue(name, is_self_signed=is_self_signed)
    server = server_with(offers=["AUTH PLAIN", "STARTTLS"], tls=tls, is_tls=is_tls)
    sign_in_over_tls(settings, monkeypatch, trusted, is_tls=is_tls)
    first = run()
    assert (first.due, first.sent, first.failed) == (1, 0, 0)
    assert "SSLCertVerificationError" in first.problem
    assert nothing_is_lost(members)
    assert words(server) <= {"EHLO", "STARTTLS"}
    server.tls = issue("localhost")
    assert run(SOON).sent == 3
    assert arrived(server) == Counter(addresses(members))


@pytest.mark.parametrize(
    ("offers", "answer"),
    [
        ([], None),
        (["STARTTLS"], "454 No TLS now"),
        (["STARTTLS"], "554 No TLS"),
        (["STARTTLS"], GARBAGE),
        (["STARTTLS"], TOO_LONG),
        (["STARTTLS"], STALL),
        (["STARTTLS"], DROP),
        (["STARTTLS"], b"220 Go ahead\r\nnot a handshake at all\r\n"),
    ],
)
def test_without_tls_that_was_asked_for_nothing_is_said_in_clear(
    offers, answer, server_with, settings, monkeypatch, authority, impatient
):
    issue, trusted = authority
    members, server = make_crowd(3), server_with(offers=["AUTH PLAIN LOGIN", *offers], tls=issue("localhost"))
    sign_in_over_tls(settings, monkeypatch, trusted, is_tls=False)
    server.answer = lambda asked, argument: answer if asked == "STARTTLS" else None
    first = run()
    assert (first.due, first.sent, first.failed, first.finished_at is None) == (1, 0, 0, False)
    assert nothing_is_lost(members)
    assert not any(secret in b"".join(server.heard) for secret in (b"AUTH", b"MAIL", b"member", b"b3Vycw"))
    server.heal()
    impatient()
    server.offers = ["AUTH PLAIN LOGIN", "STARTTLS"]
    assert run(SOON).sent == 3
    assert arrived(server) == Counter(addresses(members))


@pytest.mark.parametrize("banner", [None, GARBAGE, TOO_LONG, STALL])
def test_a_server_without_tls_where_tls_was_to_begin_at_once(
    banner, server_with, settings, monkeypatch, authority, impatient
):
    _issue, trusted = authority
    members, server = make_crowd(3), server_with(offers=["AUTH PLAIN"])
    sign_in_over_tls(settings, monkeypatch, trusted, is_tls=True)
    server.answer = lambda asked, argument: banner if asked == "BANNER" else None
    first = run()
    assert (first.due, first.sent, first.failed, bool(first.problem)) == (1, 0, 0, True)
    assert nothing_is_lost(members)
    assert not any(secret in b"".join(server.heard) for secret in (b"AUTH", b"member"))


def words(server):
    """Return the commands that were said in clear, or after the handshake."""
    return {line.split()[0].decode(errors="replace").upper() for line in server.heard if line.strip()}

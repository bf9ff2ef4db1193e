"""A real web server on this machine that takes messages, keeps them and misbehaves when told to."""

import datetime
import http.server
import ipaddress
import json
import ssl
import threading
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

# One answer with which every service is content.
CONTENT = {"id": "1", "ok": True, "errcode": 0, "room_id": "!r:home", "event_id": "$1", "user_id": "@anna:home"}


class PushServer:
    """Set `status`, `headers`, `body` to answer otherwise, or `answer` to a function of the handler to do anything.

    `requests` holds what came: method, path, headers, text. `free` is set at the end, for answers that wait.
    """

    def __init__(self, certificate=None):
        self.requests = []
        self.free = threading.Event()
        self.status, self.headers, self.body = 200, {}, json.dumps(CONTENT).encode()
        self.answer = self.reply
        keeper = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                text = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
                request = SimpleNamespace(method=self.command, path=self.path, headers=self.headers, text=text)
                keeper.requests.append(request)
                self.close_connection = True
                keeper.answer(self)

            do_GET = do_PUT = do_POST  # noqa: N815

            def log_message(self, *arguments):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, request, client_address):
                """Say nothing: clients hang up here by design."""

        self._server = Server(("127.0.0.1", 0), Handler)
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self.port = self._server.server_port
        self.place = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self):
        """End the server; a connection to its port is refused from then on."""
        self.free.set()
        self._server.shutdown()
        self._server.server_close()

    def reply(self, handler):
        """Answer as told by `status`, `headers` and `body`."""
        handler.send_response(self.status)
        for name, value in ({"Content-Length": len(self.body)} | self.headers).items():
            handler.send_header(name, str(value))
        handler.end_headers()
        handler.wfile.write(self.body)


def write_certificate(path, *names):
    """Write a key and its self-signed certificate for these names to `path`; return the path."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tests")])
    now = datetime.datetime.now(datetime.UTC)
    alternatives = [x509.DNSName(name) for name in names] + [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    pem = serialization.Encoding.PEM
    secret = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain)
    path.write_bytes(secret + certificate.public_bytes(pem))
    return path

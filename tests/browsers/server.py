"""Where do many sites live at once? One server for all hosts, plain and over TLS."""

import ssl
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socket import socket

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.browsers.hosts import HOSTS

#: From a request: the status, the headers and the body of its answer.
Answer = tuple[int, list[tuple[str, str]], bytes]
Respond = Callable[[BaseHTTPRequestHandler], Answer]


class Server(ThreadingHTTPServer):
    """Answers every request with what *respond* says, until it is closed."""

    def __init__(self, respond: Respond, certificate: Path | None = None) -> None:
        self.respond = respond
        super().__init__(("127.0.0.1", 0), _Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            # The handshake happens in the thread of its connection.
            self.socket = context.wrap_socket(
                self.socket, server_side=True, do_handshake_on_connect=False
            )
        self._thread = threading.Thread(target=self.serve_forever)
        self._thread.start()

    def handle_error(self, request: socket | tuple[bytes, socket], who: object) -> None:
        """Say nothing: a browser drops connections that it opened in advance."""

    def close(self) -> None:
        """Stop, and close the port."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def _answer(self) -> None:
        status, headers, body = self.server.respond(self)
        with suppress(OSError):  # the page is gone
            self.send_response(status)
            for name, value in headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_OPTIONS = _answer  # noqa: N815 - names of http.server

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def write_certificate(path: Path) -> None:
    """Write a key, and a certificate of it for every host, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOSTS[0])])
    names = [x509.DNSName(each) for each in (*HOSTS, "localhost")]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )

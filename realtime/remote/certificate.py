"""A self-signed certificate, with which a phone's browser lets a page use the camera."""

from __future__ import annotations

import datetime
import socket
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from realtime.remote.address import LOOPBACK, ip_of

# Phones refuse certificates that are valid for more than 825 days.
_DAYS = 365


def tls_context(host: str) -> ssl.SSLContext:
    """Returns what a server needs for HTTPS with a certificate of its own, made for this show alone.

    The key is nowhere on the disk but for the moment in which it is loaded, in a file that nobody else can read.

    Args:
        host: the name or address that the page is reached by.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    with tempfile.TemporaryDirectory(prefix="nst-live-") as folder:
        path = Path(folder) / "page.pem"
        path.touch(mode=0o600)
        path.write_bytes(pem + _certificate(host, key).public_bytes(serialization.Encoding.PEM))
        context.load_cert_chain(path)
    return context


def _certificate(host: str, key: ec.EllipticCurvePrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nst-live")])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
        .add_extension(x509.SubjectAlternativeName(_names(host)), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    )
    return builder.sign(key, hashes.SHA256())


def _names(host: str) -> list[x509.GeneralName]:
    own = socket.gethostname()
    hosts = dict.fromkeys([host, "localhost", own, f"{own}.local"])
    names: list[x509.GeneralName] = [x509.DNSName(each) for each in hosts if ip_of(each) is None and each.isascii()]
    addresses = [ip for ip in (ip_of(host), ip_of(LOOPBACK)) if ip is not None]
    return [*names, *(x509.IPAddress(each) for each in dict.fromkeys(addresses))]

"""A certificate for the API, made when the test cluster starts.

Belongs here: making it. Does not belong here: who trusts it: kubeconfigs, and the config map `kube-root-ca.crt` of each namespace.
"""

import datetime
import ipaddress
import ssl
import tempfile
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NAMES = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
VALID_DAYS = 7


def make_certificate(address: str = "127.0.0.1") -> tuple[ssl.SSLContext, str]:
    """A self-signed certificate that is its own authority.

    Args:
        address: that the API listens at.

    Returns:
        a context for the server, and the certificate as PEM for its callers.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test-cluster")])
    start = datetime.datetime.now(datetime.UTC) - datetime.timedelta(hours=1)
    alternatives: list[x509.GeneralName] = [x509.DNSName(item) for item in NAMES]
    alternatives.append(x509.IPAddress(ipaddress.ip_address(address)))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        both = Path(folder) / "both.pem"
        both.touch(mode=0o600)
        both.write_bytes(secret + pem)
        context.load_cert_chain(both)
    return context, pem.decode()

"""A certificate to try signing with, whose names say that nobody should trust it."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # of the extra `origin`
    from cryptography.x509 import CertificateBuilder, KeyUsage, Name

CERTIFICATE, KEY, ROOT = "certificate.pem", "key.pem", "root.pem"
OWNER = "darkroom TEST, vouched for by nobody"
VALID = timedelta(days=3650)
SLACK = timedelta(minutes=5)  # by which another machine's clock may be behind


def make_test_chain(folder: Path, valid: timedelta = VALID) -> None:
    """Makes a key, a certificate of it, and the root that vouches for the certificate.

    The root's own key is thrown away, so it will never vouch for another. The certificate has what
    the C2PA asks of one that signs, and is for elliptic curve P-256 (ES256).

    Args:
        folder: Where to write certificate.pem, key.pem (which nobody else may read) and root.pem.
        valid: How long images can be signed with it.

    Raises:
        ValueError: If the folder holds one of the files already.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    there = [name for name in (CERTIFICATE, KEY, ROOT) if (folder / name).exists()]
    if there:
        raise ValueError(f"{folder} holds {', '.join(there)} already. Choose another folder.")
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    issuer, subject = _name("darkroom TEST root"), _name("darkroom TEST signer")
    identifier = x509.SubjectKeyIdentifier.from_public_key(root_key.public_key())
    root = (
        _begun(issuer, issuer, valid)
        .public_key(root_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
        .add_extension(identifier, critical=False)
        .sign(root_key, hashes.SHA256())
    )
    certificate = (
        _begun(subject, issuer, valid)
        .public_key(key.public_key())
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(
            x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier),
            critical=False,
        )
        .sign(root_key, hashes.SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / CERTIFICATE, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    _write(folder / ROOT, root.public_bytes(serialization.Encoding.PEM), 0o644)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    _write(folder / KEY, secret, 0o600)


def _name(common: str) -> "Name":
    from cryptography.x509 import Name, NameAttribute, NameOID

    return Name(
        [
            NameAttribute(NameOID.ORGANIZATION_NAME, OWNER),
            NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _begun(subject: "Name", issuer: "Name", valid: timedelta) -> "CertificateBuilder":
    from cryptography.x509 import CertificateBuilder, random_serial_number

    now = datetime.now(UTC)
    return (
        CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(random_serial_number())
        .not_valid_before(now - SLACK)
        .not_valid_after(now + valid)
    )


def _usage(digital_signature: bool = False, key_cert_sign: bool = False) -> "KeyUsage":
    from cryptography.x509 import KeyUsage

    return KeyUsage(
        digital_signature=digital_signature,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=key_cert_sign,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )


def _write(path: Path, content: bytes, mode: int) -> None:
    """Writes a new file that has its mode from the beginning."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)

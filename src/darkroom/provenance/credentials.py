"""Content Credentials (C2PA): signs images, and tells who signed one and whether it was changed.

All happens on this machine: no manifest, no list of revoked certificates and, unless an address is
given, no time stamp is fetched.

Source: C2PA Technical Specification, through its own library c2pa-rs.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

from darkroom.installation import typed
from darkroom.provenance.origin import REAL, VOCABULARY, Origin

PNG = "image/png"
CHUNK = b"caBX"  # the part of a PNG file that holds them
OFFLINE = {"remote_manifest_fetch": False, "ocsp_fetch": False}
CURVES = {256: "es256", 384: "es384", 521: "es512"}
EXPIRED = {"signingCredential.expired", "signingCredential.untrusted"}
"""What the library says where only time has passed: it looks for who vouches with today's date."""


class State(Enum):
    """What a signature is worth, and what that means.

    The library calls the first two Trusted and Valid, and the next two Invalid.
    """

    TRUSTED = "Trusted: unchanged since it was signed, by somebody whom your trust= vouches for"
    UNKNOWN = "Valid, but the signer is unknown: unchanged since, but anybody can have signed it"
    EXPIRED = "Expired: the certificate is out of date, and no time stamp says when it was used"
    CHANGED = "Invalid: changed after it was signed"
    NONE = "none"
    UNCHECKED = "there is one, but it cannot be checked: pip install -e '.[origin]'"


@dataclass(frozen=True)
class Signature:
    """What is known of an image's signature.

    Attributes:
        state: What it is worth.
        signer: Who signed, as the certificate says; empty where that cannot be read.
        time: When, if a time stamp says so.
        reasons: What is wrong with it, in the words of the library.
    """

    state: State
    signer: str = ""
    time: str = ""
    reasons: tuple[str, ...] = ()

    def __str__(self) -> str:
        by = f"; by {self.signer!r}" if self.signer else ""
        when = f", time stamp {self.time}" if self.time else ""
        why = f" ({', '.join(self.reasons)})" if self.reasons else ""
        return f"{self.state.value}{why}{by}{when}"


class Signer:
    """Signs images with a key.

    Args:
        certificate: A PEM file: the certificate of the key, and those between it and a root.
        key: A PEM file without a password.
        timestamp: Address of an authority (RFC 3161) that says when an image was signed, so that
            the signature outlives the certificate. Nothing else is ever asked over the network.

    Raises:
        ValueError: If images cannot be signed with these.
    """

    def __init__(self, certificate: str, key: str, timestamp: str | None = None) -> None:
        library = _library("provenance.certificate")
        chain, secret = _read("certificate", certificate), _read("key", key)
        algorithm = _algorithm(chain, secret, certificate, key)
        self.library = library
        self.context = library.Context.from_dict(
            {"builder": {"thumbnail": {"enabled": False}}, "verify": OFFLINE}
        )
        self.signer = library.Signer.from_info(
            library.C2paSignerInfo(algorithm, chain, secret, timestamp)
        )

    def __call__(self, content: bytes, origin: Origin) -> bytes:
        """A PNG file with its credentials in it.

        Args:
            content: The file.
            origin: What made it. An image of the data is left as it is: nobody here can say what
                made that.

        Raises:
            ValueError: If the library refuses, with what it says.
        """
        if origin.source == REAL:
            return content
        created = {"action": "c2pa.created", "digitalSourceType": VOCABULARY + origin.source}
        claim = {
            "claim_generator_info": [{"name": "darkroom", "version": origin.version}],
            "format": PNG,
            "assertions": [{"label": "c2pa.actions", "data": {"actions": [created]}}],
        }
        signed = BytesIO()
        try:
            with self.library.Builder.from_json(json.dumps(claim), self.context) as builder:
                builder.sign(self.signer, PNG, BytesIO(content), signed)
        except self.library.C2paError as error:
            raise ValueError(f"provenance.certificate: it cannot be signed: {error}") from error
        return signed.getvalue()


def check(content: bytes, anchors: str | None = None) -> Signature:
    """What a PNG file's signature is worth.

    Args:
        content: The file, whole or not.
        anchors: Certificates in PEM of those whose word on signers is taken.
    """
    if CHUNK not in content:
        return Signature(State.NONE)
    try:
        library = _library("verify")
    except ValueError:
        return Signature(State.UNCHECKED)
    settings: dict[str, Any] = {"verify": {**OFFLINE, "verify_trust": True}}
    if anchors is not None:
        settings["trust"] = {"user_anchors": anchors}
    try:
        with library.Reader(
            PNG, BytesIO(content), context=library.Context.from_dict(settings)
        ) as reader:
            told = json.loads(reader.json())
    except library.C2paError as error:
        if str(error).startswith("ManifestNotFound"):
            return Signature(State.NONE)
        return Signature(State.CHANGED, reasons=(str(error),))
    manifest = told["manifests"][told["active_manifest"]]
    known = manifest.get("signature_info", {})
    names = (known.get("common_name"), known.get("issuer"))
    failures = told["validation_results"]["activeManifest"]["failure"]
    reasons = {failure["code"] for failure in failures}
    state = _state(told["validation_state"], reasons)
    return Signature(
        state,
        signer=", ".join(name for name in names if name),
        time=known.get("time", ""),
        reasons=tuple(sorted(reasons)) if state is State.CHANGED else (),
    )


def _state(validation: str, reasons: set[str]) -> State:
    if validation == "Invalid":
        is_old = reasons <= EXPIRED and reasons != {"signingCredential.untrusted"}
        return State.EXPIRED if is_old else State.CHANGED
    return State.TRUSTED if validation == "Trusted" else State.UNKNOWN


def _library(option: str) -> ModuleType:
    try:
        import c2pa
    except ImportError as error:
        raise ValueError(
            f"{option}: signatures need the extra `origin`: pip install -e '.[origin]'."
        ) from error
    return c2pa


def _read(option: str, place: str) -> bytes:
    try:
        return Path(place).expanduser().read_bytes()
    except OSError as error:
        raise ValueError(
            f"provenance.{option}={place} cannot be read: {error.strerror}. "
            f"`{typed('verify')} certificate=<folder>` makes a certificate to try it with."
        ) from error


def _algorithm(chain: bytes, secret: bytes, certificate: str, key: str) -> str:
    """What a key signs with, if the certificate is its own and in date.

    Raises:
        ValueError: If not.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        leaf, *_ = x509.load_pem_x509_certificates(chain)
    except ValueError as error:
        raise ValueError(f"provenance.certificate={certificate} is no PEM certificate.") from error
    try:
        private = load_pem_private_key(secret, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise ValueError(
            f"provenance.key={key} is no private key in PEM without a password: {error}"
        ) from error
    if private.public_key() != leaf.public_key():
        raise ValueError(f"provenance.key={key} is not the key of {certificate}.")
    now = datetime.now(UTC)
    if not leaf.not_valid_before_utc <= now <= leaf.not_valid_after_utc:
        raise ValueError(
            f"provenance.certificate={certificate} is good from {leaf.not_valid_before_utc:%F} to "
            f"{leaf.not_valid_after_utc:%F}, and today is {now:%F}. Nothing is signed with it."
        )
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.key_size in CURVES:
        return CURVES[private.key_size]
    if isinstance(private, rsa.RSAPrivateKey):
        return "ps256"
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return "ed25519"
    raise ValueError(
        f"provenance.key={key}: the C2PA takes no such kind of key. Make one of elliptic curves "
        "P-256, P-384 or P-521, of Ed25519, or of RSA."
    )

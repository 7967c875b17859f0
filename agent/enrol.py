"""How this site joins: the key for the broker's door, the request, and what of an approval is believed.

Decides on values; the command and the three files it keeps in the state directory are at the end. The door's key is not
the log's key: one purpose each. Nothing of an approval is taken before a person said that the fingerprint they were
read over the phone is the one of this file, and before every part of it fits what this device asked for.

    state/tls/key.pem          made here, mode 0400, never leaves
    state/tls/request          the newest request, as it was handed out
    state/tls/certificate.pem  from the approval, with ca.pem beside it
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.config import Setup
from drivers.wiring import Collector
from link.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE, Tls
from mrv import enrolment, leaf
from mrv.enrolment import Approval, Request
from mrv.errors import BadInput, Fault, Refused, fault, raise_all
from mrv.log.note import COSIGNATURE, VerifyKey

FOLDER = "tls"
REQUEST_FILE = "request"
#: The last month of a certificate is an alarm: somebody has to ask for the next one.
WARNED = timedelta(days=30)


def request(setup: Setup, vkey: str, door: ec.EllipticCurvePrivateKey) -> bytes:
    """The paper for the office: who we are, our two public keys, and what we run with."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, setup.site.site)])
    csr = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(door, hashes.SHA256())
    return enrolment.encode(
        Request(
            site=setup.site.site,
            key=vkey,
            csr=csr.public_bytes(serialization.Encoding.PEM).decode(),
            plan=leaf.canonical(setup.plan).decode(),
            binding=leaf.canonical(setup.binding).decode(),
        )
    )


def accept(paper: bytes, asked: bytes, door: ec.EllipticCurvePrivateKey, site: str, where: str) -> Approval:
    """The approval in `paper`, if it answers the request `asked` and its certificate is for `site` and our key.

    Raises BadInput with everything that does not fit.
    """
    approval = enrolment.decode(paper, Approval, where)
    raise_all(_misfits(approval, asked, door, site, where))
    return approval


def _misfits(
    approval: Approval, asked: bytes, door: ec.EllipticCurvePrivateKey, site: str, where: str
) -> Iterator[Fault]:
    if approval.site != site:
        yield fault("agent.approval_of_another", where, found=approval.site, site=site)
    if approval.request != enrolment.digest(asked):
        yield fault("agent.approval_of_old_request", where)
    for text in approval.cosigners:
        try:
            VerifyKey.parse(text).must_be(COSIGNATURE)
        except (BadInput, Refused) as error:
            yield from error.faults
    try:
        certificate = x509.load_pem_x509_certificate(approval.certificate.encode())
        authority = x509.load_pem_x509_certificate(approval.ca.encode())
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature) as error:
        yield fault("agent.approval_certificate", where, problem=str(error) or "not signed by ca.pem")
        return
    if certificate.public_key() != door.public_key() or _common_name(certificate) != site:
        yield fault("agent.approval_certificate", where, problem="made for another key or site")


def differences(approval: Approval, wired: Collector) -> dict[str, str]:
    """What `collector:` in site.yaml must say instead of what it says, field by field, as YAML."""
    wanted: dict[str, tuple[object, object, str]] = {
        "host": (wired.host, approval.host, approval.host),
        "port": (wired.port, approval.port, str(approval.port)),
        "tls": (wired.tls, True, "true"),
        "cosigners": (wired.cosigners, approval.cosigners, f"[{', '.join(approval.cosigners)}]"),
    }
    return {name: text for name, (found, needed, text) in wanted.items() if found != needed}


def ends(approval: Approval) -> datetime:
    """When the certificate ends (UTC)."""
    return x509.load_pem_x509_certificate(approval.certificate.encode()).not_valid_after_utc


def ending(files: Tls, now: datetime) -> Fault | None:
    """A warning in the last month of the certificate that is in place, or that it cannot be read."""
    try:
        left = files.expires - now
    except BadInput as error:
        return error.faults[0]
    return fault("agent.certificate_ends", str(files.certificate), days=left.days) if left < WARNED else None


def _common_name(certificate: x509.Certificate) -> str:
    found = certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


# -- files ----------------------------------------------------------------------------------------------------


def door_key(state: Path, *, make: bool) -> ec.EllipticCurvePrivateKey:
    """The key for the broker's door; with `make` it is made where there is none.

    Raises Refused: none, not ours alone, unreadable.
    """
    path = state / FOLDER / KEY_FILE
    if make and not path.exists():
        key = ec.generate_private_key(ec.SECP256R1())
        encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
        write(path, key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain), 0o400)
        return key
    try:
        mode = path.stat().st_mode
        found = serialization.load_pem_private_key(path.read_bytes(), None)
    except FileNotFoundError as error:
        raise Refused(fault("agent.no_request", str(path))) from error
    except (OSError, ValueError, TypeError) as error:
        raise Refused(fault("agent.key_unreadable", str(path), problem=error)) from error
    if mode & 0o777 & ~0o400:
        raise Refused(fault("agent.key_readable", str(path), mode=f"{mode & 0o777:04o}"))
    if not isinstance(found, ec.EllipticCurvePrivateKey):
        raise Refused(fault("agent.key_unreadable", str(path), problem="not a P-256 key"))
    return found


def asked(state: Path) -> bytes:
    """The newest request. Raises Refused when there is none."""
    path = state / FOLDER / REQUEST_FILE
    try:
        return path.read_bytes()
    except OSError as error:
        raise Refused(fault("agent.no_request", str(path))) from error


def install(state: Path, approval: Approval) -> None:
    """Put the certificates in place; a running agent shows them from its next connection on. Raises Refused."""
    write(state / FOLDER / CA_FILE, approval.ca.encode(), 0o644)
    write(state / FOLDER / CERTIFICATE_FILE, approval.certificate.encode(), 0o644)


def write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all. Raises Refused."""
    aside = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        aside.unlink(missing_ok=True)
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        raise Refused(fault("agent.cannot_write", str(path), problem=error.strerror)) from error

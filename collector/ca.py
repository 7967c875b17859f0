"""The office's own small certificate authority: who may connect to the broker, as whom, until when.

It says nothing about who may sign a log; that is the registry's business (another key, another purpose). Sites are
named by their site id, collectors `office.<name>` (a dot is in no site id, so no site can be taken for one), the broker
by its host names. Keys of sites never come here: they send a request. Time is a parameter; files appear whole.

    ca/key.pem      P-256 key of the authority, mode 0400
    ca/ca.pem       its certificate: for the broker and for everybody who connects to it
    ca/crl.pem      what was revoked; the broker reads it (SIGHUP after a change)
    ca/issued/      every certificate ever issued, by serial number
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from mrv.errors import BadInput, Refused, Unavailable, fault
from mrv.exchange import SITE_ID

#: Clocks of gateways are late, not early: what is issued now must hold on a device that is an hour behind.
BACKDATED = timedelta(hours=1)
AUTHORITY_LASTS, CERTIFICATE_LASTS = timedelta(days=3650), timedelta(days=825)
OFFICE = "office."
_OFFICE_NAME = re.compile(r"[a-z0-9-]{1,32}")
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One certificate: whose, which, until when, and since when it counts no more."""

    name: str
    serial: str
    expires: datetime
    revoked: datetime | None
    pem: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A certificate with a key made here: for a broker or a collector of the office's own."""

    certificate: bytes
    key: bytes
    serial: str


class Authority:
    """The authority in `folder`. Made by `create` or `load`."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder = folder
        self._key = key
        self._certificate = certificate

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return _pem(self._certificate)

    @property
    def crl(self) -> Path:
        return self._folder / "crl.pem"

    # -- issuing ----------------------------------------------------------------------------------------------

    def site(self, csr: bytes, site: str, now: datetime) -> Issued:
        """A certificate for the key in the request `csr` (PEM), to connect as `site`.

        The name in the request is not taken on trust: it must be `site`. Raises BadInput or Refused.
        """
        try:
            request = x509.load_pem_x509_csr(csr)
            sound = request.is_signature_valid
        except (ValueError, InvalidSignature) as error:
            raise BadInput(fault("collector.csr_malformed", site, problem=error)) from error
        key = request.public_key()
        if not sound or not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise BadInput(fault("collector.csr_malformed", site, problem="not a P-256 key that signed this request"))
        if not re.fullmatch(SITE_ID, site) or _common_name(request.subject) != site:
            raise Refused(fault("collector.csr_name", site, found=_common_name(request.subject)))
        return self._issue(key, site, ExtendedKeyUsageOID.CLIENT_AUTH, (), now)

    def office(self, name: str, now: datetime) -> Pair:
        """A key and certificate for the collector process `name`, to connect as `office.<name>`."""
        if not _OFFICE_NAME.fullmatch(name):
            raise BadInput(fault("collector.bad_certificate_name", found=name))
        return self._pair(f"{OFFICE}{name}", ExtendedKeyUsageOID.CLIENT_AUTH, (), now)

    def broker(self, hosts: Sequence[str], now: datetime) -> Pair:
        """A key and certificate for a broker reached under the names or addresses `hosts`."""
        names = tuple(_host(host) for host in hosts)
        return self._pair(hosts[0], ExtendedKeyUsageOID.SERVER_AUTH, names, now)

    def _pair(self, name: str, use: x509.ObjectIdentifier, hosts: Sequence[x509.GeneralName], now: datetime) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        issued = self._issue(key.public_key(), name, use, hosts, now)
        return Pair(certificate=issued.pem, key=_private(key), serial=issued.serial)

    def _issue(
        self,
        key: ec.EllipticCurvePublicKey,
        name: str,
        use: x509.ObjectIdentifier,
        hosts: Sequence[x509.GeneralName],
        now: datetime,
    ) -> Issued:
        expires = min(now + CERTIFICATE_LASTS, self._certificate.not_valid_after_utc)
        made = (
            _builder(name, self._certificate.subject, key, now, expires)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage([use]), critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if hosts:
            made = made.add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        certificate = made.sign(self._key, hashes.SHA256())
        serial = _serial(certificate.serial_number)
        _write(self._folder / "issued" / f"{serial}.pem", _pem(certificate), 0o644)
        return Issued(name=name, serial=serial, expires=expires, revoked=None, pem=_pem(certificate))

    # -- revoking ---------------------------------------------------------------------------------------------

    def revoke(self, name: str, now: datetime) -> tuple[Issued, ...]:
        """Take every certificate issued to `name` out of use; gives those that were in use. Raises BadInput."""
        listed = [issued for issued in self.issued() if issued.name == name]
        if not listed:
            known = ", ".join(sorted({issued.name for issued in self.issued()})) or "none"
            raise BadInput(fault("collector.no_certificate", name, known=known))
        ending = tuple(issued for issued in listed if issued.revoked is None)
        self._list({**self._revoked(), **{int(issued.serial, 16): now for issued in ending}}, now)
        return ending

    def issued(self) -> tuple[Issued, ...]:
        """Every certificate, by name and end."""
        revoked = self._revoked()
        found = [_issued(path.read_bytes(), revoked) for path in (self._folder / "issued").glob("*.pem")]
        return tuple(sorted(found, key=lambda issued: (issued.name, issued.expires)))

    def _revoked(self) -> dict[int, datetime]:
        return {entry.serial_number: entry.revocation_date_utc for entry in _entries(self.crl)}

    def _list(self, revoked: dict[int, datetime], now: datetime) -> None:
        """Write the list of what is revoked. It never grows stale: the broker has the file, and a list that ran out
        would shut out every site at once."""
        made = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now - BACKDATED)
            .next_update(self._certificate.not_valid_after_utc)
        )
        for serial, at in sorted(revoked.items()):
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at).build()
            made = made.add_revoked_certificate(entry)
        signed = made.sign(self._key, hashes.SHA256())
        _write(self.crl, signed.public_bytes(serialization.Encoding.PEM), 0o644)


def create(folder: Path, org: str, now: datetime) -> Authority:
    """A new authority in `folder`. Raises Refused where there is one, Unavailable when it cannot be written."""
    if (folder / "key.pem").exists():
        raise Refused(fault("collector.ca_exists", str(folder)))
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{org} MRV authority")])
    use = x509.KeyUsage(
        digital_signature=False,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        _builder(f"{org} MRV authority", name, key.public_key(), now, now + AUTHORITY_LASTS)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(use, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    authority = Authority(folder, key, certificate)
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "issued").mkdir(exist_ok=True)
        _write(folder / "ca.pem", _pem(certificate), 0o644)
        authority._list({}, now)  # a broker that is told to read a list needs one
        _write(folder / "key.pem", _private(key), 0o400)
    except OSError as error:
        raise Unavailable(fault("collector.folder_unusable", str(folder), problem=error.strerror)) from error
    return authority


def load(folder: Path) -> Authority:
    """The authority in `folder`. Raises Refused: there is none, its key is open to others, or it cannot be read."""
    path = folder / "key.pem"
    try:
        mode = path.stat().st_mode
        key = serialization.load_pem_private_key(path.read_bytes(), None)
        certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
    except (OSError, ValueError, TypeError) as error:
        raise Refused(fault("collector.no_ca", str(folder), problem=error)) from error
    if mode & 0o777 & ~0o400:
        raise Refused(fault("collector.key_open", str(path), mode=oct(mode & 0o777)))
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise Refused(fault("collector.no_ca", str(folder), problem="key.pem is not the key of ca.pem"))
    return Authority(folder, key, certificate)


def _builder(
    name: str, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime, expires: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])]))
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(expires)
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(text))
    except ValueError:
        if not _HOST.fullmatch(text):
            raise BadInput(fault("collector.bad_certificate_name", found=text)) from None
        return x509.DNSName(text)


def _issued(pem: bytes, revoked: dict[int, datetime]) -> Issued:
    certificate = x509.load_pem_x509_certificate(pem)
    return Issued(
        name=_common_name(certificate.subject),
        serial=_serial(certificate.serial_number),
        expires=certificate.not_valid_after_utc,
        revoked=revoked.get(certificate.serial_number),
        pem=pem,
    )


def _entries(path: Path) -> Iterator[x509.RevokedCertificate]:
    if path.exists():
        yield from x509.load_pem_x509_crl(path.read_bytes())


def _common_name(name: x509.Name) -> str:
    found = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(found[0].value) if len(found) == 1 else ""


def _serial(number: int) -> str:
    return f"{number:040x}"


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write(path: Path, data: bytes, mode: int) -> None:
    """Whole or not at all, never open to others for a moment."""
    aside = path.with_suffix(".tmp")
    aside.unlink(missing_ok=True)
    with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)

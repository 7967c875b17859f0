"""A real mosquitto under the very configuration we ship, only paths and port moved, and certificates for it."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

from brokers import Mosquitto, free_port
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from collector.ca import Authority, Pair, create
from link.mqtt import Endpoint
from link.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE, Tls

SHIPPED = Path(__file__).resolve().parents[2] / "deploy" / "mosquitto"


def now() -> datetime:
    return datetime.now(UTC)


def csr(name: str) -> tuple[bytes, bytes]:
    """A request in the name of `name` and the key it was signed with, both PEM, as any device could make them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    encoding, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return made.public_bytes(encoding), key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, plain)


class SecureBroker(Mosquitto):
    """The shipped configuration on a free port of loopback."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, free_port())
        self.folder = folder
        self.authority: Authority = create(folder / "ca", "example.org", now())
        pair = self.authority.broker(["127.0.0.1", "localhost"], now())
        (folder / "broker.pem").write_bytes(pair.certificate)
        (folder / "broker.key").write_bytes(pair.key)
        (folder / "ca.pem").write_bytes(self.authority.pem)
        (folder / "acl").write_bytes((SHIPPED / "acl").read_bytes())
        self.publish_crl()
        text = (SHIPPED / "mrv.conf").read_text()
        text = text.replace("/etc/mosquitto/mrv/", f"{folder}/").replace("/var/lib/mosquitto/", f"{folder}/")
        text = re.sub(r"^listener 8883$", f"listener {self.port} 127.0.0.1", text, flags=re.M)
        self._config.write_text(f"{text}user root\n")  # it would give up root for a user this machine may not have

    def publish_crl(self) -> None:
        (self.folder / "crl.pem").write_bytes(self.authority.crl.read_bytes())

    def endpoint(self, files: Tls | None) -> Endpoint:
        return Endpoint(host="127.0.0.1", port=self.port, tls=files)

    def site(self, name: str, at: datetime | None = None) -> Tls:
        """Files of a site that the office approved, at `at`."""
        request, key = csr(name)
        issued = self.authority.site(request, name, at or now())
        return self.files(name, Pair(certificate=issued.pem, key=key, serial=issued.serial))

    def office(self, name: str) -> Tls:
        return self.files(f"office.{name}", self.authority.office(name, now()))

    def files(self, name: str, pair: Pair) -> Tls:
        folder = self.folder / "clients" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CERTIFICATE_FILE).write_bytes(pair.certificate)
        (folder / KEY_FILE).unlink(missing_ok=True)
        (folder / KEY_FILE).touch(0o600)
        (folder / KEY_FILE).write_bytes(pair.key)
        (folder / CA_FILE).write_bytes(self.authority.pem)
        return Tls.inside(folder)

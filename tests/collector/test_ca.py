"""The office's authority: whom it names, what it refuses, and that a key of a site never has to come to it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from collector import ca
from collector.ca import Authority
from mrv.errors import BadInput, MrvError, Refused

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return ca.create(tmp_path / "ca", "example.vn", NOW)


def csr(name: str, key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | None = None) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer = key or ec.generate_private_key(ec.SECP256R1())
    digest = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    made = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(signer, digest)
    return made.public_bytes(serialization.Encoding.PEM)


def code(error: pytest.ExceptionInfo[MrvError]) -> str:
    return error.value.faults[0].code


def test_a_site_gets_a_clients_certificate_in_its_own_name(authority: Authority) -> None:
    issued = authority.site(csr("long-an-2"), "long-an-2", NOW)
    found = x509.load_pem_x509_certificate(issued.pem)
    found.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.pem))
    use = found.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert list(use.value) == [ExtendedKeyUsageOID.CLIENT_AUTH]
    assert found.not_valid_before_utc < NOW < found.not_valid_after_utc == issued.expires
    assert not found.extensions.get_extension_for_class(x509.BasicConstraints).value.ca


@pytest.mark.parametrize(
    ("request_", "site", "expected"),
    [
        (csr("another"), "long-an-2", "collector.csr_name"),
        (csr("office.1"), "office.1", "collector.csr_name"),
        (csr("UPPER"), "UPPER", "collector.csr_name"),
        (b"not a request", "long-an-2", "collector.csr_malformed"),
        (csr("long-an-2", ec.generate_private_key(ec.SECP384R1())), "long-an-2", "collector.csr_malformed"),
        (csr("long-an-2", ed25519.Ed25519PrivateKey.generate()), "long-an-2", "collector.csr_malformed"),
    ],
)
def test_requests_it_refuses(authority: Authority, request_: bytes, site: str, expected: str) -> None:
    with pytest.raises(MrvError) as caught:
        authority.site(request_, site, NOW)
    assert code(caught) == expected
    assert authority.issued() == ()


def test_a_request_signed_by_another_key_is_refused(authority: Authority) -> None:
    der = bytearray(x509.load_pem_x509_csr(csr("long-an-2")).public_bytes(serialization.Encoding.DER))
    der[-1] ^= 1
    forged = x509.load_der_x509_csr(bytes(der)).public_bytes(serialization.Encoding.PEM)
    with pytest.raises(BadInput) as caught:
        authority.site(forged, "long-an-2", NOW)
    assert code(caught) == "collector.csr_malformed"


def test_brokers_and_collectors_have_names_no_site_can_have(authority: Authority) -> None:
    broker = x509.load_pem_x509_certificate(authority.broker(["broker.example.vn", "127.0.0.1"], NOW).certificate)
    names = broker.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["broker.example.vn"]
    authority.office("1", NOW)
    assert {issued.name for issued in authority.issued()} == {"broker.example.vn", "office.1"}
    for wrong in ("a b", "../x", ""):
        with pytest.raises(BadInput):
            authority.office(wrong, NOW)
        with pytest.raises(BadInput):
            authority.broker([wrong], NOW)


def test_revoking_takes_every_certificate_of_a_name(authority: Authority) -> None:
    serials = {authority.site(csr("lost"), "lost", NOW).serial for _ in range(2)}
    authority.site(csr("kept"), "kept", NOW)
    assert {issued.serial for issued in authority.revoke("lost", NOW)} == serials
    assert authority.revoke("lost", NOW) == (), "once is enough"
    listed = {f"{entry.serial_number:040x}" for entry in x509.load_pem_x509_crl(authority.crl.read_bytes())}
    assert listed == serials
    assert {issued.name for issued in authority.issued() if issued.revoked is None} == {"kept"}
    with pytest.raises(BadInput) as caught:
        authority.revoke("nobody", NOW)
    assert code(caught) == "collector.no_certificate"


def test_the_list_of_the_revoked_never_runs_out(authority: Authority) -> None:
    found = x509.load_pem_x509_crl(authority.crl.read_bytes())
    assert found.next_update_utc is not None
    assert found.next_update_utc > NOW + timedelta(days=3000), "a stale list would shut out every site at once"
    assert found.is_signature_valid(x509.load_pem_x509_certificate(authority.pem).public_key())  # type: ignore[arg-type]


def test_it_is_loaded_as_it_was_made_and_only_if_its_key_is_closed(authority: Authority, tmp_path: Path) -> None:
    folder = tmp_path / "ca"
    key = folder / "key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o400
    assert ca.load(folder).pem == authority.pem
    with pytest.raises(Refused) as caught:
        ca.create(folder, "example.vn", NOW)
    assert code(caught) == "collector.ca_exists"
    key.chmod(0o440)
    with pytest.raises(Refused) as caught:
        ca.load(folder)
    assert code(caught) == "collector.key_open"
    with pytest.raises(Refused) as caught:
        ca.load(tmp_path / "nowhere")
    assert code(caught) == "collector.no_ca"

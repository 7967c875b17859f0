"""Certificate files that do not do are named, with what to do; a renewed one is taken without a restart."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest

from collector.ca import create
from link.tls import CA_FILE, CERTIFICATE_FILE, KEY_FILE, Tls
from mrv.errors import BadInput

NOW = datetime.now(UTC)


@pytest.fixture
def files(tmp_path: Path) -> Tls:
    authority = create(tmp_path / "ca", "example.vn", NOW)
    pair = authority.office("1", NOW)
    (tmp_path / KEY_FILE).touch(0o600)
    (tmp_path / KEY_FILE).write_bytes(pair.key)
    (tmp_path / CERTIFICATE_FILE).write_bytes(pair.certificate)
    (tmp_path / CA_FILE).write_bytes(authority.pem)
    return Tls.inside(tmp_path)


def code(files: Tls) -> str:
    with pytest.raises(BadInput) as caught:
        files.context()
    return caught.value.faults[0].code


def test_sound_files_make_a_context_that_checks_everything(files: Tls) -> None:
    context = files.context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert files.expires > NOW


@pytest.mark.parametrize("name", [CA_FILE, CERTIFICATE_FILE, KEY_FILE])
def test_a_missing_file_is_named(files: Tls, name: str) -> None:
    (files.ca.parent / name).unlink()
    assert code(files) == "link.tls_file"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_key_that_others_can_read_is_refused(files: Tls, mode: int) -> None:
    files.key.chmod(mode)
    assert code(files) == "link.tls_key_open"


def test_a_certificate_of_another_key_is_refused(files: Tls, tmp_path: Path) -> None:
    other = create(tmp_path / "other", "example.vn", NOW).office("1", NOW)
    files.certificate.write_bytes(other.certificate)
    assert code(files) == "link.tls_pair"


def test_rubbish_is_refused(files: Tls) -> None:
    files.ca.write_bytes(b"rubbish")
    assert code(files) == "link.tls_file"


def test_a_renewed_certificate_is_shown_from_then_on(files: Tls, tmp_path: Path) -> None:
    context = files.context()
    renewed = create(tmp_path / "new", "example.vn", NOW).office("1", NOW)
    files.key.write_bytes(renewed.key)
    files.certificate.write_bytes(renewed.certificate)
    files.refresh(context)
    files.certificate.write_bytes(b"half a file")
    with pytest.raises(BadInput):
        files.refresh(context)

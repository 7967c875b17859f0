"""The files that say who we are to a broker and whose brokers we believe; the only place that makes a TLS context.

TLS 1.2 or later, the broker's certificate checked against our own small CA and nothing else, our certificate shown;
there is no way to turn a check off and no falling back to an open connection. Files are read again before every
connection, so that a renewed certificate needs no restart. Decides nothing about brokers and keeps no connection.
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from mrv.errors import BadInput, fault

CA_FILE, CERTIFICATE_FILE, KEY_FILE = "ca.pem", "certificate.pem", "key.pem"
#: How long the search for the reason of a failure may take, in seconds.
_PATIENCE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """`ca`: whose certificates we believe; `certificate` (with its chain) and `key`: who we are. All PEM files."""

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def inside(cls, folder: Path) -> Tls:
        """The three files under their usual names in `folder`."""
        return cls(ca=folder / CA_FILE, certificate=folder / CERTIFICATE_FILE, key=folder / KEY_FILE)

    @property
    def expires(self) -> datetime:
        """When our certificate ends (UTC). Raises BadInput when it cannot be read."""
        try:
            return x509.load_pem_x509_certificate(self.certificate.read_bytes()).not_valid_after_utc
        except (OSError, ValueError) as error:
            raise BadInput(fault("link.tls_file", str(self.certificate), problem=error)) from error

    def context(self) -> ssl.SSLContext:
        """A client's context from the files as they are now. Raises BadInput naming the file that does not do."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_verify_locations(self.ca)
        except (OSError, ValueError) as error:
            raise BadInput(fault("link.tls_file", str(self.ca), problem=error)) from error
        self.refresh(context)
        if mode := self.key.stat().st_mode & 0o077:
            raise BadInput(fault("link.tls_key_open", str(self.key), mode=f"{mode:03o}"))
        return context

    def refresh(self, context: ssl.SSLContext) -> None:
        """Show the certificate that is there now. Raises BadInput: missing, unreadable, or not of this key."""
        for path in (self.certificate, self.key):
            if not path.is_file():
                raise BadInput(fault("link.tls_file", str(path), problem="no such file"))
        try:
            context.load_cert_chain(self.certificate, self.key)
        except (OSError, ValueError) as error:
            raise BadInput(fault("link.tls_pair", str(self.certificate), key=self.key, problem=error)) from error


def refusal(host: str, port: int, context: ssl.SSLContext) -> str:
    """Why a TLS connection is not to be had, in OpenSSL's words; empty when it is.

    The library that keeps the connection throws the reason away. In TLS 1.3 a broker refuses our certificate only after
    the handshake, so one more read is waited for.
    """
    try:
        with (
            socket.create_connection((host, port), _PATIENCE_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            wrapped.settimeout(_PATIENCE_S / 5)
            wrapped.recv(1)
    except TimeoutError:
        return ""  # it waits for us to speak: there was nothing to refuse
    except ssl.SSLCertVerificationError as error:
        return error.verify_message
    except ssl.SSLError as error:
        return (error.reason or str(error)).lower().replace("_", " ")
    except OSError:
        return ""  # not reachable at all: no question of certificates
    return ""

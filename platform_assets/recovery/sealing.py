"""How the content of a backup is named, and encrypted where a key is set.

Belongs here: names by content, AES-GCM, the key. Does not belong here: where chunks lie (`chunk_store.py`).

Without a key a chunk is named by the SHA-256 of its content. With one it is named by an HMAC of it, so that names say nothing of content
that somebody could guess, and encrypted with AES-256-GCM from `cryptography`; the name is authenticated, so that no chunk can stand in for
another one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from platform_assets.recovery.errors import BackupDamaged, RecoveryError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
_MARK = b"PAB1"
"""Begins everything that is encrypted: content without it is plain."""


@dataclass(frozen=True)
class Sealing:
    """Names and cipher of one backup target.

    Attributes:
        key: 32 bytes; None for plain backups.
    """

    key: bytes | None = field(default=None, repr=False)

    def name(self, content: bytes) -> str:
        """What content is called: 64 hexadecimal digits."""
        if self.key is None:
            return hashlib.sha256(content).hexdigest()
        return hmac.new(self._derived(b"names"), content, hashlib.sha256).hexdigest()

    def seal(self, name: str, content: bytes) -> bytes:
        """What is stored of content."""
        if self.key is None:
            return content
        nonce = os.urandom(_NONCE_BYTES)
        return _MARK + nonce + self._cipher().encrypt(nonce, content, name.encode())

    def open(self, name: str, stored: bytes) -> bytes:
        """The content of what is stored.

        Raises:
            BackupDamaged: it was changed, or another key encrypted it.
        """
        if self.key is None:
            if stored.startswith(_MARK):
                raise BackupDamaged("it is encrypted, and no key is set (`encryption_key_variable`)")
            return stored
        from cryptography.exceptions import InvalidTag

        begin = len(_MARK)
        nonce, sealed = stored[begin : begin + _NONCE_BYTES], stored[begin + _NONCE_BYTES :]
        if not stored.startswith(_MARK) or len(nonce) < _NONCE_BYTES:
            raise BackupDamaged("it is not encrypted as this target's chunks are")
        try:
            return bytes(self._cipher().decrypt(nonce, sealed, name.encode()))
        except InvalidTag as error:
            raise BackupDamaged("it was changed, or another key encrypted it") from error

    def _derived(self, purpose: bytes) -> bytes:
        assert self.key is not None
        return hmac.new(self.key, b"platform-assets backup " + purpose, hashlib.sha256).digest()

    def _cipher(self) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._derived(b"content"))


def parse_key(text: str, variable: str) -> bytes:
    """The key that a variable holds; nothing of it is shown.

    Raises:
        RecoveryError: it is not 32 bytes in base64.
    """
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise RecoveryError(
            f"{variable} does not hold a key for backups: it has to be {KEY_BYTES} bytes in base64, as `openssl rand -base64 32` prints"
        )
    return key

"""Two suites of ciphers: ``intl`` (AES-256-GCM) and ``gm`` (SM4-GCM, key derived with SM3).

A suite wraps keys and encrypts the vault's blobs (uploads, quarantine, keys and models of runs). Rows of versions stay
under AES-256-GCM in both: no engine of Parquet modular encryption speaks SM4. Signatures are Ed25519 in both: neither
``cryptography`` nor SoftHSM offers SM2. Which suite wrapped a key is part of what the key is bound to, so that a row
cannot be passed off as of the other suite.
Sources: GM/T 0002 (SM4), GM/T 0004 (SM3), NIST SP 800-38D (GCM). Software readiness, not a certified product.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from policies.errors import Tampered

SuiteName: TypeAlias = Literal["intl", "gm"]
NONCE_BYTES, TAG_BYTES, SM4_BYTES = 12, 16, 16


@dataclass(frozen=True, slots=True)
class Suite:
    """An authenticated cipher under a key of 32 bytes.

    Attributes:
        seal: (key, nonce, plain, aad) -> ciphertext and tag.
        open: (key, nonce, sealed, aad) -> plain; raises ``Tampered``.
    """

    name: SuiteName
    seal: Callable[[bytes, bytes, bytes, bytes], bytes]
    open: Callable[[bytes, bytes, bytes, bytes], bytes]


def sm3(raw: bytes) -> bytes:
    """Return the SM3 hash, 32 bytes.

    >>> sm3(b"abc").hex()[:8]
    '66c7f0f4'
    """
    digest = hashes.Hash(hashes.SM3())
    digest.update(raw)
    return digest.finalize()


def sm4_key(key: bytes) -> bytes:
    """Return the 16 bytes for SM4 that HMAC-SM3 derives from a key of 32."""
    mac = hmac.HMAC(key, hashes.SM3())
    mac.update(b"medtrain.sm4-gcm/1")
    return mac.finalize()[:SM4_BYTES]


def _aes_seal(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
    return AESGCM(key).encrypt(nonce, plain, aad)


def _aes_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, aad)
    except (InvalidTag, ValueError):
        raise Tampered("a sealed key does not open") from None


def _sm4_seal(key: bytes, nonce: bytes, plain: bytes, aad: bytes) -> bytes:
    writer = Cipher(algorithms.SM4(sm4_key(key)), modes.GCM(nonce)).encryptor()
    writer.authenticate_additional_data(aad)
    return writer.update(plain) + writer.finalize() + writer.tag


def _sm4_open(key: bytes, nonce: bytes, sealed: bytes, aad: bytes) -> bytes:
    try:
        reader = Cipher(algorithms.SM4(sm4_key(key)), modes.GCM(nonce, sealed[-TAG_BYTES:])).decryptor()
        reader.authenticate_additional_data(aad)
        return reader.update(sealed[:-TAG_BYTES]) + reader.finalize()
    except (InvalidTag, ValueError):
        raise Tampered("a sealed key does not open") from None


SUITES: dict[SuiteName, Suite] = {
    "intl": Suite("intl", _aes_seal, _aes_open),
    "gm": Suite("gm", _sm4_seal, _sm4_open),
}

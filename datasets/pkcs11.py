"""A hardware module behind PKCS#11 that seals the root key and says which ciphers it has.

The sealing key is made in the module, is marked as sensitive and not extractable, and never leaves it. Which of
SM2, SM3 and SM4 a module offers is asked of the module (``offers``); their numbers are vendor-defined in PKCS#11, so
they are given by the operator. SoftHSM offers none of them.
Source: OASIS PKCS #11 v3.0, CKM_AES_GCM; GM/T 0016 and 0018 for the national interfaces.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from datasets.suites import NONCE_BYTES, TAG_BYTES
from policies.errors import Misuse, Tampered


@dataclass(frozen=True, slots=True)
class Pkcs11Seal:
    """Implements ``datasets.roots.Seal``.

    Attributes:
        module: Path of the vendor's library.
        token, key: Labels of the token and of the sealing key, which is made when it is missing.
        pin: The user's.
        mechanisms: Name -> vendor number, such as ``{"SM4-GCM": 0x80000108}``, for ``offers``.
    """

    module: str
    token: str
    key: str
    pin: str = field(repr=False)
    mechanisms: Mapping[str, int] = field(default_factory=dict)

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Return nonce, ciphertext and tag.

        Raises:
            Misuse: the module cannot be used.
        """
        nonce = os.urandom(NONCE_BYTES)
        with self._session() as session:
            return nonce + bytes(self._key(session).encrypt(plain, **_gcm(nonce, aad)))

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            Tampered: this key did not seal it.
            Misuse: the module cannot be used.
        """
        import pkcs11.exceptions

        with self._session() as session:
            try:
                cipher = _gcm(sealed[:NONCE_BYTES], aad)
                return bytes(self._key(session).decrypt(sealed[NONCE_BYTES:], **cipher))
            except pkcs11.exceptions.PKCS11Error:
                raise Tampered("the module does not open what is sealed here") from None

    def offers(self) -> frozenset[str]:
        """Return which of AES-GCM, EDDSA and the named vendor mechanisms the module has."""
        import pkcs11

        with self._session() as session:
            held = {int(one) for one in session.token.slot.get_mechanisms()}
        known = {"AES-GCM": int(pkcs11.Mechanism.AES_GCM), "EDDSA": int(pkcs11.Mechanism.EDDSA), **self.mechanisms}
        return frozenset(name for name, number in known.items() if number in held)

    @contextmanager
    def _session(self) -> Iterator[Any]:
        import pkcs11
        import pkcs11.exceptions

        try:
            token = pkcs11.lib(self.module).get_token(token_label=self.token)
            session = token.open(user_pin=self.pin, rw=True)
        except (pkcs11.exceptions.PKCS11Error, OSError, RuntimeError) as problem:
            raise Misuse(f"the hardware module cannot be used ({type(problem).__name__})") from None
        with session:
            yield session

    def _key(self, session: Any) -> Any:
        import pkcs11
        from pkcs11.exceptions import NoSuchKey

        try:
            return session.get_key(label=self.key, key_type=pkcs11.KeyType.AES)
        except NoSuchKey:
            kept = {pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False}
            return session.generate_key(pkcs11.KeyType.AES, 256, label=self.key, store=True, template=kept)


def _gcm(nonce: bytes, aad: bytes) -> dict[str, Any]:
    import pkcs11

    return {
        "mechanism": pkcs11.Mechanism.AES_GCM,
        "mechanism_param": pkcs11.GCMParams(nonce, aad, TAG_BYTES * 8),
    }

"""A key service over HTTP that seals the root key: the ``transit`` interface of HashiCorp Vault and OpenBao.

``POST /v1/transit/encrypt/KEY`` and ``/decrypt/KEY`` with base64 fields; the token stands in ``X-Vault-Token``.
"""

import base64
import binascii
from dataclasses import dataclass, field

import httpx

from policies.errors import Misuse, Tampered

PATIENCE = 10.0


@dataclass(frozen=True, slots=True)
class HttpKms:
    """Implements ``datasets.roots.Seal``.

    Attributes:
        address: Of the service, such as ``https://kms.example:8200``.
        key: Name of the key there; it never leaves the service.
        token: What the service knows us by.
    """

    address: str
    key: str
    token: str = field(repr=False)

    def seal(self, plain: bytes, aad: bytes) -> bytes:
        """Return what only the service can open.

        Raises:
            Misuse: the service does not answer, or refuses.
        """
        return str(self._ask("encrypt", plaintext=_text(plain), associated_data=_text(aad))["ciphertext"]).encode()

    def unseal(self, sealed: bytes, aad: bytes) -> bytes:
        """Return what was sealed.

        Raises:
            Tampered: the service did not seal it.
            Misuse: the service does not answer, or refuses.
        """
        answer = self._ask("decrypt", ciphertext=sealed.decode("ascii", "replace"), associated_data=_text(aad))
        try:
            return base64.b64decode(answer["plaintext"], validate=True)
        except (binascii.Error, KeyError, TypeError):
            raise Misuse("the key service's answer is not one") from None

    def _ask(self, verb: str, **body: str) -> dict[str, str]:
        try:
            answer = httpx.post(
                f"{self.address.rstrip('/')}/v1/transit/{verb}/{self.key}",
                json=body,
                headers={"X-Vault-Token": self.token},
                timeout=PATIENCE,
            )
        except httpx.HTTPError as problem:
            raise Misuse(f"the key service does not answer ({type(problem).__name__})") from None
        if answer.status_code == httpx.codes.BAD_REQUEST:
            raise Tampered("the key service does not open what is sealed here")
        if not answer.is_success:
            raise Misuse(f"the key service refused with status {answer.status_code}")
        found: dict[str, str] = answer.json()["data"]
        return found


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()

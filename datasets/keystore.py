"""The default keystore: one AES-256-GCM encrypted file.

The root key is 32 bytes in a file that only its owner may read, or comes from a passphrase by scrypt. The file is read
for each request and rewritten atomically under a lock, so several processes see one truth.
"""

import base64
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from datasets.keys import KEY_BYTES, NONCE_BYTES, PURPOSES, ProjectSecrets, Purpose, Random, ScopeKey
from datasets.suites import SuiteName
from policies.canonical import canonical, strict_json
from policies.errors import Misuse, NotFound, Shredded, Tampered

MAGIC = b"medtrain.keystore/1\n"
SALT_BYTES = 16
FACILITY = "facility"


def root_key(path: Path, random: Random = os.urandom) -> bytes:
    """Return the 32 bytes of a root-key file, made with mode 0600 where it does not exist.

    Raises:
        Misuse: others may read the file, or it does not hold a key.
    """
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = path.with_name(f"{path.name}.{random(8).hex()}")
        write_secret(fresh, random(KEY_BYTES))
        with suppress(FileExistsError):  # two first starts at once: one key wins, whole
            os.link(fresh, path)  # atomic, and fails where the name exists
        fresh.unlink()
        sync_folder(path.parent)
    if path.stat().st_mode & 0o077:
        raise Misuse("the root key file can be read by others: set its mode to 0600")
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise Misuse(f"the root key file does not hold {KEY_BYTES} bytes")
    return key


class FileKeystore:
    """Keys in one encrypted file.

    Args:
        path: The file; it is made with the first key.
        root: 32 bytes (see ``root_key``), or a passphrase.
        random: Source of keys and nonces.
        suite: What keys made from now on wrap with; those that are there keep theirs until they are rotated.

    Raises:
        Tampered: on first use, where the root key or passphrase does not open the file.
    """

    def __init__(self, path: Path, root: bytes | str, random: Random = os.urandom, suite: SuiteName = "intl") -> None:
        if isinstance(root, bytes) and len(root) != KEY_BYTES:
            raise Misuse(f"a root key has {KEY_BYTES} bytes")
        if not root:
            raise Misuse("the passphrase is empty")
        self._path, self._root, self._random, self._suite = path, root, random, suite
        self._derived: dict[bytes, bytes] = {}

    def scope_key(self, scope: str, generation: int | None = None) -> ScopeKey:
        """Return a scope's key of a generation; without one, the newest, which is made where there is none.

        Raises:
            Shredded: that generation was destroyed.
            NotFound: that generation was never made.
        """
        held = self._read()["scopes"].get(scope)
        if held is None and generation is None:
            return self._first(scope)
        newest = held["newest"] if held else 0
        wanted = newest if generation is None else generation
        if not 1 <= wanted <= newest:
            raise NotFound("the keystore never held that generation of the key")
        text = held["keys"].get(str(wanted))
        if text is None:
            raise Shredded("that generation of the key was destroyed")
        return ScopeKey(scope, wanted, _bytes(text), _suite_of(held, wanted))

    def rotate(self, scope: str) -> ScopeKey:
        """Return a new generation of a scope's key. The older ones stay until they are destroyed."""
        with self._changing() as content:
            held = content["scopes"].setdefault(scope, {"newest": 0, "keys": {}})
            return self._next(scope, held)

    def destroy(self, scope: str, generation: int) -> None:
        """Forget one generation for ever: what is wrapped under it alone cannot be read again.

        Raises:
            Misuse: it is the newest, which new data would still be written under.
        """
        held = self._read()["scopes"].get(scope, {"newest": 0, "keys": {}})
        if generation < held["newest"] and str(generation) not in held["keys"]:
            return  # it was destroyed before: nothing to write
        with self._changing() as content:
            held = content["scopes"].get(scope, {"newest": 0, "keys": {}})
            if generation >= held["newest"]:
                raise Misuse("the newest generation is in use: rotate the key first")
            held["keys"].pop(str(generation), None)
            held.get("suites", {}).pop(str(generation), None)

    def signing_key(self, purpose: Purpose) -> Ed25519PrivateKey:
        """Return the private key for signing manifests, certificates, checkpoints or receipts."""
        if purpose not in PURPOSES:
            raise Misuse(f"a signing key is for one of {', '.join(PURPOSES)}")
        return Ed25519PrivateKey.from_private_bytes(self.secret("sign", purpose))

    def project(self, project: str) -> ProjectSecrets:
        """Return a project's keys for de-identification."""
        return ProjectSecrets(
            index=self.secret("index", FACILITY),
            pseudonym=self.secret("pseudonym", project),
            shift=self.secret("shift", project),
        )

    def secret(self, purpose: str, scope: str) -> bytes:
        """Return the 32-byte key for a purpose within a scope, such as ``("split", "recipe-a")``; it never changes."""
        name = f"{purpose}/{scope}"
        found = self._read()["secrets"].get(name)
        if found is None:
            with self._changing() as content:
                found = content["secrets"].setdefault(name, _text(self._random(KEY_BYTES)))
        return _bytes(found)

    def reseal(self, root: bytes | str) -> None:
        """Encrypt the file anew under another root key or passphrase. The keys inside stay as they are."""
        new = FileKeystore(self._path, root, self._random)
        with self._changing() as content:
            self._root, self._derived = new._root, new._derived  # checked by its constructor
            content["secrets"] = dict(content["secrets"])

    def _first(self, scope: str) -> ScopeKey:
        with self._changing() as content:
            held = content["scopes"].setdefault(scope, {"newest": 0, "keys": {}})
            if held["newest"]:  # another process came first
                newest = held["newest"]
                return ScopeKey(scope, newest, _bytes(held["keys"][str(newest)]), _suite_of(held, newest))
            return self._next(scope, held)

    def _next(self, scope: str, held: dict[str, Any]) -> ScopeKey:
        key = ScopeKey(scope, held["newest"] + 1, self._random(KEY_BYTES), self._suite)
        held["newest"], held["keys"][str(key.generation)] = key.generation, _text(key.key)
        if key.suite != "intl":
            held.setdefault("suites", {})[str(key.generation)] = key.suite
        return key

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Any]]:
        """Yield the content under an exclusive lock; write it back, durable, if the block succeeds."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = os.open(self._path.with_name(self._path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            content = self._read()
            yield content
            self._save(content)
        finally:
            os.close(lock)

    def _read(self) -> dict[str, Any]:
        try:
            raw = self._path.read_bytes()
        except FileNotFoundError:
            return {"scopes": {}, "secrets": {}}
        head, body = raw[: len(MAGIC) + SALT_BYTES], raw[len(MAGIC) + SALT_BYTES :]
        if not raw.startswith(MAGIC):
            raise Tampered("the keystore file is not one")
        try:
            plain = AESGCM(self._key(head)).decrypt(body[:NONCE_BYTES], body[NONCE_BYTES:], head)
        except (InvalidTag, ValueError):
            raise Tampered("the keystore does not open: a wrong root key or passphrase, or a changed file") from None
        content: dict[str, Any] = strict_json(plain)
        return content

    def _save(self, content: dict[str, Any]) -> None:
        head, nonce = MAGIC + self._random(SALT_BYTES), self._random(NONCE_BYTES)
        raw = head + nonce + AESGCM(self._key(head)).encrypt(nonce, canonical(content), head)
        fresh = self._path.with_name(f"{self._path.name}.{self._random(8).hex()}")
        write_secret(fresh, raw)
        os.replace(fresh, self._path)  # noqa: PTH105  # one seam for the fault-injection tests
        sync_folder(self._path.parent)

    def _key(self, head: bytes) -> bytes:
        if isinstance(self._root, bytes):
            return self._root
        if head not in self._derived:  # about 50 ms and 32 MiB, once for each state of the file
            scrypt = Scrypt(salt=head[len(MAGIC) :], length=KEY_BYTES, n=2**15, r=8, p=1)
            self._derived = {head: scrypt.derive(self._root.encode())}
        return self._derived[head]


def _suite_of(held: dict[str, Any], generation: int) -> SuiteName:
    suite: SuiteName = held.get("suites", {}).get(str(generation), "intl")
    return suite


def write_secret(path: Path, raw: bytes) -> None:
    """Write a new file that only its owner can read, durable."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def sync_folder(folder: Path) -> None:
    """Make a folder's names durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)

"""Objects in a bucket behind the S3 API: the same contract as a folder.

Creating a named object is ``If-None-Match: *``, so that the second creation fails at the server, whoever else writes.
What is staged lies under its own prefix and becomes an object by a copy inside the bucket, which S3 makes whole or not
at all. S3 is durable when it answers.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, NotFoundError
from obstore.store import S3Store

from datasets.objects import Staged, check_digest, check_name, check_path
from policies.errors import Conflict, Misuse, NotFound

OBJECTS, NAMED, STAGED = "objects", "named", "staged"


@dataclass(frozen=True, slots=True)
class Account:
    """How a bucket is reached. What is empty is looked for where the machine keeps it (environment, instance role).

    Attributes:
        endpoint: Such as ``https://s3.example``; empty means Amazon's own.
        region: Of the bucket.
        access_key, secret_key: Credentials.
    """

    endpoint: str = ""
    region: str = ""
    access_key: str = field(default="", repr=False)
    secret_key: str = field(default="", repr=False)


class S3Objects:
    """Objects below ``s3://bucket/prefix``. Readers verify what they get, so the store need not be trusted.

    Raises:
        Misuse: the address is not one.
    """

    def __init__(self, url: str, account: Account) -> None:
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise Misuse("an object store is s3://bucket or s3://bucket/prefix")
        asked = {
            "endpoint": account.endpoint,
            "region": account.region,
            "access_key_id": account.access_key,
            "secret_access_key": account.secret_key,
        }
        self._store = S3Store(
            parts.netloc,
            prefix=parts.path.strip("/") or None,
            config={name: value for name, value in asked.items() if value},  # type: ignore[arg-type]  # its own names
            client_options={"allow_http": account.endpoint.startswith("http://")},
        )

    def stage(self, chunks: Iterable[bytes]) -> Staged:
        """Return the durable bytes under the name they will have; nobody can read them yet."""
        token, raw = secrets.token_hex(16), b"".join(chunks)
        obstore.put(self._store, f"{STAGED}/{token}", raw)
        return Staged(hashlib.sha256(raw).hexdigest(), len(raw), token)

    def settle(self, *staged: Staged) -> None:
        """Make staged bytes objects. Settling again, after a crash, changes nothing.

        Raises:
            NotFound: what was staged has been swept, and the object is not there either.
        """
        for one in staged:
            target, waiting = self._path(one.name), f"{STAGED}/{one.token}"
            try:
                obstore.copy(self._store, waiting, target)
            except (NotFoundError, FileNotFoundError):
                if not self._there(target):
                    raise NotFound("the staged object is gone: stage it again") from None
            with suppress(NotFoundError, FileNotFoundError):
                obstore.delete(self._store, waiting)

    def put(self, raw: bytes) -> str:
        """Return the name of ``raw``, which is now an object."""
        name = hashlib.sha256(raw).hexdigest()
        obstore.put(self._store, self._path(name), raw)
        return name

    def get(self, name: str) -> bytes:
        """Return the bytes of an object, compared with its name.

        Raises:
            NotFound: there is no such object.
            Tampered: the bytes are not those of that name.
        """
        raw = self._read(self._path(name), "there is no such object")
        check_digest(raw, name)
        return raw

    def source(self, name: str) -> bytes:
        """Return the bytes of an object for a lazy reader, compared with its name.

        Raises:
            NotFound: there is no such object.
            Tampered: the bytes are not those of that name.
        """
        return self.get(name)

    def delete(self, name: str) -> None:
        """Remove an object, if it is there."""
        with suppress(NotFoundError, FileNotFoundError):
            obstore.delete(self._store, self._path(name))

    def names(self) -> Iterator[str]:
        """Yield the name of every object, in order."""
        yield from sorted(path.rpartition("/")[2] for path, _ in self._list(OBJECTS))

    def sweep(self, live: Collection[str], before: datetime) -> int:
        """Return how many orphans were removed: staged bytes and objects not in ``live``, written before a moment."""
        kept = frozenset(live)
        dead = [
            path
            for path, written in (*self._list(STAGED), *self._list(OBJECTS))
            if path.rpartition("/")[2] not in kept and written < before
        ]
        if dead:
            obstore.delete(self._store, dead)
        return len(dead)

    def put_named(self, name: str, raw: bytes) -> None:
        """Create a named object, once.

        Raises:
            Conflict: the name is taken by other bytes. The same bytes again change nothing.
        """
        path = f"{NAMED}/{check_path(name)}"
        try:
            obstore.put(self._store, path, raw, mode="create", use_multipart=False)
        except AlreadyExistsError:
            if self.get_named(name) != raw:
                raise Conflict("this name is taken: another change came first") from None

    def get_named(self, name: str) -> bytes:
        """Return the bytes of a named object, which its reader must verify.

        Raises:
            NotFound: there is no such name.
        """
        return self._read(f"{NAMED}/{check_path(name)}", "nothing of that name is stored")

    def named(self, folder: str) -> tuple[str, ...]:
        """Return the full names in a folder, in order."""
        begin = f"{NAMED}/{check_path(folder)}/"
        found = (path.removeprefix(begin) for path, _ in self._list(begin.rstrip("/")))
        return tuple(f"{folder}/{name}" for name in sorted(found) if "/" not in name)

    def _path(self, name: str) -> str:
        return f"{OBJECTS}/{check_name(name)[:2]}/{name}"

    def _read(self, path: str, sentence: str) -> bytes:
        try:
            return bytes(obstore.get(self._store, path).bytes())
        except (NotFoundError, FileNotFoundError):
            raise NotFound(sentence) from None

    def _there(self, path: str) -> bool:
        try:
            obstore.head(self._store, path)
        except (NotFoundError, FileNotFoundError):
            return False
        return True

    def _list(self, prefix: str) -> Iterator[tuple[str, datetime]]:
        for some in obstore.list(self._store, prefix):
            yield from ((one["path"], one["last_modified"]) for one in some)

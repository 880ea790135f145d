"""The keys of one project in a file, for de-identifying a folder without a service."""

import base64
import json
import secrets
from pathlib import Path

from deid.keys import KEY_BYTES, ProjectKeys
from policies.errors import Misuse

SCHEMA = "medtrain.project-keys/1"
NAMES = ("index", "pseudonym", "shift")


def read_or_make(path: Path) -> ProjectKeys:
    """Return the keys in a file; a file that is not there is made, readable by its owner alone.

    Raises:
        Misuse: it is not a key file, or others may read it.
    """
    if not path.exists():
        fresh = {name: base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode() for name in NAMES}
        path.touch(mode=0o600)
        path.write_text(json.dumps({"schema": SCHEMA, **fresh}), "utf-8")
    if path.stat().st_mode & 0o077:
        raise Misuse("the key file can be read by others: set its mode to 0600")
    try:
        held = json.loads(path.read_text("utf-8"))
        if held["schema"] != SCHEMA:
            raise Misuse(f"not a {SCHEMA} file")
        return ProjectKeys(**{name: base64.b64decode(held[name], validate=True) for name in NAMES})
    except (ValueError, KeyError, TypeError):
        raise Misuse(f"not a {SCHEMA} file") from None

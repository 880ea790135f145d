"""The root key under a seal: a real hardware interface (SoftHSM) and a real key service over HTTP."""

import base64
import json
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pkcs11
import pkcs11.exceptions
import pytest
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from datasets.keys import MemoryWrappedKeys, data_key, rotate, wrap
from datasets.keystore import FileKeystore
from datasets.kms import HttpKms
from datasets.pkcs11 import Pkcs11Seal
from datasets.roots import Seal, sealed_root
from datasets.suites import SUITES, SuiteName
from policies.entry import Entry
from policies.errors import Misuse, Tampered

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
ENTRY = Entry("2026-01-02T03:04:05.000000Z", "service", "key.rotate", "dataset", "demo", "system")


class Transit(BaseHTTPRequestHandler):
    """A small key service that speaks Vault's transit interface; its key is in its memory only."""

    key = AESGCM(os.urandom(32))

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        verb, name = self.path.split("/")[-2:]
        aad = base64.b64decode(body["associated_data"]) + name.encode()
        if self.headers["X-Vault-Token"] != "s.right":
            return self.answer(403, {"errors": ["permission denied"]})
        if verb == "encrypt":
            sealed = bytes(12) + self.key.encrypt(bytes(12), base64.b64decode(body["plaintext"]), aad)
            return self.answer(200, {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}"}})
        try:
            sealed = base64.b64decode(body["ciphertext"].removeprefix("vault:v1:"))
            plain = self.key.decrypt(sealed[:12], sealed[12:], aad)
        except (InvalidTag, ValueError):
            return self.answer(400, {"errors": ["invalid ciphertext"]})
        return self.answer(200, {"data": {"plaintext": base64.b64encode(plain).decode() if name != "odd" else "%"}})

    def answer(self, status: int, body: object) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Transit)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> str:
    if not Path(MODULE).exists():
        pytest.skip("SoftHSM is not installed: apt install softhsm2")
    folder = tmp_path_factory.mktemp("softhsm")
    (folder / "tokens").mkdir()
    (folder / "conf").write_text(f"directories.tokendir = {folder}/tokens\nobjectstore.backend = file\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "conf")  # the library reads it once, for the whole process
    made = ["softhsm2-util", "--init-token", "--free", "--label", "medtrain", "--pin", "1234", "--so-pin", "5678"]
    subprocess.run(made, check=True, capture_output=True)
    return "medtrain"


@pytest.fixture(params=["module", "service"])
def seal(request: pytest.FixtureRequest) -> Seal:
    if request.param == "module":
        return Pkcs11Seal(MODULE, request.getfixturevalue("token"), "root", "1234")
    return HttpKms(request.getfixturevalue("service"), "root", "s.right")


def test_a_root_key_is_made_once_and_lies_there_sealed(seal: Seal, tmp_path: Path) -> None:
    root = sealed_root(tmp_path / "root.sealed", seal)
    assert sealed_root(tmp_path / "root.sealed", seal) == root
    assert root not in (tmp_path / "root.sealed").read_bytes()
    assert (tmp_path / "root.sealed").stat().st_mode & 0o077 == 0
    assert list(tmp_path.iterdir()) == [tmp_path / "root.sealed"]


def test_a_keystore_opens_under_a_sealed_root(seal: Seal, tmp_path: Path) -> None:
    first = FileKeystore(tmp_path / "k", sealed_root(tmp_path / "r", seal)).scope_key("dataset/demo")
    assert FileKeystore(tmp_path / "k", sealed_root(tmp_path / "r", seal)).scope_key("dataset/demo") == first


@pytest.mark.parametrize("place", [0, 15, -1])
def test_one_flipped_byte_of_the_seal_is_noticed(seal: Seal, tmp_path: Path, place: int) -> None:
    sealed_root(tmp_path / "r", seal)
    raw = bytearray((tmp_path / "r").read_bytes())
    raw[place] ^= 1
    (tmp_path / "r").write_bytes(raw)
    with pytest.raises(Tampered):
        sealed_root(tmp_path / "r", seal)


def test_what_was_sealed_for_something_else_does_not_open(seal: Seal) -> None:
    with pytest.raises(Tampered):
        seal.unseal(seal.seal(bytes(32), b"one"), b"other")


def test_a_sealed_secret_of_another_length_is_no_root_key(seal: Seal, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(seal.seal(bytes(31), b"medtrain.root/1"))
    with pytest.raises(Misuse, match="32 bytes"):
        sealed_root(tmp_path / "r", seal)


def test_the_module_keeps_its_key_and_says_what_it_has(token: str) -> None:
    module = Pkcs11Seal(MODULE, token, "kept", "1234", {"SM2": 0x80000001, "SM3": 0x80000002, "SM4-GCM": 0x80000003})
    module.seal(b"x", b"")
    assert module.offers() == {"AES-GCM", "EDDSA"}  # SoftHSM has none of the national ciphers
    with module._session() as session, pytest.raises(pkcs11.exceptions.PKCS11Error):
        session.get_key(label="kept")[pkcs11.Attribute.VALUE]


@pytest.mark.parametrize(
    ("pin", "label", "module"), [("9", "medtrain", MODULE), ("1234", "x", MODULE), ("1", "x", "/no")]
)
def test_a_module_that_cannot_be_used_is_named_and_no_pin_is_shown(
    token: str, pin: str, label: str, module: str
) -> None:
    one = Pkcs11Seal(module, label, "root", pin)
    with pytest.raises(Misuse, match="hardware module"):
        one.seal(b"x", b"")
    assert repr(pin) not in repr(one)


def test_a_key_service_that_refuses_or_is_not_there_is_named(service: str) -> None:
    with pytest.raises(Misuse, match="status 403"):
        HttpKms(service, "root", "s.wrong").seal(b"x", b"")
    with pytest.raises(Misuse, match="does not answer"):
        HttpKms("http://127.0.0.1:9", "root", "s.right").seal(b"x", b"")
    odd = HttpKms(service, "odd", "s.right")
    with pytest.raises(Misuse, match="not one"):
        odd.unseal(odd.seal(b"x", b""), b"")
    assert "s.right" not in repr(odd)


@pytest.mark.parametrize("suite", ["intl", "gm"])
def test_a_suite_opens_only_what_it_sealed_for_the_same_purpose(suite: SuiteName) -> None:
    ciphers, key, nonce = SUITES[suite], bytes(range(32)), bytes(12)
    sealed = ciphers.seal(key, nonce, b"data key", b"aad")
    assert ciphers.open(key, nonce, sealed, b"aad") == b"data key"
    for other in (sealed[:-1], sealed[:3], sealed[:-1] + bytes((sealed[-1] ^ 1,))):
        with pytest.raises(Tampered):
            ciphers.open(key, nonce, other, b"aad")
    with pytest.raises(Tampered):
        ciphers.open(key, nonce, sealed, b"other")


def test_sm4_gcm_gives_the_published_vector() -> None:
    """RFC 8998, appendix A.1."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    key, nonce = bytes.fromhex("0123456789abcdeffedcba9876543210"), bytes.fromhex("00001234567800000000abcd")
    plain = bytes.fromhex("aa" * 8 + "bb" * 8 + "cc" * 8 + "dd" * 8 + "ee" * 8 + "ff" * 8 + "ee" * 8 + "aa" * 8)
    writer = Cipher(algorithms.SM4(key), modes.GCM(nonce)).encryptor()
    writer.authenticate_additional_data(bytes.fromhex("feedfacedeadbeeffeedfacedeadbeefabaddad2"))
    assert (writer.update(plain) + writer.finalize())[:16].hex() == "17f399f08c67d5ee19d0dc9969c4bb7d"
    assert writer.tag.hex() == "83de3541e4c2b58177e065a9bf7b62ec"


def test_rotation_carries_live_keys_from_one_suite_to_the_other(tmp_path: Path) -> None:
    old = FileKeystore(tmp_path / "k", bytes(32))
    keys = MemoryWrappedKeys()
    keys.put([wrap(old.scope_key("dataset/demo"), bytes(32), "a" * 64, ENTRY.at)], ENTRY)
    before = keys.get("a" * 64)
    new = FileKeystore(tmp_path / "k", bytes(32), suite="gm")
    assert new.scope_key("dataset/demo").suite == "intl"
    assert rotate(new, keys, "dataset/demo", ENTRY).suite == "gm"
    assert data_key(new, keys, "a" * 64, "dataset/demo") == bytes(32)
    assert keys.get("a" * 64) != before
    assert FileKeystore(tmp_path / "k", bytes(32)).scope_key("dataset/demo").suite == "gm"
    rotate(old, keys, "dataset/demo", ENTRY)
    assert data_key(old, keys, "a" * 64, "dataset/demo") == bytes(32)


def test_a_first_key_of_the_other_suite_is_the_same_for_who_comes_second(tmp_path: Path) -> None:
    one = FileKeystore(tmp_path / "k", bytes(32), suite="gm")
    assert one._first("vault") == one._first("vault")

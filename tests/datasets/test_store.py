import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from dataset_factories import SECRET, Place, entry, sources, tables

from datasets import manifest as manifests
from datasets import parquet
from datasets.buckets import aad, bucket, numbers
from datasets.keys import MemoryWrappedKeys, ScopeKey, unwrap
from datasets.keystore import FileKeystore
from datasets.manifest import Anchor, Part
from datasets.suites import SUITES
from policies.errors import BadInput, Conflict, NotFound, Shredded, Tampered

LATER = datetime.now(UTC) + timedelta(days=1)


def rows_of(place: Place, manifest, table: str = "person") -> pl.DataFrame:
    return place.store.scan(manifest, table).collect().sort("patient")


def files(root: Path) -> Iterator[Path]:
    return (path for path in root.rglob("*") if path.is_file())


def test_a_published_version_reads_back_every_row(place: Place) -> None:
    manifest, anchor = place.publish()
    assert place.store.load("demo", 1, anchor) == manifest
    assert rows_of(place, manifest).equals(tables()["person"].sort("patient"))
    assert (manifest.patients, manifest.rows("note")) == (40, 80)


def test_no_plaintext_is_ever_on_disk(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Path] = []
    marks = [SECRET.encode(encoding) for encoding in ("utf-8", "gbk", "utf-16-le")] + [b"p17"]
    watch_disk(
        monkeypatch, lambda: found.extend(f for f in files(place.root) if any(m in f.read_bytes() for m in marks))
    )
    manifest, _ = place.publish()
    place.store.commit(place.store.without(manifest, ["p3"], entry()))
    assert found == []


def test_a_draft_is_visible_to_nobody(place: Place) -> None:
    place.draft()
    assert place.store.history("demo") == ()
    with pytest.raises(NotFound):
        place.store.load("demo", 1)


def test_an_empty_table_keeps_its_columns(place: Place) -> None:
    empty = {"person": tables()["person"], "note": pl.DataFrame(schema={"patient": pl.String, "day": pl.Date})}
    manifest, _ = place.publish(empty)
    assert place.store.scan(manifest, "note").collect_schema() == empty["note"].schema


def test_a_table_that_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        place.store.scan(place.draft(), "nowhere")


@pytest.mark.parametrize(
    "rows",
    [
        {"x": [1]},
        {"patient": [None, "a"]},
        {"patient": [1, 2]},
        {"patient": ["a"], "x": [[1]]},
        {"patient": ["a"], "": [1]},
    ],
)
def test_rows_without_a_patient_or_of_a_strange_type_are_refused(place: Place, rows: dict[str, list[object]]) -> None:
    with pytest.raises(BadInput):
        place.draft({"person": pl.DataFrame(rows)})


def test_equal_inputs_give_equal_content_under_new_keys(place: Place) -> None:
    one, two = place.draft(), place.draft()
    assert one.content == two.content
    assert {p.sha256 for p in one.parts}.isdisjoint(p.sha256 for p in two.parts)


def test_a_patient_lies_in_the_bucket_of_his_hash_in_every_table(place: Place) -> None:
    manifest = place.draft()
    for part in manifest.parts:
        found = place.store.read("demo", part)["patient"]
        assert {bucket(name, 4) for name in found} == {part.bucket}


def test_unchanged_buckets_are_shared_with_the_version_before(place: Place) -> None:
    first, _ = place.publish()
    second, _ = place.publish(tables(41), previous=first)
    shared = {p.sha256 for p in first.parts} & {p.sha256 for p in second.parts}
    touched = bucket("p40", 4)
    assert len(shared) == 6
    assert {p.bucket for p in second.parts if p.born == 2} == {touched}
    assert rows_of(place, second).height == 41


def test_a_shredded_part_is_not_shared(place: Place) -> None:
    first, _ = place.publish()
    place.keys.delete([first.parts[0].sha256], entry())
    second, _ = place.publish(previous=first)
    assert rows_of(place, second).equals(tables()["person"].sort("patient"))


def test_the_number_of_buckets_is_for_ever(place: Place) -> None:
    first, _ = place.publish()
    with pytest.raises(Conflict):
        place.draft(previous=first, buckets=8)


def test_a_version_number_is_given_once(place: Place) -> None:
    _, anchor = place.publish()
    other = place.draft(tables(41))
    with pytest.raises(Conflict):
        place.store.commit(other)
    assert place.store.load("demo", 1, anchor).patients == 40


def test_a_version_written_again_after_a_crash_is_the_one_that_is_there(place: Place) -> None:
    _, anchor = place.publish()
    assert place.publish(entry=entry(at="2026-02-02T00:00:00Z"))[1] == anchor


def test_a_version_made_from_an_outdated_one_is_refused(place: Place) -> None:
    first, _ = place.publish()
    late = place.draft(tables(41), previous=first)
    with pytest.raises(Conflict):
        place.store.commit(replace(late, previous="f" * 64))


def test_a_version_without_the_one_before_is_refused(place: Place) -> None:
    with pytest.raises(Conflict):
        place.store.commit(replace(place.draft(), version=2))


def test_parts_cannot_be_swapped(place: Place) -> None:
    manifest, _ = place.publish()
    one, two = (p for p in manifest.parts if p.table == "person" and p.bucket < 2)
    swapped = replace(manifest, parts=(replace(one, sha256=two.sha256), replace(two, sha256=one.sha256)))
    with pytest.raises(Tampered):
        place.store.scan(swapped, "person")
    with pytest.raises(Tampered):
        place.store.read("demo", swapped.parts[0])


def test_an_old_part_cannot_be_passed_off_as_a_new_one(place: Place) -> None:
    first, _ = place.publish()
    second, _ = place.publish(tables(mark="changed"), previous=first)
    old, new = first.parts[0], second.parts[0]
    with pytest.raises(Tampered):
        place.store.read("demo", replace(new, sha256=old.sha256))


def test_rows_that_do_not_fit_the_published_hash_are_refused(place: Place) -> None:
    manifest, _ = place.publish()
    with pytest.raises(Tampered):
        place.store.read("demo", replace(manifest.parts[0], content="0" * 64))


def test_a_flipped_byte_of_an_object_is_noticed(place: Place) -> None:
    manifest, _ = place.publish()
    path = place.objects.source(manifest.parts[0].sha256)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(Tampered):
        place.store.scan(manifest, manifest.parts[0].table)


def manifest_file(place: Place, version: int) -> Path:
    return place.root / "store" / "named" / manifests.name("demo", version)


def two_versions(place: Place) -> Anchor:
    first, _ = place.publish()
    return place.publish(tables(41), previous=first)[1]


def test_a_store_rolled_back_to_an_older_version_is_refused(place: Place) -> None:
    anchor = two_versions(place)
    manifest_file(place, 2).unlink()
    for read in (lambda: place.store.load("demo", 2, anchor), lambda: place.store.history("demo", anchor)):
        with pytest.raises(Tampered):
            read()


def test_an_old_manifest_under_a_new_number_is_refused(place: Place) -> None:
    anchor = two_versions(place)
    shutil.copy(manifest_file(place, 1), manifest_file(place, 2))
    for check in (None, anchor):
        with pytest.raises(Tampered):
            place.store.load("demo", 2, check)


def test_a_manifest_replaced_by_another_signed_one_is_refused(place: Place) -> None:
    anchor = two_versions(place)
    honest = place.store.load("demo", 2)
    forged = manifests.sign(replace(honest, patients=1), place.keystore.signing_key("manifest"))
    manifest_file(place, 2).write_bytes(forged)
    with pytest.raises(Tampered, match="not the one that was published"):
        place.store.history("demo", anchor)


def test_a_broken_chain_is_refused(place: Place) -> None:
    two_versions(place)
    honest = place.store.load("demo", 1)
    forged = manifests.sign(replace(honest, created="2026-01-02T00:00:00Z"), place.keystore.signing_key("manifest"))
    manifest_file(place, 1).write_bytes(forged)
    with pytest.raises(Tampered, match="does not follow"):
        place.store.history("demo")


def test_a_missing_link_is_refused(place: Place) -> None:
    two_versions(place)
    manifest_file(place, 1).unlink()
    with pytest.raises(Tampered, match="missing"):
        place.store.history("demo")


@pytest.mark.parametrize("place_of_byte", range(0, 3000, 250))
def test_a_flipped_byte_of_a_manifest_is_noticed(place: Place, place_of_byte: int) -> None:
    place.publish()
    raw = bytearray(manifest_file(place, 1).read_bytes())
    raw[place_of_byte] ^= 1
    manifest_file(place, 1).write_bytes(bytes(raw))
    with pytest.raises(Tampered):
        place.store.load("demo", 1)


def test_a_statement_of_another_kind_is_no_manifest(place: Place) -> None:
    from policies.envelope import seal, statement

    key = place.keystore.signing_key("manifest")
    other = seal(statement({}, "urn:medtrain:certificate:1", {}), key)
    with pytest.raises(Tampered, match="not a manifest"):
        manifests.read(other, key.public_key(), dataset="demo", version=1)


def test_a_signed_manifest_that_breaks_the_schema_is_refused(place: Place) -> None:
    from policies.envelope import seal, statement

    key = place.keystore.signing_key("manifest")
    body = place.draft().as_dict() | {"extra": 1}
    with pytest.raises(Tampered, match="schema"):
        manifests.read(
            seal(statement({}, manifests.PREDICATE_TYPE, body), key), key.public_key(), dataset="demo", version=1
        )


def test_a_manifest_holds_no_key(place: Place) -> None:
    manifest, _ = place.publish()
    text = manifest_file(place, 1).read_text()
    assert "wrapped" not in json.dumps(manifest.as_dict()) + text


def test_a_withdrawn_patient_is_gone_and_only_his_bucket_is_rewritten(place: Place) -> None:
    first, _ = place.publish()
    second = place.store.without(first, ["p3"], entry())
    place.store.commit(second)
    assert "p3" not in set(rows_of(place, second)["patient"])
    assert (second.patients, second.rows("person"), second.rows("note")) == (39, 39, 78)
    assert {p.bucket for p in second.parts if p.born == 2} == {bucket("p3", 4)}


def test_a_bucket_emptied_by_withdrawal_has_no_part(place: Place) -> None:
    first, _ = place.publish(tables(1))
    second = place.store.without(first, ["p0"], entry())
    assert (second.parts, second.patients) == ((), 0)


def test_withdrawing_from_a_manifest_gives_the_content_of_writing_the_rest(place: Place) -> None:
    first, _ = place.publish()
    left = {name: rows.filter(pl.col("patient") != "p3") for name, rows in tables().items()}
    assert place.store.without(first, ["p3"], entry()).content == place.draft(left, previous=first).content


def test_no_stored_key_opens_what_was_forgotten(place: Place) -> None:
    first, _ = place.publish()
    before = MemoryWrappedKeys()
    before.put(list(place.keys.of("dataset/demo")), entry())
    backup = {p.sha256: place.objects.get(p.sha256) for p in first.parts}
    second = place.store.without(first, ["p3"], entry())
    place.store.commit(second)
    assert place.store.forget(second, entry()) == 2
    for raw in backup.values():
        place.objects.put(raw)
    restored = Place(place.root, before)
    for part in first.parts:
        with pytest.raises(Shredded):
            restored.store.read("demo", part)
    assert rows_of(place, second).height == 39
    with pytest.raises(Shredded):
        place.store.scan(first, "person")


def test_no_key_of_the_running_system_opens_the_old_rows_of_a_withdrawn_patient(place: Place) -> None:
    first, _ = place.publish()
    old = {p: place.objects.get(p.sha256) for p in first.parts}
    copied, second = place.keys.of("dataset/demo"), place.store.without(first, ["p3"], entry())
    place.store.commit(second)
    place.store.forget(second, entry())
    held = every_key(place.keystore)
    rows, found = [*copied, *place.keys.of("dataset/demo")], set(held)
    for key in held:
        for row in rows:
            for suite in SUITES.values():
                with suppress(Tampered):
                    opening = ScopeKey(row.scope, row.generation, key, suite.name)
                    found.add(unwrap(opening, row))
    assert len(found) == len(held) + len(second.parts)  # every live data key was found, so the search can find
    opened = {part for part in old for key in found if opens(old[part], key, part)}
    assert opened == {part for part in first.parts if part.bucket != bucket("p3", 4)}
    assert all(old[part] for part in first.parts if part not in opened)


def every_key(keystore: FileKeystore) -> set[bytes]:
    """Return whatever lies in the keystore that could be a key: scopes' keys, of every generation, and secrets."""
    content, found = keystore._read(), set[bytes]()
    for held in content["scopes"].values():
        found |= {base64.b64decode(text) for text in held["keys"].values()}
    return found | {base64.b64decode(text) for text in content["secrets"].values()}


def opens(raw: bytes, key: bytes, part: Part) -> bool:
    """Return whether a key opens an object, told all that its AAD is made of."""
    try:
        return parquet.decrypt(raw, key, aad("demo", part.table, part.bucket, part.born)).height > 0
    except Tampered:
        return False


def test_all_rows_at_once_are_those_of_the_parts(place: Place) -> None:
    manifest, _ = place.publish()
    whole = place.store.rows(manifest, "note")
    assert whole.equals(place.store.scan(manifest, "note").collect())
    path = place.objects.source(next(part.sha256 for part in manifest.parts if part.table == "note"))
    assert whole.height == manifest.rows("note")
    raw = path.read_bytes()
    path.write_bytes(raw[:-100] + bytes(100))
    with pytest.raises(Tampered):
        place.store.rows(manifest, "note")
    with pytest.raises(NotFound):
        place.store.rows(manifest, "nowhere")


def test_a_table_without_rows_is_read_with_its_columns(place: Place) -> None:
    empty = {"person": tables()["person"], "note": pl.DataFrame(schema={"patient": pl.String, "day": pl.Date})}
    manifest, _ = place.publish(empty)
    assert place.store.rows(manifest, "note").schema == empty["note"].schema


@pytest.mark.parametrize("names", [["p1", "p22", "", "患者三", "p1"], ["a" * 8, "b" * 8], ["x" * 40, "y" * 41], [""]])
def test_the_bucket_of_a_pseudonym_does_not_depend_on_its_neighbours(names: list[str]) -> None:
    assert numbers(pl.Series(names), 128).tolist() == [bucket(name, 128) for name in names]


def test_the_bucket_of_a_pseudonym_is_that_of_the_definition() -> None:
    def constant(place: int) -> int:
        return int.from_bytes(hashlib.sha256(f"medtrain.cut/2|{place}".encode()).digest()[:8], "little") | 1

    words = [int.from_bytes(b"pseudony", "little"), int.from_bytes(b"m-1", "little")]
    total = 11 * constant(0) + words[0] * constant(1) + words[1] * constant(2)
    total &= 2**64 - 1
    total ^= total >> 32
    total = total * constant(0) & (2**64 - 1)
    assert bucket("pseudonym-1", 128) == (total >> 32) * 128 >> 32


def test_patients_are_spread_evenly() -> None:
    counts = np.bincount(numbers(pl.Series([f"p{n:07d}" for n in range(20_000)]), 16), minlength=16)
    assert counts.min() > 1100
    assert counts.max() < 1400


def test_a_sweep_removes_left_overs_and_keeps_versions(place: Place) -> None:
    manifest, _ = place.publish()
    other = place.objects.put(b"somebody else's")
    draft = place.draft(tables(5))
    swept = place.store.sweep(["demo"], LATER, entry(), others={other})
    assert swept == 2 * len(draft.parts)
    assert rows_of(place, manifest).height == 40
    assert place.objects.get(other)
    assert place.store.sweep(["demo"], LATER, entry(), others={other}) == 0


def test_a_sweep_leaves_a_write_at_work_alone(place: Place) -> None:
    draft = place.draft()
    assert place.store.sweep(["demo"], datetime(2025, 1, 1, tzinfo=UTC), entry()) == 0
    place.store.commit(draft)
    assert rows_of(place, draft).height == 40


STEPS = ("fsync", "replace", "link", "unlink", "open")


def watch_disk(monkeypatch: pytest.MonkeyPatch, look: Callable[[], None]) -> None:
    """Call ``look`` after every file-system step of the store."""
    busy: list[bool] = []

    def watched(step):
        def run(*args, **settings):
            done = step(*args, **settings)
            if not busy:
                busy.append(True)
                look()
                busy.clear()
            return done

        return run

    for name in STEPS:
        monkeypatch.setattr(os, name, watched(getattr(os, name)))


def crashes(place: Place, monkeypatch: pytest.MonkeyPatch, tmp: Path, work: Callable[[], object]) -> list[Place]:
    """Return the place as a kill at each file-system step of ``work`` would leave it."""
    left: list[Place] = []

    def look() -> None:
        root = tmp / f"crash-{len(left)}"
        shutil.copytree(place.root, root, ignore=shutil.ignore_patterns("crash-*"))
        keys = MemoryWrappedKeys()
        keys._rows = dict(place.keys._rows)
        left.append(Place(root, keys))

    with monkeypatch.context() as patch:
        watch_disk(patch, look)
        work()
    return left


def test_a_kill_at_any_step_of_a_publication_loses_and_doubles_nothing(place: Place, monkeypatch, tmp_path) -> None:
    left = crashes(place, monkeypatch, tmp_path, lambda: place.publish(buckets=2))
    assert len(left) > 30
    seen = set()
    for crashed in left:
        history = crashed.store.history("demo")
        seen.add(len(history))
        for manifest in history:
            assert rows_of(crashed, manifest).height == 40
        again, _ = crashed.publish(entry=entry(at="2026-02-02T00:00:00Z"), buckets=2)
        crashed.store.sweep(["demo"], LATER, entry())
        manifest = crashed.store.load("demo", 1)
        assert (len(crashed.store.history("demo")), rows_of(crashed, manifest).height) == (1, 40)
        assert set(crashed.objects.names()) == {p.sha256 for p in manifest.parts}
        assert again.content == manifest.content
    assert seen == {0, 1}


def test_a_kill_at_any_step_of_a_withdrawal_is_mended_by_doing_it_again(place: Place, monkeypatch, tmp_path) -> None:
    first, _ = place.publish(tables(6), buckets=2)

    def withdraw(at: Place) -> None:
        second = at.store.without(first, ["p3"], entry())
        at.store.commit(second)
        at.store.forget(at.store.load("demo", 2), entry())

    left = crashes(place, monkeypatch, tmp_path, lambda: withdraw(place))
    assert len(left) > 20
    for crashed in left:
        if len(crashed.store.history("demo")) == 1:
            withdraw(crashed)
        else:
            crashed.store.forget(crashed.store.load("demo", 2), entry())
        second = crashed.store.load("demo", 2)
        assert rows_of(crashed, second).height == 5
        with pytest.raises(Shredded):
            crashed.store.scan(first, "person")


@pytest.mark.parametrize("wrong", [{"mapping": "x"}, {"submissions": ("",)}])
def test_a_manifest_that_breaks_its_schema_is_not_signed(place: Place, wrong: dict[str, object]) -> None:
    with pytest.raises(BadInput):
        place.publish(sources=sources(**wrong))

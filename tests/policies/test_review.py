"""The rules of applications and retention, as people may change them."""

from pathlib import Path

import pytest

from policies.errors import BadMapping
from policies.review import permit_rules, retention
from policies.thresholds import FOLDER


def spoiled(folder: Path, name: str, old: str, new: str) -> Path:
    text = (FOLDER / name).read_text("utf-8")
    assert old in text
    (folder / name).write_text(text.replace(old, new), "utf-8")
    return folder / name


def test_real_patients_need_three_reviews_two_votes_and_two_signatures() -> None:
    way = permit_rules().of("sensitive")
    assert (way.reviews, way.approvals, way.signatures) == (("hospital", "ethics", "privacy"), 2, ("holder", "owner"))
    assert permit_rules().of("unheard-of") == way
    assert permit_rules().of("demonstration").reviews == ()


def test_reminders_come_most_days_first() -> None:
    assert permit_rules().reminders == (30, 7, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("medtrain.permits/1", "medtrain.permits/9"),
        ("maximum_days: 730", "maximum: 730"),
        ("maximum_days: 730", "maximum_days: long"),
        ("approvals: 2", "approvals: 1"),
        ("[hospital, ethics, privacy]", "[hospital, ethic]"),
        ("[holder, owner]", "[holder, neighbour]"),
        ("rejections: 1", "rejections: 0"),
    ],
)
def test_rules_of_applications_that_make_no_sense_are_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(BadMapping):
        permit_rules(spoiled(tmp_path, "permits.yaml", old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("upload_days", "upload_years"),
        ("upload_days: 90", "upload_days: 0"),
        ("90", "soon"),
        ("access_log_days: 1096", "access_log_days: 183"),
        ("record_days: 1096", "record_days: 1095"),
    ],
)
def test_periods_that_make_no_sense_are_refused(tmp_path: Path, old: str, new: str) -> None:
    assert retention().backup_horizon_days == 35
    with pytest.raises(BadMapping):
        retention(spoiled(tmp_path, "retention.yaml", old, new))

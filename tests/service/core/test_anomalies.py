"""What in the log a person should look at."""

from pathlib import Path

import pytest

from policies.errors import BadMapping
from policies.thresholds import FOLDER
from service.database import unit_of_work
from service.log.anomalies import Rules, alerts, rules

BY = Rules("Asia/Shanghai", (7, 21), 3, 2, 10, ("release.fetch",))
DAY = "2026-01-02T"


def found(core, said, *rows: tuple[str, ...], since: str = DAY, until: str | None = None) -> list[tuple[str, str, int]]:
    with unit_of_work(core) as work:
        for at, actor, action, decision in rows:
            work.add(said(at=at, actor=actor, action=action, decision=decision))
    return [(one.rule, one.actor, one.count) for one in alerts(core, since, until, BY)]


def test_quiet_work_in_the_day_is_nothing_to_look_at(core, said) -> None:
    assert found(core, said, (DAY + "02:00:00Z", "li", "run.show", "allow")) == []


def test_work_at_night_is_told_once_an_hour(core, said) -> None:
    night = [(f"{DAY}17:{minute}:00Z", "li", "run.show", "allow") for minute in ("00", "10")]
    assert found(core, said, *night) == [("unusual-hour", "li", 1)]


def test_many_acts_in_an_hour_are_told_once(core, said) -> None:
    many = [(f"{DAY}02:{minute}:00Z", "li", "run.show", "allow") for minute in range(10, 16)]
    assert found(core, said, *many) == [("volume", "li", 4)]


def test_the_first_use_of_a_rare_right_is_told_and_the_second_is_not(core, said) -> None:
    fetches = [(f"{DAY}0{hour}:00:00Z", "li", "release.fetch", "allow") for hour in (1, 2)]
    assert found(core, said, *fetches) == [("first-use", "li", 1)]
    assert alerts(core, DAY + "02", None, BY) == []


def test_a_burst_of_refusals_is_told_and_slow_ones_are_not(core, said) -> None:
    rows = [(f"{DAY}02:{minute}:00Z", "li", "run.show", "deny") for minute in ("00", "11", "12", "40")]
    assert found(core, said, *rows, until=DAY + "02:30") == [("denied-burst", "li", 2)]
    assert alerts(core, DAY, DAY + "02:30", BY)[0].as_dict()["at"] == DAY + "02:12:00Z"


def test_the_service_itself_is_not_watched(core, said) -> None:
    assert found(core, said, (DAY + "18:00:00Z", "service", "run.train", "system")) == []


def test_the_rules_that_ship_are_valid_and_others_are_refused(tmp_path: Path) -> None:
    assert rules().denied >= 2
    good = (FOLDER / "alerts.yaml").read_text()
    for number, bad in enumerate(("[]", good.replace("alerts/1", "alerts/2"), good.replace("Asia/", "Asien/"),
                                  good.replace("[7, 21]", "7"), good.replace("denied: 5", "x: 5"))):  # fmt: skip
        (tmp_path / f"{number}.yaml").write_text(bad)
        with pytest.raises(BadMapping):
            rules(tmp_path / f"{number}.yaml")

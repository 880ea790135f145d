"""The table of administrative divisions: which place names exist, with and without their suffix.

Source: ``divisions.json``, see ``divisions.README.md``.
"""

# ruff: noqa: E501  # tables, patterns and their source stay one line each

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_TABLE = Path(__file__).with_name("divisions.json")
_SUFFIX = re.compile(
    r"(?:(?:[\u4e00-\u9fff]{1,3}族)+自治[区州县旗]|自治[区州县旗]|特别行政区|地区|新区|林区|矿区|[省市区县盟旗镇乡]|街道)$"
)
# Short forms that are ordinary words: they count as places only beside another place or a cue.
_ORDINARY = frozenset(
    [
        "平安",
        "和平",
        "通化",
        "大同",
        "安康",
        "来宾",
        "白银",
        "中卫",
        "三明",
        "百色",
        "东方",
        "黄山",
        "白山",
        "鞍山",
        "大庆",
        "平顶",
        "平凉",
        "安顺",
        "吉安",
        "宝山",
        "金山",
        "石河",
        "开平",
        "高明",
        "新民",
        "普宁",
        "宁安",
        "大安",
        "长安",
        "泰安",
        "永康",
        "长寿",
        "太和",
        "正定",
        "健康",
        "安定",
        "安宁",
        "保康",
        "广安",
        "延安",
        "六安",
        "西安",
        "兴安",
        "海安",
        "淮安",
        "安吉",
        "安乐",
        "通道",
        "通海",
        "吐鲁",
        "达拉",
        "高平",
        "中宁",
        "天水",
        "中山",
        "江门",
        "衡水",
        "丽水",
        "铜川",
        "五指",
        "阳春",
        "恩平",
        "鹤山",
        "台山",
        "增城",
        "化州",
        "长春",
        "海口",
        "河源",
        "阳泉",
        "双鸭",
        "鸡西",
        "丹东",
        "东营",
        "中阳",
        "阳江",
        "内江",
        "阳新",
    ]
)
# Capitals of this list are unmistakable although they look like ordinary words in the list above.
_CERTAIN = frozenset(
    [
        "西安",
        "延安",
        "长春",
        "海口",
        "淮安",
        "六安",
        "广安",
        "泰安",
        "鞍山",
        "大庆",
        "天水",
        "衡水",
        "丽水",
        "东营",
        "丹东",
        "内江",
        "阳江",
        "河源",
        "江门",
        "铜川",
        "通化",
        "安顺",
        "吉安",
        "三明",
    ]
)
_MUNICIPALITIES = frozenset(["北京", "上海", "天津", "重庆"])
_GENERIC = frozenset(
    ["城区", "郊区", "矿区", "东区", "西区", "南区", "北区", "中区", "市中区", "市区", "新区", "城中区", "东城区"]
) - {
    "东城区",
    "市中区",
    "城中区",
}


@dataclass(frozen=True, slots=True)
class Place:
    """One place name in a text.

    Attributes:
        start: Offset of the first character.
        end: Offset after the last.
        kind: ``province``, ``certain`` (stands on its own) or ``likely`` (needs a neighbour or a cue).
        full: Whether it carries its suffix (市, 区, 县, 街道, …).
    """

    start: int
    end: int
    kind: str
    full: bool


@cache
def _heads() -> dict[str, tuple[tuple[str, str, bool], ...]]:
    table = json.loads(_TABLE.read_text("utf-8"))
    names: dict[str, tuple[str, bool]] = {}
    for name in [*table["areas"], *table["shanghai_streets"]]:
        short = _SUFFIX.sub("", name)
        if len(short) >= 2:
            names.setdefault(short, ("likely", False))
    for name in table["cities"]:
        short = _SUFFIX.sub("", name)
        names[short] = ("likely" if short in _ORDINARY - _CERTAIN else "certain", False)
    for name in table["provinces"]:
        names[_SUFFIX.sub("", name).replace("壮族", "").replace("回族", "").replace("维吾尔", "")] = ("province", False)
    for name in [*table["shanghai_streets"], *table["areas"], *table["cities"]]:
        if len(name) >= 2 and name not in _GENERIC:
            names[name] = ("certain" if len(name) > 2 else "likely", True)
    for name in table["provinces"]:
        names[name] = ("province" if name[:2] not in _MUNICIPALITIES else "certain", True)
    for name in table["shanghai_areas"]:
        names[_SUFFIX.sub("", name)] = ("certain", False)
    names |= {
        "宝山": ("likely", False),
        "金山": ("likely", False),
        "浦西": ("likely", False),
        "浦东": ("certain", False),
        "崇明岛": ("certain", True),
    }
    for name in ("香港", "澳门", "台北", "高雄", "台中", "台南", "新竹", "基隆"):
        names[name] = ("likely" if name in ("香港", "澳门") else "certain", False)
    heads: dict[str, list[tuple[str, str, bool]]] = {}
    for name in sorted(names, key=lambda n: (-len(n), n)):
        heads.setdefault(name[:2], []).append((name, *names[name]))
    return {head: tuple(found) for head, found in heads.items()}


def places(text: str) -> Iterator[Place]:
    """Yield the place names of the table in a text, longest first at each position, without overlaps."""
    heads, at = _heads(), 0
    get = heads.get
    for i in range(len(text) - 1):
        if i < at:
            continue
        found = get(text[i : i + 2])
        if found is None:
            continue
        for name, kind, full in found:
            if text.startswith(name, i):
                at = i + len(name)
                yield Place(i, at, kind, full)
                break

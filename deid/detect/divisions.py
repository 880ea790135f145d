"""The table of administrative divisions: which place names exist, with and without their suffix.

Source: ``divisions.json``, see ``divisions.README.md``.
"""

# tables, patterns and their source stay one line each

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from deid.detect.lexicon import listed

_TABLE = Path(__file__).with_name("divisions.json")
_PEOPLES = (
    "蒙古族|回族|藏族|维吾尔族|维吾尔|苗族|彝族|壮族|布依族|朝鲜族|朝鲜|满族|侗族|瑶族|白族|土家族|哈尼族|哈萨克族|哈萨克|傣族|黎族|傈僳族|佤族|畲族|拉祜族|水族|东乡族|纳西族|景颇族|柯尔克孜|土族|达斡尔族|"
    "仫佬族|羌族|布朗族|撒拉族|毛南族|仡佬族|锡伯族|锡伯|阿昌族|普米族|塔吉克|怒族|鄂温克族|德昂族|保安族|裕固族|京族|独龙族|鄂伦春|各族|蒙古|鄂温克"
)
_SUFFIX = re.compile(
    rf"(?:(?:{_PEOPLES})+自治[区州县旗]|自治[区州县旗]|特别行政区|地区|新区|林区|矿区|[省市区县盟旗镇乡]|街道)$"
)
# Short forms that are ordinary words: they count as places only beside another place or a cue.
_ORDINARY = listed(
    """
三明 东方 东营 中卫 中宁 中山 中阳 丹东 丽水 五指 保康 健康 六安 兴安 内江 化州 双鸭 台山 吉安 吐鲁 和平 增城
大同 大安 大庆 天水 太和 宁安 安乐 安吉 安宁 安定 安康 安顺 宝山 平凉 平安 平顶 广安 延安 开平 恩平 新民 普宁
来宾 正定 永康 江门 河源 泰安 海口 海安 淮安 白山 白银 百色 石河 衡水 西安 达拉 通化 通海 通道 金山 铜川 长安
长寿 长春 阳新 阳春 阳江 阳泉 鞍山 高平 高明 鸡西 鹤山 黄山
"""
)
# Capitals of this list are unmistakable although they look like ordinary words in the list above.
_CERTAIN = listed(
    """
三明 东营 丹东 丽水 六安 内江 吉安 大庆 天水 安顺 广安 延安 江门 河源 泰安 海口 淮安 衡水 西安 通化 铜川 长春
阳江 鞍山
"""
)
_MUNICIPALITIES = frozenset(["北京", "上海", "天津", "重庆"])
_GENERIC = listed(
    """
东区 东城区 中区 北区 南区 城中区 城区 市中区 市区 新区 矿区 西区 郊区
"""
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


@cache
def _beginnings() -> re.Pattern[str]:
    """Return a cheap pattern that every place name of the table begins with: two characters, each from its set."""
    first, second = ("".join(sorted({head[n] for head in _heads() if len(head) == 2})) for n in (0, 1))
    return re.compile(f"[{first}](?=[{second}])")


def places(text: str) -> Iterator[Place]:
    """Yield the place names of the table in a text, longest first at each position, without overlaps."""
    heads, at = _heads(), 0
    get = heads.get
    for match in _beginnings().finditer(text):
        i = match.start()
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

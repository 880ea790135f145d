"""Addresses and regions in Chinese: a grammar that grows from known place names, road numbers and cues."""

# ruff: noqa: E501  # a pattern or a table of words is one line each

# patterns and word lists are read, searched and compared as one line each

import re
from collections.abc import Iterator, Sequence

from deid.detect import addresses_english, windows
from deid.detect.divisions import Place, places
from deid.detect.grams import pairs
from deid.detect.lexicon import listed
from deid.detect.span import Span

NAME = "addresses"

_H = "[\u4e00-\u9fff]"
_NUMBER = r"(?:[0-9]{1,5}|[一二三四五六七八九十百零〇]{1,5}|[A-Za-z])"
_UNIT = r"(?:号楼|号院|号|支弄|弄|幢|栋|座|号门|单元|室|层|楼|户|门|组|队|村民小组|村民组|小组|期|区|街坊|米)"
_HOUSE = rf"(?:第?{_NUMBER}(?:[-—/~、]{_NUMBER})*(?:甲|乙|丙)? ?{_UNIT}(?:之[0-9]{{1,3}})?)"
_ROOM = r"(?:[0-9A-Za-z]{1,4}(?:-[0-9A-Za-z]{1,5}){1,4}|[0-9]{3,4}(?![0-9年月日岁次:.]))"
_ROAD = r"(?:[东南西北中一二三四五]{0,2}(?:大道|公路|大街|路|街|巷|胡同|支路|高架|弄堂|里弄|道))"
_TOWN = r"(?:经济技术开发区|高新技术?产业?开发区|开发区|工业园区|工业区|度假区|街道办事处|街道|新城镇|镇|乡|苏木|农场|林场|社区|居委会|村委会)"
_VILLAGE = r"(?:自然村|行政村|新村|村|屯|庄|寨|大队|生产队|嘎查|湾|坝|沟|营子|岗|塆|店子)"
_HOME = (
    r"(?:小区|花园|花苑|新村|公寓|家园|嘉园|佳园|家苑|佳苑|雅苑|名苑|苑|大厦|广场|名邸|豪庭|公馆|华庭|雅庭|名庭|名都|名城|宿舍|家属院|家属楼|大院|新苑|"
    r"新城|山庄|别墅|国际城|城|府|湾|园|坊|庭|墅|里|邸|轩|阁|居|郡|岛|天地|中心|大楼|商务楼|楼)"
)
_PARTS = re.compile(
    rf"(?:{_H}{{1,7}}?{_TOWN}|{_H}{{1,6}}?{_VILLAGE}(?={_NUMBER}|[,。;、:) \n(]|人|$|{_H}{{1,4}}(?:组|路))|(?:{_H}{{1,6}}?|[A-Z]{{0,2}}[0-9一二三四五六七八九十]{{1,3}}){_ROAD}(?!径)|"
    rf"[({{]?{_H}{{2,10}}?{_HOME}(?= ?[(]?(?:{_NUMBER}|[,。;\n)]|$))|{_HOUSE}|{_ROOM})"
    r"(?:[东南西北]段|口|交叉口)?"
)
_STREET_LEVEL = re.compile(rf"{_ROAD}|{_HOUSE}|{_ROOM}|{_HOME}")
_LEFT_STOP = re.compile(
    r"^.*(?:[在于住到从往沿去是的为址至地]|家住|位于|由|经过|途经|路过|靠近|附近|籍贯|回到|患者|本人|[,。;:、(\s])(?=.)"
)
_ROAD_WITH_NUMBER = re.compile(
    rf"({_H}{{1,8}}(?:[东南西北中]|[一二三四五六七八九十])?(?:大道|公路|大街|路|街|巷|胡同|道)(?<!管道)(?<!通道)(?<!尿路)(?<!尿道)(?<!消化道)(?<!呼吸道)(?<!气道)(?<!胆道)(?<!阴道)(?<!肠道)(?<!产道)(?<!一路)) ?({_HOUSE}(?: ?(?:{_HOUSE}|{_ROOM}))*|{_ROOM}弄)"
)
_HOME_WITH_NUMBER = re.compile(
    rf"({_H}{{2,10}}(?:小区|花园|花苑|新村|公寓|家园|苑|大厦|嘉园|佳园|名邸|豪庭|公馆|华庭|名城|宿舍|家属院|家属楼|山庄|别墅|新城|大院|村|[一二三四五]村)) ?({_HOUSE}(?: ?(?:{_HOUSE}|{_ROOM}))*|{_ROOM})"
)
_HOUSES = re.compile(
    r"(?<![0-9A-Za-z])[0-9]{1,5}(?:弄|号|幢|栋|号楼)(?:[0-9]{1,4}(?:支弄|号|幢|栋|号楼|单元|座))*[0-9]{1,4}室|(?<![0-9])[0-9]{1,3}(?:号楼|栋|幢|单元)[0-9]{3,4}室?|(?<![0-9A-Za-z])[0-9]{1,3}弄[0-9]{1,3}号|(?<![0-9A-Za-z])[0-9]{3,4}室(?!性|间|壁|颤|温|速)"
)
_CUED = re.compile(
    r"(?:现住址|家庭住址|家庭地址|居住地址|常住地址|居住地|联系地址|通讯地址|通信地址|工作地址|单位地址|户口地址|户籍地址|户籍所在地|户口所在地|户籍地|户籍|"
    r"收件地址|收货地址|寄送地址|邮寄地址|送药地址|现场地址|出诊地址|接车地址|事发地点|案发地点|发病地点|住址|地址|籍贯|出生地|原籍|现住|家住|居住于|居住在|暂住于?|住在|租住于?|租住在|来自|祖籍|老家在?|住所)"
    r"(?:[:是为系于在]|[ ]|\([^()\n]{1,6}\))* ?"
    r"((?=[\u4e00-\u9fff0-9A-Za-z])[\u4e00-\u9fff0-9A-Za-z()#·/-]{2,50}(?: [0-9A-Za-z栋号室-]{1,8})?)"
)
_VALUE_END = re.compile(
    r"(?:联系|电话|手机|邮编|邮政|职业|民族|婚姻|婚况|工作|单位|入院|出院|病史|性别|年龄|出生日|身份证|姓名|已婚|未婚|离异|丧偶|汉族|主诉|现病|家属|监护|号码|的?(?:患者|居民|村民|病人|男子|女子)|"
    r"因|于(?=[0-9])|无|否认|生于|长期|就诊|来院|来我|附近|门口|打工|务农|工地|工作|,|的$|，|摔|跌|突发|被)"
)
_NOT_AN_ADDRESS = re.compile(
    r"^(?:同上|不详|未知|不明|本地|当地|外地|外省|原籍|出生|当地|农村|城市|家中|家里|一楼|医院|病房|养老院|本市|本区|上海|外院|我院|不祥|无|同前|敏感|于?[一二三四五六七八九十]楼|[一二三四五六七八九十0-9]层|潮湿|(?:儿|女)子?家|楼上|高原|疫区|牧区|[一-龥]{1,3}(?:科|处|部)$|(?:门诊|急诊|患者|家属|病人|静脉|血|尿|本人|网络|网上|宿舍$|集体宿舍$))"
)
_PLACE_CUE = re.compile(
    r"(?:来自|从|由|到|去|在|回|赴|至|于|往|住|籍贯|原籍|系|是|祖籍|老家|经|自|返|抵|飞|途经|出差|旅游|居住|现居|户籍|老家在|嫁到|[:(,。;、\n-])\s?$"
)
_PLACE_AFTER = re.compile(
    r"(?:人(?![民工类群体员字])|籍|口音|话|农民|老家|打工|务工|出差|旅游|旅行|居住|出生|转来|来沪|回来|返沪|返回|本地|当地|老乡|那边|农村|市区|郊区|城区|县城|等地|工作|上学|经商)"
)
_RURAL = re.compile(
    rf"(?:住|居住|家住|来自|回|在|去|到|至|于|从|籍贯|原籍|老家|祖籍|位于|嫁到|返回)((?!农村|乡村|山村|本村|同村|全村|该村|村){_H}{{1,4}}(?:镇|乡|村|屯|庄|社区|街道|公社|农场))(?![卫医])(?={_H}{{0,1}}[,。;、: )\n]|人|的|[0-9一二三四五六七八九十]+组|居住|出生|务农|打工|卫生|附近|里|开|买|做)"
)
_ROAD_CUED = re.compile(
    rf"(?:在|到|于|从|沿|至|住|位于|往|靠近|近|途经|经过|路过|行至|走到|途径|骑车至|步行至|,|。|\()({_H}{{2,6}}?(?:大道|公路|路|大街|高架|高速公路|高速|立交桥?|大桥|隧道|街)(?<![尿短听通旁入管回思走马铁线网泪电气胆一半出上下归赶领顺]路)(?<!马路)(?<!公路上)(?:[与和近、到靠]{_H}{{1,6}}?(?:路|大道|公路|街))?(?:路口|交叉口|交界处|口|附近|段)?)(?=[,。;、)上旁边处附口段的时骑行追摔跌散步被乘开等\n与和近交]|$)"
)
_CROSSING = re.compile(
    rf"({_H}{{2,5}}?(?:路|大道|公路|街)(?:[与和近、/靠]){_H}{{2,5}}?(?:路|大道|公路|街)(?:路口|交叉口|交界处|口)?)"
)
_STATION = re.compile(
    rf"({_H}{{2,6}}(?:火车站|高铁站|汽车站|客运站|地铁站|公交站|码头|国际机场|机场|收费站|服务区|菜市场|农贸市场|批发市场|体育场|体育馆|植物园|动物园|游乐园|度假村|古镇|步行街|风景区|寺|公园|大桥)(?!医)(?:[0-9一二三四五六]{{1,2}}号(?:口|门|出口)|出口|[东南西北]门)?|(?<=在)人民广场|外滩(?!医)|陆家嘴(?!医)|徐家汇(?!医)|五角场(?!医)|静安寺(?!医))"
)
_LINE = re.compile(rf"(?:地铁|轨道交通|轻轨)[0-9一二三四五六七八九十]{{1,3}}号线(?:{_H}{{2,6}}站)?")
_POSTCODE = re.compile(r"(?:邮编|邮政编码|邮码|邮政)[ :为是]{0,3}([0-9]{6})(?![0-9])")
_COORDINATES = re.compile(
    r"(?:[北南]纬|东经|西经|[NSEW])? ?-?[0-9]{1,3}\.[0-9]{3,}°? ?[NSEW]?[, /]{1,3}(?:[东西]经|[NSEW])? ?-?[0-9]{1,3}\.[0-9]{3,}°?[NSEW]?|[北南]纬[0-9.°′'\"分度秒 ]+[, ]{0,2}东经[0-9.°′'\"分度秒 ]*[0-9°′\"分度秒]|[0-9]{1,2}°[0-9]{1,2}[′'][0-9.]*[″\"]?[NS][, ]{0,2}[0-9]{1,3}°[0-9]{1,2}[′'][0-9.]*[″\"]?[EW]"
)
_COORDINATE_HINT = re.compile(r"[纬°]|[0-9]\.[0-9]{3}")
_CHINESE = re.compile("[\u4e00-\u9fff]")


def find(text: str) -> Iterator[Span]:
    """Yield addresses (street level or finer) and regions (village to city)."""
    if _CHINESE.search(text):
        yield from _from_places(text, list(places(text)))
        yield from _from_cues(text)
        yield from _from_roads(text)
    if "邮" in text:
        yield from _simple(text, _POSTCODE, "ADDRESS", 0.9)
    if _COORDINATE_HINT.search(text):
        yield from _simple(text, _COORDINATES, "ADDRESS", 0.8)
    yield from addresses_english.find(text, NAME)


def _span(start: int, end: int, label: str, score: float) -> Span:
    return Span(start, end, label, score, NAME)


def _simple(text: str, pattern: re.Pattern[str], label: str, score: float) -> Iterator[Span]:
    for match in pattern.finditer(text):
        group = 1 if pattern.groups else 0
        yield _span(*match.span(group), label, score)


def _from_places(text: str, found: Sequence[Place]) -> Iterator[Span]:
    done = 0
    for n, place in enumerate(found):
        if place.start < done:
            continue
        chain, end = [place], place.end
        for after in found[n + 1 :]:
            gap = text[end : after.start]
            if gap not in ("", " ", "省", "市", "·", "-", "/"):
                break
            chain.append(after)
            end = after.end
        tail = _grow(text, end)
        if tail == end and text[end : end + 1] in ("市", "省", "县", "区", "镇", "州") and not chain[-1].full:
            tail = _grow(text, end + 1)
        if not _counts(text, chain, tail):
            continue
        done = tail
        yield _span(place.start, tail, "ADDRESS" if _STREET_LEVEL.search(text, end, tail) else "REGION", 0.8)


def _grow(text: str, end: int) -> int:
    while part := _PARTS.match(text, end):
        end = part.end()
        if text[end : end + 1] == " " and (more := _PARTS.match(text, end + 1)) and re.match(r"[0-9]", more[0]):
            end = more.end()
    return end


def _counts(text: str, chain: Sequence[Place], tail: int) -> bool:
    end = chain[-1].end
    if len(chain) > 1 and any(p.kind != "province" for p in chain):
        return True
    first = chain[0]
    grown = text[end:tail]
    if first.kind == "province" and not grown:
        if text[first.start : first.end] in ("北京", "天津", "重庆"):
            return _cued(text, first.start, end, strict=True)
        return False
    if grown and (_HOUSE_RE.search(grown) or len(grown) >= 2):
        return (
            first.kind != "likely"
            or _cued(text, first.start, end)
            or _HOUSE_RE.search(grown) is not None
            or re.search(r"[镇乡]", grown) is not None
        )
    if text[first.start : end] in ("上海市", "上海", "沪"):
        return False
    if first.kind == "certain":
        return True
    return _cued(text, first.start, end)


_HOUSE_RE = re.compile(r"[0-9]")


# Before a place name that is no ordinary word.
_NEAR = re.compile(r"(?:[在从到去回来至赴往(]|住|位于|来自)$")
_NOT_NEAR = listed(
    "新华 合作 公安 建设 中兴 同德 城中 香港 澳门 和平 东方 红旗 胜利 解放 朝阳 光明 新兴 开发 长安 海港 高新 经开 东区 西区 南区 北区 中区 城关 城区 矿区"
)


def _cued(text: str, start: int, end: int, *, strict: bool = False) -> bool:
    before = text[max(0, start - 4) : start]
    after = _PLACE_AFTER.match(text, end) is not None
    if strict:
        return after or re.search(r"(?:来自|从|到|去|回|赴|籍贯|祖籍|老家|飞)[: ]?$", before) is not None
    if (
        end - start >= 2
        and text[start : start + 2] not in pairs()
        and text[start:end] not in _NOT_NEAR
        and _NEAR.search(before)
    ):
        return True
    return after or (
        _PLACE_CUE.search(before) is not None
        and re.search(r"(?:来自|从|去|回|赴|籍贯|原籍|祖籍|老家|嫁到)[:在是 ]?$", before) is not None
    )


def _from_cues(text: str) -> Iterator[Span]:
    for match in _CUED.finditer(text):
        start, end = match.span(1)
        stop = _VALUE_END.search(text, start + 1, end)
        if stop:
            end = stop.start()
        value = text[start:end].rstrip(" (-/")
        if len(value) >= 2 and _NOT_AN_ADDRESS.match(value) is None and _LOOKS.search(value):
            yield _span(start, start + len(value), "ADDRESS" if _STREET_LEVEL.search(value) else "REGION", 0.75)


_LOOKS = re.compile(r"[省市区县镇乡村屯庄路街巷弄道号室幢栋楼苑园里州江城山寨组队旗盟岛湾桥港河海宁阳安]")


def _from_roads(text: str) -> Iterator[Span]:
    for pattern in (_ROAD_WITH_NUMBER, _HOME_WITH_NUMBER):
        for match in windows.found(text, pattern, windows.around(text, _NUMBERED_HINT, 14, 40)):
            start = match.start(1)
            cut = _LEFT_STOP.match(match[1])
            if cut:
                start += cut.end()
            if match.end(1) - start >= 2:
                yield _span(start, match.end(), "ADDRESS", 0.85)
    if any(c in text for c in "室弄幢栋楼元"):
        yield from _simple(text, _HOUSES, "ADDRESS", 0.7)
    for match in windows.found(text, _RURAL, windows.around(text, _RURAL_HINT, 8, 8)):
        yield _span(*match.span(1), "REGION", 0.7)
    yield from _trimmed(text, _ROAD_CUED, _ROAD_HINT)
    yield from _trimmed(text, _CROSSING, _ROAD_HINT)
    yield from _simple(text, _LINE, "ADDRESS", 0.7)
    yield from _trimmed(text, _STATION, _STATION_HINT)


# What the patterns above cannot do without.
_NUMBERED_HINT = re.compile(rf"(?:大道|公路|[路街巷道村苑园厦邸庭馆城院舍楼墅寓]|胡同|小区) ?第?{_NUMBER}")
_RURAL_HINT = re.compile("[镇乡村屯庄]|社区|街道|公社|农场")
_ROAD_HINT = re.compile("大道|[路街速桥架]|隧道|立交")
_STATION_HINT = re.compile("[站场馆园村街区寺桥]|码头|外滩|陆家嘴|徐家汇|五角场")


def _trimmed(text: str, pattern: re.Pattern[str], hint: re.Pattern[str]) -> Iterator[Span]:
    for match in windows.found(text, pattern, windows.around(text, hint, 10, 12)):
        start, end = match.span(1)
        cut = _LEFT_STOP.match(match[1])
        if cut:
            start += cut.end()
        if end - start >= 3:
            yield _span(start, end, "ADDRESS", 0.7)

"""Places, hospitals, employers and figures for the training notes."""

# ruff: noqa: E501  # a list of words or a pattern is one line each

import random

from tools.model.corpora import Lexicons


def _listed(words: str) -> list[str]:
    return words.split()


_ROADS = _listed(
    "中山 人民 解放 建设 和平 文化 长江 黄河 淮海 南京 北京 控江 延安 新华 友谊 胜利 团结 青年 湖滨 江宁 五一 迎宾 康定 学府 朝阳"
)
_YARDS = _listed("阳光花园 幸福里 锦绣家园 翠湖小区 金地名苑 万科城 书香门第 碧桂园 东方新城 玫瑰园 康桥半岛 御景湾")
_UNIVERSITIES = _listed(
    "复旦大学 北京大学 四川大学 浙江大学 中山大学 山东大学 吉林大学 南昌大学 郑州大学 华中科技大学 苏州大学 遵义医科大学"
)
_FIRMS = _listed("宏达 永兴 华泰 鑫源 恒通 东方 天成 金龙 万通 嘉禾 明珠 长城 顺发 博远")
_TRADES = _listed(
    "机械厂 纺织厂 化工厂 电子有限公司 建筑公司 物流有限公司 科技有限公司 食品厂 矿务局 运输公司 商贸公司 服装厂"
)

_MADE = "华恒泰盛丰源鑫隆瑞安康达利顺和美佳博远宏信诚金银天地海江山云龙凤星辰光明辉嘉禾德福禄祥同仁广益通联创智慧科锦绣迈优派乐宝蓝绿"
_SHOPS = _listed(
    "集团 公司 股份 超市 大药房 药业 饭店 酒店 宾馆 火锅店 理发店 工地 煤矿 物业 保险 人寿 财险 银行 传媒 教育 培训学校 健身房 汽修厂 养老院 福利院 敬老院 幼儿园 电厂 "
    "钢厂 棉纺厂 印染厂 农机站 快递 外卖 制衣厂 家具厂 鞋厂 电器厂 渔业公司 服务部 生物 医疗器械公司 检测中心"
)
_OFFICES = _listed(
    "派出所 公安分局 交警大队 消防支队 人民法院 检察院 司法所 民政局 疾控中心 卫生局 卫健委 医保局 社保局 居委会 村委会 街道办事处 镇政府 财政局 教育局 城管局 看守所 "
    "戒毒所 法律援助中心 仲裁委 残联 红十字会 妇联 殡仪馆 火车站派出所 边防支队 武装部 计生办 敬老院 中学 小学 一中 二中 三小 职高 技校 师范学院 党校 供电所 自来水厂 粮站 信用社"
)


def region(draw: random.Random, lexicons: Lexicons) -> str:
    """Return a place: full, or in a short form."""
    province, city, area, streets = draw.choice(lexicons.divisions)
    at = draw.random()
    if at < 0.25:
        return province + city + area
    if at < 0.45:
        return city + area
    if at < 0.6:
        return (city or province) if draw.random() < 0.5 else area
    if at < 0.75:
        return area + draw.choice(streets)
    if at < 0.84:
        return (city or area)[:2]
    if at < 0.94:
        return draw.choice([area, draw.choice(streets), ""]) + village(draw)
    return draw.choice(lexicons.places) if draw.random() < 0.5 else draw.choice(_ABROAD)


_ABROAD = _listed(
    "东京 大阪 首尔 曼谷 清迈 芭提雅 胡志明市 河内 金边 万象 仰光 新加坡 吉隆坡 雅加达 马尼拉 伦敦 巴黎 柏林 慕尼黑 罗马 米兰 马德里 纽约 洛杉矶 旧金山 "
    "芝加哥 温哥华 多伦多 悉尼 墨尔本 奥克兰 莫斯科 迪拜 孟买 新德里 达卡 拉各斯 罗安达 内罗毕 武里南 巴厘岛 普吉岛 济州岛 香港 澳门 台北 九龙 铜锣湾 高雄"
)
_SEEDS = (
    "张王李赵刘陈杨黄周吴徐孙马朱胡郭何高林罗郑梁谢宋唐许韩石柳白龙上下大小东西南北新老三五双红青金沙桥河湖山塘坪岭"
)


def village(draw: random.Random) -> str:
    """Return the name of a village, often with its group."""
    name = draw.choice(_SEEDS) + draw.choice(["家", "", draw.choice(_SEEDS)])
    name += draw.choice(_listed("庄 村 屯 湾 沟 坪 堡 寨 营 店 窑 圩 埠 垸 塘 岭 洼 集 桥 坝"))
    return (
        name
        + draw.choice(["", "", "村"])
        + draw.choice(["", "", "", f"{draw.randint(1, 12)}组", f"{draw.randint(1, 9)}队"])
    )


def address(draw: random.Random, lexicons: Lexicons) -> str:
    """Return an address down to the door."""
    province, city, area, streets = draw.choice(lexicons.divisions)
    head = draw.choice([province + city + area, city + area, area, area + draw.choice(streets), ""])
    road = draw.choice(_ROADS) + draw.choice(["路", "街", "大道", "东路", "北路"])
    door = f"{draw.randint(1, 2999)}{draw.choice(['号', '弄', '号院'])}"
    tail = draw.choice(
        [
            "",
            f"{draw.randint(1, 60)}号{draw.randint(101, 2603)}室",
            f"{draw.randint(1, 30)}栋{draw.randint(101, 2603)}",
            "",
        ]
    )
    return head + (draw.choice(_YARDS) + tail if draw.random() < 0.25 else road + door + tail)


def hospital(draw: random.Random, lexicons: Lexicons) -> str:
    """Return the name of a hospital."""
    province, city, area, streets = draw.choice(lexicons.divisions)
    at = draw.random()
    town = city or province
    if at < 0.3:
        return (
            town
            + draw.choice(["第一", "第二", "第三", "第六", ""])
            + draw.choice(["人民医院", "中心医院", "中医院", "医院"])
        )
    if at < 0.45:
        return area + draw.choice(["人民医院", "中心医院", "中医院", "妇幼保健院"])
    if at < 0.6:
        return draw.choice(_UNIVERSITIES) + draw.choice(
            ["附属第一医院", "附属医院", "第二医院", "附属中山医院", "附属肿瘤医院"]
        )
    if at < 0.75:
        return draw.choice(streets).replace("街道", "") + draw.choice(["社区卫生服务中心", "卫生院", "卫生服务站"])
    if at < 0.8:
        return draw.choice(
            _listed(
                "瑞金 仁济 华山 中山 协和 湘雅 华西 同济 六院 九院 省医 市一 市二 省中 附一 附二 县医院 市一院 省人民医院 省立医院 县中医院 人民医院 中心医院 "
                "301医院 北医三院 浙一 浙二 齐鲁 西京 唐都 南方 珠江 儿研所 儿童医院 肿瘤医院 胸科医院 口腔医院 精神卫生中心 妇保院 妇幼 武警医院"
            )
        )
    if at < 0.9:
        return (
            draw.choice(
                _listed(
                    "仁济 瑞金 华山 中山 协和 湘雅 华西 同济 友谊 宣武 安贞 积水潭 长海 曙光 龙华 岳阳 省立 鼓楼 齐鲁 西京"
                )
            )
            + "医院"
        )
    return draw.choice(_listed("博爱 康宁 爱尔眼科 美年 华康 安康 仁和 德济 和美")) + draw.choice(
        ["医院", "门诊部", "体检中心", "诊所"]
    )


def employer(draw: random.Random, lexicons: Lexicons) -> str:
    """Return an employer or a school."""
    _, city, area, streets = draw.choice(lexicons.divisions)
    town = draw.choice([city or area, (city or area)[:2], ""])
    at = draw.random()
    if at < 0.2:
        return town + draw.choice(_FIRMS) + draw.choice(_TRADES)
    if at < 0.45:
        made = "".join(draw.choice(_MADE) for _ in range(draw.choice([2, 2, 3])))
        return draw.choice([town, ""]) + made + draw.choice(_TRADES + _SHOPS)
    if at < 0.6:
        return draw.choice([area, draw.choice(streets).replace("街道", ""), (city or area)[:2]]) + draw.choice(_OFFICES)
    if at < 0.8:
        return (town or area) + draw.choice(
            ["第一中学", "实验小学", "第三小学", "职业技术学院", "公安局", "供电局", "税务局", "中心幼儿园"]
        )
    return draw.choice(_UNIVERSITIES)


def figure(draw: random.Random, slot: str) -> str:
    """Return a number, date, time, age, bed, phone number or laboratory value."""
    n = draw.randint
    if slot == "num":
        return draw.choice([str(n(1, 30)), f"{n(1, 40)}.{n(0, 9)}"])
    if slot == "d":
        return draw.choice(
            [
                f"20{n(10, 26)}年{n(1, 12)}月{n(1, 28)}日",
                f"{n(1, 12)}月{n(1, 28)}日",
                f"20{n(10, 26)}-{n(1, 12):02d}-{n(1, 28):02d}",
                f"{n(1, 12)}.{n(1, 28)}",
            ]
        )
    if slot == "time":
        return f"{n(0, 23):02d}:{n(0, 59):02d}"
    if slot == "age":
        return draw.choice([f"{n(1, 95)}岁", f"{n(1, 95)}", f"{n(1, 11)}月", f"{n(2, 30)}天"])
    if slot == "bed":
        return draw.choice([f"{n(1, 60)}床", f"加{n(1, 9)}床", f"{n(1, 60)}号床", f"{n(1, 9)}-{n(1, 30)}床"])
    if slot == "p":
        return f"1{n(30, 99)}{n(10**7, 10**8 - 1)}"
    return (
        draw.choice(
            ["白细胞", "血红蛋白", "血小板", "ALT", "肌酐", "尿酸", "血糖", "CRP", "钾", "D-二聚体", "肌钙蛋白", "TSH"]
        )
        + f"{n(1, 300)}.{n(0, 9)}"
        + draw.choice(["", "g/L", "U/L", "mmol/L", "×10^9/L"])
    )

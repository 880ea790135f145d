"""Names of people as notes write them: Han, rare, made of common words, minority, foreign, masked."""

# ruff: noqa: E501  # a list of words or a pattern is one line each

import random

from deid.detect.surnames import COMMON, COMPOUND, DOUBLE, STRONG, SURNAMES
from tools.model.corpora import Lexicons


def _listed(words: str) -> list[str]:
    return words.split()


_FIRST = "王李张刘陈杨黄赵吴周徐孙马朱胡郭何高林罗郑梁谢宋唐许韩冯邓曹"
_UYGHUR = _listed(
    "买买提 阿卜杜热合曼 阿不都热依木 吐尔逊 艾尼瓦尔 古丽娜尔 阿依古丽 帕提古丽 热依汗 艾合买提 库尔班 玉素甫 努尔买买提 依明 "
    "吾买尔 木合塔尔 迪丽努尔 阿孜古丽 买合木提 塔依尔 肉孜 热孜万古丽 阿力木 亚森 卡迪尔 伊力哈木 阿曼古丽 再娜甫 米热阿依 "
    "叶尔肯 哈力克 古丽巴哈尔 巴哈尔古丽 海热提 凯赛尔 姑丽仙 沙塔尔 艾力 斯迪克 尼亚孜 热合曼 阿布力孜"
)
_TIBETAN = _listed(
    "扎西 顿珠 卓玛 央金 次仁 格桑 尼玛 达瓦 拉姆 平措 旺堆 丹增 仁增 多吉 洛桑 白玛 德吉 边巴 索朗 强巴 才让 才旦 华旦 "
    "桑吉 东珠 加措 嘉措 曲珍 旦增 罗布 普布 米玛 巴桑 群培 江措 贡布 益西 曲扎 措姆 卓嘎 南卡 仓决"
)
_MONGOL = _listed(
    "巴特尔 乌兰图雅 其其格 萨仁 苏日娜 那木拉 布和 宝音 朝鲁 额尔敦 呼和 格日勒 斯琴 高娃 娜仁 托娅 乌云 达赖 孟和 "
    "哈斯 巴图 阿拉坦 敖登 道尔吉 特木尔 通拉嘎 乌日娜 哈森 包音图 图门 青格勒 毕力格 白音 塔娜 敖特根 满都拉 那日苏"
)
_YI = _listed(
    "阿苏木呷 吉克阿依 沙马拉毕 马海阿洛 吉木拉则 曲比阿乌 尔古尔哈 阿尔伍呷 瓦其依合 阿牛 俄木 日火 石一阿芝 阿比木加"
)
_WESTERN = _listed(
    "约翰 史密斯 玛丽 安娜 彼得 保罗 大卫 迈克尔 詹姆斯 罗伯特 威廉 托马斯 伊丽莎白 凯瑟琳 索菲亚 亚历山大 伊万诺夫 娜塔莎 "
    "卡洛斯 穆罕默德 艾哈迈德 法蒂玛 约瑟夫 汤姆 杰克 露西 艾米丽 克里斯蒂娜 布朗 约翰逊 威尔逊 安德森 马丁内斯 杜邦 施密特 "
    "穆勒 罗西 奥尼尔 麦克唐纳 班纳吉 辛格 阮文雄 金贤洙 伊布拉欣 丹尼尔 麦克 杰森 莉莉 艾伦 凯文 格林 海伦 苏珊"
)
_JAPANESE = _listed("山田 佐藤 铃木 高桥 田中 渡边 伊藤 中村 小林 山本 加藤 吉田 松本 井上 木村 清水 山口 桥本")
_JAPANESE_GIVEN = _listed("太郎 一郎 健一 惠子 美智子 洋子 直树 翔太 裕子 真由美 大辅 花子 和夫 英二")


def surname(draw: random.Random) -> str:
    """Return a surname: frequent ones more often, compound ones now and then."""
    at = draw.random()
    if at < 0.35:
        return draw.choice(_FIRST)
    if at < 0.68:
        return draw.choice(_COMMON)
    return draw.choice(_SURNAMES) if at < 0.95 else draw.choice(_COMPOUND)


_COMMON, _SURNAMES, _COMPOUND = sorted(COMMON), sorted(SURNAMES), sorted(COMPOUND)
_STRONG, _DOUBLE = sorted(STRONG), sorted(DOUBLE)


def full(draw: random.Random, lexicons: Lexicons) -> str:
    """Return a full name."""
    at = draw.random()
    if at < 0.94:
        return surname(draw) + _given(draw, lexicons)
    return foreign(draw) if at < 0.985 else draw.choice(lexicons.celebrities)


def _given(draw: random.Random, lexicons: Lexicons) -> str:
    at = draw.random()
    if at < 0.22:
        return draw.choice(_DOUBLE)
    if at < 0.40:
        return draw.choice(_STRONG) + draw.choice(_STRONG)
    if at < 0.62:
        return draw.choice(lexicons.given)
    if at < 0.80:
        return draw.choice(_STRONG)
    if at < 0.86:
        return draw.choice(lexicons.words)
    if at < 0.91:
        return draw.choice(_STRONG) * 2
    if at < 0.96:
        return (
            chr(draw.randrange(0x4E00, 0x9FA5)) if draw.random() < 0.3 else draw.choice(draw.choice(lexicons.medical))
        )
    return draw.choice(draw.choice(lexicons.words)) + draw.choice(_STRONG)


def foreign(draw: random.Random) -> str:
    """Return a minority or foreign name in Han characters."""
    at = draw.random()
    dot = "·" if draw.random() < 0.75 else ""
    if at < 0.25:
        return draw.choice(_UYGHUR) + dot + draw.choice(_UYGHUR)
    if at < 0.35:
        return draw.choice(_UYGHUR)
    if at < 0.52:
        return draw.choice(_TIBETAN) + draw.choice(_TIBETAN)
    if at < 0.65:
        return draw.choice(_MONGOL)
    if at < 0.70:
        return draw.choice(_YI)
    if at < 0.90:
        return draw.choice(_WESTERN) + (dot or "·") + draw.choice(_WESTERN)
    if at < 0.94:
        return draw.choice(_WESTERN)
    return draw.choice(_JAPANESE) + draw.choice(_JAPANESE_GIVEN)


def familiar(draw: random.Random) -> str:
    """Return 老王, 小刘 or 阿芳."""
    at = draw.random()
    if at < 0.8:
        return draw.choice("老小") + (draw.choice(_FIRST) if draw.random() < 0.6 else draw.choice(_COMMON))
    return draw.choice("阿小") + draw.choice(_STRONG)


def masked(draw: random.Random) -> str:
    """Return 李某, 张某某, 王×× or 赵**."""
    return surname(draw) + draw.choice(["某", "某某", "某" + draw.choice(_STRONG), "××", "xx", "*", "**", "XX", "×"])

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


_WORDS = _listed(  # surnames and given names that together are ordinary words
    "高兴 马上 白雪 江山 常青 文静 安康 平安 时光 方向 高峰 温暖 温馨 黄河 黄金 白云 雷雨 石头 金星 金山 马力 马路 陆地 海洋 海燕 程序 程度 夏天 夏至 秋实 春天 常乐 "
    "向阳 向前 明亮 明白 华丽 成功 成果 成才 安静 安宁 安心 安全 康健 康宁 健康 和平 和气 和谐 水清 水仙 牛犇 牛奶 车明 车前 江海 江河 江南 江浪 胡同 胡涂 周全 周到 "
    "周末 周期 钱多多 钱包 钱财 金子 银杏 米兰 米粒 谷雨 麦子 麦芽 包容 包子 单纯 单身 全能 全胜 关心 关怀 关键 关爱 凌晨 凌云 祝福 祝愿 顾问 顾虑 左右 左边 易行 易得 "
    "万一 万年 万全 万里 方法 方便 方圆 毛巾 毛笔 毛豆 古月 古风 古典 石榴 石磊 石英 林立 林荫 林海 林子 柳叶 柳絮 梅花 梅雨 杨柳 杨树 杨梅 李子 桃李 杏林 花蕾 花朵 叶子 "
    "叶脉 路遥 路人 路口 空明 孔雀 孔明 龙井 龙飞 龙虾 童话 童年 童心 严格 严肃 严冬 严重 宁静 宁愿 甘甜 甘露 甘草 苏醒 苏打 唐诗 唐突 宋词 元宵 元旦 元气 韩语 薛定 "
    "游泳 游览 游戏 乐观 乐意 乐园 欢乐 喜乐 高歌 高山 高原 高楼 高远 高明 高贵 高洁 曲折 曲艺 邓小 郎朗 郎才 连城 连续 连线 项目 项链 商量 商务 商业 原野 原来 年华 年轻 "
    "党生 党员 国庆 国强 管理 管用 管事 史料 史诗 沙漠 沙发 沙滩 沙棘 鱼跃 鱼水 燕子 燕窝 鹿鸣 凤凰 凤梨 雷锋 雷达 云朵 云海 霜降 于今 于飞 任务 任性 任意 计划 计算 冷静 "
    "冷清 冷杉 温泉 温和 温柔 汤圆 柴火 柴米 盛夏 盛开 强大 强壮 能干 能力 东方红 南瓜 北极 西子 辛苦 辛勤 武术 武力 施工 施展 应该 应急 应许 艾叶 艾草 兰花 兰草 文字 文章 "
    "文采 文明 章程 章节 房子 房顶 富强 富贵 富足 满意 满月 时常 时间 时代 常识 常规 常见 查理 查询 解放 解冻 相思 相宜 那时 越来 越野 曾经 曾几 焦急 焦糖 戚戚 晴天 宫廷"
)
_COMMON, _SURNAMES, _COMPOUND = sorted(COMMON), sorted(SURNAMES), sorted(COMPOUND)
_STRONG, _DOUBLE = sorted(STRONG), sorted(DOUBLE)


def full(draw: random.Random, lexicons: Lexicons) -> str:
    """Return a full name."""
    at = draw.random()
    if at < 0.06:
        return draw.choice(_WORDS)
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


def nickname(draw: random.Random) -> str:
    """Return 豆豆, 小宝, 强子 or a given name alone."""
    at = draw.random()
    if at < 0.4:
        return draw.choice(_PETS) if draw.random() < 0.6 else draw.choice(_STRONG) * 2
    if at < 0.6:
        return draw.choice("阿小大老") + draw.choice(_STRONG)
    if at < 0.7:
        return draw.choice(_STRONG) + draw.choice("子儿哥姐妹仔")
    return draw.choice(_DOUBLE) if draw.random() < 0.5 else draw.choice(_STRONG) + draw.choice(_STRONG)


_PETS = _listed(
    "豆豆 妞妞 乐乐 糖糖 果果 朵朵 毛毛 圆圆 贝贝 晶晶 欢欢 童童 甜甜 壮壮 囡囡 点点 多多 丫丫 宁宁 阳阳 洋洋 轩轩 涵涵 萌萌 嘟嘟 胖胖 牛牛 虎子 石头 大宝 小宝 二宝 "
    "柱子 铁蛋 狗蛋 二丫 三妹 大毛 二毛 小不点 小鱼儿 可可 安安 团团 芽芽 米粒 小米 辰辰 皮皮 小满 年年 球球 瑶瑶 琪琪 浩浩 天天 亮亮 军军 星星 月月"
)
_SYLLABLES = _listed(
    "Li Wang Zhang Liu Chen Yang Zhao Huang Zhou Wu Xu Sun Hu Zhu Gao Lin He Guo Ma Luo Liang Song Zheng Xie Han Tang Feng Dong Xiao Cheng Cao Yuan Deng Fu Shen Zeng Peng Lu Su Jiang Cai Jia Ding Wei Xue Ye Yan Pan Du Dai Xia Zhong Tian Ren Fan Fang Shi Yao Tan Sheng Zou Xiong Jin Qian "
    "Ouyang Situ Chan Wong Lee Ng Tsai Hsu Chang Kwok Cheung Leung Tseng Lau"
)
_GIVEN = _listed(
    "wei fang na min jing li qiang lei jun yang yong yan jie juan tao ming chao xiu xia ping gang gui ying hua yu lan jian guo zhi hong mei ling xin yi han zi xuan hao ran jia qi meng wen bo kai yun fei shu ting tian ya ning xiang"
)
_ABROAD = _listed(
    "Smith Johnson Brown Miller Garcia Martinez Wilson Anderson Taylor Thomas Moore Kim Park Nguyen Tanaka Suzuki Sato Ivanova Petrov Müller Schmidt Rossi Dubois Silva Costa Khan Ahmed Hassan Singh Patel Kumar Okafor Nakamura Yamamoto Lopez Kowalski Jensen O'Brien MacDonald Cohen"
)


def latin(draw: random.Random, lexicons: Lexicons) -> str:
    """Return a name in Latin letters: Zhang Wei, WANG XIAOMING, Kevin Tsai, Mr. Smith, Anna, J. Park."""
    at = draw.random()
    given = "".join(draw.choice(_GIVEN) for _ in range(draw.choice([1, 2, 2])))
    if at < 0.22:
        return f"{draw.choice(_SYLLABLES)} {given.capitalize()}"
    if at < 0.36:
        return f"{draw.choice(_SYLLABLES)} {given}".upper()
    if at < 0.42:
        return f"{given.capitalize()} {draw.choice(_SYLLABLES)}"
    if at < 0.50:
        return draw.choice(_SYLLABLES) + given.capitalize()
    english = draw.choice(lexicons.english).capitalize()
    if at < 0.68:
        return f"{english} {draw.choice(_ABROAD if draw.random() < 0.6 else _SYLLABLES)}"
    if at < 0.74:
        return f"{english} {draw.choice('ABCDEGHJKLMPRSTW')}. {draw.choice(_ABROAD)}"
    if at < 0.82:
        return draw.choice(_ABROAD)
    return english


def familiar(draw: random.Random) -> str:
    """Return 老王, 小刘 or 阿芳."""
    at = draw.random()
    if at < 0.8:
        return draw.choice("老小") + (draw.choice(_FIRST) if draw.random() < 0.6 else draw.choice(_COMMON))
    return draw.choice("阿小") + draw.choice(_STRONG)


def masked(draw: random.Random) -> str:
    """Return 李某, 张某某, 王×× or 赵**."""
    return surname(draw) + draw.choice(["某", "某某", "某" + draw.choice(_STRONG), "××", "xx", "*", "**", "XX", "×"])

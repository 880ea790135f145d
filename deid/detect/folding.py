"""One way to write a character: full-width forms, dashes, digits of every script and traditional characters folded.

Folding keeps one code point for one code point, so offsets stay right; only invisible characters (zero-width, soft
hyphen, direction marks) and the blanks of lines that are s p a c e d  o u t are taken out, and then offsets are mapped
back.
"""

# patterns and word lists are read, searched and compared as one line each

import re
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deid.detect.span import Span

_TRADITIONAL = (
    "張张陳陈劉刘楊杨黃黄吳吴趙赵孫孙馬马許许鄭郑謝谢鄧邓韓韩馮冯蕭萧彭彭葉叶蔣蒋餘余蘇苏盧卢賈贾鄒邹陸陆閻阎龔龚邱邱賴赖鍾钟鐘钟譚谭"
    "範范湯汤莊庄顧顾鄔邬龍龙萬万錢钱嚴严賀贺齊齐魯鲁衛卫紀纪聶聂歐欧陽阳諸诸葛葛劃划醫医師师護护長长電电話话號号碼码證证編编歷历"
    "診诊療疗單单據据書书報报戶户籍籍聯联繫系絡络親亲屬属兒儿媽妈爺爷奶奶夫夫婦妇區区縣县鄉乡鎮镇裏里巷巷樓楼層层幢幢棟栋號号"
    "門门路路橋桥廣广場场車车機机學学國国際际東东業业務务員员廠厂實实驗验檢检標标體体藥药處处護护銀银行行賬账帳账戶户險险費费"
    "檔档網网郵邮址址點点時时分分農农曆历陰阴臘腊節节歲岁齡龄貳贰參叁陸陆捌捌玖玖圓圆畫画無无與与從从們们來来對对開开關关"
    "麗丽華华強强偉伟傑杰軍军寶宝蘭兰鳳凤蓮莲瓊琼藝艺紅红衛卫慶庆榮荣輝辉濤涛鵬鹏飛飞劍剑銘铭鋒锋剛刚遠远勝胜進进凱凯億亿豐丰"
    "雲云霧雾靜静潔洁瑩莹穎颖嬌娇玲玲婭娅嫻娴瑋玮瑤瑶璣玑綺绮維维緯纬績绩緒绪綱纲純纯紹绍賢贤貴贵賓宾資资贊赞達达運运連连"
    "灣湾臺台澳澳門门島岛縣县雙双麼么個个後后會会過过還还這这嗎吗轉转術术開开術术請请問问約约應应幫帮讓让給给總总隊队團团館馆"
)
# A line is spaced out where four characters stand alone in a row, one of them Chinese; then every such blank goes.
_ALONE = "[\u4e00-\u9fff0-9A-Za-z]"
_SPACED_OUT = re.compile(rf" {_ALONE} {_ALONE} {_ALONE}(?!{_ALONE})")
_LONE = re.compile(rf"(?<!{_ALONE}){_ALONE}(?: {_ALONE})+(?!{_ALONE})")
_CHINESE = re.compile("[\u4e00-\u9fff]")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufe00-\ufe0f\ufeff]")


def _table() -> dict[int, str]:
    table = {0xFF00 + n - 0x20: chr(n) for n in range(0x21, 0x7F)}
    table |= {ord(c): "-" for c in "‐‑‒–—―−﹣─"}
    table |= {ord(c): " " for c in "\u00a0\u2002\u2003\u2007\u2009\u202f\u3000\t"}
    table |= {ord(c): "·" for c in "•・‧∙･．" if c != "．"}
    table |= {ord("○"): "〇", ord("◯"): "〇", ord("﹕"): ":", ord("∶"): ":", ord("〜"): "~", ord("﹒"): "."}
    table |= {ord(a): b for a, b in zip(_TRADITIONAL[::2], _TRADITIONAL[1::2], strict=True) if a != b}
    for n in range(0x80, sys.maxunicode + 1):
        digit = unicodedata.decimal(chr(n), None)
        if digit is not None:
            table[n] = str(digit)
    return table


_TABLE = _table()


@dataclass(frozen=True, slots=True)
class Folded:
    """A folded text and, where characters were taken out, the original offset of each character."""

    text: str
    offsets: Sequence[int] | None

    def back(self, span: Span) -> Span:
        """Return the span in offsets of the original text."""
        if self.offsets is None:
            return span
        return replace(span, start=self.offsets[span.start], end=self.offsets[span.end - 1] + 1)


def fold(text: str) -> Folded:
    """Return the text in one way of writing, and the way back to its offsets.

    >>> fold("身份證：１１０１０５").text
    '身份证:110105'
    """
    folded = text.translate(_TABLE)
    spaced = _spaced_out(folded) if _SPACED_OUT.search(folded) else frozenset[int]()
    if not spaced and _INVISIBLE.search(text) is None:
        return Folded(folded, None)
    kept = [n for n, c in enumerate(text) if n not in spaced and _INVISIBLE.match(c) is None]
    return Folded("".join(folded[n] for n in kept), kept)


def _spaced_out(text: str) -> frozenset[int]:
    """Return the offsets of the blanks between characters that stand alone, in the lines that are written so."""
    blanks: set[int] = set()
    at = 0
    for line in text.split("\n"):
        runs = list(_LONE.finditer(line)) if _SPACED_OUT.search(line) else []
        written = "".join(run[0] for run in runs)
        if len(written) >= 9 and len(_CHINESE.findall(written)) >= 2:
            blanks.update(at + n for run in runs for n in range(run.start() + 1, run.end(), 2))
        at += len(line) + 1
    return frozenset(blanks)

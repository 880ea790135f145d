"""Word lists as they are written in the modules beside this one, and patterns made of them."""

import re
from collections.abc import Iterable


def listed(words: str) -> frozenset[str]:
    """Return the words of a text, separated by blanks.

    >>> sorted(listed("a b"))
    ['a', 'b']
    """
    return frozenset(words.split())


def alternatives(words: str | Iterable[str]) -> str:
    """Return a pattern that matches any of the words (a text separated by bars, or several), the longest first.

    The words are plain text. Their common beginnings are written once, so that a place where nothing fits is left
    after one character.

    >>> alternatives("ab|abc|x")
    '(?:ab(?:c)?|x)'
    """
    tree = _Tree()
    for word in words.split("|") if isinstance(words, str) else words:
        node = tree
        for character in word:
            node = node.setdefault(character, _Tree())
        node[""] = _Tree()
    return f"(?:{_pattern(tree)})"


def _pattern(tree: "_Tree") -> str:
    """Return the pattern of a tree of characters, where the empty one ends a word."""
    branches = [re.escape(head) + _pattern(rest) for head, rest in sorted(tree.items()) if head]
    if not branches:
        return ""
    if "" in tree:
        return f"(?:{'|'.join(branches)})?"
    return branches[0] if len(branches) == 1 else f"(?:{'|'.join(branches)})"


class _Tree(dict[str, "_Tree"]):
    """Words by their characters."""

"""Word lists as they are written in the modules beside this one."""


def listed(words: str) -> frozenset[str]:
    """Return the words of a text, separated by blanks.

    >>> sorted(listed("a b"))
    ['a', 'b']
    """
    return frozenset(words.split())

"""Marking a text for the catalogue of translations."""


def N_(text: str) -> str:  # noqa: N802  # gettext's own name for "to be translated later"
    """Return the text: it only marks it for the catalogue."""
    return text

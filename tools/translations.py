"""Bring the console's Chinese catalogue up to its sources: what is new stands there empty, what is gone is dropped."""

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "service/console/locale/zh_Hans/LC_MESSAGES/messages.po"
METHODS = [("**.py", "python"), ("templates/**.html", "jinja2")]
OPTIONS = {"templates/**.html": {"encoding": "utf-8"}}
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "N_": None, "gettext": None, "ngettext": (1, 2)}
HEADER = """# The console in Chinese; msgid is the English text. After a change of the sources: make translations
msgid ""
msgstr ""
"Language: zh_Hans\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=1; plural=0;\\n"

"""


def extracted() -> Catalog:
    """Return every message of the console's sources, untranslated."""
    found = Catalog()
    console = ROOT / "service/console"
    for file, line, message, comments, context in extract_from_dir(
        console, method_map=METHODS, options_map=OPTIONS, keywords=KEYWORDS
    ):
        found.add(message, None, [(file, line)], auto_comments=comments, context=context)
    return found


def translated() -> Catalog:
    """Return the Chinese catalogue."""
    with FILE.open("rb") as file:
        return read_po(file, locale="zh_Hans")


def updated() -> Catalog:
    """Return the Chinese catalogue with exactly the messages of the sources; nothing is guessed."""
    catalogue = translated()
    catalogue.update(extracted(), no_fuzzy_matching=True)
    catalogue.obsolete.clear()
    return catalogue


def written(catalogue: Catalog) -> str:
    """Return the catalogue as its file, in the order of the English text."""
    out = io.BytesIO()
    write_po(out, catalogue, no_location=True, omit_header=True, sort_output=True, width=0)
    return HEADER + out.getvalue().decode()


def main() -> int:
    """Write the file; return 1 while something waits for its translation."""
    catalogue = updated()
    FILE.write_text(written(catalogue), "utf-8")
    empty = [message.id for message in catalogue if message.id and not any(_strings(message.string))]
    for one in empty:
        sys.stderr.write(f"not translated: {one}\n")
    return int(bool(empty))


def _strings(found: object) -> list[str]:
    return list(found) if isinstance(found, (list, tuple)) else [str(found or "")]


if __name__ == "__main__":
    sys.exit(main())

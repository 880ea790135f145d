"""Write the pages that are generated from code, or with --check say which are stale (exit 1)."""

import sys
from pathlib import Path

from policies.states import diagrams

ROOT = Path(__file__).resolve().parents[1]
PAGES = {"docs/states.md": diagrams}


def main(argv: list[str]) -> int:
    stale = [name for name, page in PAGES.items() if _current(ROOT / name) != page()]
    if "--check" in argv:
        for name in stale:
            sys.stderr.write(f"{name} is stale: run make docs\n")
        return int(bool(stale))
    for name in stale:
        (ROOT / name).write_text(PAGES[name](), "utf-8")
    return 0


def _current(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

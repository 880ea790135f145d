"""Copy the browser files that ``npm ci --ignore-scripts`` installed into the console; git does not keep them."""

import shutil
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILES = ("htmx.org/dist/htmx.min.js", "htmx.org/dist/ext/hx-sse.min.js")


def copy(modules: Path = ROOT / "node_modules", into: Path = ROOT / "service/console/static/vendor") -> None:
    """Copy them."""
    into.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        shutil.copyfile(modules / name, into / Path(name).name)


if __name__ == "__main__":
    copy()

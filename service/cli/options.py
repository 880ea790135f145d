"""Options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
Server = Annotated[
    str | None, typer.Option("--server", help="URL of a running service; default: this machine's home folder.")
]
TokenFile = Annotated[Path | None, typer.Option("--token-file", help="File with your bearer token.")]

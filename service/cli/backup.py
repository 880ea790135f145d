"""``medtrain backup``: for the operator on the machine itself; a restored facility is sealed until it is unsealed."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.options import AsJson
from service.cli.screen import show

app = typer.Typer(no_args_is_help=True, help="Back up, restore, and let the witnessed log be replayed.")


@app.command()
def create(
    folder: Annotated[Path, typer.Argument(help="New folder for the backup. Keep the root key elsewhere.")],
    as_json: AsJson = False,
) -> None:
    """Back up the database, the keystore, the objects and the published log. The service may not run meanwhile."""
    from service.backup.backup import create as make
    from service.facility import opened
    from service.holding import held
    from service.settings import read

    settings = read()
    with held(settings.home), opened(settings) as facility:
        show(make(facility, folder), as_json=as_json)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="A backup.")],
    as_json: AsJson = False,
) -> None:
    """Lay a backup out in an empty home folder that holds the root key. The facility is sealed afterwards."""
    from service.backup.backup import restore as lay_out
    from service.holding import held
    from service.settings import read

    settings = read()
    with held(settings.home):
        show(lay_out(settings, folder), as_json=as_json)


@app.command()
def unseal(
    log: Annotated[Path, typer.Option(help="The published log as it last was: a mirror's folder.")],
    checkpoint: Annotated[Path, typer.Option(help="The newest signed checkpoint that a witness or anybody kept.")],
    as_json: AsJson = False,
) -> None:
    """Replay what the witnessed log says happened after the backup: charges and withdrawals. Then open the facility."""
    from service.backup.replay import unseal as replay
    from service.facility import opened
    from service.holding import held
    from service.settings import read

    settings = read()
    with held(settings.home), opened(settings, sealed=True) as facility:
        show(replay(facility, log, checkpoint.read_bytes()), as_json=as_json)

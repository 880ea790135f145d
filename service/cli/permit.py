"""``medtrain permit``: apply for the use of a dataset, decide on an application."""

from typing import Annotated

import typer

from service.cli.connection import connect
from service.cli.options import AsJson, Server, TokenFile
from service.cli.screen import show, table

app = typer.Typer(no_args_is_help=True, help="Apply for the use of a dataset; decide on applications.")


@app.command()
def request(
    dataset: Annotated[str, typer.Option(help="Dataset to use.")],
    recipe: Annotated[str, typer.Option(help="Feature recipe to train on.")],
    purpose: Annotated[str, typer.Option(help="GA4GH data use code, for example DUO:0000042.")],
    legal_basis: Annotated[str, typer.Option(help="Legal basis of the use.")],
    ethics: Annotated[str, typer.Option(help="Number of the ethics approval.")],
    epsilon: Annotated[str, typer.Option(help="Privacy budget asked for, as a decimal number.")],
    not_after: Annotated[str, typer.Option(help="Last moment of use, ISO 8601 with a time zone.")],
    runs: Annotated[int, typer.Option(help="How many runs.")] = 1,
    delta: Annotated[str, typer.Option(help="Delta, as a decimal number.")] = "0.00001",
    controller: Annotated[str, typer.Option(help="Who answers for the processing; default: your organisation.")] = "",
    controller_country: Annotated[str, typer.Option(help="Where the controller is at home, ISO 3166.")] = "CN",
    access_country: Annotated[str, typer.Option(help="From where it is used, ISO 3166.")] = "CN",
    justification: Annotated[str, typer.Option(help="Why these data, and no fewer, are needed.")] = "",
    commercial: Annotated[bool, typer.Option("--commercial", help="The result is sold.")] = False,
    undertakes: Annotated[
        list[str] | None, typer.Option(help="A data use condition you promise to keep; may be repeated.")
    ] = None,
    key: Annotated[str | None, typer.Option(help="Idempotency key.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Apply for a permit and submit the application."""
    body = {
        "dataset": dataset,
        "recipe": recipe,
        "purpose": purpose,
        "legal_basis": legal_basis,
        "ethics": ethics,
        "epsilon": epsilon,
        "delta": delta,
        "runs": runs,
        "not_after": not_after,
        "controller": controller,
        "controller_country": controller_country,
        "access_country": access_country,
        "justification": justification,
        "commercial": commercial,
        "undertakes": undertakes or [],
    }
    with connect(server, None, token_file) as service:
        made = service.post("/permits", body, key=key)
        show(service.post(f"/permits/{made['id']}/submission"), as_json=as_json)


@app.command()
def review(permit: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show an application."""
    with connect(server, None, token_file) as service:
        show(service.get(f"/permits/{permit}"), as_json=as_json)


@app.command("list")
def listing(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List the applications you may see."""
    with connect(server, None, token_file) as service:
        found = service.get("/permits")
    show(
        found if as_json else table(found["items"], ["id", "dataset", "holder", "state", "not_after"]), as_json=as_json
    )


@app.command()
def approve(
    permit: str,
    condition: Annotated[list[str] | None, typer.Option(help="A condition it is granted under; repeatable.")] = None,
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Vote for an application; it becomes active once enough people have, and both sides signed where they must."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/approvals", {"conditions": condition or []}), as_json=as_json)


@app.command()
def precheck(permit: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """Show what a machine can say about an application."""
    with connect(server, None, token_file) as service:
        found = service.get(f"/permits/{permit}/precheck")
    show(found if as_json else table(found["items"], ["code", "holds", "blocking", "detail"]), as_json=as_json)


@app.command()
def judge(
    permit: str,
    kind: Annotated[str, typer.Option(help="hospital, ethics or privacy.")],
    negative: Annotated[bool, typer.Option("--negative", help="The review speaks against it.")] = False,
    note: Annotated[str, typer.Option(help="Why; only a commitment to it is kept.")] = "",
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Give the hospital's, the ethics or the privacy review of an application."""
    body = {"kind": kind, "positive": not negative, "note": note}
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/reviews", body), as_json=as_json)


@app.command("return")
def give_back(
    permit: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Return an application for amendment."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/return", {"reason": reason}), as_json=as_json)


@app.command()
def sign(
    permit: str,
    party: Annotated[str, typer.Option(help="holder or owner.")],
    server: Server = None,
    token_file: TokenFile = None,
    as_json: AsJson = False,
) -> None:
    """Sign the terms of an approved permit; the last signature makes it active."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/signatures", {"party": party}), as_json=as_json)


@app.command()
def renew(
    permit: str, not_after: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Draft an application that goes on with a permit, to another last moment."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/renewal", {"not_after": not_after}), as_json=as_json)


@app.command()
def close(
    permit: str, statement: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Close a permit, with a statement of what became of the data and the results."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/closure", {"statement": statement}), as_json=as_json)


@app.command()
def notices(server: Server = None, token_file: TokenFile = None, as_json: AsJson = False) -> None:
    """List what your organisation was told: permits that end, withdrawals, incidents."""
    with connect(server, None, token_file) as service:
        found = service.get("/permits/notices")
    show(found if as_json else table(found["items"], ["at", "kind", "object"]), as_json=as_json)


@app.command()
def reject(
    permit: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Reject an application, with a reason."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/rejection", {"reason": reason}), as_json=as_json)


@app.command()
def revoke(
    permit: str, reason: str, server: Server = None, token_file: TokenFile = None, as_json: AsJson = False
) -> None:
    """Take a permit back; its running jobs are stopped."""
    with connect(server, None, token_file) as service:
        show(service.post(f"/permits/{permit}/revocation", {"reason": reason}), as_json=as_json)

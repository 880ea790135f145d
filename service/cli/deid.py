"""``medtrain deid``: the pipeline and the detector without a service."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from policies.errors import BadInput
from service.cli.options import AsJson
from service.cli.screen import say, show

if TYPE_CHECKING:
    from deid.policy import Profile

app = typer.Typer(no_args_is_help=True, help="De-identify text and files on this machine, without a service.")


@app.command()
def text(
    lang: Annotated[str, typer.Option(help="auto, zh or en.")] = "auto",
    as_json: AsJson = False,
    jsonl: Annotated[
        bool, typer.Option("--jsonl", help='Read lines {"id","lang","text"}; write {"id","text","spans"}.')
    ] = False,
) -> None:
    """Read text on standard input; write it with every identifier replaced by its label."""
    from deid.detect.rewrite import replace
    from deid.detect.span import Span
    from deid.evaluate import find_lines, find_text

    raw = sys.stdin.buffer.read()
    try:
        given = raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BadInput("standard input is not UTF-8 text") from None
    if jsonl:
        for line in find_lines(given.splitlines()):
            sys.stdout.write(line + "\n")
        return
    found = find_text(given, lang=lang)
    if as_json:  # offsets are of the text as it was given, so that stands beside them
        show(found, as_json=True)
    else:
        sys.stdout.write(replace(given, [Span(**span) for span in found["spans"]]))


@app.command()
def evaluate(
    gold: Annotated[Path, typer.Argument(help="Gold notes, one JSON object on each line.")],
    as_json: AsJson = False,
    html: Annotated[
        Path | None, typer.Option(help="Also write a page with the missed spans. It holds text of the notes.")
    ] = None,
) -> None:
    """Measure the detector on gold notes: leak, over-redaction, precision and recall with 95% bounds."""
    from deid import evaluation_page
    from deid.evaluate import evaluate as measure
    from deid.evaluate import read_gold

    try:
        lines = gold.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BadInput("the gold file cannot be read as UTF-8 text") from None
    notes = read_gold(lines)
    scores = measure(notes)
    if html is not None:
        try:
            evaluation_page.write(html, notes)
        except OSError:
            raise BadInput("the page cannot be written there") from None
        say(f"written to {html}: it holds text of the notes, so only the owner of the file may read it")
    show(scores, as_json=as_json)


@app.command()
def files(
    records: Annotated[Path, typer.Argument(help="Folder of records.")],
    out: Annotated[Path, typer.Argument(help="Folder to write tables, quarantine and report to.")],
    mapping: Annotated[str, typer.Option(help="Mapping file, or the name of one that ships with medtrain.")],
    profile: Annotated[
        str, typer.Option(help="De-identification profile: the name of one that ships with medtrain, or a YAML file.")
    ] = "cn_enclave",
    keys: Annotated[Path | None, typer.Option(help="File with the project's keys; made when absent.")] = None,
    genetic_approval: Annotated[
        str, typer.Option(help="Number of the approval or filing for human genetic resources among the records.")
    ] = "",
    as_json: AsJson = False,
) -> None:
    """De-identify a folder into canonical Parquet, messages and bundles, with quarantine and report.

    Memory stays bounded however large the files are. HL7 v2 messages and FHIR resources are also written out again,
    into the folder ``messages``, with security labels.
    """
    from deid.mapping import parse_mapping
    from deid.records import FolderRecords
    from deid.streaming import stream
    from deid.transform.declassify import Admission
    from service.cli.submission import mapping_text
    from service.project_keys import read_or_make

    found = FolderRecords(records)
    kept = keys or out.with_suffix(".keys")
    made = stream(
        found,
        parse_mapping(mapping_text(mapping)),
        profile_of(profile),
        read_or_make(kept),
        project="local",
        out=out,
        size=sum((records / name).stat().st_size for name in found.names()),
        admission=Admission(genetic_approval=genetic_approval),
        with_messages=True,
    )
    refused = _apart(out)
    say(f"written to {out}; the keys in {kept} link pseudonyms to patients: keep them apart")
    if refused:
        say(f"the refused rows in {refused} are as the hospital wrote them: mend them, and let nobody else read them")
    show(made.report.as_dict(), as_json=as_json)


def _apart(out: Path) -> Path | None:
    """Move the refused rows out of the folder that may be handed on; where and why they were refused stays there."""
    import polars as pl

    path, apart = out / "quarantine.parquet", out.with_name(f"{out.name}.quarantine.parquet")
    path.chmod(0o600)
    rows = pl.read_parquet(path)
    apart.unlink(missing_ok=True)
    if rows.height:
        apart.touch(mode=0o600)
        rows.write_parquet(apart)
    rows.drop("raw").write_parquet(path)
    return apart if rows.height else None


def profile_of(name: str) -> "Profile":
    """Return the profile in a YAML file, or the one of that name that ships with medtrain.

    Raises:
        BadMapping: there is none, or the file is not a valid profile; named without its values.
    """
    from deid.policy import load_profile, read_profile

    return read_profile(Path(name)) if name.endswith((".yaml", ".yml")) else load_profile(name)

"""The command line: ``medtrain-client pack``, ``check`` and ``rehearse``.

The result goes to standard output, words to standard error. Exit codes: 0 done, 2 usage, 3 refused by a rule.
"""

import argparse
import importlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from medtrain_client.graph import format as form
from medtrain_client.graph import weights

USAGE, REFUSED = 2, 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    options = _parser().parse_args(argv)
    try:
        result = options.run(options)
    except form.Refusal as refusal:
        sys.stderr.write(f"{refusal}\n")
        return REFUSED
    except (OSError, _UsageError) as problem:
        sys.stderr.write(f"{problem}\n")
        return USAGE
    sys.stdout.write(json.dumps(result, sort_keys=True) + "\n")
    return 0


class _UsageError(Exception):
    """The command names something that does not exist."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="medtrain-client", description="Pack a model for a medtrain facility.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    pack = commands.add_parser("pack", help="turn a PyTorch module into graph.json and init.safetensors")
    pack.add_argument("factory", metavar="MODULE:FACTORY", help="a function without arguments that returns the module")
    pack.add_argument(
        "--input",
        required=True,
        metavar="SPEC",
        help='one record: "float32[1,12]"; several inputs: "int64[1,3]+float32[1,5]"',
    )
    pack.add_argument("out", type=Path, metavar="OUT", help="the folder to write")
    pack.set_defaults(run=_pack)
    check = commands.add_parser("check", help="check a packed model by the facility's rules; needs no torch")
    check.add_argument("folder", type=Path, metavar="DIR", help="a folder that pack wrote")
    check.set_defaults(run=_check)
    dry = commands.add_parser("rehearse", help="take a few private steps of a packed model on random records")
    dry.add_argument("folder", type=Path, metavar="DIR", help="a folder that pack wrote")
    dry.set_defaults(run=_rehearse)
    return parser


def _pack(options: argparse.Namespace) -> dict[str, Any]:
    from medtrain_client.pack import pack

    packed = pack(_made(options.factory), options.input)
    packed.write(options.out)
    return {"out": str(options.out), "parameters": packed.values, **json.loads(packed.manifest)["files"]}


def _check(options: argparse.Namespace) -> dict[str, Any]:
    graph = form.read((options.folder / "graph.json").read_bytes())
    weights.read(graph, (options.folder / "init.safetensors").read_bytes())
    return {"nodes": len(graph.nodes), "verdict": "accepted"}


def _rehearse(options: argparse.Namespace) -> dict[str, Any]:
    from medtrain_client.dry import rehearse

    return rehearse(options.folder)


def _made(factory: str) -> Any:
    """Return what the partner's own factory returns; the working directory is searched for the module."""
    module_name, _, function = factory.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module_name), function)
    except (ImportError, AttributeError, ValueError) as problem:
        raise _UsageError(f"{factory!r} is not MODULE:FACTORY: {problem}") from None
    finally:
        sys.path.pop(0)
    return found()

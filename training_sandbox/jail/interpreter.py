"""What of this machine a jailed Python must be able to read: the interpreter, its libraries, two of our packages.

The jail runs the base interpreter itself, not the virtual environment's link to it, and puts the environment's packages
on the path by hand: no ``.pth`` file is executed, and it does not matter where environment and interpreter lie.
"""

import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

PACKAGES = ("policies", "training_sandbox")
SYSTEM = (Path("/usr/lib"), Path("/usr/lib64"), Path("/lib"), Path("/lib64"))
LINKER_CACHE = Path("/etc/ld.so.cache")

# The packages are loaded from their folders, not found on a path, so no other folder beside them can be.
_BOOTSTRAP = """
import sys
from importlib.util import module_from_spec, spec_from_file_location
sys.path.extend({site!r})
for name in {packages!r}:
    place = {code!r} + "/" + name
    spec = spec_from_file_location(name, place + "/__init__.py", submodule_search_locations=[place])
    sys.modules[name] = module_from_spec(spec)
    spec.loader.exec_module(sys.modules[name])
{program}
"""


@dataclass(frozen=True, slots=True)
class Interpreter:
    """Where Python and its libraries lie on the host.

    Attributes:
        executable: The base interpreter, links resolved.
        libraries: Its standard library and shared libraries, outside of ``SYSTEM``.
        site: The installed packages.
        code: The folder that holds ``PACKAGES``.
    """

    executable: Path
    libraries: tuple[Path, ...]
    site: tuple[Path, ...]
    code: Path


def interpreter() -> Interpreter:
    """Return what the running interpreter is made of."""
    executable = Path(getattr(sys, "_base_executable", sys.executable)).resolve()
    libraries = [Path(sys.base_prefix, name) for name in ("lib", "lib64")]
    site = dict.fromkeys(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))
    return Interpreter(
        executable=executable,
        libraries=tuple(folder for folder in libraries if folder.is_dir() and folder not in SYSTEM),
        site=tuple(folder for folder in site if folder.is_dir()),
        code=Path(__file__).resolve().parents[2],
    )


def command(executable: Path, site: tuple[Path, ...], code: Path, program: str) -> list[str]:
    """Return the argument vector that runs ``program`` with only ``PACKAGES`` of ours importable."""
    bootstrap = _BOOTSTRAP.format(
        site=[str(folder) for folder in site], packages=PACKAGES, code=str(code), program=program
    )
    return [str(executable), "-I", "-S", "-B", "-c", bootstrap]

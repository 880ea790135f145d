"""Fail when a part's branch coverage is under its gate: 100 where a wrong line costs a patient or a proof."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STRICT = 100.0
USUAL = 95.0
STRICT_FILES = (
    "policies/",
    "datasets/ledger.py",
    "datasets/keys.py",
    "service/log/",
    "training_sandbox/graph/reader.py",
    "training_sandbox/plan.py",
    "training_sandbox/accountant.py",
    "training_sandbox/certificate.py",
)
PARTS = ("deid/", "datasets/", "training_sandbox/", "service/", "client/")


def main() -> int:
    report = ROOT / ".coverage.json"
    subprocess.run([sys.executable, "-m", "coverage", "json", "-q", "-o", report], check=True, cwd=ROOT)
    files = json.loads(report.read_text("utf-8"))["files"]
    report.unlink()
    failures = []
    for name in sorted(files):
        share = _share([files[name]["summary"]])
        if name.startswith(STRICT_FILES) and share < STRICT:
            failures.append(f"{name}: {share:.1f} % < {STRICT:.0f} %, lines {_gaps(files[name])}")
    for part in PARTS:
        summaries = [files[name]["summary"] for name in files if name.startswith(part)]
        share = _share(summaries)
        sys.stdout.write(f"{part:20} {share:5.1f} %\n")
        if share < USUAL:
            failures.append(f"{part}: {share:.1f} % < {USUAL:.0f} %")
    for failure in failures:
        sys.stderr.write(f"coverage: {failure}\n")
    return int(bool(failures))


def _share(summaries: list[dict[str, int]]) -> float:
    seen = sum(s["covered_lines"] + s["covered_branches"] for s in summaries)
    there = sum(s["num_statements"] + s["num_branches"] for s in summaries)
    return 100.0 * seen / there if there else 100.0


def _gaps(file: dict[str, list[int]]) -> str:
    branches = [f"{a}->{b}" for a, b in file.get("missing_branches", [])]  # type: ignore[misc]  # coverage's own JSON shape
    return ", ".join([*map(str, file["missing_lines"]), *branches])


if __name__ == "__main__":
    sys.exit(main())

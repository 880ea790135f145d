"""DICOM headers: files for each second of processor time, on the test files that come with pydicom or on a folder.

python bench/dicom.py [FOLDER]
"""

import contextlib
import sys
import time
import warnings
from pathlib import Path

from pydicom.data import get_testdata_file

from deid.transform.dicom import ImageRefused, deidentify
from deid.transform.dicom_options import Options

ROUNDS = 200


def main(folder: str | None) -> None:
    paths = sorted(Path(folder).rglob("*.dcm")) if folder else [Path(str(get_testdata_file("CT_small.dcm")))]
    raws = [path.read_bytes() for path in paths]
    rounds = ROUNDS if len(raws) < 20 else 2
    done = refused = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for raw in raws[:1]:  # the table and the dictionary are read once in a process
            with contextlib.suppress(ImageRefused):
                deidentify(raw, pseudonym="P", shift_days=1, uid_key=bytes(32))
        start = time.process_time()
        for number in range(rounds):
            for raw in raws:
                try:
                    deidentify(raw, pseudonym="P", shift_days=number + 1, uid_key=bytes(32), options=Options())
                    done += 1
                except ImageRefused:
                    refused += 1
        spent = time.process_time() - start
    print(f"{done} files cleared, {refused} refused, {(done + refused) / spent:.0f} files/s of processor time")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else None)

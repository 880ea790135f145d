import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # dataset_factories: there is no package under tests

import pytest
from dataset_factories import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)

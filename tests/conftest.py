"""What the tests share: a quiet TensorFlow, and the real recordings where they are."""

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
os.environ.setdefault("TF_NUM_INTEROP_THREADS", "1")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real recordings, beside the project; see NEM2E_SHARED_DATA."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    folder = Path(os.environ.get("NEM2E_SHARED_DATA", beside))
    if not (folder / "treadmill_walk").is_dir():
        pytest.skip(f"no real recordings at {folder}; set NEM2E_SHARED_DATA to their folder")
    return folder

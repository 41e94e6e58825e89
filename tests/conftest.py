"""Fixtures of all tests. `KERAS_BACKEND` chooses the backend under test."""

import os
from pathlib import Path

# Before the backends are imported. Equality to the bit is a matter of CPUs:
# set CUDA_VISIBLE_DEVICES yourself to run the tests on a GPU all the same.
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# On JAX the tests wait for compilation, not for what is compiled.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0"
    " --xla_llvm_disable_expensive_passes=true",
)

import keras
import numpy as np
import pytest


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.fixture
def normal():
    """Draws seeded float32 arrays: `normal(2, 3)` has shape (2, 3)."""
    rng = np.random.default_rng(0)
    return lambda *shape: rng.normal(size=shape).astype("float32")


@pytest.fixture(scope="session")
def shared():
    """The folder of media too large for the repository, beside it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.exists():
        pytest.skip("needs the folder ../shared")
    return folder

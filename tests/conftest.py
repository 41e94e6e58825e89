"""Fixtures of all tests. `KERAS_BACKEND` chooses the backend under test."""

import gc
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
# Models are tiny, and tests run side by side: threads of PyTorch that wait for
# each other take ten times as long.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import keras
import numpy as np
import pytest


def pytest_collection_finish():
    # What is imported by now stays. Looking through it for garbage, which
    # Keras has done for each layer that it quantizes, takes long.
    gc.freeze()


@pytest.fixture(autouse=True)
def seed():
    keras.utils.set_random_seed(0)


@pytest.fixture(scope="session", autouse=True)
def programs(tmp_path_factory):
    """Keeps what JAX compiles: many tests train the same small models."""
    if keras.backend.backend() == "jax":
        import jax

        folder = str(tmp_path_factory.mktemp("programs"))
        jax.config.update("jax_compilation_cache_dir", folder)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)


@pytest.fixture(scope="module", autouse=True)
def no_programs_of_other_modules():
    """Lets go of what JAX compiled; programs on disk are read anew.

    Each takes some of the 65,530 mappings of memory that Linux gives to a
    process. Beyond these, XLA ends it by a segmentation fault.
    """
    yield
    if keras.backend.backend() == "jax":
        import jax

        jax.clear_caches()
        gc.collect()


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

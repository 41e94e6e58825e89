"""Scripts of the repository, for tests of what is in them."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def load_script(path):
    """The module that a script is, without running its `main()`.

    Args:
        path: str. The script, relative to the repository.
    """
    path = ROOT / path
    # As where it runs by itself, it finds what is beside it.
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

"""Processes that measure when they are asked to."""

import sys

import pytest
from scripts import ROOT
from scripts import load_script

pytestmark = pytest.mark.any_backend

Worker = load_script("benchmarks/workers.py").Worker


def start(code, **environment):
    begin = f"import sys; sys.path.append({str(ROOT / 'benchmarks')!r}); "
    return Worker(sys.executable, "-c", begin + code, **environment)


def test_a_worker_times_what_it_is_asked_to_as_often_as_it_is_asked():
    code = (
        "import os, time, workers; "
        "serve = dict(short=lambda: None, long=lambda: time.sleep(0.05)); "
        "workers.serve(serve, it_is=os.environ['IT_IS'])"
    )
    with start(code, IT_IS="me") as worker:
        assert worker.told == {"it_is": "me"}
        long = worker.measure("long", 2)
        short = worker.measure("short", 3)
    assert len(long["seconds"]) == 2 and len(short["seconds"]) == 3
    assert min(long["seconds"]) >= 0.05 > min(short["seconds"]) > 0
    # What an empty interpreter takes, and what it does not.
    assert 1 < long["mib"] <= short["mib"]


def test_a_worker_that_ends_by_itself_is_an_error():
    with pytest.raises(RuntimeError, match="-c` ended too soon"):
        start("pass")

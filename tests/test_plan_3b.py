"""The plan of `mirasol_3b`: what is counted, bounded and summed up."""

import functools
import json
import math
import os

import keras
import numpy as np
import pytest
import small_models
from scripts import ROOT
from scripts import load_script

from keras_mirasol.models import MirasolCausalLM

only_jax = pytest.mark.skipif(
    keras.backend.backend() != "jax", reason="JAX lowers the step"
)

# As XLA prints programs: a gathering, a sum of two arrays with an operation
# that only reads it, a permutation that starts and ends, and a scattered sum.
HLO = """
  %all-gather.1 = bf16[16,64]{1,0:T(8,128)(2,1)} all-gather(%p), dimensions={0}
  %all-reduce.1 = (f32[8]{0}, bf16[2,4]{1,0}) all-reduce(%a, %b), to_apply=%add
  %add.1 = f32[8]{0} add(%all-reduce.1, %all-gather.1)
  %all-reduce-start.2 = f32[6]{0} all-reduce-start(%c), to_apply=%add
  %all-reduce-done.2 = f32[6]{0} all-reduce-done(%all-reduce-start.2)
  %all-gather-start.3 = (s32[5]{0}, s32[20]{0}) all-gather-start(%d)
  %all-gather-done.3 = s32[20]{0} all-gather-done(%all-gather-start.3)
  ROOT %reduce-scatter.1 = f32[3,2]{1,0} reduce-scatter(%e), dimensions={0}
"""


@functools.cache
def benchmark():
    script = load_script("benchmarks/plan_3b.py")
    # It is a script of JAX; what other tests start is not.
    os.environ["KERAS_BACKEND"] = keras.backend.backend()
    return script


@pytest.mark.any_backend
def test_bytes_of_collectives_are_those_of_results_started_ones_once():
    assert benchmark().collective_bytes(HLO) == {
        "all-gather": 2 * 16 * 64 + 4 * 20,
        "all-reduce": 4 * 8 + 2 * 2 * 4 + 4 * 6,
        "reduce-scatter": 4 * 3 * 2,
    }


@pytest.mark.any_backend
def test_bytes_of_a_collective_of_many_arrays_are_counted():
    # XLA numbers every fifth of a tuple.
    arrays = ", ".join([*["f32[8]{0}"] * 5, "/*index=5*/f32[4]{0}"])
    hlo = f"  %all-to-all.1 = ({arrays}) all-to-all(%a, %b), dimensions={{0}}"
    assert benchmark().collective_bytes(hlo) == {"all-to-all": 4 * (5 * 8 + 4)}


@pytest.mark.any_backend
def test_a_started_permutation_gives_its_result():
    # TPUs have inputs, outputs and two contexts.
    shapes = "(bf16[48]{0}, bf16[48]{0}, u32[]{:S(2)}, u32[]{:S(2)})"
    hlo = f"  %c = {shapes} collective-permute-start(%a), channel_id=1"
    assert benchmark().collective_bytes(hlo) == {"collective-permute": 2 * 48}


@pytest.mark.any_backend
def test_a_step_is_bound_by_peak_memory_and_connections():
    # 197 TFLOP/s, 819 GB/s, and 1,600 Gbit/s, which are 200 GB/s.
    seconds = benchmark().bounds(394e12, 819e9, 50e9, "v5e")
    assert seconds == {"compute": 2.0, "memory": 1.0, "connections": 0.25}


def small_found():
    """What might have been measured, in round numbers."""
    gib = benchmark().GIB
    depth = {"collective_bytes": {"all-gather": gib}, "bytes_accessed": 819e9}
    deeper = {
        "collective_bytes": {"all-gather": gib, "all-reduce": gib},
        "bytes_accessed": 2 * 819e9,
    }
    found = {"depth one": depth}
    for stack in benchmark().STACKS:
        found[f"depth {stack}"] = deeper
    for frames in benchmark().FRAMES:
        found[f"whole {frames}"] = {
            "flops_of_a_clip": 197e12,
            "kept_bytes": {"activations": gib, "weights": 16 * gib},
        }
    for devices in benchmark().DEVICES:
        found[f"state {devices}"] = {
            "state_bytes": 3 * gib,
            "gradient_bytes": gib,
        }
        for frames in benchmark().FRAMES:
            found[f"cut {devices} {frames}"] = {
                "temporary_bytes": 2 * gib,
                "bytes_accessed": 819e9,
                "collective_bytes": {"all-gather": 2 * gib},
            }
    return found


@pytest.mark.any_backend
def test_a_plan_sums_up_what_was_measured():
    rows = benchmark().plan(small_found())
    assert [(row["devices"], row["frames"]) for row in rows] == [
        *((16, 128), (16, 512)),
        *((256, 128), (256, 512)),
    ]
    few, many = rows[0], rows[-1]
    # Copies of weights are cut among devices: 16 GiB among 16, and 256.
    assert few["gib"]["kept"] == 1 + 1
    assert many["gib"]["kept"] == round(1 + 16 / 256, 2)
    assert few["total_gib"] == 3 + 1 + 2 + 2
    # 97 blocks in 5 stacks: 92 beside the first ones add a GiB each.
    assert few["collective_gib"] == 2 + 92
    assert few["tflops_of_a_device"] == 197
    assert few["tflops"] == 16 * 197
    assert few["seconds"]["v5e"]["compute"] == 1
    assert few["seconds"]["v5e"]["memory"] == 93
    # The table's last columns are the largest bound of each device.
    line = benchmark().table(rows).splitlines()[1].split()
    assert line[-3] == "93.00"


def imagined_backbone(**changes):
    with keras.StatelessScope(initialize_variables=False):
        return small_models.build_backbone(
            rematerialize=True, dtype="mixed_bfloat16", **changes
        )


@functools.cache
def imagined_step():
    """A step on a mesh of one device."""
    import jax

    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), ["tpu:0"])
    devices = np.array(jax.devices()[:1]).reshape(mesh.shape)
    return benchmark().Step(imagined_backbone(), mesh, devices, 2, 3)


@only_jax
def test_moments_are_cut_like_their_weights():
    import jax

    step = imagined_step()
    weights, _, optimizer, _ = step.state
    # Two moments of each weight, and a few numbers.
    ours = step.bytes_of_a_device(weights)
    assert ours == 4 * sum(
        math.prod(weight.shape) for weight in step.task.trainable_variables
    )
    assert 0 <= step.bytes_of_a_device(optimizer) - 2 * ours < 64
    spec = jax.sharding.PartitionSpec("batch", "model")
    cut, moments = (
        [array.shape for array in arrays if array.sharding.spec == spec]
        for arrays in (weights, optimizer)
    )
    assert cut
    assert sorted(moments) == sorted(2 * cut)


@only_jax
def test_a_step_lowers_without_weights():
    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), ["tpu:0"])
    step = benchmark().Step(imagined_backbone(), mesh, None, 2, 3)
    lowered = step.lowered()
    assert lowered.cost_analysis()["flops"] > 0
    # State comes in and goes out in the same memory.
    assert "tf.aliasing_output" in lowered.as_text()


@only_jax
def test_less_is_kept_where_blocks_are_computed_again():
    mesh = keras.distribution.DeviceMesh((1, 1), ("batch", "model"), ["tpu:0"])
    kept = {}
    for rematerialize in (False, True):
        with keras.StatelessScope(initialize_variables=False):
            backbone = small_models.build_backbone(rematerialize=rematerialize)
        step = benchmark().Step(backbone, mesh, None, 2, 8)
        kept[rematerialize] = step.kept_bytes()["activations"]
    assert kept[True] < 0.8 * kept[False]


@only_jax
def test_the_training_step_lowers_for_tpus():
    import jax

    step = imagined_step()
    assert isinstance(step.task, MirasolCausalLM)
    lowered = (
        jax.jit(step.task.train_step, donate_argnums=0)
        .trace(step.state, step.data)
        .lower(lowering_platforms=("tpu",))
    )
    text = lowered.as_text()
    # Products are in bfloat16, weights in float32, and blocks are fenced off
    # so that the compiler does compute them again.
    assert "tensor<16x16xbf16>" in text
    assert "tensor<16x16xf32>" in text
    assert "optimization_barrier" in text


@pytest.mark.any_backend
def test_recorded_rows_are_those_of_what_was_recorded():
    path = ROOT / "benchmarks/results/plan_3b.json"
    if not path.exists():
        pytest.skip("it was not measured yet")
    report = json.loads(path.read_text())
    assert report["rows"] == benchmark().plan(report["found"])
    (row,) = (
        row
        for row in report["rows"]
        if (row["devices"], row["frames"]) == (16, 128)
    )
    assert row["total_gib"] < 16

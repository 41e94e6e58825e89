"""How many tokens are generated a second, and how many could be?

    python -m venv build/transformers
    build/transformers/bin/pip install transformers torch numpy
    python benchmarks/generation.py

Greedy answers of 64 tokens to prompts of 16, with no end before, for 1 and for
16 clips at once, on a CPU in float32. The model is that of `utilisation.py`
called wide: a text decoder of 6 layers, 512 wide, with 8 heads and 8,192
tokens, and 32 snippets of 3 joint tokens, a memory of 97 with the null token.
In processes of their own, one at a time by turns, as processors change their
pace:

- *ours*, on each backend: `generate()` of a clip (*whole*), which encodes it;
  and of what a clip was encoded to before (*text*).
- *KerasHub*, on each backend: `generate()` of its GPT-2 with the same sizes.
  It has no encoder and no cross attention: the 97 tokens stand before the
  prompt, to be read with it and attended to.
- *Transformers* of Hugging Face, on PyTorch: `generate()` of an mBART with a
  decoder of the same sizes, whole, with an encoder of 6 such layers over 97
  tokens, and of what that made before. `--transformers-python` says which
  Python has it; the two lines above make one.

What the cache gains: ours and Transformers, whole, with a cache and without.
Ours without is a plain loop that encodes the clip once, and reads all 80 tokens
again for each, in one compiled step. These are slow: they have turns of their
own, of fewer rounds.

The bound, on JAX: what the model takes to encode the clip, and to read the
prompt, and 64 times the matrix products of decoding a token, one after the
other in a compiled loop that does nothing else. Their sizes are those of the
model, a cache with room for 80 tokens included, and each has numbers of its
own, for these must come from memory. *Utilisation* is this bound over what
`generate()` takes; for text alone, without encoding in either.

Prints tables of tokens per second and ratios, and writes
`benchmarks/results/generation.json`; `--quick` measures small models and
writes nothing.
"""

import argparse
import contextlib
import functools
import json
import os
import sys
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "jax")

import keras
import keras_hub
from keras import ops
from measuring import medians_in_turns
from measuring import random_clips
from measuring import random_texts
from measuring import versions
from measuring import write_result
from utilisation import WIDE
from utilisation import build_task
from utilisation import wait
from workers import Worker
from workers import serve

from keras_mirasol.models.compiled_function import compiled_function

FOLDER = Path(__file__).parent
TRANSFORMERS_PYTHON = (
    FOLDER.parent / "build" / "transformers" / "bin" / "python"
)
BACKENDS = ("jax", "tensorflow", "torch")
OURS, KERAS_HUB, TRANSFORMERS = "keras_mirasol", "keras_hub", "transformers"
# Where the products of the bound are computed.
BOUND_BACKEND = "jax"
FULL = dict(backbone=WIDE, batches=(1, 16), snippets=32, prompt=16, new=64)
NARROW = {
    name: 64 if name.endswith("hidden_dim") else size
    for name, size in WIDE.items()
}
QUICK = dict(backbone=NARROW, batches=(1, 2), snippets=2, prompt=4, new=4)


def decoder_sizes(backbone, snippets, prompt, new, **_):
    """What text decoders of other libraries must be like, to compare.

    Args:
        backbone: dict of arguments of `MirasolBackbone`.
        snippets, prompt, new: ints. Snippets of a clip, tokens of a prompt,
            and tokens to generate.
    """
    dim = backbone["text_hidden_dim"]
    # A null token stands before those of the snippets.
    memory = 1 + snippets * backbone["num_joint_tokens"]
    return {
        "dim": dim,
        "heads": backbone["text_num_heads"],
        "layers": backbone["text_num_layers"],
        "mlp_dim": 4 * dim,
        "vocabulary": backbone["vocabulary_size"],
        "memory": memory,
        "positions": max(256, memory + prompt + new),
        "prompt": prompt,
        "new": new,
    }


def prompts(backbone, batch, length, new):
    """Random prompts with room for answers."""
    x, _, _ = random_texts(backbone, batch, length + new)
    x["padding_mask"][:, length:] = False
    return keras.tree.map_structure(ops.convert_to_tensor, x)


class Ours:
    """Generation with a task, by parts and as a whole.

    Args:
        task: a `MirasolCausalLM`.
        batch, snippets: ints. Clips side by side, and snippets of each.
        prompt, new: ints. Tokens of a prompt, and to be generated.
    """

    def __init__(self, task, batch, snippets, prompt, new):
        self.task = task
        self.decoder = task.backbone.text_decoder
        self.prompt, self.new = prompt, new
        self.clips = keras.tree.map_structure(
            ops.convert_to_tensor, random_clips(task.backbone, batch, snippets)
        )
        self.texts = prompts(task.backbone, batch, prompt, new)
        self._encode = compiled_function(task, task.backbone.encode_memory)
        self._continue = compiled_function(task, task.continue_texts)
        self._begin = compiled_function(task, task.begin_texts)
        self._reread = compiled_function(task, self._token_from_all)

    def generate(self):
        return self.task.generate(
            {**self.clips, **self.texts},
            stop_token_ids=None,
            strip_prompt=False,
        )["token_ids"]

    def text(self):
        outputs = self._continue(
            *self.texts.values(), self.memory, prompt_length=self.prompt
        )
        return ops.convert_to_numpy(outputs["token_ids"])

    def without_cache(self):
        memory = self._encode(self.clips)
        token_ids = self.texts["token_ids"]
        for index in range(self.prompt, self.prompt + self.new):
            token_ids = self._reread(token_ids, memory, index)
        return ops.convert_to_numpy(token_ids)

    def _token_from_all(self, token_ids, memory, index):
        """Texts with the token at `index`; all before it is read anew."""
        embedding = self.task.backbone.token_embedding
        texts, length = token_ids.shape
        hidden = self.decoder.transformer(
            embedding(token_ids),
            attention_mask=ops.tril(ops.ones((1, 1, length, length), "bool")),
            **memory,
        )
        last = ops.slice(
            hidden, (0, index - 1, 0), (texts, 1, self.decoder.dim)
        )
        token = ops.argmax(embedding(last, reverse=True), axis=-1)
        return ops.slice_update(
            token_ids, (0, index), ops.cast(token, token_ids.dtype)
        )

    @functools.cached_property
    def memory(self):
        return self._encode(self.clips)

    def encode(self):
        wait(self._encode(self.clips))

    def read_prompt(self):
        prompt = self.texts["token_ids"][:, : self.prompt]
        wait(self._begin(prompt, self.memory))

    def products(self):
        wait(self._products())

    @functools.cached_property
    def _products(self):
        import jax
        from generation_bound import decode_products
        from generation_bound import random_products

        backbone = self.task.backbone
        sizes = decoder_sizes(
            backbone.get_config(),
            self.clips["video_mask"].shape[1],
            self.prompt,
            self.new,
        )
        arguments = random_products(sizes, len(self.texts["token_ids"]))
        compiled = jax.jit(functools.partial(decode_products, steps=self.new))
        return lambda: compiled(*arguments)


class KerasHub:
    """Generation with a task of KerasHub.

    Args:
        model: what `build_gpt2()` returns.
        batch: int. Texts side by side.
        sizes: dict, from `decoder_sizes()`.
    """

    def __init__(self, model, batch, sizes):
        self.model = model
        # What is a memory elsewhere stands before the prompt.
        self.texts = prompts(
            model.backbone,
            batch,
            sizes["memory"] + sizes["prompt"],
            sizes["new"],
        )

    def generate(self):
        return self.model.generate(
            self.texts, stop_token_ids=None, strip_prompt=False
        )["token_ids"]


def build_gpt2(sizes):
    model = keras_hub.models.GPT2CausalLM(
        keras_hub.models.GPT2Backbone(
            vocabulary_size=sizes["vocabulary"],
            num_layers=sizes["layers"],
            num_heads=sizes["heads"],
            hidden_dim=sizes["dim"],
            intermediate_dim=sizes["mlp_dim"],
            max_sequence_length=sizes["positions"],
        )
    )
    model.compile(sampler="greedy")
    return model


def serve_generation(library, size):
    """What a worker does: generates, or a part of it, when it is asked to."""
    keras.utils.set_random_seed(0)
    if library == KERAS_HUB:
        sizes = decoder_sizes(**size)
        model, build = build_gpt2(sizes), KerasHub
        settings = {"sizes": sizes}
    else:
        model, build = build_task(size["backbone"]), Ours
        settings = {name: size[name] for name in ("snippets", "prompt", "new")}

    @functools.cache
    def contender(batch):
        return build(model, batch, **settings)

    def answer(operation, batch):
        getattr(contender(batch), operation)()

    serve(answer)


def workers(size, transformers_python, quick, stack):
    """A worker of each library and backend, by these two."""
    found = {}
    for library in (OURS, KERAS_HUB):
        for backend in BACKENDS:
            command = [sys.executable, __file__, "--worker", library]
            found[library, backend] = Worker(
                [*command, *(["--quick"] if quick else [])],
                KERAS_BACKEND=backend,
                CUDA_VISIBLE_DEVICES="",
            )
    found[TRANSFORMERS, "torch"] = Worker(
        [
            transformers_python,
            FOLDER / "generation_transformers.py",
            json.dumps(decoder_sizes(**size)),
        ],
        CUDA_VISIBLE_DEVICES="",
    )
    for worker in found.values():
        stack.enter_context(worker)
    return found


def check_python(path):
    """Refuses a Python that is not there."""
    if not Path(path).exists():
        raise ValueError(
            "`--transformers-python` must be a Python that has Transformers "
            f"and PyTorch. Received: {path}, which is not there. Make one with "
            "`python -m venv build/transformers` and "
            "`build/transformers/bin/pip install transformers torch numpy`."
        )


def operations(library, backend):
    """What is measured of a contender that has a cache."""
    if library == KERAS_HUB:
        return ("generate",)
    if (library, backend) == (OURS, BOUND_BACKEND):
        return ("generate", "text", "encode", "read_prompt", "products")
    return ("generate", "text")


def in_turns(found, chosen, batch, rounds):
    """Median seconds of workers' operations.

    Args:
        found: dict of workers.
        chosen: function from a worker's library and backend to operations.
        batch: int. Texts side by side.
        rounds: int. How often each is measured.
    """
    return medians_in_turns(
        {
            (*key, operation): functools.partial(worker.ask, operation, batch)
            for key, worker in found.items()
            for operation in chosen(*key)
        },
        rounds,
    )


def cache_operations(library, _):
    """What is measured to tell what a cache gains."""
    return () if library == KERAS_HUB else ("generate", "without_cache")


def generation_rows(seconds, batch, new):
    """Tokens per second of all contenders.

    Args:
        seconds: dict from library, backend and operation to seconds.
        batch, new: ints. Texts side by side, and tokens of each.
    """
    return [
        {
            "library": library,
            "backend": backend,
            "batch": batch,
            "whole": rate(batch * new, seconds[library, backend, "generate"]),
            # Of KerasHub, nothing is encoded before.
            "text": rate(batch * new, seconds.get((library, backend, "text"))),
        }
        for library, backend, operation in seconds
        if operation == "generate"
    ]


def rate(tokens, seconds):
    return seconds and round(tokens / seconds, 1)


def with_ratios(rows):
    """Rows of `generation_rows()`, ours with their ratios to the others.

    To those of KerasHub on the same backend, and of Transformers; the best of
    ours are marked.
    """
    others = {
        (row["library"], row["backend"], row["batch"]): row for row in rows
    }
    return [
        {**row, **(ratios(row, others) if row["library"] == OURS else {})}
        for row in rows
    ]


def ratios(row, others):
    backend, batch = row["backend"], row["batch"]
    hub = others[KERAS_HUB, backend, batch]
    peer = others[TRANSFORMERS, "torch", batch]
    ours = [others[OURS, other, batch] for other in BACKENDS]
    return {
        "whole_to_keras_hub": round(row["whole"] / hub["whole"], 3),
        "text_to_keras_hub": round(row["text"] / hub["whole"], 3),
        "whole_to_transformers": round(row["whole"] / peer["whole"], 3),
        "text_to_transformers": round(row["text"] / peer["text"], 3),
        "best": [
            part
            for part in ("whole", "text")
            if row[part] == max(other[part] for other in ours)
        ],
    }


def cache_rows(seconds, batch, new):
    """What a cache gains, whole; arguments are those of `generation_rows()`."""
    rows = [
        {
            "library": library,
            "backend": backend,
            "batch": batch,
            "with_cache": rate(
                batch * new, seconds[library, backend, "generate"]
            ),
            "without_cache": rate(batch * new, without),
        }
        for (library, backend, operation), without in seconds.items()
        if operation == "without_cache"
    ]
    return [with_gain(row) for row in rows]


def with_gain(row):
    gain = row["with_cache"] / row["without_cache"]
    return {**row, "gain": round(gain, 2)}


def bound_row(seconds, batch, flops):
    """Milliseconds of the bound's parts, and of what it is a bound of.

    Args:
        seconds: dict, as for `generation_rows()`.
        batch: int. Texts side by side.
        flops: float. Operations of the products of a token of each.
    """
    return with_utilisation(
        {
            "backend": BOUND_BACKEND,
            "batch": batch,
            "gflops_a_token": round(flops / 1e9, 4),
            **{
                f"{operation}_ms": round(
                    1000 * seconds[OURS, BOUND_BACKEND, operation], 2
                )
                for operation in operations(OURS, BOUND_BACKEND)
            },
        }
    )


def with_utilisation(row):
    text = row["read_prompt_ms"] + row["products_ms"]
    whole = row["encode_ms"] + text
    return {
        **row,
        "utilisation": round(whole / row["generate_ms"], 3),
        "text_utilisation": round(text / row["text_ms"], 3),
    }


def generation_table(rows):
    """Tokens per second and ratios, with a star for the best of ours."""
    names = ("whole", "text")
    columns = [f"{a}/{b}" for b in ("KerasHub", "Transf.") for a in names]
    lines = [
        f"{'tokens/s':15}{'backend':11}{'batch':>5}{'whole':>10}{'text':>10}"
        + "".join(f"{column:>15}" for column in columns)
    ]
    for row in rows:
        line = f"{row['library']:15}{row['backend']:11}{row['batch']:>5}"
        for part in names:
            star = "*" if part in row.get("best", ()) else " "
            value = "-" if row[part] is None else f"{row[part]:.1f}"
            line += f"{value:>9}{star}"
        if row["library"] == OURS:
            line += "".join(
                f"{row[f'{part}_to_{other}']:>15.2f}"
                for other in (KERAS_HUB, TRANSFORMERS)
                for part in names
            )
        lines.append(line.rstrip())
    return "\n".join(lines)


def cache_table(rows):
    lines = [
        f"{'tokens/s':15}{'backend':11}{'batch':>5}{'cache':>10}"
        f"{'no cache':>10}{'ratio':>8}"
    ]
    lines += [
        f"{row['library']:15}{row['backend']:11}{row['batch']:>5}"
        f"{row['with_cache']:>10.1f}{row['without_cache']:>10.1f}"
        f"{row['gain']:>8.2f}"
        for row in rows
    ]
    return "\n".join(lines)


def bound_table(rows):
    parts = ("encode", "read_prompt", "products", "generate", "text")
    lines = [
        f"{'bound, ms':11}{'batch':>5}"
        + "".join(f"{part:>13}" for part in parts)
        + f"{'ratio':>8}{'text':>8}"
    ]
    lines += [
        f"{row['backend']:11}{row['batch']:>5}"
        + "".join(f"{row[f'{part}_ms']:>13.1f}" for part in parts)
        + f"{row['utilisation']:>8.3f}{row['text_utilisation']:>8.3f}"
        for row in rows
    ]
    return "\n".join(lines)


def measure(found, size, rounds, slow_rounds):
    """Rows of all that is measured, printed as they come.

    Args:
        found: dict of workers.
        size: dict, `FULL` or `QUICK`.
        rounds: int. How often each is measured.
        slow_rounds: int. Likewise, with what has no cache.

    Returns:
        A dict of lists of rows: `"rows"`, `"cache"` and `"bound"`.
    """
    from generation_bound import flops_of_a_token

    report = {"rows": [], "cache": [], "bound": []}
    for batch in size["batches"]:
        seconds = in_turns(found, operations, batch, rounds)
        rows = with_ratios(generation_rows(seconds, batch, size["new"]))
        flops = flops_of_a_token(decoder_sizes(**size), batch)
        bounds = [bound_row(seconds, batch, flops)]
        print(generation_table(rows), bound_table(bounds), sep="\n", flush=True)
        seconds = in_turns(found, cache_operations, batch, slow_rounds)
        caches = cache_rows(seconds, batch, size["new"])
        print(cache_table(caches), flush=True)
        for name, new in (("rows", rows), ("cache", caches), ("bound", bounds)):
            report[name] += new
    return report


def main():
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--slow-rounds", type=int, default=2, help="without a cache"
    )
    parser.add_argument(
        "--transformers-python", type=Path, default=TRANSFORMERS_PYTHON
    )
    parser.add_argument("--quick", action="store_true", help="write nothing")
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    settings = parser.parse_args()
    size = QUICK if settings.quick else FULL
    if settings.worker:
        serve_generation(settings.worker, size)
        return
    rounds, slow_rounds = settings.rounds, settings.slow_rounds
    if settings.quick:
        rounds = slow_rounds = 1

    check_python(settings.transformers_python)
    with contextlib.ExitStack() as stack:
        found = workers(
            size, settings.transformers_python, settings.quick, stack
        )
        peer_versions = found[TRANSFORMERS, "torch"].ask("versions")
        measured = measure(found, size, rounds, slow_rounds)
    if settings.quick:
        print("No result is written: this was not all of it.")
        return
    write_result(
        "generation",
        {
            "command": "python benchmarks/generation.py",
            "rounds": rounds,
            "slow_rounds": slow_rounds,
            **measured,
            "decoder": decoder_sizes(**size),
            "model": size,
            "versions": versions("keras-hub", *BACKENDS),
            "transformers_versions": peer_versions,
        },
    )


if __name__ == "__main__":
    main()

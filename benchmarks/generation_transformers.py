"""Generation with Hugging Face Transformers, for `generation.py`.

Runs in an environment of its own, which needs `torch` and `transformers`. An
mBART of random weights: of the encoder-decoders there, its decoder block is
closest to ours, with norms before sublayers, biases, and a GELU in tanh form.
"""

import importlib.metadata
import json
import sys

import torch
import transformers
from workers import serve


class Transformers:
    """A model, and what it reads.

    Args:
        sizes: dict, as `decoder_sizes()` of `generation.py` returns it.
        batch: int. Texts side by side.
    """

    def __init__(self, sizes, batch):
        self.new = sizes["new"]
        self.model = build_model(sizes)
        start = self.model.config.decoder_start_token_id
        draw = torch.Generator().manual_seed(0)
        # Of ordinary tokens: a prompt begins with the token for it, or one
        # is put before it.
        memory, prompt = (
            torch.randint(
                4, sizes["vocabulary"], (batch, length), generator=draw
            )
            for length in (sizes["memory"], sizes["prompt"])
        )
        prompt[:, 0] = start
        self.inputs = {
            "attention_mask": torch.ones_like(memory),
            "decoder_input_ids": prompt,
        }
        self.memory = {"input_ids": memory}
        with torch.inference_mode():
            self.encoded = {
                "encoder_outputs": self.model.get_encoder()(
                    **self.memory, attention_mask=torch.ones_like(memory)
                )
            }

    def generate(self, use_cache=True):
        return self._generated(self.memory, use_cache)

    def text(self):
        return self._generated(self.encoded)

    def without_cache(self):
        return self.generate(use_cache=False)

    def _generated(self, memory, use_cache=True):
        with torch.inference_mode():
            tokens = self.model.generate(
                **memory,
                **self.inputs,
                min_new_tokens=self.new,
                max_new_tokens=self.new,
                do_sample=False,
                num_beams=1,
                use_cache=use_cache,
            )
        expected = self.inputs["decoder_input_ids"].shape[1] + self.new
        if tokens.shape[1] != expected:
            raise ValueError(
                f"{expected} tokens should be there. Received: "
                f"{tokens.shape[1]}"
            )
        return tokens.numpy()


def build_model(sizes):
    torch.manual_seed(0)
    config = transformers.MBartConfig(
        vocab_size=sizes["vocabulary"],
        d_model=sizes["dim"],
        **{
            f"{part}_{name}": sizes[size]
            for part in ("encoder", "decoder")
            for name, size in (
                ("layers", "layers"),
                ("attention_heads", "heads"),
                ("ffn_dim", "mlp_dim"),
            )
        },
        max_position_embeddings=sizes["positions"],
        activation_function="gelu_new",
        decoder_start_token_id=0,
        forced_eos_token_id=None,
    )
    return transformers.MBartForConditionalGeneration(config).eval()


def versions():
    return {
        name: importlib.metadata.version(name)
        for name in ("transformers", "torch")
    }


def main():
    sizes = json.loads(sys.argv[1])
    contenders = {}

    def answer(operation, batch=None):
        if operation == "versions":
            return versions()
        if batch not in contenders:
            contenders[batch] = Transformers(sizes, batch)
        getattr(contenders[batch], operation)()

    serve(answer)


if __name__ == "__main__":
    main()

"""The worker of `peer.py` that runs mirasol-pytorch, in its environment.

    python benchmarks/peer_mirasol_pytorch.py VARIANT SIZES

`SIZES` are those of `peer.py`, as JSON.
"""

import importlib.metadata
import json
import sys

import torch
from measuring import peak_resident
from mirasol_pytorch import Mirasol
from workers import serve_timed

PACKAGES = ("mirasol-pytorch", "x-transformers", "torch")


def variant_settings(variant, sizes):
    """What a variant changes of the defaults."""
    if variant == "readme":
        return {}
    return dict(
        num_audio_video_register_tokens=0,
        # Frames four times smaller, as ours are reconstructed.
        video_recon_patch_size=(sizes["image"] // 4, sizes["frames"]),
    )


def build_model(variant, sizes):
    encoder = dict(
        dim=sizes["dim"], depth=sizes["encoder_layers"], heads=sizes["heads"]
    )
    return Mirasol(
        dim=sizes["dim"],
        num_text_tokens=sizes["vocabulary"],
        video_image_size=sizes["image"],
        video_frames_per_timechunk=sizes["frames"],
        audio_freq_dim=sizes["mels"],
        audio_time_dim_per_timechunk=sizes["audio_frames"],
        audio_patch_size=(sizes["audio_patch_mels"], sizes["audio_patch"]),
        video_patch_size=(sizes["image_patch"], sizes["frames"]),
        audio_encoder=encoder,
        video_encoder=encoder,
        combiner_depth=sizes["combiner_layers"],
        combiner_output_num_tokens=sizes["joint_tokens"],
        encoder_depth=sizes["latent_layers"],
        decoder_depth=sizes["text_layers"],
        attn_heads=sizes["heads"],
        **variant_settings(variant, sizes),
    )


def operations(model, sizes):
    """What is timed, by name."""
    snippets, image = sizes["snippets"], sizes["image"]
    clip = dict(
        audio=torch.randn(1, sizes["mels"], snippets * sizes["audio_frames"]),
        video=torch.randn(1, 3, snippets * sizes["frames"], image, image),
    )
    text = torch.randint(0, sizes["vocabulary"], (1, sizes["text"]))
    optimizer = torch.optim.AdamW(model.parameters(), 1e-4)

    def train():
        model.train()
        optimizer.zero_grad()
        loss = model(**clip, text=text)
        loss.backward()
        optimizer.step()
        loss.item()

    def forward():
        model.eval()
        with torch.no_grad():
            model(**clip, text=text).item()

    def logits():
        model.eval()
        with torch.no_grad():
            model(**clip, text=text, return_loss=False)

    def generate():
        model.generate(
            **clip, prompt=text[:, : sizes["prompt"]], seq_len=sizes["answer"]
        )

    return {
        "train": train,
        "forward": forward,
        "logits": logits,
        "generate": generate,
    }


def main():
    variant, sizes = sys.argv[1], json.loads(sys.argv[2])
    imported_mib = peak_resident()
    torch.manual_seed(0)
    model = build_model(variant, sizes)
    about = {
        "parameters": sum(weight.numel() for weight in model.parameters()),
        "imported_mib": imported_mib,
        "versions": {
            name: importlib.metadata.version(name) for name in PACKAGES
        },
    }
    serve_timed(about, operations(model, sizes))


if __name__ == "__main__":
    main()

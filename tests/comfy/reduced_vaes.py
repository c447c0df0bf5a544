"""Random VAE files in the exact names of public ones, of core's own classes, Wan's 8 wide.

    python reduced_vaes.py COMFYUI FOLDER NAME …      # wan, hunyuan, mmaudio, ace-step

Run by the interpreter that ComfyUI is installed for.
"""

import os
import sys
from pathlib import Path

FILES = {
    "wan": "wan_2.1_vae.safetensors",
    "hunyuan": "hunyuan_video_vae_bf16.safetensors",
    "mmaudio": "mmaudio_vae_16k.safetensors",
    "ace-step": "ace_1.5_vae.safetensors",
}


def wan():
    """Wan2.1's VAE with 8 channels where the public file has 96."""
    from comfy.ldm.wan.vae import WanVAE

    return WanVAE(
        dim=8,
        z_dim=16,
        dim_mult=[1, 2, 4, 4],
        num_res_blocks=2,
        attn_scales=[],
        temperal_downsample=[False, True, True],
        image_channels=3,
        conv_out_channels=3,
        dropout=0.0,
    )


def hunyuan():
    """HunyuanVideo's VAE, whole: core derives none of its widths from the file."""
    from comfy.ldm.models.autoencoder import AutoencoderKL

    config = {
        "double_z": True,
        "z_channels": 16,
        "resolution": 256,
        "in_channels": 3,
        "out_ch": 3,
        "ch": 128,
        "ch_mult": [1, 2, 4, 4],
        "num_res_blocks": 2,
        "attn_resolutions": [],
        "dropout": 0.0,
        "conv3d": True,
        "time_compress": 4,
    }
    return AutoencoderKL(ddconfig=config, embed_dim=16)


def mmaudio():
    """MMAudio's 16 kHz VAE with its vocoder, whole."""
    from comfy.ldm.mmaudio.vae.autoencoder import AudioAutoencoder

    return AudioAutoencoder(mode="16k")


def ace_step():
    """ACE-Step 1.5's VAE, whole."""
    from comfy.ldm.audio.autoencoder import AudioOobleckVAE

    return AudioOobleckVAE(strides=[2, 4, 4, 6, 10])


def main():
    """Write the files that are named."""
    root, folder, *names = sys.argv[1:]
    os.chdir(root)
    sys.path[:0] = [root]
    import comfy.options

    comfy.options.enable_args_parsing(False)
    from comfy.cli_args import args

    args.cpu = True
    import torch
    from safetensors.torch import save_file

    makers = {"wan": wan, "hunyuan": hunyuan, "mmaudio": mmaudio, "ace-step": ace_step}
    for name in names:
        torch.manual_seed(0)
        tensors = {}
        for key, value in makers[name]().state_dict().items():
            drawn = value.float()
            if value.ndim > 1:
                fan = torch.Size(value.shape[1:]).numel()
                drawn = torch.randn(value.shape) * min(1.0, fan**-0.5)
            elif key.endswith(("gamma", "weight")):
                drawn = torch.ones(value.shape)
            elif not key.endswith(("window", "filter", "std", "mean")):
                drawn = torch.zeros(value.shape)
            tensors[key] = drawn.to(torch.bfloat16).contiguous()
        save_file(tensors, str(Path(folder) / FILES[name]))


if __name__ == "__main__":
    main()

"""Where the mouths are, as masks for any model."""

from typing import Any

from comfy_api.latest import io, ui

from ._comfy import mouth as adapter


class JoVAMouthMask(io.ComfyNode):
    """Mouths as masks and boxes."""

    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="JoVAMouthMask",
            display_name="JoVA Mouth Mask",
            category="video/jova",
            description="Finds the mouths in the frames of a clip: masks for pixels and for "
            "latents, boxes, and a picture of them. Needs the package mediapipe and its face "
            "model.",
            search_aliases=["jova", "lips", "face mask", "inpaint", "mediapipe", "bounding box"],
            inputs=[
                io.Image.Input("image", tooltip="The frames of one clip in order, or one picture."),
                io.Int.Input(
                    "faces",
                    default=1,
                    min=1,
                    max=adapter.MOST_FACES,
                    tooltip="How many faces of a frame are looked for; the clearest come first.",
                ),
                io.Float.Input(
                    "pad",
                    default=0.25,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Margin on each side of the lips, as a share of their width and "
                    "height.",
                ),
                io.Int.Input(
                    "frames_per_latent",
                    default=4,
                    min=1,
                    max=8,
                    optional=True,
                    advanced=True,
                    tooltip="How the latent mask counts: the first latent holds the first frame "
                    "alone, each later one this many. 4: JoVA, Wan, HunyuanVideo; 8: LTX; 1: "
                    "models of pictures.",
                ),
                io.Int.Input(
                    "pixels_per_latent",
                    default=8,
                    min=1,
                    max=64,
                    optional=True,
                    advanced=True,
                    tooltip="Pixels on a side of a latent. 8: JoVA and most models; 16: Wan 2.2 "
                    "5B; 32: LTX.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="One mask for each frame."),
                io.Mask.Output(
                    display_name="latent_mask",
                    tooltip="One mask for each latent, in the size of the latent: for Set Latent "
                    "Noise Mask. Frames at the end that fill no latent are left out, as VAE Encode "
                    "does.",
                ),
                io.BoundingBox.Output(
                    display_name="boxes", tooltip="The boxes of each frame, in pixels."
                ),
                io.Image.Output(display_name="overlay", tooltip="The frames with the boxes drawn."),
                io.String.Output(
                    display_name="report",
                    tooltip="In how many frames each mouth was measured, interpolated or missing.",
                ),
            ],
        )

    @classmethod
    def execute(
        cls,
        image: Any,
        faces: int,
        pad: float,
        frames_per_latent: int = 4,
        pixels_per_latent: int = 8,
    ) -> io.NodeOutput:
        found = adapter.mouth_masks(image, faces, pad, frames_per_latent, pixels_per_latent)
        return io.NodeOutput(*found.outputs(), ui=ui.PreviewText(found.report))

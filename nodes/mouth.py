"""Mouth masks for any model."""

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
            description="Finds the mouths in a clip and returns pixel masks, latent masks, boxes "
            "and an overlay. Needs the package mediapipe and its face model, or the landmarks of "
            "ComfyUI's Detect Face Landmarks.",
            search_aliases=["jova", "lips", "face mask", "inpaint", "mediapipe", "bounding box"],
            inputs=[
                io.Image.Input("image", tooltip="Frames of one clip, or one image."),
                io.Int.Input(
                    "faces",
                    default=1,
                    min=1,
                    max=adapter.MOST_FACES,
                    tooltip="Maximum number of faces; the clearest come first.",
                ),
                io.Float.Input(
                    "pad",
                    default=0.25,
                    min=0.0,
                    max=4.0,
                    step=0.05,
                    tooltip="Margin around the lips, as a fraction of their width and height.",
                ),
                io.Int.Input(
                    "frames_per_latent",
                    default=4,
                    min=1,
                    max=8,
                    optional=True,
                    advanced=True,
                    tooltip="Frames per latent of the video model (the first latent holds one "
                    "frame). 4: JoVA, Wan, HunyuanVideo; 8: LTX; 1: image models.",
                ),
                io.Int.Input(
                    "pixels_per_latent",
                    default=8,
                    min=1,
                    max=64,
                    optional=True,
                    advanced=True,
                    tooltip="Pixels per latent, along each side. 8: JoVA and most models; 16: "
                    "Wan 2.2 5B; 32: LTX.",
                ),
                io.Custom("FACE_LANDMARKS").Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="From Detect Face Landmarks on the same image; then no face is looked "
                    "for here.",
                ),
            ],
            outputs=[
                io.Mask.Output(display_name="mask", tooltip="One mask per frame, in pixels."),
                io.Mask.Output(
                    display_name="latent_mask",
                    tooltip="One mask per latent, for Set Latent Noise Mask. Frames at the end "
                    "that do not fill a latent are dropped, as in VAE Encode.",
                ),
                io.BoundingBox.Output(display_name="boxes", tooltip="Boxes per frame, in pixels."),
                io.Image.Output(display_name="overlay", tooltip="Frames with the boxes drawn in."),
                io.String.Output(
                    display_name="report",
                    tooltip="Frames in which each mouth was measured, interpolated or missing.",
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
        face_landmarks: dict[str, Any] | None = None,
    ) -> io.NodeOutput:
        masks = adapter.mouth_masks(
            image, faces, pad, frames_per_latent, pixels_per_latent, face_landmarks
        )
        return io.NodeOutput(*masks.outputs(), ui=ui.PreviewText(masks.report))

"""Previews in a node after a run."""

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from .media import SavedClip


class SavedClipUI:
    """The clip to play in a node, with notes below."""

    def __init__(self, saved: SavedClip) -> None:
        self.saved = saved

    def as_dict(self) -> dict[str, Any]:
        """Core's form of a preview."""
        name, folder, kind = self.saved.preview
        preview = ui.PreviewVideo([ui.SavedResult(name, folder, io.FolderType(kind))]).as_dict()
        text = "\n".join([self.saved.clip.path.name, *self.saved.clip.notes])
        return {**preview, "text": (text,)}


class ReportUI:
    """A table with a plot."""

    def __init__(self, table: str, plot: Tensor, cls: Any) -> None:
        self.table, self.plot = table, ui.PreviewImage(plot, cls=cls)

    def as_dict(self) -> dict[str, Any]:
        """Core's form of a preview."""
        return {**self.plot.as_dict(), "text": (self.table,)}


def text_ui(text: str) -> "ui.PreviewText | None":
    """A text for the node to show; None leaves it as it is."""
    return ui.PreviewText(text) if text else None

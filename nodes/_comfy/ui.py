"""What the page shows in a node after a run."""

from typing import Any

from comfy_api.latest import io, ui
from torch import Tensor

from .media import SavedClip


class SavedClipUI:
    """What the page plays in a node, and the sentences it shows below."""

    def __init__(self, saved: SavedClip) -> None:
        self.saved = saved

    def as_dict(self) -> dict[str, Any]:
        """Core's form of a node's output for the page."""
        name, folder, kind = self.saved.preview
        shown = ui.PreviewVideo([ui.SavedResult(name, folder, io.FolderType(kind))]).as_dict()
        sentences = "\n".join([self.saved.clip.path.name, *self.saved.clip.notes])
        return {**shown, "text": (sentences,)}


class ReportUI:
    """The table and the plot in the node."""

    def __init__(self, table: str, plot: Tensor, cls: Any) -> None:
        self.table, self.plot = table, ui.PreviewImage(plot, cls=cls)

    def as_dict(self) -> dict[str, Any]:
        """Core's form of a node's output for the page."""
        return {**self.plot.as_dict(), "text": (self.table,)}


def text_ui(text: str) -> "ui.PreviewText | None":
    """A text for the node to show; None leaves it as it is."""
    return ui.PreviewText(text) if text else None

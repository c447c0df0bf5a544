"""What a video's sample values mean, and the ffmpeg filters that make sRGB of them.

The samples of most videos are Y'CbCr: a matrix makes R'G'B' of them, primaries say which red is
meant, and a transfer function how much light a value is.
"""

from dataclasses import dataclass

# ffmpeg's names → those of its `scale` filter.
_MATRICES = {
    "bt709": "bt709",
    "smpte170m": "bt601",
    "bt470bg": "bt601",
    "fcc": "fcc",
    "smpte240m": "smpte240m",
    "bt2020nc": "bt2020",
    "bt2020c": "bt2020",
}
_HDR = {"smpte2084": "PQ", "arib-std-b67": "HLG"}
# Players leave BT.601's and BT.709's primaries as they are and convert the wide ones (mpv's rule).
_WIDE = ("bt2020", "smpte431", "smpte432")
_RGB = ("rgb", "bgr", "gbr", "argb", "abgr", "0rgb", "0bgr", "pal8", "gray", "ya8", "ya16", "mono")
# BT.2408: diffuse white of an HDR picture is 203 cd/m2, which is 58 % of PQ and 75 % of HLG.
_WHITE = 203
_HLG_WHITE = 0.26496  # scene light of 75 % HLG (BT.2100), which becomes 1
# BT.2100's HLG: E'^2 / 3 up to one half, then (exp((E' - c) / a) + b) / 12. The display's own
# gamma, 1.2 + 0.42 log10(L / 1000), is 1 at 330 cd/m2, near what an SDR picture is shown at.
_HLG_LIGHT = (
    "65535*if(lte(val,32767),pow(val/65535,2)/3,(exp((val/65535-0.55991073)/0.17883277)"
    "+0.28466892)/12)"
)
_KEEP_HUE = 2  # above so many times white a colour fades into white: ffmpeg's default


@dataclass(frozen=True, kw_only=True)
class Colour:
    """Meaning of a video stream's samples: ffmpeg's names, "" where nothing is said."""

    yuv: bool
    full_range: bool | None  # None: not said, which means limited for Y'CbCr
    matrix: str  # a name of ffmpeg's scale filter
    primaries: str
    transfer: str

    @staticmethod
    def of(details: str, pixel_format: str, codec: str, *, width: int, height: int) -> "Colour":
        """From what ffmpeg writes behind a pixel format: "tv, bt2020nc/bt2020/smpte2084, …".

        Without a matrix players take BT.709 from 720 lines or 1280 columns on, BT.601 below;
        WebP is BT.601 by its specification.
        """
        parts = [part.strip() for part in details.split(",")]
        named = next((p for p in parts if "/" in p or p in _MATRICES or p in _HDR), "")
        names = named.split("/") if "/" in named else [named] * 3
        matrix, primaries, transfer = ("" if name == "unknown" else name for name in names)
        if matrix not in _MATRICES:
            high = (height >= 720 or width >= 1280) and not codec.startswith("webp")
            matrix = "bt2020nc" if transfer in _HDR else "bt709" if high else "smpte170m"
        return Colour(
            yuv=not pixel_format.startswith(_RGB),
            full_range=True if "pc" in parts else False if "tv" in parts else None,
            matrix=_MATRICES[matrix],
            primaries=primaries or ("bt2020" if transfer in _HDR else ""),
            transfer=transfer,
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What `filters` does beyond decoding, as one says it to the user."""
        if self.transfer in _HDR:
            return (f"tone-mapped from HDR ({_HDR[self.transfer]}) to SDR",)
        return ()

    def scale_options(self) -> str:
        """Options of ffmpeg's `scale` that make R'G'B' of these samples."""
        flags = "+accurate_rnd+full_chroma_int+full_chroma_inp"
        if not self.yuv:
            return flags
        have = "full" if self.full_range else "limited"
        return f"{flags}:in_color_matrix={self.matrix}:in_range={have}:out_range=full"

    @property
    def deep(self) -> bool:
        """More than R'G'B' is to be done, so that 16 bits are needed in between."""
        return self.transfer in _HDR or self.primaries in _WIDE

    def filters(self) -> list[str]:
        """Filters from R'G'B' of these primaries and this transfer to sRGB; [] where it is that.

        HDR is scaled so that diffuse white becomes white; what is brighter is clipped, its hue
        kept. So a face looks as in an SDR picture of the same scene.
        """
        if not self.deep:
            return []
        given = f"primariesin={self.primaries if self.primaries in _WIDE else 'bt709'}"
        light, gain, first = f"transferin=iec61966-2-1:{given}", 1.0, ["format=gbrp16le"]
        if self.transfer == "smpte2084":
            light = f"transferin=smpte2084:npl={_WHITE}:{given}"
        elif self.transfer == "arib-std-b67":
            gain = 1 / _HLG_WHITE
            first.append("lutrgb=" + ":".join(f"{c}='{_HLG_LIGHT}'" for c in "rgb"))
            light = f"transferin=linear:{given}"
        rgb = "matrixin=gbr:matrix=gbr:rangein=full:range=full"
        return [
            *first,
            f"zscale={rgb}:{light}:transfer=linear:primaries=bt709",
            "format=gbrpf32le",
            f"tonemap=clip:param={gain:.5f}:desat={_KEEP_HUE / gain:.5f}",
            f"zscale={rgb}:transferin=linear:primariesin=bt709:transfer=iec61966-2-1",
            "format=gbrp",
        ]

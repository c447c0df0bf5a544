"""Runs imageio-ffmpeg's own ffmpeg binary and turns its failures into one sentence."""

import contextlib
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

from ..errors import JoVAError

# ffmpeg would also "play" text files, playlists and picture folders: only real media may be opened.
_DEMUXERS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,flv,live_flv,mpeg,mpegvideo,mpegts,ogg,wav,w64,"
    "aiff,au,caf,mp3,flac,aac,asf,ac3,eac3,amr,h264,hevc,ivf,mxf,nut,dv,yuv4mpegpipe,apng"
)
_NOISE = ("Error opening input file", "Error opening input files", "Conversion failed")


def ffmpeg_exe() -> str:
    """Return the path of the ffmpeg binary; JoVAError when none is installed."""
    try:
        import imageio_ffmpeg

        return imageio_ffmpeg.get_ffmpeg_exe()
    except (ImportError, RuntimeError) as error:
        raise JoVAError(
            "No ffmpeg program was found; install the package imageio-ffmpeg, or name a program in "
            "the environment variable IMAGEIO_FFMPEG_EXE."
        ) from error


def run_ffmpeg(arguments: list[str]) -> subprocess.CompletedProcess[bytes]:
    """Run ffmpeg with `arguments`; the caller looks at `returncode`."""
    command = _command(arguments)
    with _told(command):
        return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def feed_ffmpeg(arguments: list[str], pieces: Iterable[memoryview]) -> tuple[int, bytes]:
    """Run ffmpeg on what `pieces` yields; returns its exit status and its error output.

    While it takes in one piece the next is already made. Whatever `pieces` raises ends ffmpeg.
    """
    command = _command(arguments)
    with tempfile.TemporaryFile() as words, ThreadPoolExecutor(max_workers=1) as writer:
        with _told(command):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=words
            )
        try:
            _feed(process.stdin, pieces, writer)
        except BaseException:
            process.kill()  # before anything waits for it
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait()
        words.seek(0)
        return status, words.read()


def _feed(stdin: IO[bytes], pieces: Iterable[memoryview], writer: ThreadPoolExecutor) -> None:
    """Write every piece, until ffmpeg wants no more; it then has ended and says why."""
    written: Future[int] | None = None
    with contextlib.suppress(BrokenPipeError):
        for piece in pieces:
            if written is not None:
                written.result()
            written = writer.submit(stdin.write, piece)
        if written is not None:
            written.result()


def _command(arguments: list[str]) -> list[str]:
    return [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", *arguments]


@contextlib.contextmanager
def _told(command: list[str]) -> Iterator[None]:
    """A program that cannot be started is named."""
    try:
        yield
    except OSError as error:
        raise JoVAError(
            f"The ffmpeg program {command[0]} cannot be started ({error.strerror or error}); "
            "reinstall the package imageio-ffmpeg."
        ) from error


def file_url(path: Path) -> str:
    """Return `path` so that ffmpeg never reads it as an option or a network address."""
    return f"file:{path.absolute()}"


def input_arguments(path: Path) -> list[str]:
    """Return the arguments that open the media file `path` and nothing beyond it."""
    guards = ["-protocol_whitelist", "file,pipe", "-format_whitelist", _DEMUXERS]
    return [*guards, "-i", file_url(path)]


def ffmpeg_reason(stderr: bytes) -> str:
    """Return the line of ffmpeg's error output that says most, without its address prefix."""
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    telling = [line for line in lines if line and not line.startswith(_NOISE)]
    wanted = [line for line in telling if "error" in line.lower() or "invalid" in line.lower()]
    line = (wanted or telling or ["no reason given"])[-1]
    return line.rsplit("] ", maxsplit=1)[-1].rstrip(".")

"""Runs imageio-ffmpeg's own ffmpeg binary and turns its failures into one sentence."""

import contextlib
import re
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
    "aiff,au,caf,mp3,flac,aac,asf,ac3,eac3,amr,h264,hevc,ivf,mxf,nut,dv,yuv4mpegpipe,apng,"
    "webp_anim,jpegxl_anim,av1,obu,vvc,evc,m4v,mjpeg,h261,h263,vc1,vc1test,dirac,cavsvideo,avs2,"
    "avs3,rm,wtv,gxf,swf,flic,smk,bink,roq,4xm,film_cpk,cdxl,ea,nsv,"
    "ape,tta,tak,wv,mpc,mpc8,dts,dtshd,truehd,mlp,dsf,iff,voc,qoa,ircam,nistsphere,sox,adx,oma,"
    "amrnb,amrwb,aa,aax,aix,ast,gsm,ilbc,lvf,spdif,shn,osq,bonk,apm,iamf"
)
# Lines that say that something failed and not what.
_VAGUE = re.compile(
    r"Error opening|Conversion failed|Invalid data found|Nothing was written|Error while|Error send"
    r"|Error submit|Task finished|Terminating thread|Error initializ|Could not open encoder before"
    r"|Error parsing|exit status|Press \[q\]|^(Input|Output|Stream|Duration|Metadata)\b"
)
_TELLING = re.compile(
    r"error|invalid|not |no |cannot|can't|could|fail|missing|unknown|unsupported|corrupt|partial"
    r"|truncat|denied",
    re.IGNORECASE,
)


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
    with _start_errors_named(command):
        return subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)


def feed_ffmpeg(arguments: list[str], chunks: Iterable[memoryview]) -> tuple[int, bytes]:
    """Run ffmpeg on what `chunks` yields; returns its exit status and its error output.

    While it takes in one chunk the next is already made. Whatever `chunks` raises ends ffmpeg.
    """
    command = _command(arguments)
    with tempfile.TemporaryFile() as log, ThreadPoolExecutor(max_workers=1) as writer:
        with _start_errors_named(command):
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=log
            )
        try:
            _feed(process.stdin, chunks, writer)
        except BaseException:
            process.kill()  # before anything waits for it
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            status = process.wait()
        log.seek(0)
        return status, log.read()


def drain_ffmpeg(arguments: list[str], buffers: Iterator[memoryview]) -> Iterator[int]:
    """Run ffmpeg and fill one of `buffers` after the other from its output; yields bytes filled.

    Each is filled to its end, but for the last. Raises FFmpegError with ffmpeg's error output when
    it fails; whoever takes no more ends it.
    """
    command = _command(arguments)
    with tempfile.TemporaryFile() as log:
        with _start_errors_named(command):
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
            )
        try:
            for buffer in buffers:
                filled = process.stdout.readinto(buffer)
                if filled:
                    yield filled
                if filled < len(buffer):
                    break
            process.stdout.close()
            status = process.wait()
        finally:
            process.kill()
            process.stdout.close()
            process.wait()
        log.seek(0)
        if status != 0:
            raise FFmpegError(log.read())


class FFmpegError(Exception):
    """ffmpeg failed; its argument is what it wrote to stderr, in bytes."""


def _feed(stdin: IO[bytes], chunks: Iterable[memoryview], writer: ThreadPoolExecutor) -> None:
    """Write every chunk, until ffmpeg wants no more; it then has ended and says why."""
    written: Future[int] | None = None
    with contextlib.suppress(BrokenPipeError):
        for chunk in chunks:
            if written is not None:
                written.result()
            written = writer.submit(stdin.write, chunk)
        if written is not None:
            written.result()


def _command(arguments: list[str]) -> list[str]:
    return [ffmpeg_exe(), "-hide_banner", "-nostdin", "-y", *arguments]


@contextlib.contextmanager
def _start_errors_named(command: list[str]) -> Iterator[None]:
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


def clock_arguments(other: int | None) -> list[str]:
    """A second output that takes one packet of stream `other`, where a file has one.

    ffmpeg sets time zero to the start of the streams in use: a transport stream's sound that starts
    after the pictures would come too early without them.
    """
    if other is None:
        return []
    return ["-map", f"0:{other}", "-c", "copy", "-frames", "1", "-f", "null", "-"]


def ffmpeg_reason(stderr: bytes) -> str:
    """Return the line of ffmpeg's error output that says most, without its address prefix.

    The cause comes first, and what fails in its wake after it.
    """
    lines = [line.strip() for line in stderr.decode("utf-8", "replace").splitlines()]
    plain = [re.sub(r"^(\[[^\]]*\]\s*)+", "", line).rstrip(".") for line in lines]
    exact = [line for line in plain if line and not _VAGUE.search(line)]
    telling = [line for line in exact if _TELLING.search(line)]
    vague = [re.sub(r"^Error opening input[^:]*: ", "", line) for line in plain if "rror" in line]
    reason = (telling or vague[:1] or exact or ["no reason given"])[0]
    return re.sub(r"Format not on whitelist .*", "a format that is not read", reason)

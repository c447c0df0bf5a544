"""Captions and lists of clips in every encoding that people's editors write."""

import json
import shutil

import pytest

from jova_core.errors import JoVAError
from jova_core.media.text import read_text, text_lines
from jova_core.training.manifest import Entry, read_manifest

from .inputs import CASES, needs_cases

WORDS = "a pale face says “hello” – it’s"


def read(path):
    return read_text(path, "caption", "a text file")


@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252", "utf-16-le", "utf-16-be"],
)
def test_every_encoding(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes(WORDS.encode(encoding))
    assert read(tmp_path / "a.txt") == WORDS


def test_other_scripts_and_bytes_that_are_no_text(tmp_path):
    for text in ("漢字 and ascii", "é", "emoji 😀", "", " \n"):
        (tmp_path / "a.txt").write_bytes(text.encode() or b"\xef\xbb\xbf")
        assert read(tmp_path / "a.txt") == text
    for data in (b"\x00\x05\x16\x07" * 8, b"\x81\x8d\x8f", b"\xff\xfe\x00", b"abc\x00\x00def\x00"):
        (tmp_path / "a.txt").write_bytes(data)
        with pytest.raises(JoVAError, match=r"a\.txt"):
            read(tmp_path / "a.txt")


def test_lines_end_at_line_feeds_only():
    assert text_lines("a\u2028b\x0bc\x85d\r\ne\n") == ["a\u2028b\x0bc\x85d", "e", ""]


@needs_cases
def test_the_shared_captions(tmp_path):
    folder = tmp_path / "clips"
    folder.mkdir()
    for name in ("cp1252", "utf16", "utf8_bom"):
        shutil.copyfile(CASES / "clip.mp4", folder / f"{name}.mp4")
        shutil.copyfile(CASES / "captions" / f"{name}.txt", folder / f"{name}.txt")
    for suffix in ("mp4", "txt"):
        shutil.copyfile(CASES / "captions/appledouble_clip.txt", folder / f"._cp1252.{suffix}")
    cp1252, utf16, utf8_bom = read_manifest(folder)
    assert cp1252.video_caption == "a pale face and it’s red"
    assert cp1252.transcript == "hello music"
    assert (utf16.problem, utf8_bom.problem) == ("", "")
    assert utf16.transcript.startswith("hello")
    assert utf8_bom.video_caption.startswith("a pale face")
    shutil.copyfile(CASES / "captions/bom.jsonl", tmp_path / "bom.jsonl")
    (entry,) = read_manifest(tmp_path / "bom.jsonl")
    assert entry.video == tmp_path / "clip.mp4"
    assert entry.transcript == "hello music"


def test_a_caption_that_cannot_be_read_is_its_clip_problem(tmp_path):
    for name, data in (
        ("a", b"\x00\x05\x16\x07\x00\x02"),
        ("b", b"<Video Caption>: a <Video Caption>: b"),
        ("c", b"a face"),
        ("d", b""),
    ):
        (tmp_path / f"{name}.mp4").write_bytes(b"x")
        (tmp_path / f"{name}.txt").write_bytes(data)
    a, b, c, d = read_manifest(tmp_path)
    assert "a.txt" in a.problem
    assert "b.txt" in b.problem
    assert "twice" in b.problem
    assert (c.problem, c.video_caption) == ("", "a face")
    assert "d.txt" in d.problem


def test_separators_inside_json_strings_survive(tmp_path):
    text = "one\u2028two\u0085three"
    lines = [json.dumps({"video": "a.mp4", "transcript": text}, ensure_ascii=False)] * 2
    (tmp_path / "a.jsonl").write_bytes("\r\n".join(lines).encode("utf-16"))
    assert [entry.transcript for entry in read_manifest(tmp_path / "a.jsonl")] == [text, text]
    (tmp_path / "b.jsonl").write_text("[" * 100_000)
    with pytest.raises(JoVAError, match="line 1 is not valid JSON"):
        read_manifest(tmp_path / "b.jsonl")


def test_one_file_where_a_folder_is_expected(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    (tmp_path / "a.txt").write_text("a face")
    (entry,) = read_manifest(tmp_path / "a.mp4")
    assert entry.video_caption == "a face"
    (tmp_path / "noname").write_bytes(b"\0\0\0\x20ftypisom\0\0\0\0")
    assert read_manifest(tmp_path / "noname") == [Entry(video=tmp_path / "noname")]


def test_what_a_folder_holds_beside_clips(tmp_path):
    """Unknown files are tried, companions and hidden files are not."""
    for name in ("a.mp4", "a.png", "a.wav", "b.xyz", "c.mts", "d", "notes.md", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "inner").mkdir()
    names = [entry.video.name for entry in read_manifest(tmp_path)]
    assert names == ["a.mp4", "b.xyz", "c.mts", "d"]


def test_the_key_of_a_clip(tmp_path):
    """It is the one of earlier versions, and exists for every name."""
    plain = Entry(video=tmp_path / "a.mp4", transcript="hello")
    assert plain.key() == Entry(video=tmp_path / "a.mp4", transcript="hello").key()
    assert plain.key() != Entry(video=tmp_path / "a.mp4", problem="a").key()
    assert len(Entry(video=tmp_path / ("x" * 300)).key()) == 16

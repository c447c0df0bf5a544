"""A YAML file in a command line stands for the options in it."""

from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import JoVAError
from ..files import existing_file

SUFFIXES = (".yaml", ".yml")
POSITIONAL = ("data", "out")
FALSE = "\0false"  # which no value can be


def expand(arguments: Sequence[str], parser: ArgumentParser) -> list[str]:
    """The arguments with every `.yaml` one replaced by its options: what follows it goes before.

    `data` and `out` are the positional ones, `name: true` is `--name`, `name: false` leaves it
    away or is `--no-name`, a list is joined by commas, and `lora: {rank: 8}` is `--lora --lora-rank
    8`. Raises JoVAError for a file that is no mapping and for names that `parser` does not know.
    """
    expanded = []
    for argument in arguments:
        if argument.endswith(SUFFIXES):
            expanded += _options(Path(argument), _known(parser))
        else:
            expanded.append(argument)
    return expanded


def _known(parser: ArgumentParser) -> dict[str, bool]:
    """Every option of a command and of its actions, and whether it takes a value."""
    found = {}
    for action in parser._actions:
        found |= dict.fromkeys(action.option_strings, action.nargs != 0)
        for inner in action.choices.values() if isinstance(action.choices, dict) else ():
            found |= _known(inner)
    return found


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. JoVAError for other content."""
    import yaml

    path = existing_file(path, "settings", "a YAML file of options, one `name: value` per line")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise JoVAError(f"{path} is not valid YAML ({reason}); fix it.") from error
    if not isinstance(settings, dict):
        raise JoVAError(f"{path} contains no options; write one `name: value` per line.")
    return settings


def _options(path: Path, known: dict[str, bool]) -> list[str]:
    settings = read_settings(path)
    places = [str(settings[name]) for name in POSITIONAL if name in settings]
    rest = {name: value for name, value in settings.items() if name not in POSITIONAL}
    flags = [_negated(flag, known) for flag in _flags(rest, "--")]
    for flag in flags:
        name = flag.partition("=")[0]
        if name in known:
            continue
        near = get_close_matches(name, known, n=1)
        hint = f"write {_key(near[0])}" if near else "leave it away"
        raise JoVAError(
            f"Got {_key(name)} in {path}; expected the name of an option of this command; {hint}."
        )
    return [*places, *_without_false(path, flags, known)]


def _negated(flag: str, known: dict[str, bool]) -> str:
    """`name: false` as `--no-name`, `name: true` as its opposite, where only that is known."""
    name, _, value = flag.partition("=")
    off = f"--no-{name.removeprefix('--')}"
    if name in known or off not in known or value not in ("", FALSE):
        return flag
    return off if value == FALSE else f"{off}={FALSE}"


def _without_false(path: Path, flags: list[str], known: dict[str, bool]) -> Iterator[str]:
    """Flags whose `=false` is carried out: switched off by leaving them away, or by `--no-`."""
    for flag in flags:
        name, _, value = flag.partition("=")
        if value != FALSE:
            yield flag
        elif known[name]:
            raise JoVAError(
                f"Got {_key(name)}: false in {path}; expected a value; leave the line away for the "
                "default."
            )


def _key(flag: str) -> str:
    """An option as the file names it."""
    return flag.removeprefix("--").replace("-", "_")


def _flags(settings: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in settings.items():
        name = prefix + str(key).replace("_", "-")
        if isinstance(value, dict):
            yield from (name, *_flags(value, f"{name}-"))
        elif isinstance(value, list):
            yield f"{name}={','.join(map(str, value))}"
        elif value is True:
            yield name
        elif value is False:
            yield f"{name}={FALSE}"
        elif value is not None:
            yield f"{name}={value}"

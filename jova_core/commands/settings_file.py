"""A YAML file in a command line stands for the options in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import JoVAError
from ..files import existing_file

SUFFIXES = (".yaml", ".yml")
POSITIONAL = ("data", "out")


def expand(arguments: Sequence[str]) -> list[str]:
    """The arguments with every `.yaml` one replaced by its options: what follows it goes before.

    `data` and `out` are the positional ones, `name: true` is `--name`, a list is joined by commas,
    and `lora: {rank: 8}` is `--lora --lora-rank 8`. Raises JoVAError for a file that is no mapping.
    """
    expanded = []
    for argument in arguments:
        if argument.endswith(SUFFIXES):
            expanded += _options(read_settings(Path(argument)))
        else:
            expanded.append(argument)
    return expanded


def read_settings(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file. JoVAError if it is none."""
    import yaml

    path = existing_file(path, "settings", "a YAML file of options, one `name: value` a line")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise JoVAError(f"{path} is no valid YAML ({reason}); mend that line.") from error
    if not isinstance(settings, dict):
        raise JoVAError(f"{path} holds no options; write one `name: value` a line.")
    return settings


def _options(settings: dict[str, Any]) -> list[str]:
    places = [str(settings[name]) for name in POSITIONAL if name in settings]
    rest = {name: value for name, value in settings.items() if name not in POSITIONAL}
    return [*places, *_flags(rest, "--")]


def _flags(settings: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, value in settings.items():
        name = prefix + str(key).replace("_", "-")
        if isinstance(value, dict):
            yield from (name, *_flags(value, f"{name}-"))
        elif isinstance(value, list):
            yield f"{name}={','.join(map(str, value))}"
        elif value is True:
            yield name
        elif value is not False and value is not None:
            yield f"{name}={value}"

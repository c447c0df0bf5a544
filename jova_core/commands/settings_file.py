"""A YAML file in a command line stands for the options in it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..errors import JoVAError
from ..files import existing_file

SUFFIXES = (".yaml", ".yml")
POSITIONAL = ("data", "out")


def expand(arguments: Sequence[str]) -> list[str]:
    """The arguments with every `.yaml` one replaced by its options; later ones take precedence.

    `data` and `out` are the positional ones, `name: true` is `--name`, a list is joined by commas,
    and `lora: {rank: 8}` is `--lora --lora-rank 8`. Raises JoVAError for a file without a mapping.
    """
    expanded = []
    for argument in arguments:
        if argument.endswith(SUFFIXES):
            expanded += _options(read_settings(Path(argument)))
        else:
            expanded.append(argument)
    return expanded


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


def _options(settings: dict[str, Any]) -> list[str]:
    positional = [str(settings[name]) for name in POSITIONAL if name in settings]
    rest = {name: value for name, value in settings.items() if name not in POSITIONAL}
    return [*positional, *_flags(rest, "--")]


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

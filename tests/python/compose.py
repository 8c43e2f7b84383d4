"""Prints a Compose file as JSON, read as Compose does where no variable is set, or fails if it is none."""

import re
import sys

from compose_spec import PyOptions

with open(sys.argv[1], encoding="utf-8") as file:
    text = file.read()


def fill(match: re.Match) -> str:
    """What stands for `$$`, `${NAME}` or `${NAME:-default}`."""
    if match["escaped"]:
        return "$"
    if match["default"] is None:
        raise SystemExit(f"{match['name']} has no default")
    return match["default"]


# The library leaves this to whoever calls it.
text = re.sub(r"(?P<escaped>\$\$)|\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}", fill, text)
compose = PyOptions(apply_merge=True).from_yaml(text)
for validate in (
    compose.validate,
    compose.validate_configs,
    compose.validate_networks,
    compose.validate_secrets,
    compose.validate_volumes,
):
    validate()
print(compose.to_json())

"""Changing `trading.venue` in config.yaml: that one word, with every comment where it was."""

import re

import yaml

from config.params import ConfigError, parse_value

SECTION = re.compile(r"^(\w+):", re.MULTILINE)
LINE = re.compile(r"^(?P<head>[ \t]+venue:[ \t]*)(?P<value>[^\s#]+)(?P<gap>[ \t]*)", re.MULTILINE)
BY_HAND = "trading.venue can't be changed here: write 'venue: {venue}' below 'trading:' in config.yaml yourself"


def with_venue(text: str, venue: str) -> str:
    """The file with another venue. Raises ConfigError where it has no such line, or the word is none."""
    parse_value("trading.venue", venue)
    sections = list(SECTION.finditer(text))
    for number, found in enumerate(sections):
        if found.group(1) != "trading":
            continue
        ends = sections[number + 1].start() if number + 1 < len(sections) else len(text)
        line = LINE.search(text, found.end(), ends)
        if line is None:
            break
        # the remark behind it stays in its column where there is room
        gap = line["gap"] and " " * max(1, len(line["gap"]) + len(line["value"]) - len(venue))
        changed = text[: line.start("value")] + venue + gap + text[line.end() :]
        if yaml.safe_load(changed)["trading"]["venue"] == venue:
            return changed
    raise ConfigError(BY_HAND.format(venue=venue))

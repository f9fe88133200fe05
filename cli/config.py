"""`./seohak config`: check config.yaml and list every key with its bounds."""

import argparse
from pathlib import Path

import msgspec

from config.environment import base, environment
from config.params import load_params, settings


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The command's options."""
    parser.add_argument("file", nargs="?", type=Path, help="config.yaml to check")
    parser.add_argument("--json", action="store_true", help="machine-readable output")


def run(options: argparse.Namespace) -> int:
    """Check the file and print the values in force."""
    params = load_params(options.file or base(environment()).config_path)
    if options.json:
        print(msgspec.json.encode(params).decode())
        return 0
    for key, setting in settings().items():
        section, name = key.split(".")
        value = getattr(getattr(params, section), name)
        unit = f" {setting.unit}" if setting.unit else ""
        print(f"{key} = {value}{unit}   [{setting.allowed}]")
    return 0

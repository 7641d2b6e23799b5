"""One command per module: its `NAME`, and its function `command`, whose docstring is the help."""

import inspect
import re
from types import ModuleType

import typer


def register(group: typer.Typer, *modules: ModuleType) -> None:
    """Adds the commands to a group; line breaks within a paragraph of the help are dropped."""
    for module in modules:
        text = inspect.getdoc(module.command) or ""
        group.command(module.NAME, help=re.sub(r"(?<!\n)\n(?!\n)", " ", text))(module.command)

"""`serein simulate`: truths to observe, and to learn from. One command per module, `simulate_*.py`."""

import inspect
import re

import typer

from app.cli import simulate_earth, simulate_problem

group = typer.Typer(
    no_args_is_help=True,
    help="Run a model: a classical problem, which is observed as well, or a small general circulation model.",
)
for module in (simulate_problem, simulate_earth):
    text = inspect.getdoc(module.command) or ""
    group.command(module.NAME, help=re.sub(r"(?<!\n)\n(?!\n)", " ", text))(module.command)

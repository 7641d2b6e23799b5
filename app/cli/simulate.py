"""`serein simulate`: truths to observe, and to learn from. One command per module, `simulate_*.py`."""

import typer

from app.cli import simulate_earth, simulate_problem
from app.cli.register import register

group = typer.Typer(
    no_args_is_help=True,
    help="Run a model: a classical problem, which is observed as well, or a small general circulation model.",
)
register(group, simulate_problem, simulate_earth)

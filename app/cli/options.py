"""What several commands share: the service's default address and options."""

from typing import Annotated

import typer

DEFAULT_URL = "http://127.0.0.1:8000"

ONE_THREAD = ("OMP_NUM_THREADS", "1")
"""Set unless it is set: on small fields torch's threads wait for each other (a demo of 25 s took 4 minutes on
two busy cores). For large priors on a CPU set the variable to the number of cores."""

Url = Annotated[str | None, typer.Option("--url", envvar="SEREIN_URL", help="Address of the service.")]

Following = Annotated[
    int,
    typer.Option(
        min=0,
        max=1024,
        help="Members, 128 or more, of an ensemble that follows the same observations with the prior's "
        "forecaster (earth-t21 has one); those sampled are moved to the mean of both. 0: none.",
    ),
]

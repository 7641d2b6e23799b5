"""A package of its own: DAPPER installs another one called `tests`, which would hide this folder."""

"""The version of Serein that runs, as products and answers state it."""

from importlib.metadata import PackageNotFoundError, version

try:
    __version__ = version("serein")
except PackageNotFoundError:  # run from a checkout that was never installed
    __version__ = "0+unknown"

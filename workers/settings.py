"""Every setting of Serein, each an environment variable SEREIN_<NAME>; the defaults need no server at all.

Three URLs choose the deployment: broker, database and object store. Left alone they are a folder of messages,
a SQLite file and a folder of objects, all under `home`; in production Redis, PostgreSQL and S3.
"""

from functools import lru_cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where things lie and how long they may take."""

    model_config = SettingsConfigDict(env_prefix="SEREIN_", extra="ignore")

    home: Path = Field(
        default=Path("serein-data"), description="folder of everything, when the URLs are left alone"
    )
    broker_url: str = Field(
        default="filesystem://localhost/",
        description="Celery broker; filesystem:// keeps messages under home",
    )
    database_url: str = Field(default="", description="SQLAlchemy URL; empty: sqlite under home")
    store_url: str = Field(
        default="", description="object store URL (file://, s3://, memory://); empty: folder under home"
    )
    host: str = Field(default="127.0.0.1", description="address the service listens on")
    port: int = Field(default=8000, ge=0, le=65535)
    max_upload_bytes: int = Field(
        default=128 * 2**20,
        gt=0,
        description="largest observation batch, in bytes as sent and unpacked; read, it takes 20 times that",
    )
    max_body_bytes: int = Field(default=2**20, gt=0, description="largest body of any other request")
    lease_seconds: float = Field(
        default=60, gt=0, description="a worker silent for so long has lost its step"
    )
    sweep_seconds: float = Field(
        default=5, gt=0, description="how often the sweeper looks after stranded work"
    )
    ring_seconds: float = Field(default=30, gt=0, description="a pending step is offered again after so long")
    max_attempts: int = Field(default=3, ge=1, description="attempts before a job is given up")
    keep_attempts_hours: float = Field(
        default=24, ge=1, description="files of attempts that came to nothing stay so long after their job"
    )
    workers: int = Field(
        default=1, ge=1, description="worker processes of `serein up`; each keeps a prior in memory"
    )
    block_members: int = Field(default=8, ge=1, description="members sampled by one task")
    poll_seconds: float = Field(default=0.5, gt=0, description="how often an event stream looks for news")

    @model_validator(mode="after")
    def _fill_in_urls(self) -> Self:
        self.home = self.home.expanduser().resolve()
        self.database_url = self.database_url or f"sqlite:///{self.home / 'serein.sqlite'}"
        self.store_url = self.store_url or (self.home / "store").as_uri()
        return self

    def environment(self) -> dict[str, str]:
        """The same settings as environment variables, for a child process."""
        return {f"SEREIN_{name.upper()}": str(value) for name, value in self.model_dump().items()}


@lru_cache(maxsize=1)
def get_settings() -> Settings:
    """The settings of this process, read from the environment once."""
    return Settings()

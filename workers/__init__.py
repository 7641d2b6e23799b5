"""The pipeline and its durability: decoders, job book, object store, Celery tasks, products."""

from workers.sqlite_first import bind

bind()

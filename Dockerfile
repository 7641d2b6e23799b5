# One image, three commands: api (default), worker, beat. See deploy/README.md.
# PyPI's torch for Linux brings CUDA. For a much smaller CPU image give pip PyTorch's CPU wheel index:
#   docker build --build-arg PIP_EXTRA_INDEX_URL=<address from pytorch.org, "CPU"> -t serein .
FROM python:3.11-slim

ARG PIP_EXTRA_INDEX_URL
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /srv/serein
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY models models
COPY workers workers
COPY app app
RUN pip install --constraint constraints.txt --editable '.[production]' \
    && useradd --system --uid 10001 --create-home serein \
    && install --directory --owner=serein /data

USER 10001
ENV SEREIN_HOME=/data \
    SEREIN_HOST=0.0.0.0 \
    SEREIN_PORT=8000
VOLUME /data
EXPOSE 8000
HEALTHCHECK --start-period=20s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=3)"]
CMD ["uvicorn", "--factory", "app.main:create_app", "--host", "0.0.0.0", "--port", "8000"]

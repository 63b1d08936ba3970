# The site in a container. Alone it holds everything (SQLite, embedded bus): docker run -v constellation:/data -p 8000:8000
# With PostgreSQL and Redis: compose.yaml.
FROM python:3.13-slim-trixie AS build
WORKDIR /srv/constellation
COPY requirements.txt ./
RUN python -m venv .venv \
    && .venv/bin/pip install --no-cache-dir --no-deps --require-hashes -r requirements.txt
COPY wsgi.py README.md setup.cfg ./
COPY migrations migrations
COPY worker worker
COPY app app
RUN .venv/bin/python -m babel.messages.frontend --quiet compile --directory app/translations \
    && .venv/bin/python -m compileall -q app worker migrations

FROM python:3.13-slim-trixie
# Backups of PostgreSQL are made by its own programs, which must not be older than the server.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --no-create-home --home-dir /data --shell /usr/sbin/nologin constellation \
    && install --directory --owner constellation --group constellation --mode 0750 /data
COPY --from=build /srv/constellation /srv/constellation
WORKDIR /srv/constellation
ENV FLASK_APP=wsgi \
    HOST=0.0.0.0 \
    PORT=8000 \
    INSTANCE_PATH=/data/instance \
    LOG_DIR=/data/logs \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001:10001
VOLUME /data
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=90s \
    CMD [".venv/bin/python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"PORT\"]}/healthz', timeout=8)"]
# Web, worker and beat together; with prepare, web, worker or beat after it, that part alone.
ENTRYPOINT [".venv/bin/python", "-m", "app.server"]

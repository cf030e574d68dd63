# One image for every node: docker build -t rookery .
# By its version; pin its digest, too, where you build what you rely on: docker buildx imagetools
# inspect python:3.11.14-slim-bookworm names it, and FROM takes it behind an @.
FROM python:3.11.14-slim-bookworm

# Into the system's Python: Kubernetes starts Ray through a login shell, which knows no other PATH.
WORKDIR /opt/rookery
COPY locks/run.txt locks/
RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r locks/run.txt
COPY pyproject.toml README.md LICENSE ./
COPY rookery rookery
COPY deploy/head.sh /usr/local/bin/
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 1000 rookery \
    && install -d -o rookery -m 700 /data

USER rookery
WORKDIR /data
ENV ROOKERY_SERVER_DATA_DIR=/data ROOKERY_HTTP_HOST=0.0.0.0 ROOKERY_LIVE_HOST=0.0.0.0 \
    RAY_USAGE_STATS_ENABLED=0
VOLUME /data
# REST, the Ray dashboard, and connection servers from 8001 on.
EXPOSE 8000 8001 8265
# Whether this container's own gateway answers. Not /ready: that depends on the store, and restarting
# what waits for it helps nobody.
HEALTHCHECK --interval=10s --timeout=5s --start-period=90s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as u; u.urlopen('http://127.0.0.1:' + os.environ.get('ROOKERY_HTTP_PORT', '8000') + '/api/v1/health', timeout=4)"]
CMD ["rookery", "serve"]

# One image for every node: docker build -t rookery .
FROM python:3.11-slim

# Into the system's Python: Kubernetes starts Ray through a login shell, which knows no other PATH.
WORKDIR /opt/rookery
COPY constraints.txt pyproject.toml README.md ./
COPY rookery rookery
COPY deploy/head.sh /usr/local/bin/
RUN pip install --no-cache-dir -c constraints.txt . \
    && useradd --create-home --uid 1000 rookery \
    && install -d -o rookery /data

USER rookery
WORKDIR /data
ENV ROOKERY_SERVER_DATA_DIR=/data ROOKERY_HTTP_HOST=0.0.0.0 ROOKERY_LIVE_HOST=0.0.0.0 \
    RAY_USAGE_STATS_ENABLED=0
VOLUME /data
# REST, the Ray dashboard, and connection servers from 8001 on.
EXPOSE 8000 8001 8265
CMD ["rookery", "serve"]

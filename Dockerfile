# Two stages: wheels are built where pip and its caches may lie about, and only the result runs.
FROM python:3.13-slim-bookworm AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY proxy ./proxy
RUN python -m venv /opt/playgate \
 && /opt/playgate/bin/pip install --no-cache-dir '.[cat,otel]'

FROM python:3.13-slim-bookworm
LABEL org.opencontainers.image.title="Playgate" \
      org.opencontainers.image.description="Concurrent-stream limits for HLS and DASH" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home playgate
COPY --from=build /opt/playgate /opt/playgate
ENV PATH=/opt/playgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 10001
EXPOSE 8080 9090
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/readyz', timeout=1)"]
ENTRYPOINT ["playgate"]
CMD ["serve", "--config", "/etc/playgate/playgate.yaml"]

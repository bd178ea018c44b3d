# Two stages: the wheel is built where pip and what it needs may lie about, and only the result runs.
# docs/containers.md says how it is run. What may be put in its place, with --build-arg:
ARG BASE=python:3.13.9-slim-bookworm

FROM ${BASE} AS build
# Of the optional parts, those that are installed: cat (Common Access Tokens), otel (spans).
ARG EXTRAS=cat,otel
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY proxy ./proxy
# The environment has no pip of its own: nothing is installed into it later.
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && python -m venv --without-pip /opt/playgate \
 && pip --python /opt/playgate/bin/python install --no-cache-dir \
        "playgate[${EXTRAS}] @ file://$(echo /wheels/playgate-*.whl)"

FROM ${BASE}
ARG BASE
ARG VERSION=0.1.0
# The commit, where who builds knows it.
ARG REVISION=
# What scanners and registries show. What the image consists of they find in the metadata that pip and
# Debian leave beside each package, so nothing of it is removed.
LABEL org.opencontainers.image.title="Playgate" \
      org.opencontainers.image.description="Concurrent-stream limits for HLS and DASH" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.opencontainers.image.base.name="${BASE}"
RUN groupadd --gid 10001 playgate \
 && useradd --uid 10001 --gid 10001 --no-create-home --shell /usr/sbin/nologin playgate
COPY --from=build /opt/playgate /opt/playgate
ENV PATH=/opt/playgate/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# By number, so that `runAsNonRoot` can tell. It owns nothing, and the root may be read-only.
USER 10001:10001
EXPOSE 8080 9090
# What finishes what is under way and ends: the process is PID 1 and hears it itself.
STOPSIGNAL SIGTERM
# Ready, not just alive: who waits for it leads viewers to it then.
HEALTHCHECK --interval=5s --timeout=2s --start-period=10s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:9090/readyz', timeout=1)"]
ENTRYPOINT ["playgate"]
CMD ["serve", "--config", "/etc/playgate/playgate.yaml"]

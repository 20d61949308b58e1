# Two images: nst-live on a processor, and with --target cuda on an NVIDIA card.
#   docker build --tag nst-live .
#   docker run --rm --device /dev/video0 --volume "$PWD:/work" nst-live --camera 0 -o painted.mp4
FROM python:3.12-slim AS base
ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 libsm6 libxext6 libx11-xcb1 \
    && rm -rf /var/lib/apt/lists/*
COPY pyproject.toml README.md LICENSE /src/
COPY realtime /src/realtime
COPY build_engines /src/build_engines
COPY styles /src/styles
COPY container/healthy.py /usr/local/bin/healthy.py
# Cameras belong to the group video.
RUN useradd --uid 1000 --create-home --groups video painter && mkdir /work && chown painter /work
WORKDIR /work
HEALTHCHECK --interval=30s --timeout=10s --start-period=30s CMD ["python", "/usr/local/bin/healthy.py"]
ENTRYPOINT ["nst-live"]
CMD ["--help"]

FROM base AS cuda
# pip compiles pycuda, which needs CUDA's compiler, one of Debian's packages that are not free software; the driver is the
# host's
# hadolint ignore=DL3008
RUN sed -i 's/^Components: main$/Components: main contrib non-free/' /etc/apt/sources.list.d/debian.sources \
    && apt-get update \
    && apt-get install --yes --no-install-recommends g++ nvidia-cuda-toolkit \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,video,utility
RUN python -m pip install "/src[tensorrt]"
USER 1000

FROM base AS cpu
RUN python -m pip install /src
USER 1000

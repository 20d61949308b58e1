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
# Cameras belong to the group video.
RUN useradd --create-home --groups video painter && mkdir /work && chown painter /work
WORKDIR /work
HEALTHCHECK --interval=60s --timeout=30s --start-period=30s CMD ["nst-live", "--version"]
ENTRYPOINT ["nst-live"]
CMD ["--help"]

FROM base AS cuda
# pip compiles pycuda, which needs the compiler and the headers of CUDA, and at run time the driver of the host
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends g++ nvidia-cuda-toolkit \
    && rm -rf /var/lib/apt/lists/*
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,video,utility
RUN python -m pip install "/src[tensorrt]"
USER painter

FROM base AS cpu
RUN python -m pip install /src
USER painter

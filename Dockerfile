# One image for hosts with and without a GPU: PyTorch's Linux package brings its CUDA libraries and
# runs on the CPU where there is no device. Everything comes from the npm registry and PyPI.
#
#   docker build -t seamless-server .
#   docker run --rm -p 7860:7860 -v seamless-data:/data --gpus all seamless-server
#
# `make docker-check` lints this file and replays its steps without a container engine.

FROM node:22-bookworm-slim AS page
WORKDIR /page
COPY streaming-react-app/package.json streaming-react-app/package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY streaming-react-app ./
RUN npm run build

FROM python:3.11-slim-bookworm AS runtime
ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    HOME=/home/user \
    HF_HOME=/data/huggingface \
    SEAMLESS_CHECKPOINT_DIR=/data/checkpoints \
    SEAMLESS_DEBUG_DIR=/data/debug
RUN useradd --uid 1000 --create-home user
WORKDIR /app

# The packages first, so that a change of our code does not install them anew.
COPY pyproject.toml hatch_build.py constraints.txt requirements-simuleval.txt README.md LICENSE LICENSE-WEIGHTS.md ./
COPY seamless_server/__init__.py seamless_server/__init__.py
RUN pip install -c constraints.txt -e ".[cluster]" \
    && pip install --no-deps -r requirements-simuleval.txt

COPY seamless_server seamless_server
COPY models models
COPY --from=page /page/dist streaming-react-app/dist
# Compiled while still root: the user below cannot write here, only into /data.
RUN python -m compileall -q seamless_server \
    && mkdir -p /data/checkpoints /data/debug /data/huggingface \
    && chown -R 1000:1000 /data

USER 1000
VOLUME /data
EXPOSE 7860
# /healthz answers as soon as the process serves; /readyz only when the models are loaded.
# Loading the published model took 104 s on two CPU cores, from which an answer may have to wait.
HEALTHCHECK --interval=30s --timeout=10s --start-period=300s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:7860/healthz', timeout=9)"]
CMD ["seamless-server", "serve", "--host", "0.0.0.0", "--port", "7860"]

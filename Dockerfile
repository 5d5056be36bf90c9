# The package and its workflow: docker build -t alpha-dimt:0.1.0 .
# It was written without a Docker at hand and has not been built.
FROM python:3.11-slim

# PyTorch for CPUs, from its own index. For GPUs: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.lock /tmp/
RUN pip install --no-cache-dir "$(grep '^torch==' /tmp/requirements.lock)" --index-url "$TORCH_INDEX" \
    && pip install --no-cache-dir --requirement /tmp/requirements.lock

COPY . /alpha-dimt
RUN pip install --no-cache-dir --no-deps --no-build-isolation /alpha-dimt

WORKDIR /work
ENTRYPOINT []
CMD ["alpha-dimt", "--help"]

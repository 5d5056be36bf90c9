# The package and its workflow: docker build -t alpha-dimt:0.1.0 .
FROM python:3.11-slim

# PyTorch for CPUs, from its own index. For GPUs: --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cu126
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
COPY requirements.lock requirements-torch.lock /tmp/
RUN pip install --no-cache-dir --require-hashes --no-deps --requirement /tmp/requirements.lock \
    && pip install --no-cache-dir --requirement /tmp/requirements-torch.lock --index-url "$TORCH_INDEX"

COPY . /alpha-dimt
RUN pip install --no-cache-dir --no-deps --no-build-isolation /alpha-dimt

WORKDIR /work
ENTRYPOINT []
CMD ["alpha-dimt", "--help"]

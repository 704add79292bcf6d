# The hub's image: installed from the lock with hashes, run as nobody, writable only under /data.
FROM python:3.11 AS native
COPY bootstrap.lock requirements.lock /src/
COPY native /src/native
RUN pip install --no-cache-dir --require-hashes -r /src/bootstrap.lock \
 && uv build --wheel --build-constraints /src/requirements.lock --require-hashes \
    --out-dir /wheels /src/native

FROM python:3.11-slim
COPY bootstrap.lock requirements.lock /src/
RUN pip install --no-cache-dir --require-hashes -r /src/bootstrap.lock \
 && uv pip install --system --no-cache --require-hashes -r /src/requirements.lock
COPY . /src
RUN uv pip install --system --no-cache --no-deps --no-build-isolation /src /src/connectors
COPY --from=native /wheels /wheels
RUN uv pip install --system --no-cache --no-deps /wheels/*.whl
USER 65534:65534
WORKDIR /data
ENTRYPOINT ["omnihub", "--config", "/etc/omnihub/omnihub.yaml"]
CMD ["up"]

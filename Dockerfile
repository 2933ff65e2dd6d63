# One image for web, worker and scheduler: docker-compose.yml says which of them a container is.
# The first stage installs what the lock pins, each file compared with its hash; the second has neither pip nor a compiler.
FROM python:3.13.14-slim AS packages
COPY requirements.lock /
RUN python -m venv --without-pip /venv \
    && pip --python /venv/bin/python install --no-cache-dir --disable-pip-version-check --require-hashes -r /requirements.lock

FROM python:3.13.14-slim
RUN groupadd --system --gid 10001 ingest \
    && useradd --system --uid 10001 --gid ingest --no-create-home --shell /usr/sbin/nologin ingest \
    && install -d -o ingest -g ingest -m 0700 /data \
    && python -m pip uninstall --yes --root-user-action ignore pip
COPY --from=packages /venv /venv
WORKDIR /srv/ingest
COPY gunicorn.conf.py scheduler.py worker.py ./
COPY app app
COPY clients/python clients/python
COPY static static
COPY templates templates
RUN python -m compileall -q app clients scheduler.py worker.py
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 TZ=UTC HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM
CMD ["gunicorn", "app:create_app()"]

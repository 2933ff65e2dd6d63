# One image for web, worker and scheduler: docker-compose.yml says which of them a container is.
FROM python:3.13.14-slim AS packages
COPY requirements.lock /
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r /requirements.lock

FROM python:3.13.14-slim
RUN useradd --system --uid 10001 --no-create-home ingest && install -d -o ingest -m 0700 /data
COPY --from=packages /venv /venv
WORKDIR /srv/ingest
COPY gunicorn.conf.py scheduler.py worker.py ./
COPY app app
COPY static static
COPY templates templates
ENV PATH=/venv/bin:$PATH PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1 HOST=0.0.0.0 PORT=8000 DATA_DIR=/data
USER ingest
EXPOSE 8000
CMD ["gunicorn", "app:create_app()"]

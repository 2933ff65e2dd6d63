"""How gunicorn serves the web process; it reads this file by itself when started from here.
One process of many threads: most of them wait for events, and all watchers share one subscription."""

from app import logs
from app.settings import load_settings

_settings = load_settings()
logs.configure(_settings.log_level)

bind = f"[{_settings.host}]:{_settings.port}" if ":" in _settings.host else f"{_settings.host}:{_settings.port}"
worker_class = "app.web.server.ProblemThreadWorker"
workers = 1
threads = _settings.web_threads
worker_connections = _settings.web_threads + 512  # idle keep-alive connections hold no thread
backlog = 1024

timeout = 60  # of the worker's heartbeat; requests have deadlines of their own
graceful_timeout = 5
keepalive = 15

limit_request_line = 4094
limit_request_fields = 100
limit_request_field_size = 8190
forwarded_allow_ips = ""  # the app itself decides which proxies are believed (TRUSTED_PROXIES)

control_socket_disable = True
accesslog = None
loglevel = "info" if _settings.log_level == "debug" else "warning"
# what gunicorn logs are lines of ours, and a reader who has stopped holds it up no more than us
logconfig_dict = {
    "handlers": {"lines": {"class": "app.logs.StructuredHandler"}},
    "formatters": {},
    "root": {"level": "WARNING", "handlers": ["lines"]},
    "loggers": {"gunicorn.error": {"level": loglevel.upper(), "handlers": ["lines"], "propagate": False}},
}


def post_worker_init(worker):  # type: ignore[no-untyped-def]
    """Start the threads of the web process, after the fork that they would not survive."""
    from app.web.server import after_fork

    after_fork(worker)

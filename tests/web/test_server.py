"""A real gunicorn on loopback, with a small app, spoken to in bytes."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from gunicorn.http.errors import InvalidRequestLine

from app.web.server import ProblemThreadWorker

ROOT = Path(__file__).parents[2]

APP = """
import threading
from flask import Flask, Response, request
from app.adapters.blob_store import LocalBlobs
from app.web import problems
from app.web.uploaded_file import read_raw

flask_app = Flask(__name__)
problems.register(flask_app)
blobs = LocalBlobs(__import__("pathlib").Path("blobs").absolute())
stop, started = threading.Event(), threading.Event()
flask_app.extensions["ingest_start"] = started.set
flask_app.extensions["ingest_stop"] = stop

@flask_app.get("/started")
def is_started():
    return {"started": started.is_set()}

@flask_app.put("/put")
def put():
    limit = request.args.get("limit", 3_000_000, int)
    with read_raw(request.environ, "a.txt", limit=limit, on_file=lambda *_: blobs.new_upload()).writer as writer:
        return {"size": writer.size, "sha256": writer.sha256}

@flask_app.get("/stream")
def stream():
    def frames():
        yield b"open"
        stop.wait()
        yield b" closed"
    return Response(frames())

@flask_app.get("/bad-header")
def bad_header():
    return Response("x", headers=[("X-Bad", "\\x7f")])
"""

# what would take seconds in earnest
CONFIG = """
from app.web import request_body, server
import gunicorn.util
server.HEAD_SECONDS = 0.2
request_body.STALL_SECONDS = 0.2
gunicorn.util.close_graceful.__defaults__ = (30.0, 65536)
worker_class = server.ProblemThreadWorker
threads = 8
worker_connections = 40
keepalive = 30
graceful_timeout = 20
control_socket_disable = True
post_worker_init = server.after_fork
"""


class Server:
    def __init__(self, folder):
        (folder / "tiny.py").write_text(APP)
        (folder / "conf.py").write_text(CONFIG)
        self.log = folder / "log"
        with socket.create_server(("127.0.0.1", 0)) as listener, self.log.open("wb") as log:
            self.address = listener.getsockname()
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "gunicorn",
                    "-c",
                    "conf.py",
                    "-b",
                    f"fd://{listener.fileno()}",
                    "tiny:flask_app",
                ],
                cwd=folder,
                env={**os.environ, "PYTHONPATH": f"{ROOT}:{folder}"},
                pass_fds=[listener.fileno()],
                stderr=log,
            )

    def connect(self):
        client = socket.create_connection(self.address, timeout=20)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 16_384)  # so that sending waits for the reader
        return client

    def ask(self, sent):
        """Send bytes, and return what comes until the server closes."""
        with self.connect() as client:
            client.sendall(sent)
            return answer_of(client)

    def stop(self):
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


@contextlib.contextmanager
def running(folder):
    server = Server(folder)
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


def answer_of(client):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), head.decode(), body


def get(path, *headers, version="1.1"):
    lines = [f"GET {path} HTTP/{version}", "Host: localhost", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def put(body, *headers, path="/put"):
    lines = [f"PUT {path} HTTP/1.1", "Host: localhost", "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def assert_problem(answer, status, code):
    seen, head, body = answer
    assert seen == status
    assert "Content-Type: application/problem+json" in head
    document = json.loads(body)
    assert (document["status"], document["error"]["code"]) == (status, code)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", document["instance"])
    assert "zqx" not in head + body.decode()


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"zqx\r\n\r\n", 400, "bad_request"),
        (b"GET /zqx\r\n\r\n", 400, "bad_request"),
        (b"zqx<script> / HTTP/1.1\r\n\r\n", 400, "bad_request"),
        (get("/zqx", version="9.9"), 400, "bad_request"),
        (get("/" + "zqx" * 2000), 414, "uri_too_long"),
        (get("/", "X: " + "zqx" * 3000), 431, "headers_too_large"),
        (get("/", "X: " + "zqx" * 300_000), 431, "headers_too_large"),
        (get("/", *[f"X-{number}: zqx" for number in range(200)]), 431, "headers_too_large"),
        (get("/", "X: a\rzqx: b"), 400, "bad_request"),
        (get("/", "zqx"), 400, "bad_request"),
        (put(b"x", "Content-Length: 1", "Transfer-Encoding: chunked"), 400, "bad_request"),
        (put(b"x", "Content-Length: zqx"), 400, "bad_request"),
        (put(b"x", "Transfer-Encoding: zqx"), 400, "bad_request"),
        (get("/", "Expect: zqx"), 400, "bad_request"),
        (get("/bad-header"), 500, "internal"),
    ],
)
def test_what_never_reaches_the_app_is_refused_as_a_problem(server, sent, status, code):
    assert_problem(server.ask(sent), status, code)


def test_no_answer_names_the_library_that_serves(server):
    for sent in (get("/started"), b"nonsense\r\n\r\n"):
        assert "gunicorn" not in server.ask(sent)[1]


def test_a_refusal_below_the_app_is_logged_under_its_own_id():
    client, peer = socket.socketpair()
    with client, peer, structlog.contextvars.bound_contextvars(request_id="of-an-earlier-request", job_id="another"):
        ProblemThreadWorker.handle_error(None, None, peer, None, InvalidRequestLine("zqx"))
        peer.close()
        head = answer_of(client)[1]
        logged_with = structlog.contextvars.get_contextvars()
    assert logged_with == {"request_id": re.search("X-Request-ID: (.*)", head)[1]}


def test_the_background_threads_are_started_with_the_worker(server):
    assert json.loads(server.ask(get("/started"))[2]) == {"started": True}


def test_a_file_arrives_whole_by_length_and_in_chunks(server):
    data = b"0123456789" * 200_000
    by_length = server.ask(put(data, f"Content-Length: {len(data)}"))
    in_chunks = server.ask(put(b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data), "Transfer-Encoding: chunked"))
    assert by_length[2] == in_chunks[2]
    assert json.loads(by_length[2])["size"] == len(data)


def test_a_body_cut_short_is_incomplete(server):
    with server.connect() as client:
        client.sendall(put(b"abc", "Content-Length: 1000"))
        client.shutdown(socket.SHUT_WR)
        assert_problem(answer_of(client), 400, "incomplete_body")


def test_chunks_cut_short_are_incomplete(server):
    with server.connect() as client:
        client.sendall(put(b"64\r\nabc", "Transfer-Encoding: chunked"))
        client.shutdown(socket.SHUT_WR)
        assert_problem(answer_of(client), 400, "incomplete_body")


@pytest.mark.parametrize("body", [b"zz\r\nabc\r\n", b"3\r\nabcd\r\n0\r\n\r\n", b"3;\x00\r\nabc\r\n0\r\n\r\n"])
def test_a_broken_chunk_is_malformed(server, body):
    assert_problem(server.ask(put(body, "Transfer-Encoding: chunked")), 400, "malformed_body")


def test_an_upload_that_stalls_is_cut_with_a_408(server):
    assert_problem(server.ask(put(b"abc", "Content-Length: 1000")), 408, "incomplete_body")


TOO_LARGE = b"x" * 900_000


@pytest.mark.parametrize(
    ("header", "body"),
    [
        (f"Content-Length: {len(TOO_LARGE)}", TOO_LARGE),
        ("Transfer-Encoding: chunked", b"%x\r\n%b\r\n0\r\n\r\n" % (len(TOO_LARGE), TOO_LARGE)),
    ],
)
def test_a_client_that_sends_all_before_it_listens_sees_why_it_was_refused(server, header, body):
    assert_problem(server.ask(put(body, header, path="/put?limit=1000")), 413, "too_large")


def test_so_does_one_that_would_keep_its_connection(server):
    client = http.client.HTTPConnection(*server.address)
    client.sock = server.connect()
    client.request("PUT", "/put?limit=1000", body=TOO_LARGE)
    assert client.getresponse().status == 413
    client.close()


def test_a_client_that_stops_in_the_middle_of_its_head_is_let_go(server):
    with server.connect() as client:
        client.sendall(b"GET / HT")
        assert client.recv(100) == b""
    assert b"Traceback" not in server.log.read_bytes()


def test_a_client_that_does_not_close_holds_up_nobody(server):
    with contextlib.ExitStack() as open_clients:
        for _ in range(3):
            client = open_clients.enter_context(server.connect())
            client.sendall(b"nonsense\r\n\r\n")
            assert b" 400 " in client.recv(65536)
        assert server.ask(get("/started"))[0] == 200


def test_streams_end_when_the_server_is_told_to_stop(tmp_path):
    with running(tmp_path) as server:
        with server.connect() as client:
            client.sendall(get("/stream", version="1.0"))
            seen = b""
            while b"open" not in seen:
                seen += client.recv(65536)
            server.process.send_signal(signal.SIGTERM)
            while piece := client.recv(65536):
                seen += piece
        assert seen.endswith(b" closed")
        assert server.process.wait(20) == 0

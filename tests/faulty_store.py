"""An S3 in this process that counts its requests, and fails as it is told to."""

import contextlib
import itertools
import socket
import threading
import time

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ERROR = "<?xml version='1.0'?><Error><Code>{code}</Code><Message>told to</Message></Error>"
CODES = {503: "SlowDown", 403: "AccessDenied", 500: "InternalError", 501: "NotImplemented", 400: "ExpiredToken"}


class Quiet(WSGIRequestHandler):
    def log(self, *_):
        pass


class FaultyStore:
    """`fault` is called with a request's method and path; it returns a status to answer with, "away", or None."""

    def __init__(self, bucket: str) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.fault = lambda method, path: None
        self._app = DomainDispatcherApplication(create_backend_app)
        self._server = make_server("127.0.0.1", 0, self._answer, threaded=True, request_handler=Quiet)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()
        self.bucket, self.address = bucket, f"127.0.0.1:{self._server.server_port}"
        self.client = boto3.client(
            "s3",
            endpoint_url=f"http://{self.address}",
            aws_access_key_id="key",
            aws_secret_access_key="secret",
            region_name="us-east-1",
        )
        self.client.create_bucket(Bucket=bucket)

    def uri(self, name: str) -> str:
        escaped = self.address.replace(":", "%3A")
        return f"s3://key:secret@{self.bucket}/{name}?endpoint_override={escaped}&scheme=http&region=us-east-1"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(self, environ, start_response):
        method, path, query = (environ[name] for name in ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING"))
        self.requests.append((method, path.removeprefix(f"/{self.bucket}"), query))
        status = self.fault(method, path.removeprefix(f"/{self.bucket}"))
        if status == "away":
            with contextlib.suppress(OSError):
                environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
            start_response("500 Away", [])
            return []
        if status is not None:
            environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
            start_response(f"{status} Fault", [("Content-Type", "text/xml")])
            return [] if method == "HEAD" else [ERROR.format(code=CODES[status]).encode()]
        return self._app(environ, start_response)

    def unfinished_uploads(self) -> list[dict]:
        return self.client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])


def every(number: int, status: int):
    """A fault of each so manyth request."""
    count = itertools.count(1)
    return lambda method, path: status if next(count) % number == 0 else None


def first(number: int, status):
    """A fault of the next so many requests."""
    count = itertools.count(1)
    return lambda method, path: status if next(count) <= number else None


def for_seconds(seconds: float, status):
    """A fault that passes after some time."""
    end = time.monotonic() + seconds
    return lambda method, path: status if time.monotonic() < end else None


def slow(seconds: float):
    """Answers that take some time."""

    def fault(method, path):
        time.sleep(seconds)

    return fault

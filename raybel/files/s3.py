"""Single requests to S3: what `pyarrow.fs` makes of several, or can't say (conditions, the store's own clock).

Each function makes its request once (`outages.patiently` makes it again), and raises an `OSError`: `FileNotFoundError`
where there is no such object or bucket, `FileExistsError` where a condition doesn't hold.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from pyarrow import fs

from raybel.files.outages import patiently

_LOG = logging.getLogger(__name__)
#: A larger object is written in parts, each of so many bytes: S3 takes up to 10,000 of them.
PART_BYTES = 8 << 20
MAX_PARTS = 10_000
#: A store that doesn't answer for so long counts as away.
CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 60.0
_lock = threading.Lock()


@dataclass(frozen=True)
class Answer:
    """An object as S3 gives it.

    Args:
        data: Its bytes.
        tag: Its ETag, which changes with its content.
        age: Seconds since it was written, by the store's clock alone.
    """

    data: bytes
    tag: str
    age: float


def is_s3(uri: str) -> bool:
    """True for a URI of S3."""
    return uri.startswith("s3://")


def connect(uri: str) -> tuple[fs.S3FileSystem, str]:
    """Return Arrow's file system for a URI, which a process makes once for a bucket, and the path in it.

    Raises:
        ArrowInvalid: The URI isn't one.
        OSError: The store can't be reached.
    """
    parts = urlsplit(uri)
    path = unquote(f"{parts.netloc.rpartition('@')[2]}{parts.path}").rstrip("/")
    with _lock:
        return _filesystem(parts.netloc, parts.query), path


@functools.lru_cache(maxsize=64)
def _filesystem(place: str, query: str) -> fs.S3FileSystem:
    given, _ = fs.FileSystem.from_uri(f"s3://{place}" + (f"?{query}" if query else ""))
    options = given.__reduce__()[1][0]  # what its constructor takes
    changed = {
        "allow_delayed_open": True,
        "connect_timeout": CONNECT_SECONDS,
        "request_timeout": ANSWER_SECONDS,
        "retry_strategy": fs.AwsStandardS3RetryStrategy(max_attempts=1),  # we make requests again, and for longer
    }
    return fs.S3FileSystem(**{**options, **changed})


def _client(uri: str) -> Any:
    parts = urlsplit(uri)
    with _lock:
        return _made_client(parts.netloc, parts.query)


@functools.lru_cache(maxsize=64)
def _made_client(place: str, query: str) -> Any:
    import boto3
    from botocore.config import Config

    options = _filesystem(place, query).__reduce__()[1][0]
    endpoint = options["endpoint_override"]
    config = Config(
        retries={"total_max_attempts": 1},
        connect_timeout=CONNECT_SECONDS,
        read_timeout=ANSWER_SECONDS,
        max_pool_connections=16,
        request_checksum_calculation="when_required",  # stores other than AWS's needn't know the new checksums
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if endpoint and not options["force_virtual_addressing"] else "auto"},
    )
    keys = {
        "aws_access_key_id": options["access_key"] or None,
        "aws_secret_access_key": options["secret_key"] or None,
        "aws_session_token": options["session_token"] or None,
    }
    session = boto3.session.Session(region_name=options["region"] or None, **keys)
    url = (endpoint if "://" in endpoint else f"{options['scheme']}://{endpoint}") if endpoint else None
    return session.client("s3", endpoint_url=url, verify=options["tls_ca_file_path"] or None, config=config)


@contextlib.contextmanager
def _as_os_errors() -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, PartialCredentialsError

    try:
        yield
    except ClientError as error:
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        reason = error.response.get("Error", {})
        said = f"{reason.get('Code')} (HTTP status {status}) during {error.operation_name}: {reason.get('Message')}"
        if status == 404:
            raise FileNotFoundError(said) from error
        raise (FileExistsError if status in (409, 412) else OSError)(said) from error
    except (NoCredentialsError, PartialCredentialsError) as error:
        raise PermissionError(13, str(error)) from error
    except BotoCoreError as error:
        raise OSError(str(error)) from error


def _place(uri: str) -> dict[str, str]:
    bucket, _, key = connect(uri)[1].partition("/")
    return {"Bucket": bucket, "Key": key}


def get(uri: str) -> Answer:
    """Return an object; raises as the module says."""
    with _as_os_errors():
        answer = _client(uri).get_object(**_place(uri))
        data = answer["Body"].read()
    now = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    return Answer(data, answer["ETag"], (now - answer["LastModified"]).total_seconds())


def put(uri: str, data: bytes, tag: str | None = None, new: bool = False) -> str:
    """Write an object in one request, and return its tag.

    Args:
        uri: Of the object.
        data: Its bytes.
        tag: Only in place of the object of this tag; `FileExistsError` where it is another, or `FileNotFoundError`.
        new: Only where there is none; else `FileExistsError`.
    """
    condition = {"IfMatch": tag} if tag else {"IfNoneMatch": "*"} if new else {}
    with _as_os_errors():
        return str(_client(uri).put_object(**_place(uri), Body=data, **condition)["ETag"])


def publish(uri: str, whole: IO[bytes], size: int) -> None:
    """Write an object, each request again and again; it is there whole or not, and no part of it is left if not.

    Args:
        uri: Of the object.
        whole: Its bytes.
        size: How many they are.

    Raises:
        AccessError: As `outages.patiently`.
        FileNotFoundError: There is no such bucket.
    """
    if size <= PART_BYTES:
        data = whole.read()
        patiently(uri, "written", lambda: put(uri, data))
        return
    client, place = _client(uri), _place(uri)

    def request(name: str, **arguments: Any) -> Any:
        def once() -> Any:
            with _as_os_errors():
                return getattr(client, name)(**place, **arguments)

        return patiently(uri, "written", once)

    step = max(PART_BYTES, -(-size // MAX_PARTS))
    upload = {"UploadId": request("create_multipart_upload")["UploadId"]}
    parts: list[dict[str, Any]] = []
    try:
        while piece := whole.read(step):
            part = {"PartNumber": len(parts) + 1}
            parts.append({**part, "ETag": request("upload_part", Body=piece, **upload, **part)["ETag"]})
        request("complete_multipart_upload", MultipartUpload={"Parts": parts}, **upload)
    except BaseException:
        try:
            with _as_os_errors():
                client.abort_multipart_upload(**place, **upload)
        except OSError as error:  # the first error is the one to tell
            _LOG.warning(f"an unfinished upload of {place['Key']} couldn't be taken back: {error}")
        raise


def delete(uri: str) -> None:
    """Delete an object; nothing happens where there is none."""
    with _as_os_errors():
        _client(uri).delete_object(**_place(uri))


def delete_below(uri: str) -> None:
    """Delete an object and all those below it as if it were a directory."""
    place = _place(uri)
    client, bucket = _client(uri), place["Bucket"]
    with _as_os_errors():
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=place["Key"])
        for page in pages:
            keys = [each["Key"] for each in page.get("Contents", ())]
            below = [key for key in keys if key == place["Key"] or key.startswith(place["Key"].rstrip("/") + "/")]
            if below:
                said = client.delete_objects(
                    Bucket=bucket, Delete={"Objects": [{"Key": key} for key in below], "Quiet": True}
                )
                for failed in said.get("Errors", ()):
                    raise OSError(f"{failed.get('Code')} during DeleteObjects: {failed.get('Message')}")


def info(uri: str) -> tuple[int, int] | None:
    """Return an object's size and its time in nanoseconds, None where there is none."""
    try:
        with _as_os_errors():
            head = _client(uri).head_object(**_place(uri))
    except FileNotFoundError:
        return None
    return int(head["ContentLength"]), int(head["LastModified"].timestamp()) * 10**9

import pytest

from raybel.errors import ConfigError, without_secrets
from raybel.files import storage

QUERY = "region=eu&endpoint_override=127.0.0.1%3A9000&keys=a&key_file=k"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("s3://key:se/cr+et@bucket/x", "s3://bucket/x"),
        ("s3://AKIA123:12/cr+et@bucket/x@2.xml", "s3://bucket/x@2.xml"),
        ("abfs://account:a/b/c==@container/x: gone, s3://k:s@b.", "abfs://container/x: gone, s3://b."),
        ("http://user:pass/word@host:80/a@b", "http://host:80/a@b"),
        ("https://user@host/x", "https://host/x"),
        (
            "s3://b/x?client_secret=a/b+c==&region=eu: no such file",
            "s3://b/x?client_secret=***&region=eu: no such file",
        ),
        ("https://a/b?sv=1&SIG=x%2By&X-Amz-Signature=abc", "https://a/b?sv=1&SIG=***&X-Amz-Signature=***"),
        ("('gs://b?access_key=abc')", "('gs://b?access_key=***')"),
    ],
)
def test_keys_of_uris_arent_shown(text, shown):
    assert without_secrets(text) == shown
    assert without_secrets(shown) == shown
    assert str(ConfigError(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "hdfs://host:8020/data/a@b.xml",
        "http://localhost:8265/x?mail=a@b",
        f"s3://bucket/x?{QUERY}",
        "s3://bucket/x:y and mail to a@b",
        '{"a": "s3://bucket", "b": "c:d@e"}',
        "/home/a:b@c/d",
    ],
)
def test_what_is_no_key_stays(text):
    assert without_secrets(text) == text


def test_a_uri_of_an_unknown_system_is_named_without_its_keys():
    with pytest.raises(ConfigError, match="isn't a path, or a URI") as caught:
        storage.resolve("s4://AKIA123:se/cr+et@bucket/x")
    assert "cr+et" not in str(caught.value)
    assert "AKIA" not in str(caught.value)

import logging
import os

import pytest
from hypothesis import HealthCheck, settings

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAYBEL_OUTAGE_SECONDS"] = "1"  # a store that a test makes unreachable stays so

for profile, examples in (("quick", 25), ("thorough", 500)):
    settings.register_profile(
        profile,
        deadline=None,
        derandomize=profile == "quick",  # what `make test` says doesn't depend on luck
        max_examples=examples,
        suppress_health_check=[HealthCheck.function_scoped_fixture],
    )
settings.load_profile("quick")
#: Files and folders that take minutes.
LONG = ("tests/test_docs.py", "tests/jobs/train/", "tests/jobs/tune/", "tests/jobs/link/test_job.py")


def pytest_collection_modifyitems(items):
    """Put the files that take long first, so that one of two workers doesn't wait for the other at the end."""
    items.sort(key=lambda item: not any(part in item.path.as_posix() for part in LONG))


@pytest.fixture(autouse=True)
def _own_log():
    """Take back what a command in this process did to raybel's log; else later tests see records twice, or none."""
    yield
    log = logging.getLogger("raybel")
    for handler in log.handlers[:]:
        log.removeHandler(handler)
    log.propagate = True
    log.setLevel(logging.NOTSET)


@pytest.fixture(scope="session")
def local_ray():
    """One Ray of two CPUs for all tests that want one, started as a job starts its own."""
    import ray

    from raybel.jobs import connection

    environment = connection.ENVIRONMENT | connection.LOCAL_ENVIRONMENT
    os.environ.update({name: value for name, value in environment.items() if name not in os.environ})
    with connection.loopback_only():
        ray.init(
            address="local",
            num_cpus=2,
            include_dashboard=False,
            logging_level="ERROR",
            log_to_driver=False,
            object_store_memory=connection.LOCAL_STORE_BYTES,
            _system_config=connection.LOCAL_SYSTEM_CONFIG,
        )
    yield
    ray.shutdown()


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """A small ontology and its n-gram model."""
    from ray_fixture import make_model

    return make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """The directory of a small text encoder."""
    from tiny_model import make_encoder

    return make_encoder(tmp_path_factory.mktemp("encoder"))


@pytest.fixture(scope="session")
def kit(encoder):
    """A small cross-encoder with everything that scores with it."""
    from tiny_crossencoder import make_kit

    return make_kit(encoder)


@pytest.fixture(scope="session")
def endpoint():
    """A function: prefix -> URI in a bucket of an S3 that runs in this process."""
    boto3 = pytest.importorskip("boto3")
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    server.start()
    port = server.get_host_and_port()[1]
    client = boto3.client(
        "s3",
        endpoint_url=f"http://127.0.0.1:{port}",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    client.create_bucket(Bucket="bucket")
    yield (
        lambda prefix: (
            f"s3://key:secret@bucket/{prefix}?endpoint_override=127.0.0.1%3A{port}&scheme=http&region=us-east-1"
        )
    )
    server.stop()

"""Small archives, made in memory."""

import gzip
import io
import random
import tarfile
import zipfile

import pyarrow as pa


def tar_bytes(files, links=()) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        archive.addfile(named("folder", tarfile.DIRTYPE))
        for name in links:
            info = named(name, tarfile.SYMTYPE)
            info.linkname = "/etc/passwd"
            archive.addfile(info)
        for name, data in files.items():
            info = named(name, tarfile.REGTYPE)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return sink.getvalue()


def named(name, kind):
    info = tarfile.TarInfo(name)
    info.type = kind
    return info


def zip_bytes(files) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("folder/", b"")
        for name, data in files.items():
            archive.writestr(name, data)
    return sink.getvalue()


def packed(suffix, files) -> bytes:
    plain = tar_bytes(files)
    return {
        ".tar": lambda: plain,
        ".tar.gz": lambda: gzip.compress(plain),
        ".tgz": lambda: gzip.compress(plain[:5000]) + gzip.compress(plain[5000:]),
        ".tar.zst": lambda: pa.compress(plain, "zstd", asbytes=True),
        ".zip": lambda: zip_bytes(files),
    }[suffix]()


def padded(xml: bytes) -> bytes:
    """XML with a comment behind it of which about 100 KB remain when it is packed."""
    return xml + b"<!-- " + random.Random(xml).randbytes(100_000).hex().encode() + b" -->"


SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip")

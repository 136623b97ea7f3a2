"""A prefix in an S3 bucket as a second place: Amazon's, or another maker's (AWS_ENDPOINT_URL_S3).

botocore finds credentials where every AWS program does: the environment, ~/.aws, a role. An object appears whole or
not at all; one in parts that never ended costs money and is seen by nobody, so it is taken away before the next try.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from autosys_tasks.backup.copies.place import CHUNK, LATER, Lost, NameTaken, PlaceError, full, lacks
from autosys_tasks.config.addresses import Address

PART_BYTES = 16 << 20  # at least 5 MiB, and an object has 10,000 parts at most
MOST_PARTS = 9_000
FULL = ("QuotaExceeded", "InsufficientStorage", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "507")
TAKEN, AT_ONCE = "PreconditionFailed", "ConditionalRequestConflict"  # of If-None-Match; at once: nothing was stored
SKEWED = ("RequestTimeTooSkewed", "RequestInTheFuture", "RequestExpired")
REFUSED = (
    "AccessDenied", "AllAccessDisabled", "ExpiredToken", "InvalidAccessKeyId", "InvalidToken", "SignatureDoesNotMatch",
    "TokenRefreshRequired", "403", "401",
)  # fmt: skip
KEYS = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write them to ~/.aws/credentials: aws configure"


class Bucket:
    """A place (see place.Place) that is a prefix in a bucket."""

    def __init__(self, where: Address, shown: str, timeout_s: float) -> None:
        self.shown, self.timeout_s = shown, timeout_s
        self.bucket, self.prefix = where.host, f"{where.path}/" if where.path else ""
        with self._said():
            self.client = client(where, timeout_s, shown)

    def names(self) -> Mapping[str, int]:
        """The objects right below the prefix and how long they are."""
        asked = {"Bucket": self.bucket, "Prefix": self.prefix, "Delimiter": "/"}
        with self._said():
            pages = self.client.get_paginator("list_objects_v2").paginate(**asked)
            found = [one for page in pages for one in page.get("Contents", ())]
        return {one["Key"].removeprefix(self.prefix): one["Size"] for one in found if one["Key"] != self.prefix}

    def put(self, name: str, chunks: Iterable[bytes], size: int, *, new: bool = False) -> str:
        """Store it under its own name: it appears when the last byte is there."""
        part = max(PART_BYTES, -(-size // MOST_PARTS))
        with self._said():
            if size <= part:
                _where_free(self.client.put_object, new, **self._key(name), Body=b"".join(chunks))
            else:
                self._put_parts(name, _gathered(chunks, part), new)
        return name

    def _put_parts(self, name: str, parts: Iterable[bytes], new: bool) -> None:
        self._forget(name)
        upload = {**self._key(name), "UploadId": self.client.create_multipart_upload(**self._key(name))["UploadId"]}
        try:
            done = []
            for number, part in enumerate(parts, 1):
                said = self.client.upload_part(**upload, PartNumber=number, Body=part)
                done.append({"PartNumber": number, "ETag": said["ETag"]})
            _where_free(self.client.complete_multipart_upload, new, **upload, MultipartUpload={"Parts": done})
        except BaseException:
            with suppress(Exception):  # what went wrong first is what is said; the next try takes these parts away
                self.client.abort_multipart_upload(**upload)
            raise

    def _forget(self, name: str) -> None:
        """Take away the parts of this object that earlier tries left."""
        from botocore.exceptions import ClientError

        key = self._key(name)["Key"]
        with suppress(ClientError):  # whose key may not list them still may copy; nothing depends on it
            pages = self.client.get_paginator("list_multipart_uploads").paginate(Bucket=self.bucket, Prefix=key)
            left = [one["UploadId"] for page in pages for one in page.get("Uploads", ()) if one["Key"] == key]
            for upload in left:
                self.client.abort_multipart_upload(**self._key(name), UploadId=upload)

    def finish(self, name: str, *, new: bool = False) -> None:
        """It has its name already."""

    def drop(self, name: str) -> None:
        """There is nothing without a name."""

    def read(self, name: str) -> Iterator[bytes]:
        """Its bytes."""
        with self._said():
            yield from self.client.get_object(**self._key(name))["Body"].iter_chunks(CHUNK)

    def piece(self, name: str, at: int, size: int) -> bytes:
        """Up to `size` bytes from offset `at`."""
        with self._said():
            asked = self.client.get_object(**self._key(name), Range=f"bytes={at}-{at + size - 1}")
            return bytes(asked["Body"].read())

    def remove(self, name: str) -> None:
        """Take the object and its unfinished parts away."""
        with self._said():
            self._forget(name)
            self.client.delete_object(**self._key(name))

    def close(self) -> None:
        """Let go of the connections."""
        self.client.close()

    def _key(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": self.prefix + name}

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            from botocore import exceptions as wrong
        except ImportError:
            raise lacks("botocore", self.shown) from None
        try:
            yield
        except wrong.ClientError as error:
            raise self._refused(error.response) from error
        except (wrong.NoCredentialsError, wrong.PartialCredentialsError, wrong.ProfileNotFound) as error:
            message = f"no credentials for `{self.shown}`: {error}"
            raise PlaceError(message, where=self.shown, hint=KEYS) from error
        except (wrong.ReadTimeoutError, wrong.ConnectTimeoutError) as error:
            raise self._lost(f"gave no answer within {self.timeout_s:g} s") from error
        except wrong.ParamValidationError as error:
            message = f"`{self.shown}`: no bucket can be named `{self.bucket}`"
            raise PlaceError(message, where=self.shown, hint="correct the address in `copies` of [backup]") from error
        except wrong.ConnectionError as error:
            hint = "is the network up, and AWS_ENDPOINT_URL_S3 right?"
            raise PlaceError(f"`{self.shown}` cannot be reached: {error}", where=self.shown, hint=hint) from error
        except wrong.HTTPClientError as error:
            raise self._lost(f"hung up: {error}") from error
        except wrong.BotoCoreError as error:
            hint = "correct the address in `copies` of [backup], or ~/.aws/config"
            raise PlaceError(f"`{self.shown}` cannot be used: {error}", where=self.shown, hint=hint) from error

    def _lost(self, why: str) -> PlaceError:
        return Lost(f"`{self.shown}` {why}", where=self.shown, hint=LATER)

    def _refused(self, said: Mapping[str, Any]) -> PlaceError:
        code, message = str(said["Error"].get("Code", "")), str(said["Error"].get("Message", ""))
        why = f"{message.rstrip('.')} ({code})" if message and message != code else code
        if code in FULL:
            return full(self.shown, why)
        if code == TAKEN:
            return NameTaken(f"something has that name at `{self.shown}`", where=self.shown)
        if code in ("NoSuchBucket", "PermanentRedirect"):
            hint = f"make the bucket, or correct the address: aws s3 mb s3://{self.bucket}"
            message = f"`{self.shown}`: there is no bucket `{self.bucket}` ({code})"
            return PlaceError(message, where=self.shown, hint=hint)
        if code in SKEWED:
            hint = "set the clock of this machine, or of that one: they differ by more than a quarter of an hour"
            return PlaceError(f"`{self.shown}` refuses: {why}", where=self.shown, hint=hint)
        if code in REFUSED:
            return PlaceError(f"`{self.shown}` refuses these credentials: {why}", where=self.shown, hint=KEYS)
        status = said.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        kind = Lost if status >= 500 or code == AT_ONCE else PlaceError
        return kind(f"`{self.shown}` refuses: {why}", where=self.shown, hint=LATER)


def _where_free(store: Callable[..., object], new: bool, **asked: Any) -> None:
    """Store an object; a `new` one only where none has its name, with whoever knows that condition."""
    from botocore.exceptions import ClientError

    if new:
        try:
            store(**asked, IfNoneMatch="*")
            return
        except ClientError as error:
            if error.response["Error"].get("Code") != "NotImplemented":
                raise
    store(**asked)


def client(where: Address, timeout_s: float, shown: str) -> Any:
    """What speaks S3; connects when it is first used."""
    try:
        from botocore.config import Config
        from botocore.session import get_session
    except ImportError:
        raise lacks("botocore", shown) from None
    keys = {"aws_access_key_id": where.user, "aws_secret_access_key": where.password} if where.password else {}
    config = Config(
        connect_timeout=min(timeout_s, 15.0),
        read_timeout=timeout_s,
        retries={"mode": "standard", "total_max_attempts": 3},
        request_checksum_calculation="when_required",  # servers other than Amazon's refuse them; all is read back
        response_checksum_validation="when_required",
    )
    session = get_session()
    region = None if session.get_config_variable("region") else "us-east-1"
    return session.create_client("s3", region_name=region, config=config, **keys)


def _gathered(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of `size`, the last one shorter."""
    held = bytearray()
    for chunk in chunks:
        held += chunk
        while len(held) >= size:
            yield bytes(held[:size])
            del held[:size]
    if held:
        yield bytes(held)

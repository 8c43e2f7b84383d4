"""Checks that a tool call was signed with the secret of this tool.

Standard library only, so that a tool's author can copy this one file. It needs the body exactly as
it arrived: a body that was parsed and printed again has other bytes and another signature.
"""

import hashlib
import hmac
import re
import time
from collections.abc import Iterable
from dataclasses import dataclass

MAX_SKEW_S = 300

_PREFIX = "x-onceonly-"
_HEX_DIGEST = re.compile(r"[0-9a-f]{64}")
# `int()` alone would also take spaces, underscores and the digits of other scripts.
_UNIX_SECONDS = re.compile(r"-?[0-9]{1,18}")


class Refused(Exception):
    """The call is not to be trusted. The text says why and is safe to send back."""


@dataclass(frozen=True)
class Verified:
    """A call whose body was signed with the secret, and what else its headers claim.

    Only the body is under the signature. `agent`, `tool`, `secret_id` and `timestamp` are as
    trustworthy as the connection they came over.
    """

    agent: str | None
    tool: str | None
    secret_id: str | None
    timestamp: int
    body_sha256: str


def verify(
    body: bytes,
    headers: Iterable[tuple[str, str]],
    secret: str,
    now: float | None = None,
) -> Verified:
    """Returns what was verified, or raises `Refused` with the first thing that is wrong.

    `headers` are (name, value) pairs, `headers.items()` in most frameworks; case does not matter.
    `now` is Unix time in seconds and defaults to this host's clock.
    """
    fields = _signing_fields(headers)
    signature, timestamp = fields.get("signature"), fields.get("timestamp")
    if not signature or not timestamp:
        raise Refused("signature or timestamp header is missing")
    if fields.get("signature-alg", "hmac_sha256").lower() != "hmac_sha256":
        raise Refused("signature algorithm is not hmac_sha256")
    seconds = _fresh(timestamp, time.time() if now is None else now)
    _check_signature(body, signature, secret)
    return Verified(
        agent=fields.get("agent-id"),
        tool=fields.get("tool"),
        secret_id=fields.get("secret-id"),
        timestamp=seconds,
        body_sha256=hashlib.sha256(body).hexdigest(),
    )


def _signing_fields(headers: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The `X-OnceOnly-*` headers by what follows the prefix.

    A repeated one is refused, because two programs on the way may each believe another copy.
    """
    fields: dict[str, str] = {}
    for name, value in headers:
        name = name.lower()
        if not name.startswith(_PREFIX):
            continue
        if name.removeprefix(_PREFIX) in fields:
            raise Refused(f"{name} is there more than once")
        fields[name.removeprefix(_PREFIX)] = value
    return fields


def _fresh(timestamp: str, now: float) -> int:
    """The timestamp as a number, if it is near enough to `now` to limit a replay."""
    if not _UNIX_SECONDS.fullmatch(timestamp):
        raise Refused("timestamp is not a whole number of Unix seconds")
    if abs(now - int(timestamp)) > MAX_SKEW_S:
        raise Refused(f"timestamp is more than {MAX_SKEW_S} s from this host's clock")
    return int(timestamp)


def _check_signature(body: bytes, signature: str, secret: str) -> None:
    """Compares in constant time, so that the time to refuse does not spell out the right digits."""
    expected = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    # The shape is checked first because `compare_digest` raises on text that is not ASCII.
    if not _HEX_DIGEST.fullmatch(signature) or not hmac.compare_digest(expected, signature):
        raise Refused("signature does not match this body")

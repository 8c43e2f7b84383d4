"""An agent as Python programs write them: calls one tool in every way that httpx sends a body.

usage: agent_httpx.py BASE_URL TOOL

BASE_URL is the sidecar's agent listener; the tool is expected to answer like `send-email` of the
example backend, which repeats the hash of the body that it verified. Prints one line of JSON:

    {"calls": [{"case", "status", "error", "attempts", "sent_sha256", "verified_sha256"}, ...],
     "keep_alive": {"calls", "connections"}}

`error` is `X-Countersign-Error` or null. Exits with 1 when a call had no HTTP answer at all; its
entry then has the status null and the exception in `error`.
"""

import asyncio
import gzip
import hashlib
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx

REUSED_CALLS = 20

# `trust_env=False`: a proxy from the environment would get these calls, even those to loopback.
OPTIONS: dict[str, Any] = {"trust_env": False, "timeout": 30.0}

ENVELOPE = {
    "tool": "send_email",
    "args": {"to": "ünï@example.com", "subject": "Größe ☃", "count": 1.0},
}
# Spacing, key order and escapes that no JSON library would print again in the same way.
ODD_JSON = b'{ "args" : {"to":"a\\u0040example.com", "to" : "b@example.com"},\r\n "n": 1.00e0 }\n'
NOT_UTF8 = bytes(range(256)) + b"\xff\xfe\x00\xc3\x28"
PIECES = [b'{"args":{"to":"', b"c", b"@example.com" + b"x" * 70_000, b"", b'"}}']
GZIPPED = gzip.compress(json.dumps(ENVELOPE).encode(), mtime=0)
JSON = {"Content-Type": "application/json"}


def pieces() -> Iterator[bytes]:
    """A body of unknown length, which httpx sends chunked."""
    yield from PIECES


async def async_pieces() -> AsyncIterator[bytes]:
    """The same from an async source."""
    for piece in PIECES:
        yield piece


def cases(chunked: Callable[[], Any]) -> dict[str, tuple[dict[str, Any], bytes | None]]:
    """Per case the arguments of httpx, and the bytes sent where httpx does not know them itself."""
    binary = {"Content-Type": "application/octet-stream"}
    return {
        "json": ({"json": ENVELOPE}, None),
        "odd json": ({"content": ODD_JSON, "headers": JSON}, None),
        "chunked": ({"content": chunked(), "headers": JSON}, b"".join(PIECES)),
        "binary": ({"content": NOT_UTF8, "headers": binary}, None),
        "gzip": ({"content": GZIPPED, "headers": JSON | {"Content-Encoding": "gzip"}}, None),
        "empty": ({"content": b""}, None),
        "form": ({"data": {"to": "d@example.com", "text": "1 + 1 & more"}}, None),
    }


def verified_sha256(response: httpx.Response) -> str | None:
    """The hash that the tool says it verified, whether or not it could read the body as JSON."""
    try:
        found = response.json()
    except ValueError:
        return None
    if isinstance(found, dict) and isinstance(found.get("detail"), dict):
        found = found["detail"]
    verified = found.get("verified") if isinstance(found, dict) else None
    return verified.get("body_sha256") if isinstance(verified, dict) else None


def answered(case: str, response: httpx.Response, sent: bytes) -> dict[str, Any]:
    """The report's entry for a call that was answered, by the tool or by the sidecar."""
    return {
        "case": case,
        "status": response.status_code,
        "error": response.headers.get("X-Countersign-Error"),
        "attempts": response.headers.get("X-Countersign-Attempts"),
        "sent_sha256": hashlib.sha256(sent).hexdigest(),
        "verified_sha256": verified_sha256(response),
    }


def failed(case: str, error: httpx.TransportError) -> dict[str, Any]:
    """The report's entry for a call without an answer."""
    unknown = dict.fromkeys(("attempts", "sent_sha256", "verified_sha256"))
    return {"case": case, "status": None, "error": repr(error)} | unknown


def call_all(url: str) -> list[dict[str, Any]]:
    """Every case, blocking."""
    report = []
    with httpx.Client(**OPTIONS) as client:
        for name, (arguments, sent) in cases(pieces).items():
            try:
                response = client.post(url, **arguments)
                body = response.request.content if sent is None else sent
                report.append(answered(f"sync {name}", response, body))
            except httpx.TransportError as error:
                report.append(failed(f"sync {name}", error))
    return report


async def call_all_async(url: str) -> list[dict[str, Any]]:
    """Every case once more, on one connection pool and at the same time."""

    async def call(name: str, arguments: dict[str, Any], sent: bytes | None) -> dict[str, Any]:
        try:
            response = await client.post(url, **arguments)
        except httpx.TransportError as error:
            return failed(f"async {name}", error)
        body = response.request.content if sent is None else sent
        return answered(f"async {name}", response, body)

    async with httpx.AsyncClient(**OPTIONS) as client:
        calls = [call(name, *case) for name, case in cases(async_pieces).items()]
        return list(await asyncio.gather(*calls))


def call_repeatedly(url: str) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """One call after the other, and over how many connections they went."""
    report, connections = [], set()
    with httpx.Client(**OPTIONS) as client:
        for number in range(REUSED_CALLS):
            body = json.dumps({"args": {"to": f"{number}@example.com"}}).encode()
            case = f"keep-alive {number}"
            try:
                with client.stream("POST", url, content=body, headers=JSON) as response:
                    stream = response.extensions["network_stream"]
                    connections.add(stream.get_extra_info("client_addr"))
                    response.read()
                    report.append(answered(case, response, body))
            except httpx.TransportError as error:
                report.append(failed(case, error))
    return report, {"calls": REUSED_CALLS, "connections": len(connections)}


def main(base_url: str, tool: str) -> int:
    """Makes all calls, prints the report and returns the exit code."""
    url = f"{base_url.rstrip('/')}/tools/{tool}"
    calls = call_all(url) + asyncio.run(call_all_async(url))
    repeated, keep_alive = call_repeatedly(url)
    calls += repeated
    print(json.dumps({"calls": calls, "keep_alive": keep_alive}))
    return 1 if any(call["status"] is None for call in calls) else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

"""A tool backend that acts on signed calls only: four tools behind one check.

Run it with `uvicorn app:app --port 8000`; `TOOL_SECRET` must equal the secret in the registry.
The tools do nothing to the outside world, so that the example can be run anywhere.
"""

import itertools
import json
import os
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, Any

from fastapi import Depends, FastAPI, HTTPException, Request, Response

from verify import Refused, Verified, verify

# The default lets the example run as it is; a real tool refuses to start without its own secret.
TOOL_SECRET = os.environ.get("TOOL_SECRET", "supersecret")

# Anyone can send bytes before the signature is known to be wrong, so they are counted on arrival.
MAX_BODY_BYTES = 10 * 1024 * 1024

# Old answers are forgotten first. A real tool keeps them in its database, beside what they created.
MAX_REMEMBERED = 10_000

app = FastAPI(title="Example tool backend")


@dataclass(frozen=True)
class Call:
    """A verified call. `payload` and `args` are empty unless the body has them as objects."""

    verified: Verified
    payload: dict[str, Any]
    args: dict[str, Any]


async def read_body(request: Request) -> bytes:
    """The body as it came over the wire, still compressed if it was sent so."""
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > MAX_BODY_BYTES:
            raise HTTPException(413, f"body is larger than {MAX_BODY_BYTES} bytes")
        pieces.append(piece)
    return b"".join(pieces)


async def verified_call(request: Request) -> Call:
    """Verifies first and reads the JSON afterwards: a parser is no place for a stranger's bytes."""
    body = await read_body(request)
    try:
        verified = verify(body, request.headers.items(), TOOL_SECRET)
    except Refused as refused:
        raise HTTPException(401, str(refused)) from None
    try:
        payload = parse_json(decoded(body, request.headers.get("content-encoding")))
    except (ValueError, RecursionError, zlib.error):
        detail = {"error": "invalid_json", "message": "the body is signed, but it is not JSON"}
        raise HTTPException(400, detail | {"verified": asdict(verified)}) from None
    payload = object_or_empty(payload)
    return Call(verified, payload, object_or_empty(payload.get("args")))


SignedCall = Annotated[Call, Depends(verified_call)]


def decoded(body: bytes, encoding: str | None) -> bytes:
    """Undoes gzip. The signature covers the compressed bytes, hence only after the check."""
    if encoding is None or encoding.lower() != "gzip":
        return body
    gunzip = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    plain = gunzip.decompress(body, MAX_BODY_BYTES)
    if not gunzip.eof:
        raise ValueError("truncated, or larger than the limit once decompressed")
    return plain


def parse_json(text: bytes) -> Any:
    """JSON as the standard has it: Python would also take `NaN` and `Infinity`."""

    def refuse(constant: str) -> None:
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


def object_or_empty(value: Any) -> dict[str, Any]:
    """Callers may send any JSON; a tool that looks for fields finds none in the rest of it."""
    return value if isinstance(value, dict) else {}


def text_or_none(args: dict[str, Any], name: str) -> str | None:
    """An argument that is text. Other types count as absent."""
    value = args.get(name)
    return value if isinstance(value, str) else None


def answer(content: dict[str, Any]) -> Response:
    """JSON in ASCII, because a caller's half of a surrogate pair has no UTF-8 form."""
    return Response(json.dumps(content), media_type="application/json")


@app.post("/tools/send-email")
async def send_email(call: SignedCall) -> Response:
    """Works, and tells the caller what was verified."""
    sent = {"status": "sent", "to": text_or_none(call.args, "to")}
    return answer(sent | {"verified": asdict(call.verified)})


@app.post("/tools/fail-test")
async def fail_test(call: SignedCall) -> None:
    """Fails every time, so that retries can be watched."""
    raise HTTPException(500, "this tool fails on purpose")


remembered: OrderedDict[tuple[str, str], dict[str, Any]] = OrderedDict()


def once(tool: str, call: Call, act: Callable[[dict[str, Any]], Any]) -> tuple[Any, bool]:
    """What `act` made of the call's arguments, now or at the first call with its key, and which.

    The key is read from the body, the one part of a call that the signature covers. A sidecar that
    makes the call itself puts the same `lease_id` into every repetition of it.
    """
    key = text_or_none(call.args, "idempotency_key") or text_or_none(call.payload, "lease_id")
    # Looking and storing are one step only because nothing here awaits. With several worker
    # processes it takes a unique key in a shared database.
    if key and (tool, key) in remembered:
        return remembered[tool, key], False
    made = act(call.args)
    if key:
        remembered[tool, key] = made
        if len(remembered) > MAX_REMEMBERED:
            remembered.popitem(last=False)
    return made, True


ticket_numbers = itertools.count(1)


@app.post("/tools/create-ticket")
async def create_ticket(call: SignedCall) -> Response:
    """Creates one ticket per key and answers a repeat with the first one's result."""
    ticket, _ = once("create-ticket", call, new_ticket)
    return answer({"status": "created", "ticket": ticket})


def new_ticket(args: dict[str, Any]) -> dict[str, Any]:
    """The side effect that must not happen twice."""
    return {
        "id": f"ticket-{next(ticket_numbers)}",
        "title": text_or_none(args, "title"),
        "priority": text_or_none(args, "priority") or "normal",
    }


charge_numbers = itertools.count(1)


@app.post("/tools/charge")
async def charge(call: SignedCall) -> Response:
    """Charges once per key, and says `replayed` when it had done so before.

    With `args.lose_answer` the card is charged and the caller is not told, as when a connection
    breaks at the wrong moment. A repetition with the same key gets the answer.
    """
    made, is_new = once("charge", call, new_charge)
    if is_new and call.args.get("lose_answer") is True:
        raise HTTPException(500, "this answer was lost on purpose")
    return answer({"status": "charged", "charge": made, "replayed": not is_new})


def new_charge(args: dict[str, Any]) -> dict[str, Any]:
    """The side effect that must not happen twice, and costs money when it does."""
    amount = args.get("amount")
    return {"id": f"charge-{next(charge_numbers)}", "amount": amount}


@app.get("/health")
async def health() -> dict[str, str]:
    """Answers without a signature, for probes."""
    return {"status": "ok"}

"""A tool backend that checks calls as the guide for tool backends says, and tells what has arrived.

It shares nothing with the sidecar: the bytes are the web framework's, the signature is `hmac`'s, and the
reading of the body is `json`'s. `TOOL_SECRET` is the tool's secret.
"""

import base64
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, HTTPException, Request

TOOL_SECRET = os.environ["TOOL_SECRET"]

app = FastAPI()


def verify_signature(raw: bytes, headers: Mapping[str, str]) -> None:
    """The guide's check, in the guide's order."""
    signature = headers.get("x-onceonly-signature")
    timestamp = headers.get("x-onceonly-timestamp")
    algorithm = headers.get("x-onceonly-signature-alg")
    if not signature or not timestamp:
        raise HTTPException(401, "no signature or no timestamp")
    if algorithm and algorithm.lower() != "hmac_sha256":
        raise HTTPException(401, "another algorithm")
    if abs(time.time() - int(timestamp)) > 300:
        raise HTTPException(401, "too old or too new")
    expected = hmac.new(TOOL_SECRET.encode(), raw, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected, signature):
        raise HTTPException(401, "not the signature of this body")


@app.post("/tool")
async def tool(request: Request) -> dict[str, Any]:
    """Verifies the call, and answers with what came over the wire and what Python reads in it."""
    raw = await request.body()
    verify_signature(raw, request.headers)
    members = json.loads(raw, object_pairs_hook=list)
    envelope = dict(members)
    del envelope["args"]  # Which may hold what an answer in JSON could not.
    lease = uuid.UUID(envelope["lease_id"].removeprefix("lease_"))
    return {
        "raw": base64.b64encode(raw).decode(),
        "signature": request.headers["x-onceonly-signature"],
        "timestamp": int(request.headers["x-onceonly-timestamp"]),
        "members": [name for name, _ in members],
        "envelope": envelope,
        "lease_version": lease.version,
    }


@app.get("/health")
async def health() -> dict[str, str]:
    """Answers without a signature, for whoever waits until it is up."""
    return {"status": "ok"}

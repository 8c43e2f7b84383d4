"""Puts a Python verifier from the documentation through what it must accept and refuse.

usage: check_verifier.py FILE VECTORS

FILE defines `verify(body, headers, secret) -> bool`, where `headers` finds names in any case;
VECTORS is `onceonly_body_hmac.json`. Exits with 1 and names the case where the verifier errs;
an exception counts as an error too, because it becomes a 500 and a retry.
"""

import base64
import json
import runpy
import sys
import time
from pathlib import Path

import httpx


def body_of(case: dict) -> bytes:
    """The exact body of a vector."""
    if "body_b64" in case:
        return base64.b64decode(case["body_b64"])
    repeat = case["body_repeat"]
    unit, length = base64.b64decode(repeat["unit_b64"]), repeat["total_len"]
    return (unit * (length // len(unit) + 1))[:length]


def main(file: str, vectors: str) -> None:
    """Tries every vector, then the first one with a fault of each kind."""
    verify = runpy.run_path(file)["verify"]
    now = int(time.time())

    def check(expected: bool, name: str, body: bytes, secret: str, fields: dict) -> None:
        present = {key: value for key, value in fields.items() if value is not None}
        headers = {f"X-OnceOnly-{key}": value for key, value in present.items()}
        found = verify(body, httpx.Headers(headers, encoding="latin-1"), secret)
        if bool(found) is not expected:
            sys.exit(f"{name}: {found!r} instead of {expected}")

    cases = json.loads(Path(vectors).read_text())["cases"]
    for case in cases:
        body, secret = body_of(case), case["secret"]
        good = {"Signature": case["signature_hex"], "Timestamp": str(now)}
        check(True, case["id"], body, secret, good | {"Signature-Alg": "hmac_sha256"})
        check(True, f"{case['id']} without algorithm", body, secret, good)
        check(False, f"{case['id']} and a byte", body + b"\n", secret, good)
        check(False, f"{case['id']} under another secret", body, secret + "x", good)

    body, secret, signature = body_of(cases[0]), cases[0]["secret"], cases[0]["signature_hex"]
    good = {"Signature": signature, "Timestamp": str(now)}
    faults: dict[str, dict[str, str | None]] = {
        "no headers": {"Signature": None, "Timestamp": None},
        "no signature": {"Signature": None},
        "no timestamp": {"Timestamp": None},
        "another algorithm": {"Signature-Alg": "ed25519"},
        "a prefix": {"Signature": f"sha256={signature}"},
        "a short signature": {"Signature": signature[:-2]},
        "a signature that is not ASCII": {"Signature": "é" * 64},
        "an empty signature": {"Signature": ""},
        "an old timestamp": {"Timestamp": str(now - 310)},
        "an early timestamp": {"Timestamp": str(now + 310)},
        "milliseconds": {"Timestamp": str(now * 1000)},
        "a fraction": {"Timestamp": f"{now}.5"},
        "not a number": {"Timestamp": "now"},
        "a huge number": {"Timestamp": "9" * 5000},
    }
    for name, fields in faults.items():
        check(False, name, body, secret, good | fields)


if __name__ == "__main__":
    main(*sys.argv[1:])

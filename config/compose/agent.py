"""An agent that knows no secret: it calls a tool through its sidecar, every few seconds."""

import json
import os
import time
import urllib.error
import urllib.request

SIDECAR = os.environ.get("SIDECAR_URL", "http://127.0.0.1:8787")
CALLS = int(os.environ.get("CALLS", "0"))  # 0: for ever


def call(tool: str, arguments: dict) -> tuple[int, str]:
    """The tool's answer, or the sidecar's refusal."""
    request = urllib.request.Request(
        f"{SIDECAR}/tools/{tool}",
        data=json.dumps({"tool": tool, "args": arguments}).encode(),
        headers={"Content-Type": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


made = 0
while True:
    try:
        print(*call("send_email", {"to": "user@example.com"}))
    except OSError as error:
        # A sidecar that is being replaced is back in a moment.
        print("no answer:", error)
    made += 1
    if made == CALLS:
        break
    time.sleep(5)

"""An operator's program: manages one tool with the published SDK, blocking or asynchronous.

usage: sdk_tools.py sync|async PHASE BASE_URL NAME TOOL_URL

BASE_URL is the admin listener's `/v1`; the key is in COUNTERSIGN_ADMIN_TOKEN. One run does one
phase, so that the caller can call the tool between two of them:

    create     with the secret in SDK_TOOL_SECRET and neither timeout nor retries
    read       one, those of its scope, those of all scopes, and one that does not exist
    update     without a secret, with everything else changed
    off, on    toggle
    delete     twice
    refusals   a wrong key, no key at all, and bodies that are not valid

Prints one line of JSON: per call what the SDK returned, as {"returned": value}, or what it raised,
as {"raised": class, "text": message, "status": number or null, "detail": value or null}.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from onceonly import OnceOnly
from onceonly.exceptions import OnceOnlyError

# The SDK's own 5 s are for a machine that does nothing else.
PATIENCE_S = 60.0

Observation = dict[str, Any]


@dataclass
class Operator:
    """Who does the phases, and on which tool."""

    kind: str
    base_url: str
    name: str
    url: str

    def client(self, key: str) -> OnceOnly:
        """A client as programs make it."""
        return OnceOnly(key, base_url=self.base_url, timeout=PATIENCE_S)

    async def call(self, method: str, *args: Any, key: str | None = None, **kwargs: Any) -> Observation:
        """Calls a method of the SDK or its asynchronous twin and tells what came of it."""
        client = self.client(key or os.environ["COUNTERSIGN_ADMIN_TOKEN"])
        try:
            if self.kind == "async":
                twin = getattr(client.gov, f"{method}_async")
                return {"returned": await twin(*args, **kwargs)}
            return {"returned": getattr(client.gov, method)(*args, **kwargs)}
        except OnceOnlyError as error:
            return {
                "raised": type(error).__name__,
                "text": str(error),
                "status": getattr(error, "status_code", None),
                "detail": getattr(error, "detail", None),
            }
        finally:
            client.close()
            await client.aclose()

    def tool(self, **auth: str) -> dict[str, Any]:
        """The fields without which there is no tool."""
        auth = {"type": "hmac_sha256", **auth}
        return {"name": self.name, "scope_id": "global", "url": self.url, "auth": auth}


async def create(operator: Operator) -> dict[str, Observation]:
    """Everything optional is left to the registry."""
    secret = os.environ["SDK_TOOL_SECRET"]
    return {"create": await operator.call("create_tool", operator.tool(secret=secret))}


async def read(operator: Operator) -> dict[str, Observation]:
    """The tool in every list that it should be in."""
    return {
        "get": await operator.call("get_tool", operator.name),
        "list": await operator.call("list_tools"),
        "list_all": await operator.call("list_tools", "all"),
        "list_other_scope": await operator.call("list_tools", scope_id="agent:nobody"),
        "get_absent": await operator.call("get_tool", "absent", scope_id="agent:support_bot"),
    }


async def update(operator: Operator) -> dict[str, Observation]:
    """As a form does whose field for the secret was left blank."""
    changes = {"timeout_ms": 4000, "max_retries": 0, "description": "Größe: ☃, 100 %"}
    return {"update": await operator.call("create_tool", operator.tool() | changes)}


async def off(operator: Operator) -> dict[str, Observation]:
    """Toggles, and looks whether it is."""
    toggled = await operator.call("toggle_tool", operator.name, enabled=False)
    return {"toggle": toggled, "get": await operator.call("get_tool", operator.name)}


async def on(operator: Operator) -> dict[str, Observation]:
    """The way back."""
    toggled = await operator.call("toggle_tool", operator.name, enabled=True)
    return {"toggle": toggled, "get": await operator.call("get_tool", operator.name)}


async def delete(operator: Operator) -> dict[str, Observation]:
    """The second time there is nothing to delete."""
    return {
        "delete": await operator.call("delete_tool", operator.name),
        "again": await operator.call("delete_tool", operator.name),
        "toggle": await operator.call("toggle_tool", operator.name, enabled=True),
    }


async def refusals(operator: Operator) -> dict[str, Observation]:
    """What must not work. A secret in an invalid body must not come back in any message."""
    marker = os.environ["SDK_TOOL_SECRET"]
    short = marker[:7]
    without_name = {"url": operator.url, "auth": {"type": "hmac_sha256", "secret": marker}}
    bad_url = operator.tool(secret=marker) | {"url": f"http://user:{marker}@example.com/"}
    misplaced = operator.tool() | {"secret": marker, "auth": marker, "timeout_ms": marker}
    return {
        "wrong_key": await operator.call("list_tools", key="a-wrong-key"),
        "no_key": await without_key(operator),
        "empty": await operator.call("create_tool", {}),
        "without_name": await operator.call("create_tool", without_name),
        "short_secret": await operator.call("create_tool", operator.tool(secret=short)),
        "bad_url": await operator.call("create_tool", bad_url),
        "misplaced": await operator.call("create_tool", misplaced),
    }


async def without_key(operator: Operator) -> Observation:
    """The SDK always sends a key, so this is plain HTTP."""
    async with httpx.AsyncClient(timeout=PATIENCE_S) as client:
        answer = await client.get(f"{operator.base_url}/tools")
    return {"status": answer.status_code, "body": answer.json()}


PHASES: dict[str, Callable[[Operator], Awaitable[dict[str, Observation]]]] = {
    phase.__name__: phase for phase in (create, read, update, off, on, delete, refusals)
}


def main(kind: str, phase: str, base_url: str, name: str, url: str) -> None:
    """Does one phase and prints what was observed."""
    operator = Operator(kind, base_url, name, url)
    print(json.dumps(asyncio.run(PHASES[phase](operator))))


if __name__ == "__main__":
    main(*sys.argv[1:])

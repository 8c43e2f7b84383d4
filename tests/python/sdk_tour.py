"""An operator's program and an agent in one: calls every method of the published SDK once or more.

usage: sdk_tour.py sync|async BASE_URL TOOL_URL

BASE_URL is the admin listener's `/v1`; the key is in COUNTERSIGN_ADMIN_TOKEN. TOOL_URL is where a tool
is that answers with a JSON object.

Prints one line of JSON: `seen`, per step what the SDK returned, as {"returned": value}, or what it
raised, as {"raised": class, "text": message, "status": number or null}; and `missed`, the public
methods that no step has called.
"""

import asyncio
import dataclasses
import inspect
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from onceonly import OnceOnly
from onceonly.decorators import idempotent, idempotent_ai
from onceonly.exceptions import OnceOnlyError

# The SDK's own 5 s are for a machine that does nothing else.
PATIENCE_S = 60.0
# Polling that is as quick as the SDK lets it be.
POLLING = {"timeout": PATIENCE_S, "poll_min": 0.05, "poll_max": 0.1}

Observation = dict[str, Any]


def plain(value: Any) -> Any:
    """What JSON can say of a value: the SDK's own classes become objects."""
    if isinstance(value, list):
        return [plain(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        # `raw` is the answer itself, which the other fields were made from.
        fields = dataclasses.asdict(value)
        fields.pop("raw", None)
        return fields
    return value


class Tour:
    """Who goes, and what has been seen so far."""

    def __init__(self, kind: str, base_url: str, tool_url: str) -> None:
        self.is_async = kind == "async"
        self.tool_url = tool_url
        self.client = OnceOnly(
            os.environ["COUNTERSIGN_ADMIN_TOKEN"],
            base_url=base_url,
            timeout=PATIENCE_S,
            fail_open=False,
        )
        self.seen: dict[str, Observation] = {}
        self.called: set[str] = set()

    async def call(self, path: str, *args: Any, **kwargs: Any) -> Any:
        """Calls a method, or its asynchronous twin, by its path from the client: `gov.get_tool`."""
        owner, _, method = path.rpartition(".")
        target = getattr(self.client, owner) if owner else self.client
        self.called.add(path)
        if self.is_async:
            return await getattr(target, f"{method}_async")(*args, **kwargs)
        # The main thread stays free for whoever is waited for.
        return await asyncio.to_thread(getattr(target, method), *args, **kwargs)

    async def see(self, step: str, path: str, *args: Any, **kwargs: Any) -> Any:
        """The same, and notes what came of it under the step's name."""
        return await self.watch(step, self.call(path, *args, **kwargs))

    async def watch(self, step: str, work: Awaitable[Any]) -> Any:
        """Notes what comes of some work under the step's name."""
        try:
            value = await work
            self.seen[step] = {"returned": plain(value)}
            return value
        except OnceOnlyError as error:
            self.seen[step] = {
                "raised": type(error).__name__,
                "text": str(error),
                "status": getattr(error, "status_code", None),
            }
            return None
        except asyncio.CancelledError:
            # Version 3.0.5 awaits the heartbeat that it has cancelled, and catches only `Exception`.
            # By then the function has run and its lease has ended.
            self.seen[step] = {"raised": "CancelledError", "text": "", "status": None}
            return None

    def missed(self) -> list[str]:
        """Public methods that have not been called, whichever twin."""
        owners = {"": self.client, "ai.": self.client.ai, "gov.": self.client.gov}
        methods = {
            prefix + name.removesuffix("_async")
            for prefix, owner in owners.items()
            for name, _ in inspect.getmembers(type(owner), inspect.isfunction)
            if not name.startswith("_") and name not in ("close", "aclose")
        }
        return sorted(methods - self.called)


async def tools(tour: Tour) -> None:
    """A tool is made, looked at, switched and, in the end, removed."""
    tool = {
        "name": "send_email",
        "url": tour.tool_url,
        "auth": {"type": "hmac_sha256", "secret": "a-secret-of-the-tour"},
    }
    await tour.see("create_tool", "gov.create_tool", tool)
    await tour.see("get_tool", "gov.get_tool", "send_email")
    await tour.see("list_tools", "gov.list_tools")
    await tour.see("toggle_off", "gov.toggle_tool", "send_email", enabled=False)
    await tour.see("toggle_on", "gov.toggle_tool", "send_email", enabled=True)


async def calls(tour: Tour) -> None:
    """An agent's calls, through everything that can become of them."""
    call = {"agent_id": "bot", "tool": "send_email", "args": {"to": "é@example.com"}}
    await tour.see("run_tool", "ai.run_tool", **call, spend_usd=0.5, run_id="run-1")
    await tour.see("run_tool_again", "ai.run_tool", **call, run_id="run-2")
    await tour.see("run_absent_tool", "ai.run_tool", agent_id="bot", tool="absent")
    await tour.see("run_by_agent", "ai.run", agent_id="bot", tool="send_email", args={"n": 1})
    waiting = {"agent_id": "bot", "tool": "send_email", "args": {"n": 1}}
    await tour.see("run_and_wait_by_agent", "ai.run_and_wait", **waiting)
    await tour.see("disable_agent", "gov.disable_agent", "bot", reason="fraud")
    await tour.see("run_disabled", "ai.run_tool", **call)
    await tour.see("enable_agent", "gov.enable_agent", "bot")
    await tour.see("run_enabled", "ai.run_tool", **call)


async def policies(tour: Tour) -> None:
    """A policy is written, made from a template, read and obeyed."""
    policy = {"max_actions_per_hour": 100, "blocked_tools": ["send_email"]}
    await tour.see("upsert_policy", "gov.upsert_policy", policy, agent_id="governed")
    await tour.see("get_policy", "gov.get_policy", "governed")
    await tour.see("get_absent_policy", "gov.get_policy", "nobody")
    overrides = {"max_actions_per_hour": 7}
    await tour.see("template", "gov.policy_from_template", "careful", "strict", overrides)
    await tour.see("list_policies", "gov.list_policies")
    await tour.see("run_blocked", "ai.run_tool", agent_id="governed", tool="send_email")


async def audit(tour: Tour) -> None:
    """What became of all that."""
    await tour.see("agent_logs", "gov.agent_logs", "bot", limit=3)
    await tour.see("agent_metrics", "gov.agent_metrics", "bot", period="hour")
    await tour.see("blocked_logs", "gov.agent_logs", "governed")


async def locks(tour: Tour) -> None:
    """A lock, and the decorator that is made of locks."""
    await tour.see("check_lock", "check_lock", "key", ttl=60, meta={"a": 1}, request_id="req-1")
    await tour.see("check_lock_again", "check_lock", "key", ttl=60, request_id="req-2")
    await tour.see("check_lock_wrong", "check_lock", "")
    done = []

    def work() -> str:
        done.append(1)
        return "done"

    async def work_async() -> str:
        return work()

    once = idempotent(tour.client, key_prefix="tour", return_value_on_duplicate="skipped")
    decorated = once(work_async) if tour.is_async else once(work)
    for step in ("idempotent", "idempotent_again"):
        await tour.watch(step, decorated() if tour.is_async else asyncio.to_thread(decorated))
    tour.seen["times_done"] = {"returned": len(done)}


async def leases(tour: Tour) -> None:
    """Leases by hand, and the helpers that are made of them."""
    lease = await tour.call("ai.lease", "by-hand", ttl=60, metadata={"run_id": "run-3"})
    tour.seen["lease"] = {"returned": lease}
    holder = {"key": "by-hand", "lease_id": lease["lease_id"]}
    await tour.see("lease_again", "ai.lease", "by-hand")
    await tour.see("status_held", "ai.status", "by-hand")
    await tour.see("extend", "ai.extend", **holder, ttl=120)
    await tour.see("complete", "ai.complete", **holder, result={"n": 1.5}, result_hash="h")
    await tour.see("result", "ai.result", "by-hand")
    await tour.see("wait", "ai.wait", "by-hand", **POLLING)
    await tour.see("complete_late", "ai.extend", **holder)
    await tour.see("status_absent", "ai.status", "absent")

    lease = await tour.call("ai.lease", "in-vain")
    holder = {"key": "in-vain", "lease_id": lease["lease_id"]}
    await tour.see("fail", "ai.fail", **holder, error_code="boom", error_hash="h")
    await tour.see("result_failed", "ai.result", "in-vain")
    lease = await tour.call("ai.lease", "given-back")
    holder = {"key": "given-back", "lease_id": lease["lease_id"]}
    await tour.see("cancel", "ai.cancel", **holder, reason="no need")

    run = await tour.call("ai.run", "by-run", ttl=60)
    tour.seen["run"] = {"returned": plain(run)}
    await tour.see("ai_run", "ai_run", "by-run", run_id="run-3")
    waiting = asyncio.create_task(tour.see("run_and_wait", "ai.run_and_wait", "by-run", **POLLING))
    also = asyncio.create_task(tour.see("ai_run_and_wait", "ai_run_and_wait", "by-run", **POLLING))
    # Whichever comes first, the two that wait or the end: they are told the same.
    await tour.call("ai.complete", "by-run", run.lease_id, result={"n": 2})
    await asyncio.gather(waiting, also)

    await tour.see("run_fn", "ai.run_fn", "by-fn", lambda: {"n": 3}, extend_every=1.0)
    await tour.see("run_fn_again", "ai.run_fn", "by-fn", lambda: {"n": 4})

    def work() -> dict[str, int]:
        return {"n": 5}

    async def work_async() -> dict[str, int]:
        return work()

    once = idempotent_ai(tour.client, key="by-decorator")
    decorated = once(work_async) if tour.is_async else once(work)
    for step in ("idempotent_ai", "idempotent_ai_again"):
        await tour.watch(step, decorated() if tour.is_async else asyncio.to_thread(decorated))


async def runs(tour: Tour) -> None:
    """The events of a run."""
    event = {"run_id": "run x/y", "type": "tool_result", "ts": 7, "status": "ok"}
    more = {"duration_ms": 120, "tool": "send_email", "data": {"n": 1}, "extra_field": "x"}
    await tour.see("post_event", "post_event", **event, **more)
    await tour.see("timeline", "get_run_timeline", "run x/y")
    await tour.see("timeline_of_a_lease", "get_run_timeline", "run-3", limit=2)
    await tour.see("events", "events", limit=1)


async def account(tour: Tour) -> None:
    """What was used."""
    await tour.see("me", "me")
    await tour.see("notify", "update_notifications", tool_error_notifications_enabled=True)
    await tour.see("usage", "usage")
    await tour.see("usage_ai", "usage", "ai")
    await tour.see("usage_all", "usage_all")
    await tour.see("metrics", "metrics", "2020-01-01", "2199-12-31")
    await tour.see("delete_tool", "gov.delete_tool", "send_email")


STAGES: tuple[Callable[[Tour], Awaitable[None]], ...] = (
    tools,
    calls,
    policies,
    audit,
    locks,
    leases,
    runs,
    account,
)


async def main(kind: str, base_url: str, tool_url: str) -> None:
    """Goes through all stages and prints what was seen."""
    tour = Tour(kind, base_url, tool_url)
    for stage in STAGES:
        await stage(tour)
    tour.client.close()
    await tour.client.aclose()
    print(json.dumps({"seen": tour.seen, "missed": tour.missed()}))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""What the README of the OnceOnly SDK promises, tried on a sidecar of your own.

There are two clients because there are two doors. The agent's holds no secret: whoever steals its key has
a string that means nothing. The operator's has the admin token, and what only it can do is out of the
agent's reach.
"""

import asyncio
import os
from collections import Counter

from onceonly import AiToolResult, OnceOnly, idempotent_ai

agent = OnceOnly("no-key-needed", base_url="http://127.0.0.1:8787/v1")
operator = OnceOnly(
    os.environ["COUNTERSIGN_ADMIN_TOKEN"],
    base_url="http://127.0.0.1:8788/v1",
    fail_open=False,  # a lock that cannot be had is not a lock
)

ME = "billing-agent"


def show(what: str, told: str) -> None:
    print(f"{what:<29}{told}")


def told(call: AiToolResult) -> str:
    """What became of a call, in a few words."""
    if not call.allowed:
        return f"{call.decision}: {call.policy_reason}"
    charge = call.result["charge"]["id"]
    return f"{call.decision}, {charge}" + (", replayed" if call.result["replayed"] else "")


def webhook_that_comes_twice() -> None:
    for delivery in ("webhook", "the same webhook"):
        lock = operator.check_lock(key="stripe:evt_123", ttl=86_400)
        show(delivery, "duplicate" if lock.duplicate else "ours to process")


def charge(**args: object) -> AiToolResult:
    return agent.ai.run_tool(agent_id=ME, tool="stripe.charge", args=args)


def charges_that_are_made_once() -> None:
    show("charge", told(charge(amount=9999, currency="usd")))
    show("the same charge", told(charge(currency="usd", amount=9999)))
    show("ten at the same time", asyncio.run(ten_at_once()))
    # The backend charges and then fails. The sidecar asks again with the same `lease_id`, and the backend
    # answers from memory.
    show("its answer gets lost", told(charge(amount=7, lose_answer=True)))


async def ten_at_once() -> str:
    call = {"agent_id": ME, "tool": "stripe.charge", "args": {"amount": 500, "currency": "eur"}}
    calls = await asyncio.gather(*(agent.ai.run_tool_async(**call) for _ in range(10)))
    decisions = Counter(call.decision for call in calls)
    charges = {call.result["charge"]["id"] for call in calls}
    return f"{dict(sorted(decisions.items(), reverse=True))}, {', '.join(sorted(charges))}"


@idempotent_ai(operator, key_fn=lambda user: f"welcome:{user}", ttl=86_400)
def welcome(user: str) -> dict[str, str]:
    """Work of the agent's own, done once per user on however many workers."""
    print(f"    writing to {user}")
    args = {"to": user, "idempotency_key": f"welcome:{user}"}
    return agent.ai.run_tool(agent_id=ME, tool="send_email", args=args).result


def work_that_is_done_once() -> None:
    for step in ("welcome", "the same welcome"):
        show(step, welcome("ann@example.com").result["status"])


def what_the_policy_stops() -> None:
    show("a fourth charge", told(charge(amount=1)))
    show("delete_user", told(agent.ai.run_tool(agent_id=ME, tool="delete_user")))
    # Written into the sidecar's tools.yaml, below the policy that is there.
    policy = operator.gov.policy_from_template("intern", "strict", {"blocked_tools": ["send_email"]})
    show("a policy from a template", f"{policy.max_actions_per_hour} calls an hour")
    show("send_email, by the intern", told(agent.ai.run_tool(agent_id="intern", tool="send_email")))


def kill_switch() -> None:
    operator.gov.disable_agent(ME, reason="looks odd")
    show("switched off", told(charge(amount=9999, currency="usd")))
    operator.gov.enable_agent(ME)
    show("switched on", told(charge(amount=9999, currency="usd")))


def what_happened() -> None:
    print("the last calls")
    for log in reversed(operator.gov.agent_logs(ME, limit=4)):
        show(f"    {log.tool}", f"{log.decision}: {log.policy_reason}")
    metrics = operator.gov.agent_metrics(ME, period="day")
    blocked, spent = metrics.blocked_actions, metrics.total_spend_usd
    show("today", f"{metrics.total_actions} calls, {blocked} blocked, ${spent:.2f}")


webhook_that_comes_twice()
charges_that_are_made_once()
work_that_is_done_once()
what_the_policy_stops()
kill_switch()
what_happened()

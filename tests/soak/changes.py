"""The operator: edits, breaks and mends the registry, rotates secrets, and uses the Tools API.

One change follows the other, each with what it promises: a good file is in service when a reload
says so, a broken one changes nothing, and what the API answered 200 holds for the next call.
"""

import asyncio
import random
import signal
from collections.abc import Callable
from pathlib import Path

from agents import TOOLS, Agents, Tool
from ledger import Ledger
from process import Sidecar
from wire import Connection, request

BROKEN: list[Callable[[str], str]] = [
    lambda text: "",
    lambda text: "tools:\n",
    lambda text: text + "\n  - {",
    lambda text: text.replace("timeout_ms", "tiemout_ms", 1),
    lambda text: text.replace("url: http:", "url: gopher:", 1),
    lambda text: text.replace("secret_file: ", "secret_file: gone-", 1),
]


def registry_text(upstream: int, dead: int) -> str:
    """The registry to begin with: every tool but the one that comes through the API."""
    lines = ["# Edited by hand, by a script and through the API.", "tools:"]
    for tool in TOOLS.values():
        if tool.name == "from_api":
            continue
        lines += [
            f"  - name: {tool.name}",
            f"    url: http://127.0.0.1:{dead if tool.name == 'dead' else upstream}/{tool.name}",
            f"    auth: {{ type: hmac_sha256, secret_file: {tool.name}.secret }}",
            f"    timeout_ms: {tool.timeout_ms}",
            f"    max_retries: {tool.max_retries}",
            f"    deadline_ms: {tool.deadline_ms}",
            f"    idempotent: {str(tool.idempotent).lower()}",
            # What is remembered is kept for a day, which would look like a leak.
            "    once: off",
        ]
    return "\n".join(lines) + "\n"


class Changes:
    def __init__(self, sidecar: Sidecar, agents: Agents, upstream: int, registry: Path, ledger: Ledger,
                 rng: random.Random) -> None:
        self.sidecar = sidecar
        self.agents = agents
        self.upstream = upstream
        self.registry = registry
        self.ledger = ledger
        self.rng = rng
        self.stopping = False

    def write_secret(self, tool: str) -> None:
        secret = self.rng.randbytes(16).hex()
        # First here: the sidecar may have it the moment that it is written.
        self.ledger.add_secret(tool, secret.encode())
        replace(self.registry.with_name(f"{tool}.secret"), secret)

    async def run(self) -> None:
        actions = [self.edit, self.spoil, self.rotate, self.toggle, self.put, self.delete, self.hang_up,
                   self.look, self.misuse]
        while not self.stopping:
            action = self.rng.choice(actions)
            self.ledger.counts[f"change {action.__name__}"] += 1
            try:
                async with asyncio.timeout(60):
                    await action()
            except Exception as error:
                self.ledger.fault(f"change {action.__name__}: {error!r}")
            await asyncio.sleep(self.rng.uniform(0.05, 0.4))

    async def expect(self, status: int, method: str, target: str, body: object = None) -> None:
        answer = await self.sidecar.ask(method, target, body)
        if answer.status != status:
            self.ledger.fault(f"{method} {target}: {answer.status} instead of {status}: {answer.body[:300]!r}")

    async def expect_call(self, tool: Tool, code: str | None) -> None:
        """Makes one call whose outcome is known for certain."""
        call = self.agents.announce(tool, b"{}")
        connection = await Connection.open(self.sidecar.agents)
        fields = {"X-Soak-Call": str(call.number)}
        await connection.send(request("POST", f"/tools/{tool.name}", fields, b"{}"))
        async with asyncio.timeout(30):
            answer = await connection.answer()
        connection.close()
        self.ledger.settle(call)
        if answer.code not in (code, "overloaded"):
            self.ledger.fault(f"right after a change {tool.name} is {answer.status} {answer.code}, not {code}")

    async def edit(self) -> None:
        """A harmless edit by hand, in place or by rename."""
        text = self.registry.read_text()
        kept = [line for line in text.splitlines() if not line.startswith("# at ")]
        text = "\n".join([f"# at {self.rng.random()}", *kept]) + "\n"
        if self.rng.random() < 0.5:
            replace(self.registry, text)
        else:
            self.registry.write_text(text)
        await self.expect(200, "POST", "/v1/registry/reload")

    async def spoil(self) -> None:
        """A broken registry is refused, as often as it is read, and what served goes on."""
        text = self.registry.read_text()
        replace(self.registry, self.rng.choice(BROKEN)(text))
        await self.expect(422, "POST", "/v1/registry/reload")
        if (await self.sidecar.metrics())["registry_last_reload_successful"] != 0:
            self.ledger.fault("a broken registry counts as good")
        await self.expect_call(TOOLS["good"], None)
        replace(self.registry, text)
        await self.expect(200, "POST", "/v1/registry/reload")

    async def rotate(self) -> None:
        tool = self.rng.choice(["rotated", "faulty", "good"])
        self.write_secret(tool)
        await self.expect(200, "POST", "/v1/registry/reload")
        self.ledger.retire_old_secrets(tool)

    async def toggle(self) -> None:
        enabled = self.rng.random() < 0.5
        await self.expect(200, "POST", "/v1/tools/toggled/toggle", {"enabled": enabled})
        await self.expect_call(TOOLS["toggled"], None if enabled else "tool_disabled")

    async def put(self) -> None:
        tool = TOOLS["from_api"]
        secret = self.rng.randbytes(16).hex()
        self.ledger.add_secret(tool.name, secret.encode())
        await self.expect(200, "POST", "/v1/tools", {
            "name": tool.name, "url": f"http://127.0.0.1:{self.upstream}/{tool.name}",
            "auth": {"type": "hmac_sha256", "secret": secret},
            "timeout_ms": tool.timeout_ms, "max_retries": tool.max_retries,
        })
        self.ledger.retire_old_secrets(tool.name)
        await self.expect_call(tool, None)

    async def delete(self) -> None:
        answer = await self.sidecar.ask("DELETE", "/v1/tools/from_api")
        if answer.status not in (200, 404):
            self.ledger.fault(f"DELETE: {answer.status} {answer.body[:300]!r}")
        await self.expect_call(TOOLS["from_api"], "tool_not_found")

    async def hang_up(self) -> None:
        self.sidecar.signal(signal.SIGHUP)
        await self.expect(200, "GET", "/v1/registry")

    async def look(self) -> None:
        for target in ["/v1/tools?scope_id=all", "/v1/registry", "/openapi.json", "/readyz"]:
            await self.expect(200, "GET", target)

    async def misuse(self) -> None:
        await self.expect(422, "POST", "/v1/tools", {"name": "from_api", "url": "gopher://x"})
        await self.expect(404, "GET", "/v1/nothing")
        await self.expect(404, "POST", "/v1/tools/no_such_tool/toggle", {"enabled": True})


def replace(path: Path, text: str) -> None:
    """Writes a file as editors do."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_text(text)
    beside.rename(path)

"""The sidecar as a process: its start, what it says, and what it holds."""

import asyncio
import json
import os
import re
from dataclasses import asdict, dataclass
from pathlib import Path

from wire import Connection, request

TOKEN = "a-token-of-the-soak"

# Short, so that everything that ends by a time-out ends within seconds.
SETTINGS = {
    "ADMIN_TOKEN": TOKEN,
    "AGENTS_MAX_CONNECTIONS": "512",
    "LIMITS_MAX_BODY_BYTES": str(1024 * 1024),
    # So little that it is reached now and then.
    "LIMITS_MAX_BUFFERED_BYTES": str(2 * 1024 * 1024),
    "LIMITS_HEAD_TIMEOUT_MS": "2000",
    "LIMITS_BODY_TIMEOUT_MS": "3000",
    # Each look at the files keeps a thread of tokio's busy, and ten seconds beyond that.
    "REGISTRY_POLL_INTERVAL_MS": "30000",
    "UPSTREAM_ALLOW_PRIVATE": "true",
    "UPSTREAM_CONNECT_TIMEOUT_MS": "1000",
    "UPSTREAM_POOL_IDLE_TIMEOUT_MS": "1000",
}


@dataclass
class Held:
    """What a process has to give back when the load has ended."""

    fds: int
    threads: int
    tasks: int
    inflight_calls: int
    buffered_body_bytes: int
    agent_connections: int
    upstream_connections: int

    def exceeds(self, before: "Held") -> list[str]:
        """What there is more of, in words."""
        then = asdict(before)
        more = [(name, now) for name, now in asdict(self).items() if now > then[name]]
        return [f"{name}: {now}, was {then[name]}" for name, now in more]


class Sidecar:
    def __init__(self) -> None:
        self.agents = 0
        self.admin = 0
        self.log_lines = 0
        self.bad_lines: list[str] = []
        self.diagnostics: list[str] = []
        # What no fault of others explains.
        self.alarms: list[str] = []
        self._process: asyncio.subprocess.Process | None = None
        self._readers: list[asyncio.Task[None]] = []

    async def start(self, binary: str, registry: Path) -> None:
        environment = {k: v for k, v in os.environ.items() if not k.startswith("COUNTERSIGN_")}
        environment |= {f"COUNTERSIGN_{name}": value for name, value in SETTINGS.items()}
        self._process = await asyncio.create_subprocess_exec(
            binary, "serve", "--workers", "2", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0",
            "--registry", str(registry), env=environment, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        following = [self._follow_log(), self._follow_diagnostics()]
        self._readers = [asyncio.create_task(stream) for stream in following]
        async with asyncio.timeout(60):
            while not self.agents:
                if self._process.returncode is not None:
                    raise RuntimeError(f"the sidecar did not start: {self.diagnostics}")
                await asyncio.sleep(0.02)

    async def _follow_log(self) -> None:
        async for line in self._process.stdout:
            self.log_lines += 1
            try:
                json.loads(line)["outcome"]
            except (ValueError, KeyError):
                self.bad_lines.append(repr(line[:200]))

    async def _follow_diagnostics(self) -> None:
        async for line in self._process.stderr:
            text = line.decode(errors="replace")
            fields = json.loads(text).get("fields", {}) if text.startswith("{") else {}
            if "agents" in fields:
                self.admin = int(fields["admin"].rsplit(":", 1)[1])
                self.agents = int(fields["agents"].rsplit(":", 1)[1])
            if not self.agents:
                self.diagnostics.append(text.rstrip())
            is_error = '"ERROR"' in text and "registry" not in text
            if (is_error or "panicked" in text) and len(self.alarms) < 20:
                self.alarms.append(text.rstrip())

    def lives(self) -> bool:
        return self._process is not None and self._process.returncode is None

    def signal(self, number: int) -> None:
        self._process.send_signal(number)

    async def exit(self) -> int:
        """Waits for the end, and until everything that was said has been read."""
        async with asyncio.timeout(60):
            code = await self._process.wait()
            await asyncio.gather(*self._readers)
        return code

    def kill(self) -> None:
        if self.lives():
            self._process.kill()

    def memory_kib(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(re.search(r"^VmRSS:\s+(\d+)", status, re.M)[1])

    async def ask(self, method: str, target: str, body: object = None):
        """One request to the admin listener."""
        connection = await Connection.open(self.admin)
        try:
            fields = {"Authorization": f"Bearer {TOKEN}", "Connection": "close"}
            fields["Content-Type"] = "application/json"
            data = b"" if body is None else json.dumps(body).encode()
            await connection.send(request(method, target, fields, data))
            async with asyncio.timeout(30):
                return await connection.answer()
        finally:
            connection.close()

    async def metrics(self) -> dict[str, float]:
        """The sum of all series of each metric."""
        text = (await self.ask("GET", "/metrics")).body.decode()
        sums: dict[str, float] = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                series, value = line.rsplit(" ", 1)
                name = series.split("{")[0].removeprefix("countersign_")
                sums[name] = sums.get(name, 0.0) + float(value)
        return sums

    async def held(self) -> Held:
        metrics = await self.metrics()
        process = Path(f"/proc/{self._process.pid}")
        return Held(
            fds=len(os.listdir(process / "fd")),
            threads=len(os.listdir(process / "task")),
            **{name: int(metrics.get(name, 0)) for name in list(Held.__annotations__)[2:]},
        )

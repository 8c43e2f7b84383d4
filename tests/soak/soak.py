"""Lets the sidecar serve under load and faults, and checks that it gives everything back.

    soak.py --binary FILE [--seconds N] [--seed S]

In one process: an upstream that fails in every way (`upstream.py`), agents of which many misbehave
(`agents.py`), an operator who changes and breaks the registry all the time (`changes.py`), and
checks of each outcome (`ledger.py`). A quarter of the time is a round of warm-up, after which the
allocator has what it keeps; what the process holds at rest is compared with its start and with the
end of that round. Prints a summary. Ends with 0 if nothing was wrong, otherwise with 1.
"""

import argparse
import asyncio
import random
import signal
import socket
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

from agents import TOOLS, Agents
from changes import Changes, registry_text
from ledger import Ledger
from process import Held, Sidecar
from upstream import Upstream

AGENTS = 48

# Longer than every time-out of the settings, the ten seconds that tokio keeps a spare thread, and
# the seconds for which the agents' own sockets linger.
REST_S = 45.0

# What the allocator may keep more than after the warm-up.
MEMORY_TOLERANCE_KIB = 16 * 1024

# How long an answer of `/healthz` may take on a busy machine.
HEALTH_S = 10.0


class Peaks:
    """The most of everything that was seen under load, and whether the process is well."""

    def __init__(self, sidecar: Sidecar, ledger: Ledger) -> None:
        self.sidecar = sidecar
        self.ledger = ledger
        self.held: dict[str, int] = {}
        self.memory_kib = 0

    async def watch(self) -> None:
        while True:
            if not self.sidecar.lives():
                self.ledger.fault("the process has ended")
                return
            try:
                async with asyncio.timeout(HEALTH_S):
                    answer = await self.sidecar.ask("GET", "/healthz")
                if answer.status != 200:
                    self.ledger.fault(f"/healthz: {answer.status}")
                for name, value in asdict(await self.sidecar.held()).items():
                    self.held[name] = max(value, self.held.get(name, 0))
                self.memory_kib = max(self.memory_kib, self.sidecar.memory_kib())
            except Exception as error:
                self.ledger.fault(f"/healthz: {error!r}")
            await asyncio.sleep(0.25)


async def load(seconds: float, agents: Agents, changes: Changes, peaks: Peaks) -> None:
    """One round: everybody works, then everybody comes to an end."""
    agents.stopping = changes.stopping = False
    watching = asyncio.create_task(peaks.watch())
    working = asyncio.gather(agents.run(AGENTS), changes.run())
    until = time.monotonic() + seconds
    while time.monotonic() < until and agents.ledger.counts["faults"] < 50 and not watching.done():
        await asyncio.sleep(0.1)
    agents.stopping = changes.stopping = True
    await working
    watching.cancel()


async def rest(sidecar: Sidecar, before: Held) -> tuple[Held, list[str]]:
    """Waits until nothing more is held than before; what is left of it if that never comes."""
    until = time.monotonic() + REST_S
    while True:
        now = await sidecar.held()
        leaked = now.exceeds(before)
        if not leaked or time.monotonic() > until:
            return now, leaked
        await asyncio.sleep(0.25)


async def check_log(sidecar: Sidecar, ledger: Ledger) -> None:
    """Every call has one line, and every line is one."""
    metrics = await sidecar.metrics()
    expected = int(metrics["calls_total"] - metrics["access_log_dropped_total"])
    sidecar.signal(signal.SIGTERM)
    code = await sidecar.exit()
    if code != 0:
        ledger.fault(f"the process ended with {code}")
    if sidecar.log_lines != expected:
        ledger.fault(f"{sidecar.log_lines} lines of access log for {expected} calls")
    for line in sidecar.bad_lines[:3]:
        ledger.fault(f"no line of an access log: {line}")
    for line in sidecar.alarms:
        ledger.fault(f"the process says: {line}")


def unused_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def soak(binary: str, seconds: float, seed: int, folder: Path) -> int:
    rng, ledger, sidecar = random.Random(seed), Ledger(), Sidecar()
    upstream = Upstream(ledger, rng)
    await upstream.start()
    registry = folder / "tools.yaml"
    registry.write_text(registry_text(upstream.port, unused_port()))
    changes = Changes(sidecar, Agents(0, ledger, rng), upstream.port, registry, ledger, rng)
    for tool in TOOLS:
        changes.write_secret(tool)
    try:
        await sidecar.start(binary, registry)
        agents = changes.agents = Agents(sidecar.agents, ledger, rng)
        peaks = Peaks(sidecar, ledger)
        # The first look at the files has a thread of its own, which every later one shares.
        await asyncio.sleep(1)
        cold = await sidecar.held()
        await load(seconds / 4, agents, changes, peaks)
        # Not for the threads: they take long to end, and the last rest sees them too.
        warm, leaked = await rest(sidecar, replace(cold, threads=sys.maxsize))
        ledger.faults += [f"leaked in the warm-up: {what}" for what in leaked]
        warm_kib = sidecar.memory_kib()
        await load(seconds * 3 / 4, agents, changes, peaks)
        end, leaked = await rest(sidecar, cold)
        ledger.faults += [f"leaked: {what}" for what in leaked]
        end_kib = sidecar.memory_kib()
        if end_kib > warm_kib + MEMORY_TOLERANCE_KIB:
            ledger.faults.append(f"memory grew from {warm_kib} to {end_kib} KiB")
        if upstream.open_connections():
            ledger.faults.append(f"{upstream.open_connections()} connections to the upstream are left")
        await check_log(sidecar, ledger)
    finally:
        sidecar.kill()
    tell(ledger, peaks, (cold, warm, end), (warm_kib, end_kib))
    if ledger.counts["signatures verified"] == 0:
        ledger.faults.append("no call was ever verified")
    for fault in ledger.faults:
        print(f"FAULT {fault}")
    print(f"seed {seed}: {'not as promised' if ledger.faults else 'all as promised'}")
    return 1 if ledger.faults else 0


def tell(ledger: Ledger, peaks: Peaks, held: tuple[Held, Held, Held], memory: tuple[int, int]) -> None:
    print(f"{'':24}{'start':>10}{'peak':>10}{'warm':>10}{'end':>10}")
    cold, warm, end = map(asdict, held)
    for name, start in cold.items():
        print(f"{name:24}{start:>10}{peaks.held.get(name, 0):>10}{warm[name]:>10}{end[name]:>10}")
    print(f"{'memory_kib':24}{'':>10}{peaks.memory_kib:>10}{memory[0]:>10}{memory[1]:>10}")
    for what, count in sorted(ledger.counts.items()):
        print(f"{count:>10}  {what}")
    print(f"slowest answer: {ledger.slowest_s:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--binary", required=True, help="the sidecar")
    parser.add_argument("--seconds", type=float, default=60, help="how long there is load")
    parser.add_argument("--seed", type=int, help="what is left to chance; drawn and printed if absent")
    given = parser.parse_args()
    seed = random.randrange(1 << 32) if given.seed is None else given.seed
    print(f"seed {seed}, {given.seconds:g} s", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(soak(given.binary, given.seconds, seed, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())

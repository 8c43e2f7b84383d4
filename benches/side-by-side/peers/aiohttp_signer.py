"""A signing proxy with aiohttp on both sides."""

import hashlib
import hmac
import sys
import time

from aiohttp import ClientSession, TCPConnector, web

PORT, UPSTREAM = int(sys.argv[1]), sys.argv[2]
SECRET = b"@SECRET@"
DROPPED = {"connection", "content-length", "host", "transfer-encoding"}


async def sign(request: web.Request) -> web.Response:
    body = await request.read()
    headers = {name: value for name, value in request.headers.items() if name.lower() not in DROPPED}
    headers |= {
        "X-OnceOnly-Signature": hmac.new(SECRET, body, hashlib.sha256).hexdigest(),
        "X-OnceOnly-Signature-Alg": "hmac_sha256",
        "X-OnceOnly-Timestamp": str(int(time.time())),
        "X-OnceOnly-Tool": "bench",
        "X-OnceOnly-Agent-Id": "agent",
        "X-OnceOnly-Secret-Id": "sec_00000000",
    }
    session = request.app["session"]
    async with session.request(request.method, UPSTREAM + request.path_qs, data=body, headers=headers) as answer:
        return web.Response(status=answer.status, body=await answer.read())


async def session(app: web.Application):
    app["session"] = ClientSession(connector=TCPConnector(limit=256), auto_decompress=False)
    yield
    await app["session"].close()


app = web.Application(client_max_size=16 * 1024 * 1024)
app.cleanup_ctx.append(session)
app.router.add_route("*", "/{path:.*}", sign)
web.run_app(app, host="127.0.0.1", port=PORT, access_log=None, print=None)

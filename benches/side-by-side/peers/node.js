// A signing proxy with what Node brings along: the "code in every agent" that people write first.
'use strict';
const crypto = require('node:crypto');
const http = require('node:http');

const [listenPort, upstreamHost, upstreamPort] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 256 });

const server = http.createServer((request, answer) => {
    const pieces = [];
    request.on('data', (piece) => pieces.push(piece));
    request.on('end', () => {
        const body = Buffer.concat(pieces);
        const headers = {
            ...request.headers,
            'content-length': body.length,
            'x-onceonly-signature': crypto.createHmac('sha256', '@SECRET@').update(body).digest('hex'),
            'x-onceonly-signature-alg': 'hmac_sha256',
            'x-onceonly-timestamp': Math.floor(Date.now() / 1000),
            'x-onceonly-tool': 'bench',
            'x-onceonly-agent-id': 'agent',
            'x-onceonly-secret-id': 'sec_00000000',
        };
        delete headers.connection;
        const onward = http.request(
            { host: upstreamHost, port: upstreamPort, agent, method: request.method, path: request.url, headers },
            (reply) => {
                answer.writeHead(reply.statusCode, reply.headers);
                reply.pipe(answer);
            },
        );
        onward.on('error', () => answer.writeHead(502).end());
        onward.end(body);
    });
});
server.keepAliveTimeout = 75000;
server.listen(Number(listenPort), '127.0.0.1');

// The venue's rules for clients, and its faults on command, seen from a third-party WebSocket
// client (ws).
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import WebSocket from 'ws';
import { Venue } from './venue.mjs';

export async function open(url, options) {
    const socket = new WebSocket(url, options);
    socket.received = [];
    socket.closed = new Promise((ok) => { socket.on('close', ok); });
    socket.on('message', (m, binary) => socket.received.push(binary ? m : m.toString()));
    socket.on('error', () => {});
    await new Promise((ok, no) => { socket.on('open', ok); socket.on('error', no); });
    return socket;
}

export async function until(what, test, ms = 20000) {
    const end = Date.now() + ms;
    while (!await test()) {
        assert.ok(Date.now() < end, 'not in time: ' + what);
        await new Promise((ok) => { setTimeout(ok, 20); });
    }
}

// The value once it has stood still for 300 ms: what was on its way has arrived.
async function quiet(value) {
    let last = value();
    for (let still = 0, tries = 0; still < 6; still++) {
        await new Promise((ok) => { setTimeout(ok, 50); });
        if (value() !== last) {
            assert.ok(++tries < 100, 'it does not come to rest');
            last = value();
            still = -1;
        }
    }
    return last;
}

const trades = (socket) => socket.received.map((m) => JSON.parse(m)).filter((m) => m.e === 'aggTrade');
const order = async (venue, path) => {
    const answer = await fetch(venue.control + path, { method: 'POST' });
    assert.equal(answer.status, 200, path);
};

export function rules(binary, check) {
    const venue = (name, args, body) => check(name, async () => {
        const v = await Venue.start(binary, args);
        try {
            await body(v);
        } finally {
            assert.equal(await v.stop(), 0);
        }
    });
    const live = ['--generate', '--rate', '5', '--from', String(Date.now() - 3600000)];
    const feed = '/market/ws/btcusdt@aggTrade';

    return [
        venue('requests: answers, errors, the limit of messages', live, async (v) => {
            const s = await open(v.ws + '/market/ws');
            const ask = async (text) => {
                const n = s.received.length;
                s.send(text);
                await until('an answer', () => s.received.length > n);
                return JSON.parse(s.received[n]);
            };
            assert.deepEqual(await ask('{"method":"SUBSCRIBE","params":["a@b","c@d"],"id":1}'),
                { result: null, id: 1 });
            assert.deepEqual(await ask('{"method":"LIST_SUBSCRIPTIONS","id":2}'),
                { result: ['a@b', 'c@d'], id: 2 });
            assert.deepEqual(await ask('{"method":"UNSUBSCRIBE","params":["a@b"],"id":3}'),
                { result: null, id: 3 });
            assert.deepEqual(await ask('{"method":"LIST_SUBSCRIPTIONS","id":4}'),
                { result: ['c@d'], id: 4 });
            assert.equal((await ask('{"method":"FLY","id":5}')).error.code, 2);
            assert.equal((await ask('{"method":"SUBSCRIBE","params":[1],"id":6}')).error.code, 2);
            assert.equal((await ask('{"method":"SUBSCRIBE","params":["a@b"],"id":"x"}')).error.code, 2);
            assert.equal((await ask('nonsense')).error.code, 3);
            for (let i = 0; i < 11; i++) { // one more than a second allows
                s.send('{"method":"LIST_SUBSCRIPTIONS","id":9}');
            }
            assert.equal(await s.closed, 1008);
        }),
        venue('it listens on its own address alone, and labels itself', live, async (v) => {
            for (const url of [v.rest + '/fapi/v1/ping', v.control + '/status']) {
                const answer = await fetch(url, { method: 'HEAD' });
                assert.equal(answer.status, 200);
                assert.equal(answer.headers.get('x-simulated'), 'true');
                assert.equal(await answer.text(), '');
                const elsewhere = url.replace('127.0.0.1', '127.0.0.2');
                await assert.rejects(fetch(elsewhere), 'an address that was not given: ' + elsewhere);
            }
            const lost = await fetch(v.rest + '/nowhere');
            assert.equal(lost.status, 404);
            assert.equal(lost.headers.get('x-simulated'), 'true');
        }),
        venue('1024 streams in one URL, not one more', live, async (v) => {
            const names = Array.from({ length: 1024 }, (_, i) => `s${i}@aggTrade`);
            const s = await open(v.ws + '/market/stream?streams=' + names.join('/'));
            s.send('{"method":"LIST_SUBSCRIPTIONS","id":1}');
            await until('the list', () => s.received.length > 0);
            assert.equal(JSON.parse(s.received[0]).result.length, 1024);
            s.send('{"method":"SUBSCRIBE","params":["one@more"],"id":2}');
            await until('the refusal', () => s.received.length > 1);
            assert.equal(JSON.parse(s.received[1]).error.code, 2);
            s.terminate();
            const many = await open(v.ws + '/market/ws/' + [...names, 'one@more'].join('/'));
            assert.equal(await many.closed, 1008);
            await assert.rejects(open(v.ws + '/nowhere'), /404/);
        }),
        venue('pings come, silence and age end a connection',
            [...live, '--ping', '300', '--pong-timeout', '3000', '--max-age', '8000'], async (v) => {
                const polite = await open(v.ws + feed);
                const mute = await open(v.ws + feed, { autoPong: false });
                let pings = 0;
                polite.on('ping', () => { pings++; });
                assert.equal(await mute.closed, 1006);
                assert.equal(polite.readyState, WebSocket.OPEN);
                assert.ok(pings >= 2);
                assert.equal(await polite.closed, 1008);
            }),
        venue('a reader that is slow at full speed misses nothing',
            ['--generate', '--rate', '10', '--from', String(Date.now() - 1800000), '--speed', 'max',
                '--client-buffer', '1048576'], async (v) => {
                const s = await open(v.ws + feed);
                for (let i = 0; i < 10; i++) {
                    s.pause();
                    await new Promise((ok) => { setTimeout(ok, 100); });
                    s.resume();
                    await new Promise((ok) => { setTimeout(ok, 20); });
                }
                await until('now', () => Date.now() - (trades(s).pop()?.T ?? 0) < 3000, 40000);
                const ids = trades(s).map((t) => t.a);
                assert.ok(ids.length > 10000);
                assert.equal(ids[ids.length - 1] - ids[0], ids.length - 1);
                assert.equal((await v.status()).closed_slow, 0);
                s.terminate();
            }),
        venue('a reader that never reads holds the market only so long',
            ['--generate', '--rate', '10', '--speed', 'max', '--stuck', '1000'], async (v) => {
                const stuck = await open(v.ws + feed);
                stuck.pause();
                await until('it is thrown out', async () => (await v.status()).closed_slow === 1);
                const other = await open(v.ws + feed);
                await until('the market goes on', () => other.received.length > 0);
                other.terminate();
                stuck.terminate();
            }),
        venue('at its own speed the venue does not wait: a slow reader is disconnected',
            ['--generate', '--rate', '10', '--speed', '5000', '--client-buffer', '65536'],
            async (v) => {
                const s = await open(v.ws + feed);
                s.pause();
                await until('it is thrown out', async () => (await v.status()).closed_slow === 1);
                s.terminate();
            }),
        venue('faults on command act on the socket alone', [...live, '--speed', '20'], async (v) => {
            const s = await open(v.ws + feed);
            await until('trades', () => trades(s).length > 20);
            await order(v, '/skip?n=5');
            await order(v, '/duplicate?n=3');
            await order(v, '/reorder?n=4');
            const n = trades(s).length;
            await until('more trades', () => trades(s).length > n + 60);
            const ids = trades(s).map((t) => t.a);
            const seen = new Set(ids);
            const missing = [];
            for (let id = ids[0]; id < ids[ids.length - 1]; id++) {
                if (!seen.has(id)) {
                    missing.push(id);
                }
            }
            assert.equal(missing.length, 5);
            assert.equal(missing[4] - missing[0], 4);
            assert.equal(ids.length - seen.size, 3);
            let back = 0;
            ids.forEach((id, i) => { back += i > 0 && id < ids[i - 1]; });
            assert.equal(back, 3, 'four trades backwards');
            const rest = await (await fetch(
                `${v.rest}/fapi/v1/aggTrades?symbol=BTCUSDT&fromId=${missing[0]}&limit=5`)).json();
            assert.deepEqual(rest.map((r) => r.a), missing, 'REST has what the socket lost');

            await order(v, '/pause');
            const held = await quiet(() => s.received.length);
            await new Promise((ok) => { setTimeout(ok, 400); });
            assert.equal(s.received.length, held);
            await order(v, '/malformed?kind=not_json&n=2');
            await until('rubbish', () => s.received.length === held + 2);
            assert.throws(() => JSON.parse(s.received[held]));
            s.received.splice(held, 2);
            await order(v, '/resume');
            await until('trades again', () => s.received.length > held + 5);

            await order(v, '/stall?stream=btcusdt@aggTrade&ms=3000');
            const before = await quiet(() => s.received.length);
            await until('trades after the stall', () => s.received.length > before + 5);
            assert.ok((await v.status()).faults.stall_dropped > 0);

            await order(v, '/drop?code=1001');
            assert.equal(await s.closed, 1001);
            const again = await open(v.ws + feed);
            await order(v, '/drop');
            assert.equal(await again.closed, 1006);
            assert.equal((await fetch(v.control + '/nosuch')).status, 404);
            assert.equal((await fetch(v.control + '/skip?n=-1')).status, 400);
            assert.equal((await fetch(v.control + '/malformed?kind=nosuch')).status, 400);
        }),
        venue('a market that waits for its audience',
            [...live, '--speed', '20', '--hold-when-idle'], async (v) => {
                const s = await open(v.ws + feed);
                await until('trades', () => trades(s).length > 20);
                s.terminate();
                await until('the hold', async () => (await v.status()).paused);
                const at = (await v.status()).position;
                await new Promise((ok) => { setTimeout(ok, 300); });
                assert.equal((await v.status()).position, at);
                const next = await open(v.ws + feed);
                await until('trades', () => trades(next).length > 0);
                assert.ok(trades(next)[0].a >= trades(s).pop().a);
                next.terminate();
            }),
        check('TLS on the venue\'s port', async () => {
            const dir = mkdtempSync(join(tmpdir(), 'bc4-tls-'));
            const cert = join(dir, 'cert.pem');
            const key = join(dir, 'key.pem');
            try {
                await promisify(execFile)('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1',
                    '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1',
                    '-keyout', key, '-out', cert]);
                const v = await Venue.start(binary, [...live, '--cert', cert, '--key', key]);
                try {
                    const ca = readFileSync(cert);
                    const s = await open(v.ws.replace('ws:', 'wss:') + feed, { ca });
                    await until('trades over TLS', () => trades(s).length > 0);
                    s.terminate();
                    await assert.rejects(open(v.ws.replace('ws:', 'wss:') + feed), /certificate/);
                    const status = await new Promise((ok, no) => {
                        https.get(v.rest.replace('http:', 'https:') + '/fapi/v1/time', { ca },
                            (r) => { r.resume(); ok(r.statusCode); }).on('error', no);
                    });
                    assert.equal(status, 200);
                } finally {
                    assert.equal(await v.stop(), 0);
                }
            } finally {
                rmSync(dir, { recursive: true });
            }
        }),
    ];
}

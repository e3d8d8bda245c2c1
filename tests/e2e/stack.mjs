// The real services around a private Redis and exchange-sim, and the dashboard's server, all on
// loopback and on free ports; every one of them is ended by its pid.
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Polls until the value is true; what it was last is told when it never is.
export async function until(what, check, seconds = 20, every = 60) {
    const end = Date.now() + seconds * 1000 * Number(process.env.BC4_PATIENCE ?? 1);
    for (;;) {
        const value = await check();
        if (value !== false && value !== null && value !== undefined) {
            return value;
        }
        if (Date.now() > end) {
            throw new Error(`not within ${seconds} s: ${typeof what === 'function' ? await what() : what}`);
        }
        await sleep(every);
    }
}

// A free port; taken for the servers whose address others have to know before they start.
export async function freePort() {
    const server = net.createServer();
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    const { port } = server.address();
    await new Promise((done) => server.close(done));
    return port;
}

// A Redis client as small as the tests need: RESP2 over a unix socket, one command at a time.
export class Redis {
    constructor(socket) {
        this.path = socket;
        this.queue = Promise.resolve();
        this.socket = null;
    }

    open() {
        return new Promise((done, failed) => {
            const socket = net.createConnection(this.path);
            socket.once('connect', () => {
                this.socket = socket;
                this.held = Buffer.alloc(0);
                socket.on('data', (d) => {
                    this.held = Buffer.concat([this.held, d]);
                    this.wake?.();
                });
                socket.on('close', () => {
                    this.socket = null;
                    this.wake?.();
                });
                done();
            });
            socket.once('error', failed);
        });
    }

    call(...args) {
        const next = this.queue.then(() => this.#one(args));
        this.queue = next.catch(() => {});
        return next;
    }

    async #one(args) {
        if (this.socket === null) {
            await this.open();
        }
        const parts = args.map((a) => `$${Buffer.byteLength(String(a))}\r\n${a}\r\n`);
        this.socket.write(`*${args.length}\r\n${parts.join('')}`);
        for (;;) {
            const found = parse(this.held, 0);
            if (found !== null) {
                this.held = this.held.subarray(found.end);
                if (found.value instanceof Error) {
                    throw found.value;
                }
                return found.value;
            }
            await new Promise((done) => (this.wake = done));
            if (this.socket === null) {
                throw new Error('redis closed the connection');
            }
        }
    }

    async hash(key) {
        const flat = await this.call('HGETALL', key);
        return Object.fromEntries(flat.flatMap((k, i) => (i % 2 === 0 ? [[k, flat[i + 1]]] : [])));
    }

    // Newest entries of a stream first: {id, ...fields}.
    async newest(key, count) {
        const rows = await this.call('XREVRANGE', key, '+', '-', 'COUNT', count);
        return rows.map(([entry, kv]) => ({
            entry,
            ...Object.fromEntries(kv.flatMap((k, i) => (i % 2 === 0 ? [[k, kv[i + 1]]] : []))),
        }));
    }

    close() {
        this.socket?.destroy();
    }
}

function parse(b, at) {
    const line = b.indexOf('\r\n', at);
    if (line < 0) {
        return null;
    }
    const text = b.toString('utf8', at + 1, line);
    const end = line + 2;
    switch (String.fromCharCode(b[at])) {
        case '+':
            return { value: text, end };
        case '-':
            return { value: new Error(text), end };
        case ':':
            return { value: Number(text), end };
        case '$': {
            const n = Number(text);
            if (n < 0) {
                return { value: null, end };
            }
            return b.length < end + n + 2 ? null : { value: b.toString('utf8', end, end + n), end: end + n + 2 };
        }
        case '*': {
            const out = [];
            let next = end;
            for (let i = 0; i < Number(text); i++) {
                const item = parse(b, next);
                if (item === null) {
                    return null;
                }
                out.push(item.value);
                next = item.end;
            }
            return { value: out, end: next };
        }
        default:
            throw new Error('not RESP');
    }
}

class Program {
    constructor(name, argv, folder, env) {
        this.name = name;
        this.log = path.join(folder, `${name}.log`);
        const out = fs.openSync(this.log, 'a');
        this.from = fs.fstatSync(out).size;
        this.child = spawn(argv[0], argv.slice(1), { stdio: ['ignore', out, out], env, cwd: folder });
        fs.closeSync(out);
        this.ended = new Promise((done) => this.child.once('exit', done));
    }

    get alive() {
        return this.child.exitCode === null && this.child.signalCode === null;
    }

    text() {
        return fs.readFileSync(this.log).subarray(this.from).toString();
    }

    // The first JSON line of that event.
    async event(name, seconds = 20) {
        return until(
            () => `${this.name} says ${name}; ${this.text().slice(-1500)}`,
            () => {
                for (const line of this.text().split('\n')) {
                    if (line.startsWith('{') && line.includes(`"ev":"${name}"`)) {
                        return JSON.parse(line);
                    }
                }
                if (!this.alive) {
                    throw new Error(`${this.name} ended: ${this.text().slice(-1500)}`);
                }
                return null;
            },
            seconds,
            20,
        );
    }

    async kill(signal = 'SIGKILL') {
        if (this.alive) {
            this.child.kill(signal);
        }
        await this.ended;
    }
}

export class Stack {
    constructor(bin, frontend) {
        this.bin = bin;
        this.frontend = frontend;
        this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'bc4-e2e-'));
        this.socket = path.join(this.dir, 'redis.sock');
        this.db = new Redis(this.socket);
        this.programs = {};
        this.every = [];
        this.shared = {};
    }

    // Nothing of the caller's configuration leaks into a test.
    env(more) {
        const env = {};
        for (const name of ['PATH', 'HOME', 'LANG', 'LD_LIBRARY_PATH']) {
            if (process.env[name] !== undefined) {
                env[name] = process.env[name];
            }
        }
        return {
            ...env,
            REDIS_URL: `unix://${this.socket}`,
            COLLECTOR_HTTP_PORT: '0',
            CONTEXT_HTTP_PORT: '0',
            STRATEGY_HTTP_PORT: '0',
            BACKFILL_HTTP_PORT: '0',
            API_HTTP_PORT: '0',
            BACKFILL_CACHE_DIR: path.join(this.dir, 'history'),
            ...this.shared,
            ...more,
        };
    }

    run(name, argv, env = {}) {
        const p = new Program(name, argv, this.dir, this.env(env));
        this.programs[name] = p;
        this.every.push(p);
        return p;
    }

    async redis() {
        const argv = ['redis-server', '--port', '0', '--unixsocket', this.socket, '--dir', this.dir];
        this.run('redis', [...argv, '--save', '', '--appendonly', 'yes', '--loglevel', 'warning']);
        await until('redis answers', () => this.db.call('PING').catch(() => null));
    }

    async sim(...args) {
        const argv = [path.join(this.bin, 'exchange-sim'), '--port', '0', '--control-port', '0', ...args];
        const told = await this.run('exchange-sim', argv).event('listening');
        const at = `127.0.0.1:${told.port}`;
        this.control = `http://127.0.0.1:${told.control_port}`;
        Object.assign(this.shared, {
            BINANCE_WS_BASE_URL: `ws://${at}`,
            BINANCE_REST_BASE_URL: `http://${at}`,
            BINANCE_ARCHIVE_BASE_URL: `http://${at}`,
            BYBIT_ARCHIVE_BASE_URL: `http://${at}`,
        });
    }

    // A fault of the venue, on command.
    async order(what) {
        const reply = await fetch(`${this.control}/${what}`, { method: 'POST' });
        if (!reply.ok) {
            throw new Error(`${what}: ${reply.status} ${await reply.text()}`);
        }
        return reply.text();
    }

    async service(name, env = {}) {
        return this.run(name, [path.join(this.bin, name)], env).event('process_up');
    }

    async dashboard(port, apiUrl) {
        this.run('dashboard', [process.execPath, path.join(this.frontend, '.next/standalone/server.js')], {
            HOSTNAME: '127.0.0.1',
            PORT: String(port),
            NEXT_PUBLIC_API_URL: apiUrl,
            NEXT_TELEMETRY_DISABLED: '1',
        });
        const url = `http://127.0.0.1:${port}`;
        await until(
            () => `the dashboard answers; ${this.programs.dashboard.text().slice(-1500)}`,
            async () => (await fetch(url).catch(() => null))?.ok ?? null,
            30,
        );
        return url;
    }

    async stop(failed) {
        this.db.close();
        for (const p of [...this.every].reverse()) {
            await p.kill('SIGKILL');
        }
        if (failed) {
            for (const name of Object.keys(this.programs)) {
                const tail = this.programs[name].text().slice(-1200);
                console.log(`---- ${name}\n${tail}`);
            }
        }
        fs.rmSync(this.dir, { recursive: true, force: true });
    }
}

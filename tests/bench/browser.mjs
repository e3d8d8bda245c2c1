// The measuring half of bench_browser.sh: browser.mjs BIN FRONTEND ROWS
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { freePort, sleep, Stack, until } from '../e2e/stack.mjs';

const [bin, frontend, rows] = process.argv.slice(2).map((p) => path.resolve(p));
const { chromium } = createRequire(path.join(frontend, 'package.json'))('playwright-core');
const SYMBOL = 'binance:BTCUSDT';
const KEY = `bc4:{${SYMBOL}}:`;
const ROUNDS = 5;
const ROUND_MS = 3000;
const ARGS = [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update', '--disable-default-apps',
];

// Before the page's own listener: when each trade came, wall ms with fractions, and when the next
// animation frame was.
function record() {
    globalThis.came = new Map();
    globalThis.tasks = [];
    const Real = globalThis.WebSocket;
    const wall = () => performance.timeOrigin + performance.now();
    globalThis.WebSocket = class extends Real {
        constructor(...args) {
            super(...args);
            this.addEventListener('message', (e) => {
                const at = wall();
                const m = JSON.parse(e.data);
                if (m.ch !== 'trades' || m.type !== 'update') {
                    return;
                }
                const fresh = m.data.trades.map((t) => String(t.id)).filter((id) => !globalThis.came.has(id));
                for (const id of fresh) {
                    globalThis.came.set(id, [at, null]);
                }
                requestAnimationFrame(() => {
                    const drawn = wall();
                    for (const id of fresh) {
                        globalThis.came.get(id)[1] = drawn;
                    }
                });
            });
        }
    };
    new PerformanceObserver((list) => {
        globalThis.tasks.push(...list.getEntries().map((t) => Math.round(t.duration)));
    }).observe({ type: 'longtask' });
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
const median = (list) => quantile([...list].sort((a, b) => a - b), 0.5);

function row(name, figure, unit) {
    const line = { name, figure: Math.round(figure * 100) / 100, unit, limit: null, ratio: null, goal: null, met: null };
    fs.appendFileSync(rows, `${JSON.stringify(line)}\n`);
    console.log(`  ${name}: ${line.figure} ${unit}`);
}

async function measure(page, s) {
    // rx_us is corrected by the venue's clock offset; here both clocks are this machine's.
    const offset = Number((await s.db.hash(`${KEY}instrument`))._clock_offset_ms || 0);
    const callback = { p50: [], p99: [] };
    const frame = { p50: [], p99: [] };
    let count = 0;
    for (let r = 0; r < ROUNDS; r++) {
        await page.evaluate(() => globalThis.came.clear());
        await sleep(ROUND_MS);
        const came = new Map(await page.evaluate(() => [...globalThis.came]));
        const trades = await s.db.newest(`${KEY}trades`, 5000);
        const taken = trades.filter((t) => came.get(t.id)?.[1]);
        if (taken.length < 10) {
            throw new Error(`only ${taken.length} of ${came.size} trades are known on both sides`);
        }
        count += taken.length;
        for (const [n, to] of [[0, callback], [1, frame]]) {
            const ages = taken.map((t) => came.get(t.id)[n] - (Number(t.rx_us) / 1000 - offset)).sort((a, b) => a - b);
            to.p50.push(quantile(ages, 0.5));
            to.p99.push(quantile(ages, 0.99));
        }
    }
    const tasks = await page.evaluate(() => globalThis.tasks);
    row(`browser: frame in to WebSocket callback, p50 (${count} trades)`, median(callback.p50), 'ms');
    row('browser: frame in to WebSocket callback, p99', median(callback.p99), 'ms');
    row('browser: frame in to the animation frame behind it, p50', median(frame.p50), 'ms');
    row('browser: frame in to the animation frame behind it, p99', median(frame.p99), 'ms');
    row(`browser: tasks over 50 ms in ${(ROUNDS * ROUND_MS) / 1000} s`, tasks.length, 'tasks');
    row('browser: longest of them', Math.max(0, ...tasks), 'ms');
}

const s = new Stack(bin, frontend);
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'bc4-chromium-'));
let browser = null;
let code = 1;
try {
    const pagePort = await freePort();
    const apiPort = await freePort();
    Object.assign(s.shared, {
        SYMBOLS: SYMBOL,
        CORS_ALLOW_ORIGINS: `http://127.0.0.1:${pagePort}`,
        BACKEND_PORT: String(apiPort),
        CONTEXT_BACKFILL_ENABLED: 'false',
    });
    await s.redis();
    await s.sim('--generate', '--rate', '4', '--from', String(Date.now() - 120_000), '--speed', 'max');
    for (const name of ['api', 'context', 'strategy', 'collector']) {
        await s.service(name);
    }
    const url = await s.dashboard(pagePort, `http://127.0.0.1:${apiPort}`);
    browser = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: ARGS,
        viewport: { width: 1500, height: 1000 },
        env: { ...process.env, HOME: profile },
    });
    const page = await browser.newPage();
    await page.addInitScript(record);
    await page.goto(url);
    await until('live trades in the page', async () => (await page.evaluate(() => globalThis.came.size)) > 20, 30);
    await page.evaluate(() => globalThis.tasks.splice(0));
    await measure(page, s);
    code = 0;
} catch (e) {
    console.error(e.stack ?? e);
} finally {
    await browser?.close().catch(() => {});
    fs.rmSync(profile, { recursive: true, force: true });
    await s.stop(code !== 0);
}
process.exit(code);

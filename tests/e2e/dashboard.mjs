// The dashboard in a real browser around the real services: dashboard.mjs BIN FRONTEND OUT
// BIN holds the services, FRONTEND the built dashboard (frontend.sh build), OUT takes the pictures.
import { createRequire } from 'node:module';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { busyMarket } from './busy.mjs';
import { contract } from './contract.mjs';
import { look, read, shows } from './page.mjs';
import { PANELS } from './panels.mjs';
import { freePort, sleep, Stack, until } from './stack.mjs';

const [bin, frontend, out] = process.argv.slice(2).map((p) => path.resolve(p));
const need = createRequire(path.join(frontend, 'package.json'));
const { chromium } = need('playwright-core');
const AXE = fs.readFileSync(need.resolve('axe-core/axe.min.js'), 'utf8');
const BTC = 'binance:BTCUSDT';
const ETH = 'binance:ETHUSDT';
const ARGS = [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-sync',
    '--disable-background-networking', '--disable-component-update', '--disable-default-apps',
];

const began = Date.now();
let passed = 0;
let failed = 0;

async function test(name, body) {
    const start = Date.now();
    try {
        await body();
        passed++;
        console.log(`  ok   ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)`);
    } catch (e) {
        failed++;
        console.log(`  FAIL ${name} (${((Date.now() - start) / 1000).toFixed(1)} s)\n${e.stack ?? e}`);
        await page?.screenshot({ path: path.join(out, `failed-${failed}.png`), fullPage: true }).catch(() => {});
    }
}

function claim(ok, what) {
    if (!ok) {
        throw new Error(what);
    }
}

const s = new Stack(bin, frontend);
let browser = null;
let profile = null;
let page = null;
// Everything the page asked for and everything it complained about, while nothing was broken on purpose.
const asked = new Set();
const complaints = [];
let broken = true; // at the start feeds are missing, and /ready says so with 503

function watch(context) {
    context.on('request', (r) => asked.add(r.url()));
    context.on('page', (p) => {
        p.on('websocket', (w) => asked.add(w.url()));
        p.on('console', (m) => {
            if (/panel failed|React error|Application error/.test(m.text())) {
                complaints.push(m.text()); // whatever is broken, the page is not
            } else if (!broken && ['error', 'warning'].includes(m.type())) {
                complaints.push(`${m.type()}: ${m.text()}`);
            }
        });
        p.on('pageerror', (e) => complaints.push(`page error: ${e.message}`));
    });
}

const text = async (name, p = page) => (await look(p)).values[name];
const link = (p = page) => text('link', p);
const shot = (name, p = page, whole = true) => p.screenshot({ path: path.join(out, name), fullPage: whole });

async function panelsEqual(names, instrument, p = page, seconds = 20) {
    let left = {};
    await until(
        () => `the page shows what Redis holds; ${JSON.stringify(left, null, 1)}`,
        async () => {
            const next = {};
            for (const name of Object.keys(left).length > 0 ? Object.keys(left) : names) {
                // The market moves: a panel is right when at one moment both say the same.
                const differences = await PANELS[name](s.db, await look(p), instrument);
                if (differences.length > 0) {
                    next[name] = differences.slice(0, 4);
                }
            }
            left = next;
            return Object.keys(left).length === 0;
        },
        seconds,
        25,
    );
}

// The page's tasks by the CPU time they took themselves, ms, longest first: what a busy machine
// lets them wait is not theirs. Ends with the function that is returned.
async function traceTasks(p) {
    const cdp = await p.context().newCDPSession(p);
    const events = [];
    cdp.on('Tracing.dataCollected', (e) => events.push(...e.value));
    const ended = new Promise((done) => cdp.once('Tracing.tracingComplete', done));
    await cdp.send('Tracing.start', { traceConfig: { includedCategories: ['devtools.timeline', 'toplevel'] }, transferMode: 'ReportEvents' });
    return async () => {
        await cdp.send('Tracing.end');
        await ended;
        const mains = new Set(events.filter((e) => e.name === 'FireAnimationFrame').map((e) => `${e.pid}:${e.tid}`));
        return events
            .filter((e) => e.ph === 'X' && /RunTask/.test(e.name) && mains.has(`${e.pid}:${e.tid}`) && e.tdur > 0)
            .map((e) => Math.round(e.tdur / 1000))
            .sort((a, b) => b - a);
    };
}

async function axe(p = page) {
    await p.evaluate(AXE);
    const found = await p.evaluate(async () => {
        const r = await globalThis.axe.run(document, { resultTypes: ['violations'] });
        return r.violations
            .filter((v) => v.impact === 'serious' || v.impact === 'critical')
            .map((v) => `${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | ')}`);
    });
    claim(found.length === 0, found.join('\n'));
}

async function main() {
    fs.mkdirSync(out, { recursive: true });
    const pagePort = await freePort();
    const apiPort = await freePort();
    const apiUrl = `http://127.0.0.1:${apiPort}`;
    Object.assign(s.shared, {
        SYMBOLS: `${BTC},${ETH}`,
        CORS_ALLOW_ORIGINS: `http://127.0.0.1:${pagePort}`,
        BACKEND_PORT: String(apiPort),
    });
    await s.redis();
    const from = Date.now() - 45 * 60_000;
    await s.sim('--generate', '--symbols', 'BTCUSDT,ETHUSDT', '--rate', '0.06', '--from', String(from), '--speed', 'max');
    await Promise.all(['api', 'context', 'strategy'].map((n) => s.service(n)));
    const url = await s.dashboard(pagePort, apiUrl);
    profile = fs.mkdtempSync(path.join(os.tmpdir(), 'bc4-chromium-'));
    browser = await chromium.launchPersistentContext(profile, {
        executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
        args: ARGS,
        viewport: { width: 1500, height: 1000 },
        // Chromium's own crash reporter wants a home it can write.
        env: { ...process.env, HOME: profile },
    });
    browser.setDefaultTimeout(20_000);
    watch(browser);

    await test('before the first trade every panel says so and none shows a number', async () => {
        page = await browser.newPage();
        await page.goto(url);
        await until('the page is live', async () => (await link()) === 'live');
        claim((await text('price')) === '–', `price ${await text('price')}`);
        claim((await text('vwap')) === '–' || (await text('vwap')) === undefined, `vwap ${await text('vwap')}`);
    });
    await s.service('collector');
    // Not faster than it can be seen, however little of the day there is to fetch.
    await s.order('http?kind=slow&rate=40000&path=/fapi/v1/aggTrades&ms=6000');
    await s.order('http?kind=slow&rate=40000&path=/data&ms=6000');
    await s.service('backfill', { SYMBOLS: BTC });

    await test('backfill is shown while it runs: status, progress, precision', async () => {
        await until(
            async () => `backfill in progress, it says ${await text('backfill')}, ${await text('precision')}`,
            async () => {
                const v = (await look(page)).values;
                // Soon after midnight nothing of today is missing while yesterday is fetched.
                const c = await s.db.hash(`bc4:{${BTC}}:context`);
                const told = c.missing_ms_today === '0' ? /^(IM)?PRECISE/ : /^IMPRECISE/;
                return v.backfill === 'in_progress' && told.test(v.precision);
            },
            20,
        );
        await shot('backfill.png');
    });
    await test('a simulated market is called so', async () => {
        claim((await text('simulated')).includes('SIMULATED'), 'no banner');
    });
    await test('backfill completes: the day is whole and precise', async () => {
        await until(
            async () => `backfill complete; ${await text('backfill')}, ${await text('precision')}`,
            async () => {
                const v = (await look(page)).values;
                return v.backfill === 'complete' && v.precision === 'PRECISE';
            },
            40,
        );
        const b = await s.db.hash(`bc4:{${BTC}}:backfill`);
        await until(
            async () => `the bar at ${b.percentage}; ${await page.locator('progress').getAttribute('value')}`,
            async () => (await page.locator('progress').getAttribute('value')) === b.percentage,
        );
        claim(b.percentage === '100', `complete at ${b.percentage} %`);
        claim(shows((await text('backfill-progress')).replace(/ %.*/, ''), b.percentage), await text('backfill-progress'));
    });
    await until('ready', async () => (await fetch(`${apiUrl}/ready`)).ok, 20);
    broken = false;
    await page.reload();
    await test('every panel shows the numbers that Redis holds', async () => {
        await panelsEqual(Object.keys(PANELS).filter((n) => n !== 'footprint'), BTC);
        const { panels } = await look(page);
        const bad = Object.entries(panels).filter(([, state]) => !['ready', 'empty'].includes(state));
        claim(bad.length === 0, `states ${JSON.stringify(bad)}`);
    });
    await test('the CVD is begun anew by keyboard, after a question', async () => {
        const action = (name) => page.locator(`[data-action="${name}"]`);
        const anchor = async () => (await s.db.hash(`bc4:{${BTC}}:cvd`)).anchor;
        claim((await anchor()) === 'day', await anchor());
        await action('reset').focus();
        await page.keyboard.press('Enter');
        const asked = await page.evaluate(() => document.activeElement?.getAttribute('data-action'));
        claim(asked === 'reset-yes', `the focus is on ${asked}`);
        await page.keyboard.press('Escape');
        await until('the question is gone', async () => (await action('reset-yes').count()) === 0);
        claim((await anchor()) === 'day', 'nothing was reset');
        await until('the focus is back', () => page.evaluate(() => document.activeElement?.getAttribute('data-action') === 'reset'));
        await page.keyboard.press('Enter');
        await page.keyboard.press('Enter');
        await until(
            async () => `the CVD begins anew; it says ${await text('reset-said')}`,
            async () => (await text('reset-said')) === 'CVD begins anew.' && (await anchor()) === 'reset',
        );
        await panelsEqual(['delta'], BTC);
    });
    await test('the numbers move without a reload', async () => {
        const first = await text('events-trades');
        await until('more trades', async () => (read(await text('events-trades'))?.value ?? 0) > read(first).value);
    });
    await test('at 20 updates a second panels are drawn once a frame, and show the last of them', async () => {
        const busy = await browser.newPage();
        const market = await busyMarket(busy);
        await busy.addInitScript(() => {
            globalThis.longTasks = [];
            globalThis.seen = { frames: 0, drawn: 0 };
            new PerformanceObserver((list) => {
                globalThis.longTasks.push(...list.getEntries().map((e) => Math.round(e.duration)));
            }).observe({ type: 'longtask', buffered: true });
        });
        await busy.goto(url);
        await until('live', async () => (await link(busy)) === 'live');
        await until('a snapshot of each channel', () => market.channels().length === 10);
        const atStart = await busy.evaluate(() => globalThis.longTasks.splice(0));
        await busy.evaluate(() => {
            const { seen } = globalThis;
            const frame = () => {
                seen.frames++;
                requestAnimationFrame(frame);
            };
            requestAnimationFrame(frame);
            // The price is one text: each change of it is one drawing of its component.
            new MutationObserver((list) => (seen.drawn += list.length)).observe(
                document.querySelector('[data-value="price"]'), { characterData: true, subtree: true, childList: true },
            );
        });
        const stopTrace = await traceTasks(busy);
        market.start();
        await sleep(4000);
        const told = market.stop();
        const cpu = await stopTrace();
        await until(
            async () => `the last price, ${told.price_shown}; ${await text('price', busy)}`,
            async () => shows(await text('price', busy), told.price_shown),
            5,
        );
        const { seen, longTasks } = await busy.evaluate(() => ({ seen: globalThis.seen, longTasks: globalThis.longTasks }));
        const messages = Object.entries(told).reduce((sum, [ch, n]) => sum + (ch === 'price_shown' ? 0 : n), 0);
        console.log(
            `       ${messages} messages in 4 s, ${seen.frames} frames, price drawn ${seen.drawn} times for ${told.price}; ` +
                `tasks over 50 ms: ${JSON.stringify(longTasks)} (while loading ${JSON.stringify(atStart)}) ms`,
        );
        console.log(`       ${cpu.length} tasks of the page; by their own CPU time the longest: ${JSON.stringify(cpu.slice(0, 5))} ms`);
        claim(cpu.filter((ms) => ms > 50).length <= 5, `tasks that need more than 50 ms: ${JSON.stringify(cpu.slice(0, 10))}`);
        claim(told.price > 40, `the market was not busy: ${JSON.stringify(told)}`);
        claim(seen.drawn <= told.price && seen.drawn <= seen.frames + 1, 'drawn more often than told, or than once a frame');
        claim(seen.drawn > told.price / 4, `drawn ${seen.drawn} times only`);
        const rows = (await look(busy)).rows.trade.length;
        claim(rows === 40, `the tape grew to ${rows} rows`);
        // Told, not judged: the machine may be busy with something else. What never may happen:
        claim(longTasks.every((ms) => ms < 1000), `a task of ${Math.max(...longTasks)} ms`);
        await busy.close();
    });
    await test('nothing jumps: layout shift of a fresh page', async () => {
        const fresh = await browser.newPage();
        await fresh.addInitScript(() => {
            globalThis.shift = 0;
            new PerformanceObserver((list) => {
                for (const e of list.getEntries()) {
                    globalThis.shift += e.hadRecentInput ? 0 : e.value;
                }
            }).observe({ type: 'layout-shift', buffered: true });
        });
        await fresh.goto(url);
        await until('live', async () => (await link(fresh)) === 'live');
        await sleep(1500);
        const shift = await fresh.evaluate(() => globalThis.shift);
        console.log(`       cumulative layout shift ${shift.toFixed(4)}`);
        claim(shift < 0.1, `layout shift ${shift}`);
        await fresh.close();
    });
    await test('accessibility, dark: nothing serious', () => axe());
    await shot('dashboard-dark.png');
    await test('accessibility, light: nothing serious', async () => {
        await page.getByRole('button', { name: 'Light theme' }).click();
        await sleep(300);
        await axe();
        await shot('dashboard-light.png');
        await page.getByRole('button', { name: 'Dark theme' }).click();
    });
    await test('the keyboard reaches every control, and is seen', async () => {
        const all = await page.evaluate(() => {
            document.activeElement?.blur();
            const list = [...document.querySelectorAll('a[href], button, select, summary, [tabindex="0"]')].filter(
                (el) => el.checkVisibility(),
            );
            list.forEach((el, n) => el.setAttribute('data-stop', String(n)));
            return list.length;
        });
        const reached = new Set();
        for (let i = 0; i < all + 5; i++) {
            await page.keyboard.press('Tab');
            const at = await page.evaluate(() => {
                const el = document.activeElement;
                const style = getComputedStyle(el);
                return [el.getAttribute('data-stop'), style.outlineStyle !== 'none'];
            });
            if (at[0] !== null) {
                claim(at[1], `stop ${at[0]} shows no focus`);
                reached.add(at[0]);
            }
        }
        claim(reached.size === all, `${reached.size} of ${all}`);
        await page.getByRole('button', { name: '5m', exact: true }).focus();
        await page.keyboard.press('Enter');
        claim((await page.getByRole('button', { name: '5m', exact: true }).getAttribute('aria-pressed')) === 'true', 'not pressed');
        await page.getByRole('button', { name: '1m', exact: true }).click();
    });
    await test('another instrument: its numbers, and none of the old one', async () => {
        await page.locator('select[data-value="instrument"]').selectOption(ETH);
        await panelsEqual(['price', 'metrics', 'chart', 'book', 'tape', 'mark', 'top', 'coverage'], ETH);
        await page.locator('select[data-value="instrument"]').selectOption(BTC);
        await panelsEqual(['price', 'metrics', 'book'], BTC);
    });
    await test('the footprint shows the rows, imbalances and stacks that Redis holds', async () => {
        const row = page.locator('[data-value="footprint-row"]');
        await until('rows to choose from', async () => (await row.locator('option').count()) > 0);
        const bin = await row.locator('option').first().getAttribute('value');
        await row.selectOption(bin);
        await panelsEqual(['footprint'], BTC);
        const heights = await row.locator('option').count();
        if (heights > 1) {
            const before = Object.keys((await look(page)).cells).length;
            await row.selectOption(await row.locator('option').last().getAttribute('value'));
            await until('fewer, higher rows', async () => Object.keys((await look(page)).cells).length < before);
        }
    });
    await test('the smallest size of the tape filters it', async () => {
        const box = page.locator('[data-panel="tape"] select');
        await box.selectOption('1');
        const sizes = ((await look(page)).rows.trade ?? []).map((r) => read(r[2]).value);
        claim(sizes.every((q) => q >= 1), `sizes ${sizes}`);
        await box.selectOption('0');
    });
    await test('telephone: no sideways scrolling, and the panels in order', async () => {
        const phone = await browser.newPage();
        await phone.setViewportSize({ width: 390, height: 844 });
        await phone.goto(url);
        await until('live', async () => (await link(phone)) === 'live');
        const wide = await phone.evaluate(() => document.documentElement.scrollWidth);
        claim(wide <= 390, `${wide} px wide`);
        await axe(phone);
        await shot('phone.png', phone);
        await phone.setViewportSize({ width: 820, height: 1180 });
        await sleep(400);
        claim((await phone.evaluate(() => document.documentElement.scrollWidth)) <= 820, 'tablet scrolls sideways');
        await shot('tablet.png', phone);
        await phone.close();
    });
    if ((await page.locator('select[data-value="instrument"]').inputValue()) !== BTC) {
        await page.locator('select[data-value="instrument"]').selectOption(BTC);
    }
    await test('a hole appears on the coverage strip and closes', async () => {
        const before = (await look(page)).values.coverage;
        // REST refuses for a while, so that the hole stays open long enough to be seen.
        await s.order('http?kind=503&path=/fapi/v1/aggTrades&ms=12000');
        await s.order('skip?n=3');
        await until(
            async () => `a hole is shown; ${await text('coverage')}`,
            async () => {
                const l = await look(page);
                return (l.spans.missing ?? 0) > 0 && !/ 0 holes/.test(l.values.coverage);
            },
            30,
        );
        await page.locator('.intervals summary').click();
        const holes = (await look(page)).rows.interval ?? [];
        claim(holes.some((r) => r[0] === 'missing' && /^\d\d:\d\d:\d\d$/.test(r[1])), `in words: ${JSON.stringify(holes)}`);
        await shot('hole.png');
        await page.locator('.intervals summary').click();
        await until(
            async () => `the hole is closed; ${await text('coverage')}, it was ${before}`,
            async () => {
                const l = await look(page);
                return (l.spans.missing ?? 0) === 0 && / 0 holes/.test(l.values.coverage);
            },
            40,
        );
        await panelsEqual(['coverage', 'metrics'], BTC);
    });
    await test('documented REST names are enough for a dashboard that polls', () => contract(apiUrl, BTC));
    await test('no complaint in the console so far', () => claim(complaints.length === 0, complaints.join('\n')));

    broken = true; // from here on requests fail, and the console says so
    await test('Redis killed: a banner, the last numbers stay; back: the banner goes', async () => {
        await s.programs.redis.kill();
        await until('the banner', async () => (await text('redis-down')) !== undefined, 20);
        claim(read(await text('price')) !== null, 'the price is gone');
        await shot('redis-away.png', page, false);
        await s.redis();
        await until('no banner', async () => (await text('redis-down')) === undefined, 20);
        await panelsEqual(['price', 'metrics', 'tape', 'book'], BTC, page, 30);
    });
    await test('gateway killed: said so, numbers grey; back: polls, then is live again', async () => {
        await s.programs.api.kill();
        await until('not live', async () => ['polling', 'connecting'].includes(await link()), 10);
        await until('disconnected', async () => (await text('disconnected')) !== undefined, 15);
        await until('stale panels', async () => (await look(page)).panels.book === 'stale', 10);
        await shot('gateway-away.png', page, false);
        await s.service('api');
        await until('live', async () => (await link()) === 'live', 25);
        await until('no banner', async () => (await text('disconnected')) === undefined, 5);
        await panelsEqual(['price', 'metrics', 'tape', 'book'], BTC, page, 30);
    });
    await test('without a socket the page polls, says so and shows the same numbers', async () => {
        const polling = await browser.newPage();
        await polling.addInitScript(() => {
            globalThis.WebSocket = class {
                constructor() {
                    throw new Error('no socket');
                }
            };
        });
        await polling.goto(url);
        await until('polling', async () => (await link(polling)) === 'polling', 15);
        await panelsEqual(['price', 'levels', 'trust', 'feeds', 'mark'], BTC, polling, 30);
        await polling.close();
    });
    await test('no panel failed, whatever was broken', () => claim(complaints.length === 0, complaints.join('\n')));
    await test('nothing left this machine', () => {
        const far = [...asked].filter((u) => !/^(https?|wss?):\/\/127\.0\.0\.1:\d+(\/|$)|^(data|blob):/.test(u));
        claim(asked.size > 20, `only ${asked.size} requests were seen`);
        claim(far.length === 0, far.join('\n'));
    });
    claim(shows('1.0', '1'), 'the comparison compares');
}

async function end(code) {
    await browser?.close().catch(() => {});
    if (profile !== null) {
        fs.rmSync(profile, { recursive: true, force: true });
    }
    await s.stop(code !== 0);
    console.log(`e2e: ${((Date.now() - began) / 1000).toFixed(0)} s, pictures in ${path.relative(process.cwd(), out)}`);
    console.log(`${passed} passed, ${failed} failed`);
    process.exit(code);
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => void end(1));
}
setTimeout(() => {
    console.log('e2e: not done within 4 minutes');
    failed++;
    void end(1);
}, 240_000).unref();
try {
    await main();
} catch (e) {
    failed++;
    console.log(`  FAIL ${e.stack ?? e}`);
}
await end(failed === 0 ? 0 : 1);

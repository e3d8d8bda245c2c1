// The unmodified ccxt library against exchange-sim: only its URLs are configured. Everything that
// arrives is compared field by field with what the venue was given.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ccxt from 'ccxt';
import WebSocket from 'ws';
import { Venue } from './venue.mjs';
import { expectedOf } from './expected.mjs';
import { rules } from './rules.mjs';

const [binary, data] = process.argv.slice(2);
let passed = 0;
let failed = 0;
let skipped = 0;

async function check(name, body) {
    const began = Date.now();
    let timer;
    const limit = new Promise((_, no) => {
        timer = setTimeout(() => no(new Error('not done after 90 s')), 90000);
    });
    try {
        await Promise.race([body(), limit]);
        passed++;
        console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (e) {
        failed++;
        console.log(`FAILED  ${name}\n${String(e.stack ?? e).slice(0, 3000)}`);
    } finally {
        clearTimeout(timer);
    }
}

async function client(venue) {
    const ex = new ccxt.pro.binanceusdm({
        urls: {
            api: {
                fapiPublic: venue.rest + '/fapi/v1',
                ws: { future: venue.ws + '/ws' }, // the library puts its route in front of /ws
            },
        },
        options: {
            watchTrades: { name: 'aggTrade' },
            watchTradesForSymbols: { name: 'aggTrade' },
            tradesLimit: 100000, // keep all of them, to compare all of them
        },
    });
    await ex.loadHttpProxyAgent(); // what the library asks for before it opens a ws:// URL
    return ex;
}

const unified = { BTCUSDT: 'BTC/USDT:USDT', BTCUSDC: 'BTC/USDC:USDC' };

// One trade as ccxt shows it against the frame (or REST row) it was made of.
function same(trade, frame) {
    assert.equal(trade.id, String(frame.a));
    assert.equal(trade.timestamp, frame.T);
    assert.equal(trade.datetime, new Date(frame.T).toISOString());
    assert.equal(trade.symbol, unified[frame.s]);
    assert.equal(trade.side, frame.m ? 'sell' : 'buy');
    assert.equal(trade.price, Number(frame.p));
    assert.equal(trade.amount, Number(frame.q));
}

// A row of REST has no e, E, s, st; numbers are as in the frame.
function rowOf(frame) {
    const { e, E, s, st, ...row } = frame;
    return row;
}

async function watchAll(ex, symbols, frames) {
    const want = {};
    for (const f of frames) {
        want[unified[f.s]] = (want[unified[f.s]] ?? 0) + 1;
    }
    while (symbols.some((s) => (ex.trades[s]?.length ?? 0) < want[s])) {
        await (symbols.length === 1 ? ex.watchTrades(symbols[0]) : ex.watchTradesForSymbols(symbols));
    }
}

function compareAll(ex, frames) {
    const at = {};
    for (const frame of frames) {
        const symbol = unified[frame.s];
        at[symbol] ??= 0;
        const trade = ex.trades[symbol][at[symbol]++];
        same(trade, frame);
        assert.deepEqual(trade.info, frame); // every field of the wire, and no other
    }
    for (const symbol of Object.keys(at)) {
        assert.equal(ex.trades[symbol].length, at[symbol]);
    }
}

async function withVenue(args, body) {
    const venue = await Venue.start(binary, args);
    const ex = await client(venue);
    try {
        await body(venue, ex);
    } finally {
        await ex.close();
        assert.equal(await venue.stop(), 0, 'exchange-sim ends with 0');
    }
}

// All rows by the paging that works: fromId = last + 1.
async function pageAll(ex, symbol, from, to) {
    const rows = [];
    while (from <= to) {
        const page = await ex.fetchTrades(symbol, undefined, 1000, { fromId: from });
        if (page.length === 0) {
            break;
        }
        rows.push(...page);
        from = Number(page[page.length - 1].id) + 1;
    }
    return rows;
}

async function replay(name, file, args) {
    const path = join(data, file);
    if (!existsSync(path)) {
        skipped++;
        console.log(`absent  ${file}: ${name} is not checked`);
        return;
    }
    const frames = expectedOf(path);
    const ids = [...new Set(frames.map((f) => f.s))];
    const symbols = ids.map((s) => unified[s]);
    await check(`${name}: ${frames.length} trades of ${ids.join(', ')}`, () =>
        withVenue(['--replay', path, ...args], async (venue, ex) => {
            await ex.loadMarkets();
            await watchAll(ex, symbols, frames);
            compareAll(ex, frames);
            for (const id of ids) {
                const mine = frames.filter((f) => f.s === id);
                const first = mine[0];
                const last = mine[mine.length - 1];
                const paged = await pageAll(ex, unified[id], first.a, last.a);
                assert.equal(paged.length, mine.length);
                mine.forEach((f, i) => {
                    same(paged[i], f);
                    assert.deepEqual(paged[i].info, rowOf(f));
                });
                const newest = await ex.fetchTrades(unified[id]);
                assert.deepEqual(newest.map((t) => Number(t.id)), mine.slice(-500).map((f) => f.a));
                const since = mine[mine.length >> 1].T;
                const some = await ex.fetchTrades(unified[id], since, 50);
                assert.deepEqual(some.map((t) => Number(t.id)),
                    mine.filter((f) => f.T >= since).slice(0, 50).map((f) => f.a));
            }
            const status = await venue.status();
            assert.equal(status.finished, true);
            assert.equal(status.bad_lines, 0);
        }));
}

// Books, prices and open interest through the library's own book keeping: it fetches a snapshot,
// joins the diffs and refuses a chain that does not hold.
async function books() {
    await check('generated market: order book, tickers, mark price, open interest, funding', () =>
        withVenue(['--generate', '--symbols', 'BTCUSDT,ETHUSDT'], async (venue, ex) => {
            ex.options.watchOrderBook = { checksum: true, maxRetries: 3 };
            await ex.loadMarkets();
            const symbol = 'BTC/USDT:USDT';
            let book;
            for (let i = 0; i < 25; i++) {
                book = await ex.watchOrderBook(symbol);
            }
            const id = book.nonce;
            const [bids, asks] = [book.bids, book.asks].map((s) => Array.from(s).slice(0, 200));
            const truth = await venue.book('BTCUSDT', id);
            const numbers = (rows) => rows.slice(0, 200).map(([p, q]) => [Number(p), Number(q)]);
            assert.deepEqual(bids.map((r) => [...r]), numbers(truth.bids));
            assert.deepEqual(asks.map((r) => [...r]), numbers(truth.asks));

            const fetched = await ex.fetchOrderBook(symbol, 100);
            assert.equal(fetched.bids.length, 100);
            const then = await venue.book('BTCUSDT', fetched.nonce);
            assert.deepEqual(fetched.asks, numbers(then.asks).slice(0, 100));

            const mark = await ex.watchMarkPrice(symbol);
            assert.ok(Math.abs(mark.markPrice / bids[0][0] - 1) < 0.01);
            assert.ok(Math.abs(mark.indexPrice / bids[0][0] - 1) < 0.01);
            const quote = (await ex.watchBidsAsks([symbol]))[symbol];
            assert.ok(quote.bid < quote.ask);
            const tickers = await ex.watchTickers([symbol, 'ETH/USDT:USDT']);
            assert.ok(Object.values(tickers).every((t) => t.high >= t.low && t.last > 0));

            const interest = await ex.fetchOpenInterest(symbol);
            assert.ok(interest.openInterestAmount > 1000);
            const funding = await ex.fetchFundingRate(symbol);
            assert.ok(Math.abs(funding.fundingRate) < 0.01);
            assert.equal(funding.fundingTimestamp % 28800000, 0);
            const day = await ex.fetchTicker(symbol);
            assert.ok(day.low <= day.last * 1.01 && day.baseVolume > 0);
        }));
}

async function generated() {
    const from = new Date(Date.now() - 600000).toISOString().slice(0, 19) + 'Z';
    await check('generated market: live trades, history, time, contract', () =>
        withVenue(['--generate', '--symbols', 'BTCUSDT,BTCUSDC', '--from', from, '--speed', 'max'],
            async (venue, ex) => {
                const markets = await ex.loadMarkets();
                const btc = markets['BTC/USDT:USDT'];
                assert.equal(btc.id, 'BTCUSDT');
                assert.equal(btc.type, 'swap');
                assert.equal(btc.active, true);
                assert.equal(btc.linear, true);
                assert.equal(btc.settle, 'USDT');
                assert.equal(btc.precision.price, 0.1);
                assert.equal(btc.precision.amount, 0.001);
                assert.equal(btc.limits.amount.min, 0.001);
                assert.equal(btc.limits.cost.min, 100);
                assert.ok(markets['BTC/USDC:USDC']);

                const before = Date.now();
                const time = await ex.fetchTime();
                assert.ok(time >= before - 50 && time <= Date.now() + 50, `time ${time}`);

                const symbol = 'BTC/USDT:USDT';
                const caught = () => {
                    const seen = ex.trades[symbol];
                    return seen && seen.length > 0 && Date.now() - seen[seen.length - 1].timestamp < 3000;
                };
                while (!caught()) {
                    await ex.watchTrades(symbol);
                }
                const seen = ex.trades[symbol].slice();
                const truth = new Map((await venue.truth('BTCUSDT')).map((t) => [t.a, t]));
                assert.ok(seen.length > 100);
                assert.equal(Number(seen[0].id), truth.keys().next().value);
                seen.forEach((trade, i) => {
                    const t = truth.get(Number(trade.id));
                    same(trade, { ...t, s: 'BTCUSDT' });
                    assert.deepEqual(trade.info,
                        { e: 'aggTrade', s: 'BTCUSDT', ...t, nq: t.q, st: 1 });
                    assert.equal(Number(trade.id), Number(seen[0].id) + i);
                });
                const last = Number(seen[seen.length - 1].id);
                const paged = await pageAll(ex, symbol, Number(seen[0].id), last);
                seen.forEach((trade, i) => {
                    assert.equal(paged[i].id, trade.id);
                    assert.equal(paged[i].price, trade.price);
                    assert.equal(paged[i].amount, trade.amount);
                    assert.equal(paged[i].timestamp, trade.timestamp);
                    assert.equal(paged[i].side, trade.side);
                });
                // Yesterday is there too: the market has a past.
                const old = Date.now() - 40 * 3600000;
                const past = await ex.fetchTrades(symbol, old, 1000);
                assert.equal(past.length, 1000);
                assert.ok(past[0].timestamp >= old && past[0].timestamp < old + 60000);
            }));
}

async function errors() {
    await check('errors arrive as the library knows them', () =>
        withVenue(['--generate'], async (venue, ex) => {
            await ex.loadMarkets();
            await assert.rejects(ex.fapiPublicGetAggTrades({ symbol: 'NOSUCH' }), ccxt.BadSymbol);
            await assert.rejects(ex.fapiPublicGetAggTrades({}), ccxt.BadRequest);
            await assert.rejects(ex.fapiPublicGetAggTrades({ symbol: 'BTCUSDT', limit: 'x' }),
                ccxt.BadRequest);
            await assert.rejects(
                ex.fapiPublicGetAggTrades({ symbol: 'BTCUSDT', fromId: 1, startTime: 1 }),
                ccxt.BadRequest);
            const answer = await fetch(venue.rest + '/fapi/v1/ping');
            assert.equal(answer.headers.get('x-simulated'), 'true');
            assert.ok(Number(answer.headers.get('x-mbx-used-weight-1m')) >= 1);
        }));
    await check('above the weight limit: 429, and the library backs off', () =>
        withVenue(['--generate', '--weight-limit', '50'], async (venue, ex) => {
            await ex.loadMarkets();
            const burst = async () => {
                for (let i = 0; i < 6; i++) { // the minute may turn once in between
                    await ex.fapiPublicGetAggTrades({ symbol: 'BTCUSDT', limit: 1 });
                }
            };
            await assert.rejects(burst(), (e) =>
                e instanceof ccxt.DDoSProtection || e instanceof ccxt.RateLimitExceeded);
        }));
}

// One socket on a path; what arrives within ms.
async function listen(venue, path, request, ms) {
    const socket = new WebSocket(venue.ws + path);
    const messages = [];
    let simulated;
    socket.on('upgrade', (r) => { simulated = r.headers['x-simulated']; });
    socket.on('message', (m) => messages.push(JSON.parse(m.toString())));
    await new Promise((ok, no) => { socket.on('open', ok); socket.on('error', no); });
    if (request) {
        socket.send(JSON.stringify(request));
    }
    await new Promise((ok) => { setTimeout(ok, ms); });
    socket.terminate();
    return { messages, simulated };
}

async function routes() {
    await check('routes: only /market speaks of trades; the others acknowledge and are silent', () =>
        withVenue(['--generate', '--from', String(Date.now() - 5000), '--start-on-subscribe=false'],
            async (venue) => {
                const request = { method: 'SUBSCRIBE', params: ['btcusdt@aggTrade'], id: 7 };
                const [market, publicly, root, combined, inUrl, oldStream] = await Promise.all([
                    listen(venue, '/market/ws', request, 3000),
                    listen(venue, '/public/ws', request, 3000),
                    listen(venue, '/ws', request, 3000),
                    listen(venue, '/market/stream?streams=btcusdt@aggTrade/x@depth', null, 3000),
                    listen(venue, '/market/ws/btcusdt@aggTrade', null, 3000),
                    listen(venue, '/stream?streams=btcusdt@aggTrade', request, 3000),
                ]);
                const ack = { result: null, id: 7 };
                assert.deepEqual(market.messages[0], ack);
                assert.ok(market.messages.length > 2);
                assert.equal(market.messages[1].e, 'aggTrade');
                assert.deepEqual(publicly.messages, [ack]);
                assert.deepEqual(root.messages, [ack]);
                assert.deepEqual(oldStream.messages, [ack]);
                assert.equal(combined.messages[0].stream, 'btcusdt@aggTrade');
                assert.equal(combined.messages[0].data.e, 'aggTrade');
                assert.equal(inUrl.messages[0].e, 'aggTrade');
                for (const l of [market, publicly, root, combined, inUrl, oldStream]) {
                    assert.equal(l.simulated, 'true');
                }
            }));
}

console.log(`ccxt ${ccxt.version}`);
// Each check has a venue of its own; most of the time is the library's own pace of requests.
await Promise.all([
    replay('two symbols, fills joined',
        'binance_usdm_BTCUSDT-BTCUSDC_20240402_1503_aggTrade.jsonl', ['--stretch', '3000']),
    replay('the wire of 2026', 'binance_usdm_BTCUSDT_20260718_2137_aggTrade.jsonl',
        ['--stretch', '2000']),
    replay('single fills as aggregated trades',
        'binance_usdm_BTCUSDT_20240808_2354_trade-depth0ms-bookTicker.raw.gz',
        ['--speed', 'max']),
    generated(),
    books(),
    errors(),
    routes(),
]);
await Promise.all(rules(binary, check));
if (skipped > 0) {
    console.log(`${skipped} recordings are absent; the generated market stood in`);
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

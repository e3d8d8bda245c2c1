// The venues' npm client libraries, unmodified, against exchange-sim: only their URLs are told.
// What arrives is compared with what the venue says it released.
import assert from 'node:assert/strict';
import binance from 'binance';
import bybit from 'bybit-api';
import { Venue } from './venue.mjs';

const [binary] = process.argv.slice(2);
const quiet = { trace() {}, info() {}, error() {} };
let passed = 0;
let failed = 0;

async function check(name, body) {
    const began = Date.now();
    let timer;
    const limit = new Promise((_, no) => {
        timer = setTimeout(() => no(new Error('not done after 15 s')), 15000);
    });
    try {
        await Promise.race([body(), limit]);
        passed++;
        console.log(`ok      ${name} (${Date.now() - began} ms)`);
    } catch (e) {
        failed++;
        console.log(`FAILED  ${name}\n${String(e.stack ?? e).slice(0, 2000)}`);
    } finally {
        clearTimeout(timer);
    }
}

async function withVenue(args, body) {
    const venue = await Venue.start(binary, ['--generate', '--rate', '5', ...args]);
    try {
        await body(venue);
    } finally {
        assert.equal(await venue.stop(), 0, 'exchange-sim ends with 0');
    }
}

async function until(what, test, ms = 10000) {
    const end = Date.now() + ms;
    while (!test()) {
        assert.ok(Date.now() < end, `in time: ${what}`);
        await new Promise((yes) => { setTimeout(yes, 20); });
    }
}

async function bybitTruth(venue) {
    const url = `${venue.control}/truth?venue=bybit&symbol=BTCUSDT`;
    const text = await (await fetch(url)).text();
    return text.trim().split('\n').map((line) => line.split(','));
}

// A book as either venue's documentation says it is kept.
class Book {
    constructor() {
        this.bids = new Map();
        this.asks = new Map();
    }

    set(bids, asks) {
        for (const [side, levels] of [[this.bids, bids], [this.asks, asks]]) {
            for (const [price, qty] of levels) {
                if (Number(qty) === 0) {
                    side.delete(price);
                } else {
                    side.set(price, qty);
                }
            }
        }
        assert.ok(Math.max(...[...this.bids.keys()].map(Number)) <
            Math.min(...[...this.asks.keys()].map(Number)), 'not crossed');
    }
}

await check('bybit-api: trades, book, tickers, heartbeat, reconnect', () => withVenue([], async (venue) => {
    const ws = new bybit.WebsocketClient({
        market: 'v5', wsUrl: `${venue.ws}/v5/public/linear`, pingInterval: 300, pongTimeout: 2000,
        reconnectTimeout: 100,
    }, quiet);
    const trades = new Map();
    const book = new Book();
    let u = 0;
    let deltas = 0;
    let ticker = {};
    let problem;
    ws.on('update', (m) => {
        try {
            if (m.topic === 'publicTrade.BTCUSDT') {
                m.data.forEach((t) => trades.set(t.i, t));
            } else if (m.topic === 'tickers.BTCUSDT') {
                ticker = { ...ticker, ...m.data };
            } else if (m.topic === 'orderbook.50.BTCUSDT') {
                if (m.type === 'snapshot') {
                    book.bids.clear();
                    book.asks.clear();
                } else {
                    assert.equal(m.data.u, u + 1);
                    deltas++;
                }
                u = m.data.u;
                book.set(m.data.b, m.data.a);
            }
        } catch (e) {
            problem ??= e;
        }
    });
    ws.on('exception', (e) => { problem ??= e; });
    let reconnected = 0;
    ws.on('reconnected', () => { reconnected++; });
    ws.subscribeV5(['publicTrade.BTCUSDT', 'orderbook.50.BTCUSDT', 'tickers.BTCUSDT'], 'linear');
    await until('trades and books', () => trades.size > 60 && deltas > 20 && ticker.lastPrice);
    // Longer than a ping and its pong: the library would have cut a socket without an answer.
    await new Promise((yes) => { setTimeout(yes, 2600); });
    assert.equal(reconnected, 0, 'the heartbeat holds');
    assert.equal(book.bids.size, 50);
    assert.equal(book.asks.size, 50);
    const before = trades.size;
    await fetch(`${venue.control}/drop`);
    await until('the library reconnects', () => reconnected === 1 && trades.size > before + 20);
    ws.closeAll(true);
    assert.equal(problem, undefined);
    const truth = new Map((await bybitTruth(venue)).map((r) => [r[1], r]));
    for (const t of trades.values()) {
        assert.deepEqual(truth.get(t.i).slice(0, 5), [String(t.T), t.i, t.p, t.v, t.S]);
    }
}));

await check('bybit-api: REST', () => withVenue(['--symbols', 'BTCUSDT,ETHUSDT'], async (venue) => {
    const rest = new bybit.RestClientV5({ baseUrl: venue.rest });
    const time = await rest.getServerTime();
    assert.equal(time.retCode, 0);
    const info = await rest.getInstrumentsInfo({ category: 'linear' });
    assert.deepEqual(info.result.list.map((i) => i.symbol), ['BTCUSDT', 'ETHUSDT']);
    assert.equal(info.result.list[0].priceFilter.tickSize, '0.10');
    const recent = await rest.getPublicTradingHistory({ category: 'linear', symbol: 'BTCUSDT', limit: 1000 });
    assert.equal(recent.result.list.length, 1000);
    assert.ok(Number(recent.result.list[0].time) >= Number(recent.result.list[999].time));
    const book = await rest.getOrderbook({ category: 'linear', symbol: 'BTCUSDT', limit: 50 });
    assert.equal(book.result.b.length, 50);
    const tickers = await rest.getTickers({ category: 'linear', symbol: 'BTCUSDT' });
    assert.equal(tickers.result.list[0].symbol, 'BTCUSDT');
    const interest = await rest.getOpenInterest({ category: 'linear', symbol: 'BTCUSDT', intervalTime: '5min' });
    assert.equal(interest.result.list.length, 50);
    const bad = await rest.getOrderbook({ category: 'linear', symbol: 'NOSUCH' });
    assert.notEqual(bad.retCode, 0);
}));

async function binanceSocket(venue, route, topics, onMessage) {
    const ws = new binance.WebsocketClient({
        beautify: false, wsUrl: venue.ws, pingInterval: 300, pongTimeout: 2000,
        reconnectTimeout: 100,
    }, quiet);
    ws.on('message', onMessage);
    ws.on('exception', () => {});
    await ws.subscribe(topics, route === 'market' ? 'usdmMarket' : 'usdmPublic');
    return ws;
}

await check('binance: trades, depth chain on a snapshot, heartbeat, reconnect', () => withVenue([], async (venue) => {
    const trades = new Map();
    const diffs = [];
    let reconnected = 0;
    const market = await binanceSocket(venue, 'market', ['btcusdt@aggTrade'], (m) => {
        const t = m.data ?? m;
        if (t.e === 'aggTrade') {
            trades.set(t.a, t);
        }
    });
    market.on('reconnected', () => { reconnected++; });
    const open = await binanceSocket(venue, 'public', ['btcusdt@depth@100ms'], (m) => {
        const d = m.data ?? m;
        if (d.e === 'depthUpdate') {
            diffs.push(d);
        }
    });
    await until('trades and diffs', () => trades.size > 40 && diffs.length > 5);
    const rest = new binance.USDMClient({ baseUrl: venue.rest, beautifyResponses: false });
    const snapshot = await rest.getOrderBook({ symbol: 'BTCUSDT', limit: 1000 });
    await until('the diffs pass the snapshot', () => diffs[diffs.length - 1].u > snapshot.lastUpdateId &&
        diffs.length > 20);
    const book = new Book();
    book.set(snapshot.bids, snapshot.asks);
    const rest_of = diffs.filter((d) => d.u >= snapshot.lastUpdateId);
    assert.ok(rest_of[0].U <= snapshot.lastUpdateId || rest_of[0].pu === snapshot.lastUpdateId);
    rest_of.forEach((d, i) => {
        assert.ok(i === 0 || d.pu === rest_of[i - 1].u, 'the chain holds');
        book.set(d.b, d.a);
    });
    await new Promise((yes) => { setTimeout(yes, 2600); });
    assert.equal(reconnected, 0, 'the heartbeat holds');
    const before = trades.size;
    await fetch(`${venue.control}/drop`);
    await until('the library reconnects', () => reconnected === 1 && trades.size > before + 20);
    market.closeAll(true);
    open.closeAll(true);
    const truth = new Map((await venue.truth('BTCUSDT')).map((t) => [t.a, t]));
    for (const t of trades.values()) {
        const { p, q, f, l, T, m, E } = t;
        assert.deepEqual({ a: t.a, p, q, f, l, T, m, E }, truth.get(t.a));
    }
}));

await check('binance: REST', () => withVenue([], async (venue) => {
    const rest = new binance.USDMClient({ baseUrl: venue.rest, beautifyResponses: false });
    const time = await rest.getServerTime();
    assert.ok(Math.abs(time - Date.now()) < 2000);
    const info = await rest.getExchangeInfo();
    assert.equal(info.symbols[0].symbol, 'BTCUSDT');
    const rows = await rest.getAggregateTrades({ symbol: 'BTCUSDT', limit: 100 });
    assert.equal(rows.length, 100);
    rows.forEach((r, i) => assert.ok(i === 0 || r.a === rows[i - 1].a + 1));
    await assert.rejects(rest.getAggregateTrades({ symbol: 'NOSUCH' }));
}));

console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);

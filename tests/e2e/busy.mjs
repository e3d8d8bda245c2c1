// A market at the gateway's own limits, put between the page and the real gateway: every channel
// is told as often as it ever can be, with what the real one told last and a little moved.

// How often a channel is told at most, ms (the gateway's table).
const EVERY = {
    price: 50, book: 50, trades: 50, context: 100, 'candles:1m': 200, mark: 200, footprint: 250, profile: 500,
    'candles:5m': 500, metrics: 500,
};
const TRADES = 12; // in each message

function moved(m, n) {
    const d = m.data;
    const wave = ((n * 7919) % 101) / 10 - 5;
    switch (m.ch) {
        case 'price':
            d.price += wave;
            break;
        case 'book':
            for (const side of ['bids', 'asks']) {
                d[side] = d[side].map(([p, q], i) => [p, Math.round((q + ((n + i) % 7) / 100) * 1000) / 1000]);
            }
            break;
        case 'trades': {
            const t = d.trades[0];
            d.trades = Array.from({ length: TRADES }, (_, i) => ({
                ...t, id: 9e12 + n * TRADES + i, ts_ms: t.ts_ms + 1, price: t.price + i / 10, side: i % 2 ? 'buy' : 'sell',
            }));
            break;
        }
        case 'context':
            d.cumulative_delta += wave;
            d.levels.VWAP += wave / 100;
            break;
        case 'candles:1m':
        case 'candles:5m': {
            const c = d.candles.at(-1);
            c.close += wave;
            c.volume += n;
            for (const cell of c.footprint ?? []) {
                cell.buy_vol += n % 3;
            }
            d.candles = [c];
            break;
        }
        case 'profile':
            d.volume_profile = d.volume_profile.slice(0, 10).map((r) => ({ ...r, volume: r.volume + n }));
            break;
        case 'footprint':
            for (const r of d.metrics?.footprint ?? []) {
                r.volume += n / 10;
            }
            break;
        default:
    }
    return m;
}

// Routes the page's socket; start() begins to tell, stop() ends and says how often each channel was.
export async function busyMarket(page) {
    const last = {};
    const told = {};
    let socket = null;
    let timer = null;
    await page.routeWebSocket(/\/ws$/, (ws) => {
        const server = ws.connectToServer();
        socket = ws;
        ws.onMessage((m) => server.send(m));
        server.onMessage((m) => {
            const o = JSON.parse(m);
            if (o.ch !== undefined && (o.type === 'snapshot' || last[o.ch] === undefined)) {
                last[o.ch] = o;
            }
            if (timer === null) {
                ws.send(m);
            }
        });
    });
    const due = {};
    let n = 0;
    const tell = () => {
        const now = Date.now();
        for (const [ch, every] of Object.entries(EVERY)) {
            if (last[ch] === undefined || now < (due[ch] ?? 0)) {
                continue;
            }
            due[ch] = Math.max((due[ch] ?? now) + every, now - every);
            n++;
            const m = moved(structuredClone(last[ch]), n);
            m.type = 'update';
            m.prev = last[ch].seq + 1_000_000 + n - 1;
            m.seq = last[ch].seq + 1_000_000 + n;
            told[ch] = (told[ch] ?? 0) + 1;
            if (ch === 'price') {
                told.price_shown = m.data.price;
            }
            socket?.send(JSON.stringify(m));
        }
    };
    return {
        channels: () => Object.keys(EVERY).filter((ch) => last[ch] !== undefined),
        start: () => (timer = setInterval(tell, 10)),
        stop: () => {
            clearInterval(timer);
            return told;
        },
    };
}

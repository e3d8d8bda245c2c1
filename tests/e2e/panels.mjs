// What every panel has to show, from Redis: each function answers with what differs.
import { clock, shows } from './page.mjs';

const key = (instrument, tail) => `bc4:{${instrument}}:${tail}`;

function differ(list) {
    return list.filter(([, ok]) => !ok).map(([name, , detail]) => `${name}: ${detail}`);
}

function value(seen, name, stored, factor) {
    const text = seen.values[name];
    return [name, shows(text, stored, factor), `${text} for ${stored}`];
}

function row(name, got, want) {
    const ok = got !== undefined && want.every((check, i) => check(got[i] ?? ''));
    return [name, ok, JSON.stringify(got ?? null)];
}

const is = (text) => (cell) => cell === text;
const number = (stored, factor) => (cell) => shows(cell, stored, factor);

export const PANELS = {
    async price(db, seen, i) {
        const c = await db.hash(key(i, 'context'));
        return differ([value(seen, 'price', c.price)]);
    },

    async chart(db, seen, i) {
        const all = await db.hash(key(i, 'candles:1m'));
        const newest = Object.keys(all).map(Number).filter((n) => n > 0).sort((a, b) => b - a)[0];
        const c = JSON.parse(all[newest] ?? '{}');
        return differ(
            ['open', 'high', 'low', 'close', 'volume', 'delta'].map((n) => value(seen, `candle-${n}`, c[n])),
        );
    },

    async metrics(db, seen, i) {
        const c = await db.hash(key(i, 'context'));
        const names = ['vwap', 'poc', 'cumulative_delta', 'cd_pre', 'buy_volume', 'sell_volume', 'range', 'trades'];
        return differ(names.map((n) => value(seen, n, c[n])));
    },

    async delta(db, seen, i) {
        const c = await db.hash(key(i, 'cvd'));
        const n = await db.hash(key(i, 'indicators'));
        return differ([
            value(seen, 'cvd', c.cvd), value(seen, 'cvd-buy', c.buy_volume), value(seen, 'cvd-sell', c.sell_volume),
            ['cvd-since', (seen.values['cvd-since'] ?? '').startsWith(clock(c.anchor_ms)), seen.values['cvd-since']],
            ...[60, 300, 900].flatMap((p) => [
                value(seen, `delta-${p}`, n[`_delta_${p}`]),
                value(seen, `delta-buy-${p}`, n[`_buy_${p}`]),
                value(seen, `delta-sell-${p}`, n[`_sell_${p}`]),
            ]),
        ]);
    },

    async levels(db, seen, i) {
        const c = await db.hash(key(i, 'context'));
        const fields = {
            vwap: 'vwap', poc: 'poc', vah: 'vah', val: 'val', pdh: 'pdh', pdl: 'pdl', orh: 'or_high', orl: 'or_low',
            pvah: 'vah_prev', pval: 'val_prev', ppoc: 'poc_prev', pvwap: 'vwap_prev',
            up1: 'band_up_1', up2: 'band_up_2', up3: 'band_up_3', dn1: 'band_dn_1', dn2: 'band_dn_2', dn3: 'band_dn_3',
        };
        return differ(
            Object.entries(fields).map(([name, field]) => {
                const text = seen.values[`level-${name}`];
                const stored = c[field] ?? '';
                // Unknown levels are named in a line below instead.
                const ok = stored === '' ? text === undefined : shows(text, stored);
                return [name, ok, `${text} for ${stored}`];
            }),
        );
    },

    async session(db, seen, i) {
        const s = await db.hash(key(i, 'strategy'));
        const names = { waiting_for_session: 'No session', off: 'No session', london: 'London', overlap: 'London / New York overlap' };
        return differ([
            ['session', seen.values.session === names[s.session], `${seen.values.session} for ${s.session}`],
            ['countdown', /^\d\d:\d\d:\d\d$/.test(seen.values.countdown ?? ''), seen.values.countdown],
        ]);
    },

    async trust(db, seen, i) {
        const b = await db.hash(key(i, 'backfill'));
        return differ([
            ['backfill', seen.values.backfill === b.status, `${seen.values.backfill} for ${b.status}`],
            value(seen, 'backfill-loaded', b.trades_loaded),
            ['precision', /^(PRECISE|IMPRECISE)/.test(seen.values.precision ?? ''), seen.values.precision],
        ]);
    },

    async book(db, seen, i) {
        const b = await db.hash(key(i, 'book'));
        const bids = JSON.parse(b.bids ?? '[]').slice(0, 8);
        const asks = JSON.parse(b.asks ?? '[]').slice(0, 8).reverse();
        const side = (name, levels) => [
            [`${name}s`, seen.rows[name]?.length === levels.length, `${seen.rows[name]?.length} rows`],
            ...levels.map((l, n) => row(`${name} ${n}`, seen.rows[name]?.[n], [number(l[0]), number(l[1])])),
        ];
        return differ([
            ...side('bid', bids), ...side('ask', asks),
            value(seen, 'spread', b.spread), value(seen, 'book-imbalance', b.imbalance, 100),
        ]);
    },

    async tape(db, seen, i) {
        const trades = await db.newest(key(i, 'trades'), 10);
        return differ(
            trades.map((t, n) =>
                row(`trade ${n}`, seen.rows.trade?.[n], [
                    is(clock(t.entry.split('-')[0])), number(t.price), number(t.qty), is(t.side),
                ]),
            ),
        );
    },

    async top(db, seen, i) {
        const m = await db.hash(key(i, 'metrics'));
        const bins = JSON.parse(m.footprint ?? '[]').slice(0, 8);
        return differ(
            bins.map((b, n) =>
                row(`bin ${n}`, seen.rows.bin?.[n], [
                    is(String(b.rank)), number(b.price), number(b.buy_vol), number(b.sell_vol), number(b.volume),
                ]),
            ),
        );
    },

    async liquidations(db, seen, i) {
        const tape = await db.newest(key(i, 'liquidations'), 8);
        const hash = await db.hash(key(i, 'liquidation_clusters'));
        const bins = new Map(
            Object.entries(hash).filter(([k]) => /^[\d.]+$/.test(k)).map(([k, v]) => [Number(k), v.split(' ')]),
        );
        const clusters = (seen.rows.cluster ?? []).map((r, n) => {
            const stored = bins.get(Number((r[0] ?? '').replaceAll(',', '')));
            const ok = stored !== undefined && shows(r[2], stored[0]) && shows(r[1], stored[1]);
            return [`cluster ${n}`, ok, `${JSON.stringify(r)} for ${stored}`];
        });
        return differ([
            ['clusters', clusters.length === Math.min(5, bins.size), `${clusters.length} of ${bins.size}`],
            ...clusters,
            ...tape.map((l, n) =>
                row(`liquidation ${n}`, seen.rows.liquidation?.[n], [
                    is(clock(l.ts_ms ?? l.entry.split('-')[0])), is(l.liquidated), number(l.price), number(l.qty),
                ]),
            ),
        ]);
    },

    // The newest complete candle, row by row. Marks are those of the gateway's own row height; a market that has moved
    // far offers only higher rows, which are sums of those.
    async footprint(db, seen, i) {
        const all = await db.hash(key(i, 'footprint:1m'));
        const starts = Object.keys(all).map(Number).filter((n) => n > 0).sort((a, b) => b - a);
        const start = starts.find((n) => Object.keys(seen.cells).some((c) => c.startsWith(`${n}:`)) && n !== starts[0]);
        if (start === undefined) {
            return [`no complete candle is shown: ${Object.keys(seen.cells).slice(0, 3)} of ${starts.slice(0, 3)}`];
        }
        const told = JSON.parse(all[start]);
        const times = Math.round(Number(seen.row) / told.footprint_bin);
        if (times < 1 || Number(seen.row) !== told.footprint_bin * times) {
            return [`rows of ${seen.row}, Redis holds ${told.footprint_bin}`];
        }
        const sums = new Map();
        for (const r of told.footprint) {
            const at = Math.floor(Math.round(r.price / told.footprint_bin) / times);
            const sum = sums.get(at) ?? { sell: 0, buy: 0, rows: [] };
            sum.sell += r.sell_vol;
            sum.buy += r.buy_vol;
            sum.rows.push(r);
            sums.set(at, sum);
        }
        return differ(
            [...sums].map(([at, sum]) => {
                const cell = seen.cells[`${start}:${at}`];
                const r = sum.rows[0];
                const stack = told.stacked.find((s) => r.price >= s.from && r.price <= s.to);
                const ok = cell !== undefined && shows(cell.parts[0], sum.sell) && shows(cell.parts[1], sum.buy) &&
                    (times > 1 || (cell.marked === r.imbalance && (cell.stacked === null) === (stack === undefined)));
                return [`row ${r.price}`, ok, `${JSON.stringify(cell ?? null)} for ${JSON.stringify(sum.rows)}`];
            }),
        );
    },

    async mark(db, seen, i) {
        const m = await db.hash(key(i, 'mark'));
        return differ([
            value(seen, 'mark', m.mark), value(seen, 'index', m.index), value(seen, 'funding', m.funding_rate, 100),
            value(seen, 'open_interest', m.open_interest),
        ]);
    },

    async coverage(db, seen, i) {
        const c = await db.hash(key(i, 'coverage'));
        const day = Object.keys(c).filter((k) => /^\d{4}-/.test(k)).sort().at(-1);
        const told = JSON.parse(c[day] ?? '{}');
        const found = /^(\S+): ([\d.]+) % .*, (\d+) holes/.exec(seen.values.coverage ?? '');
        return differ([
            ['coverage', found !== null && found[1] === day && Number(found[3]) === told.holes &&
                shows(found[2], told.fraction, 100), `${seen.values.coverage} for ${told.fraction}, ${told.holes} holes`],
        ]);
    },

    async feeds(db, seen, i) {
        const h = await db.hash('bc4:health:collector:binance');
        return differ([
            ['trades', seen.values['feed-trades'] === 'connected', seen.values['feed-trades']],
            ['depth', seen.values['feed-depth'] === 'connected', seen.values['feed-depth']],
            value(seen, 'events-trades', h[`${i}.events_received`]),
        ]);
    },

    async events(db, seen, i) {
        const events = await db.newest(key(i, 'events'), 5);
        return differ(
            events.map((e, n) =>
                row(`event ${n}`, seen.rows.event?.[n], [is(clock(e.ts_ms)), is(e.type.replaceAll('_', ' '))]),
            ),
        );
    },
};

// What a client must receive, read from the recordings by rules of their own (not by the venue's
// code): aggTrade frames as they are; @trade rows of X = MARKET or RPI numbered from the first id.
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

function textOf(path) {
    const bytes = readFileSync(path);
    return (path.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString('utf8');
}

export function expectedOf(path) {
    const out = [];
    const next = {};
    for (const line of textOf(path).split('\n')) {
        const at = line.indexOf('{');
        if (at < 0 || !line.includes('rade"')) {
            continue;
        }
        const message = JSON.parse(line.slice(at));
        const d = message.data ?? message;
        if (d.e === 'aggTrade') {
            out.push(d);
        } else if (d.e === 'trade' && (d.X === 'MARKET' || d.X === 'RPI')) {
            next[d.s] ??= d.t;
            const { E, T, s, p, q, m } = d;
            out.push({ e: 'aggTrade', E, a: next[s]++, s, p, q, f: d.t, l: d.t, T, m });
        }
    }
    return out;
}

// Starts an exchange-sim of its own on free ports, and ends it by its pid.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export class Venue {
    static async start(binary, args) {
        const v = new Venue();
        v.process = spawn(binary, ['--port', '0', '--control-port', '0', ...args], {
            stdio: ['ignore', 'pipe', 'pipe'],
        });
        v.log = '';
        v.process.stderr.on('data', (d) => { v.log = (v.log + d).slice(-20000); });
        v.ended = once(v.process, 'exit');
        const lines = createInterface({ input: v.process.stdout });
        const first = await Promise.race([once(lines, 'line'), v.ended.then(() => null)]);
        if (first === null) {
            throw new Error('exchange-sim ended: ' + v.log);
        }
        const told = JSON.parse(first[0]);
        v.rest = `http://127.0.0.1:${told.port}`;
        v.ws = `ws://127.0.0.1:${told.port}`;
        v.control = `http://127.0.0.1:${told.control_port}`;
        return v;
    }

    async status() {
        return (await fetch(this.control + '/status')).json();
    }

    // What the venue released, as it says itself: rows of a,p,q,f,l,T,m,E.
    async truth(symbol) {
        const text = await (await fetch(`${this.control}/truth?symbol=${symbol}`)).text();
        return text.trim().split('\n').filter((l) => l !== '').map((line) => {
            const [a, p, q, f, l, T, m, E] = line.split(',');
            return { a: +a, p, q, f: +f, l: +l, T: +T, m: m === 'true', E: +E };
        });
    }

    // The true book at an update id.
    async book(symbol, id) {
        return (await fetch(`${this.control}/truth?symbol=${symbol}&kind=book&id=${id}`)).json();
    }

    async stop() {
        this.process.kill('SIGTERM');
        const [code] = await this.ended;
        return code;
    }
}

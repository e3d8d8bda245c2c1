// What the checks ask of the page: the text of a value, numbers as people read them.

// "+1,234.50" -> {value: 1234.5, decimals: 2}; null for what is no number.
export function read(text) {
    const plain = (text ?? '').replaceAll(',', '').replace('−', '-').replace(/ %$/, '').trim();
    if (!/^[+-]?\d+(\.\d+)?$/.test(plain)) {
        return null;
    }
    return { value: Number(plain), decimals: plain.split('.')[1]?.length ?? 0 };
}

// Is the text that number, rounded to the decimals that are shown? Unknown is an en dash.
export function shows(text, stored, factor = 1) {
    if (stored === undefined || stored === null || stored === '') {
        return text === '–';
    }
    const seen = read(text);
    const want = Number(stored) * factor;
    return seen !== null && Math.abs(seen.value - want) <= 0.5 * 10 ** -seen.decimals + 1e-9 * Math.abs(want);
}

export const clock = (ms) => new Date(Number(ms)).toISOString().slice(11, 19);

// All values of the page by name, and the rows of its lists as arrays of cells, in one look.
export function look(page) {
    return page.evaluate(() => {
        const values = {};
        const rows = {};
        for (const el of document.querySelectorAll('[data-value]')) {
            const name = el.getAttribute('data-value');
            const parts = el.tagName === 'TR' || el.tagName === 'LI' ? [...el.children] : null;
            if (parts === null) {
                values[name] = el.textContent.trim();
            } else {
                (rows[name] ??= []).push(parts.map((c) => c.textContent.trim()));
            }
        }
        const panels = {};
        for (const el of document.querySelectorAll('[data-panel]')) {
            panels[el.getAttribute('data-panel')] = el.getAttribute('data-state');
        }
        const spans = {};
        for (const el of document.querySelectorAll('.strip [data-state]')) {
            const state = el.getAttribute('data-state');
            spans[state] = (spans[state] ?? 0) + 1;
        }
        const cells = {};
        for (const el of document.querySelectorAll('[data-cell]')) {
            cells[el.getAttribute('data-cell')] = {
                parts: [...el.querySelectorAll('.sell, .buy')].map((c) => c.textContent.trim()),
                marked: ['sell', 'buy'].find((side) => el.querySelector(`.${side}.marked`) !== null) ?? null,
                stacked: ['sell', 'buy'].find((side) => el.classList.contains(`stacked-${side}`)) ?? null,
            };
        }
        const row = document.querySelector('[data-value="footprint-row"]')?.value;
        return { values, rows, panels, spans, cells, row };
    });
}

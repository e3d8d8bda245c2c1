#!/usr/bin/python3
"""make bench: runs every bench, collects its rows, prints one table, writes build/bench.json.

    run.py FOLDER_OF_BINARIES [PATTERN...]

A bench is a binary bench_* of that folder or a bench_* script here. It is called with one argument,
a file to append rows to, one JSON object a line:
    {"name":"market core: full state","figure":80.1,"unit":"M/s","limit":387.0,"ratio":0.21,
     "goal":">= 0.20","met":true}
limit, ratio, goal and met are null or absent where a row only informs.
"""

import json
import os
import pathlib
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
COLUMNS = ("name", "figure", "unit", "limit", "ratio", "goal", "met")


def benches(folder):
    built = sorted(p for p in folder.glob("bench_*") if p.is_file() and p.suffix == "")
    scripts = sorted(p for p in HERE.glob("bench_*") if p.suffix in (".py", ".sh"))
    for path in built + scripts:
        start = {".py": ["/usr/bin/python3"], ".sh": ["bash"]}.get(path.suffix, [])
        yield path.stem, [*start, str(path)]


def shown(value):
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "NO"
    if isinstance(value, (int, float)):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return str(value)


def table(rows):
    cells = [COLUMNS] + [tuple(shown(r.get(c)) for c in COLUMNS) for r in rows]
    width = [max(len(row[i]) for row in cells) for i in range(len(COLUMNS))]
    for row in cells:
        out = [text.ljust(w) if i in (0, 2, 5) else text.rjust(w)
               for i, (text, w) in enumerate(zip(row, width))]
        print("  ".join(out).rstrip())


def main():
    folder, patterns = pathlib.Path(sys.argv[1]), sys.argv[2:]
    out = ROOT / "build" / "bench.json"
    lines = ROOT / "build" / "bench.jsonl"
    lines.unlink(missing_ok=True)
    rows, broken = [], []
    for name, argv in benches(folder):
        if patterns and not any(p in name for p in patterns):
            continue
        print(f"== {name}", flush=True)
        begin = time.monotonic()
        part = ROOT / "build" / f"{name}.jsonl"
        part.unlink(missing_ok=True)
        code = subprocess.run([*argv, str(part)], cwd=ROOT, check=False).returncode
        got = part.read_text().splitlines() if part.exists() else []
        for line in got:
            rows.append({"bench": name, **json.loads(line)})
        if code != 0 or not got:
            broken.append(f"{name} ended with {code} and {len(got)} rows")
        print(f"== {name}: {time.monotonic() - begin:.0f} s", flush=True)
    what = {"machine": os.uname().machine, "cpus": os.cpu_count(), "rows": rows}
    out.write_text(json.dumps(what, indent=1) + "\n")
    print()
    table(rows)
    for line in broken:
        print(f"BROKEN: {line}")
    print(f"\n{len(rows)} rows, {sum(r.get('met') is False for r in rows)} below their goal: {out}")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

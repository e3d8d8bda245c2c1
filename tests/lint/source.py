#!/usr/bin/env python3
"""Rules that a reader of the source can check line by line.

  source.py             checks every file that git knows or could add
  source.py --self-test

1. Functions that cannot be used safely are not called (BANNED says why).
2. No floating point in common/base, common/market, common/feed and services/*/core.
3. Pure code includes no header of a library that talks to the world, nor common/io, nor io/.
4. No file is longer than LINES, unless long-files.txt explains it.
5. Scripts compile: bash -n, python, node --check.
6. No marker for unfinished work, no blank at a line's end.
"""
import os
import re
import shutil
import subprocess
import sys

LINES = 650
HERE = os.path.dirname(os.path.abspath(__file__))

BANNED = {
    "no bound": "strcpy strcat stpcpy sprintf vsprintf gets scanf sscanf fscanf vsscanf strncpy strncat",
    "hidden state": "strtok gmtime localtime asctime ctime rand srand random srandom tmpnam mktemp"
                    " setlocale",
    "no error": "atoi atol atoll atof",
    "unbounded stack": "alloca",
    "a shell": "system popen",
}
TESTS_MAY = {"system", "popen", "sscanf", "fscanf"}
BANNED = {name: why for why, names in BANNED.items() for name in names.split()}
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
FLOAT = re.compile(r"\b(float|double|strtod|strtof|json_real\w*|JSON_REAL)\b")
OUTSIDE = re.compile(r'#\s*include\s*[<"]((?:hiredis|event2?|libwebsockets|curl|civetweb|uv)\b[^>"]*'
                     r'|(?:time|sys/time|pthread|unistd|fcntl|poll|sys/\w+|common/io/[^"]*'
                     r'|common/base/(?:log|opt)|services/\w[\w-]*/io/[^"]*)\.?\w*)[>"]')
UNFINISHED = re.compile(r"\b(%s)\b" % "|".join(("TO" + "DO", "FIX" + "ME", "X" * 3)))
TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
PURE = re.compile(r"^(common/market|common/feed|services/[^/]+/core)/")
EXACT = re.compile(r"^(common/base|common/market|common/feed|services/[^/]+/core)/")


def code_only(text):
    """C without comments and strings, line numbers kept."""
    def blank(match):
        kept = "\n" * match.group().count("\n")
        return kept if match.group().startswith("/") else '""' + kept
    return TOKEN.sub(blank, text)


def check_c(path, text):
    bad = []
    for number, line in enumerate(code_only(text).split("\n"), 1):
        for name in CALL.findall(line):
            if name in TESTS_MAY and path.startswith("tests/"):
                continue
            bad.append("%s:%d: %s is banned: %s" % (path, number, name, BANNED[name]))
        if EXACT.match(path) and FLOAT.search(line):
            bad.append("%s:%d: floating point" % (path, number))
    if PURE.match(path):
        for number, line in enumerate(text.split("\n"), 1):
            found = OUTSIDE.match(line)
            if found:
                bad.append("%s:%d: pure code includes %s" % (path, number, found.group(1)))
    return bad


def check_text(path, text, long_files):
    bad = []
    lines = text.split("\n")
    if len(lines) - 1 > LINES and path not in long_files:
        bad.append("%s: %d lines; split it or explain it in tests/lint/long-files.txt"
                   % (path, len(lines) - 1))
    for number, line in enumerate(lines, 1):
        if UNFINISHED.search(line):
            bad.append("%s:%d: unfinished" % (path, number))
        if line != line.rstrip() and not path.endswith(".md"):
            bad.append("%s:%d: blank at the end of the line" % (path, number))
    return bad


def check_script(path, text):
    first = text.split("\n", 1)[0]
    if path.endswith(".py"):
        try:
            compile(text, path, "exec")
        except SyntaxError as e:
            return ["%s:%s: %s" % (path, e.lineno, e.msg)]
    command = None
    if path.endswith(".sh") or re.match(r"#!.*\b(ba)?sh\b", first):
        command = ["bash", "-n", path]
    elif path.endswith((".js", ".mjs", ".cjs")) and shutil.which("node"):
        command = ["node", "--check", path]
    if command:
        run = subprocess.run(command, capture_output=True, text=True)
        if run.returncode:
            return ["%s: %s" % (path, run.stderr.strip())]
    return []


def read_long_files():
    long_files = {}
    with open(os.path.join(HERE, "long-files.txt"), encoding="utf-8") as f:
        for line in f:
            if line.strip() and not line.startswith("#"):
                path, _, why = line.strip().partition(" ")
                long_files[path] = why.strip()
    return long_files


TEXT = (".c", ".h", ".py", ".sh", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".yml", ".yaml", ".md")
SKIP = re.compile(r"(^|/)(node_modules|fixtures|corpus)/(?!.*\.py$)|package-lock\.json$")


def check_all():
    long_files = read_long_files()
    bad = ["tests/lint/long-files.txt: %s: no reason" % p for p, why in long_files.items() if not why]
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "-z"], check=True,
                            capture_output=True, text=True).stdout.split("\0")
    for path in sorted(set(listed) - {""}):
        if SKIP.search(path) or not os.path.isfile(path):
            continue
        with open(path, "rb") as f:
            data = f.read()
        if not (path.endswith(TEXT) or os.path.basename(path) == "Makefile" or data[:2] == b"#!"):
            continue
        text = data.decode("utf-8", "replace")
        bad += check_text(path, text, long_files) + check_script(path, text)
        if path.endswith((".c", ".h")):
            bad += check_c(path, text)
    return bad


def self_test():
    wrong = []

    def expect(count, said, what):
        if len(said) != count:
            wrong.append("%s: %s" % (what, said))

    for name in BANNED:
        expect(1, check_c("services/a/io/x.c", "int f(void) { return %s (a); }" % name), name)
    for line in ("gmtime_r(&t, &tm);", "// strcpy(a, b)", "/* atoi(\n) */", 'f("system(x)");', "x->signal(1);",
                 "my_atoi(a);"):
        expect(0, check_c("services/a/io/x.c", line), line)
    expect(0, check_c("tests/bench/x.c", "system(x);"), "a shell in a test")
    expect(1, check_c("common/market/x.c", "static double x;"), "double")
    expect(1, check_c("common/feed/x.c", "static double x;"), "double in a decoder")
    expect(0, check_c("services/a/io/x.c", "static double x;"), "double outside")
    for header in ("<hiredis/async.h>", "<event2/event.h>", "<time.h>", "<sys/time.h>", '"common/io/redis.h"',
                   '"common/base/log.h"', '"services/a/io/feed.h"', "<civetweb.h>", "<pthread.h>", "<uv.h>",
                   "<unistd.h>"):
        expect(1, check_c("services/a/core/x.c", "#include " + header), header)
    for header in ("<string.h>", '"common/base/buf.h"', '"common/market/day.h"', '"services/a/core/y.h"',
                   '"common/base/clock.h"', "<jansson.h>"):
        expect(0, check_c("services/a/core/x.c", "#include " + header), header)
    expect(1, check_c("common/feed/x.c", "#include <time.h>"), "a clock in a decoder")
    expect(1, check_text("x.c", "\n" * (LINES + 1), {}), "long file")
    expect(0, check_text("x.c", "\n" * (LINES + 1), {"x.c": "why"}), "explained long file")
    expect(2, check_text("x.c", "// TO" + "DO \n", {}), "unfinished and blank")
    expect(1, check_script("x.py", "def f(:\n"), "python")
    return wrong


def main():
    said = self_test() if sys.argv[1:] == ["--self-test"] else check_all()
    print("\n".join(said), end="\n" if said else "")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()

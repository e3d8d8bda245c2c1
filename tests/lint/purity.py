#!/usr/bin/env python3
"""Proves from object files which way dependencies point.

  purity.py OBJDIR     checks OBJDIR/{common,services}/**/*.o
  purity.py --self-test

1. Pure code (common/market, common/feed, services/*/core) refers to nothing but itself, the pure modules of
   common/base, and the allow list beside this file: no clock, environment, random numbers, log, I/O.
2. common/base refers to nothing of the rest of common; common to nothing of services; common/market
   to nothing of common/feed or common/io, common/feed to nothing of common/io; one service to
   nothing of another.

The self-test compiles a small tree that obeys and then, one by one, objects that do not.
"""
import collections
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
# Modules of common/base without a system call, and the functions of clock.c that only compute.
PURE_BASE = {"buf", "decimal", "err", "json", "mem", "str", "wide", "wide_text", "version"}
PURE_PARTS = {"market", "feed"}
PURE_SYMBOLS = {"day_start_ms", "iso_ms", "iso_day", "parse_day", "clock_fake"}


def allow_list():
    with open(os.path.join(HERE, "pure-symbols.txt"), encoding="ascii") as f:
        return {line.split("#")[0].strip() for line in f} - {""}


def layer(path):
    """("common", "base") or ("collector", "core"); the service's own files are layer ""."""
    parts = path.split("/")
    if parts[0] == "common":
        return parts[1] if len(parts) > 2 else "", None
    return (parts[2] if len(parts) > 3 else ""), parts[1]


def symbols(objdir):
    """{object: (defined, undefined)} of every object below objdir."""
    found = {}
    for top in ("common", "services"):
        for folder, _, files in os.walk(os.path.join(objdir, top)):
            for name in files:
                if name.endswith(".o"):
                    path = os.path.join(folder, name)
                    found[os.path.relpath(path, objdir)] = read_symbols(path)
    return found


def read_symbols(path):
    text = subprocess.run(["nm", "-P", "-g", path], check=True, capture_output=True, text=True)
    defined, undefined = set(), set()
    for line in text.stdout.splitlines():
        name, kind = line.split()[:2]
        (undefined if kind in "Uwv" else defined).add(name)
    return defined, undefined


def check(objects):
    """Messages, one per forbidden reference."""
    if not objects:
        return ["no object files"]
    homes = collections.defaultdict(set)
    for path, (defined, _) in objects.items():
        for name in defined:
            homes[name].add(path)
    allowed = allow_list() | PURE_SYMBOLS
    bad = []
    for path, (_, undefined) in sorted(objects.items()):
        part, service = layer(path)
        pure = (service is None and part in PURE_PARTS) or (service and part == "core")
        for name in sorted(undefined):
            where = homes.get(name, set())
            if pure and not (name in allowed or any(pure_home(h, service) for h in where)):
                bad.append("%s: %s is not for pure code" % (path, name))
            elif where and not any(may_use(path, h) for h in where):
                bad.append("%s: %s belongs to %s" % (path, name, ", ".join(sorted(where))))
    return bad


def pure_home(home, service):
    part, owner = layer(home)
    if owner is None:
        base = os.path.splitext(os.path.basename(home))[0]
        return part in PURE_PARTS or (part == "base" and base in PURE_BASE)
    return owner == service and part == "core"


def may_use(path, home):
    part, service = layer(path)
    home_part, home_service = layer(home)
    if home_service is not None:
        return home_service == service
    if service is not None:
        return True
    order = {"base": {"base"}, "market": {"base", "market"}, "feed": {"base", "market", "feed"},
             "io": {"base", "market", "feed", "io"}}
    return home_part in order.get(part, set())


# ---- self-test ----------------------------------------------------------------------------------

GOOD = {
    "common/base/buf.c": "int buf_x(void); int buf_x(void) { return 1; }",
    "common/base/log.c": "void log_event(void); void log_event(void) {}",
    "common/base/clock.c": "int clock_system(void); int clock_system(void) { return 1; }"
                           " int iso_ms(void); int iso_ms(void) { return 1; }",
    "common/io/redis.c": "int redis_x(void); int redis_x(void) { return 1; }",
    "common/market/day.c": "int buf_x(void); int iso_ms(void); int day_x(void);"
                           " int day_x(void) { return buf_x() + iso_ms(); }",
    "common/feed/scan.c": "int day_x(void); int frame_x(void); int frame_x(void) { return day_x(); }",
    "services/a/core/a.c": "int day_x(void); int frame_x(void); int a_x(void);"
                           " int a_x(void) { return day_x() + frame_x(); }",
    "services/a/io/a_io.c": "int a_x(void); int redis_x(void); int a_io(void);"
                            " int a_io(void) { return a_x() + redis_x(); }",
    "services/b/core/b.c": "int b_x(void); int b_x(void) { return 1; }",
}


def calls(name):
    return "int %s(void); int bad_(void); int bad_(void) { return %s(); }" % (name, name)


BAD = [("services/a/core/bad.c", name) for name in
       ("time", "clock_gettime", "getenv", "rand", "printf", "write", "redisAsyncCommand", "event_new",
        "lws_service", "curl_easy_perform", "mg_start", "log_event", "clock_system", "redis_x", "b_x",
        "a_io", "pthread_create", "malloc_usable_size")]
BAD += [("common/market/bad.c", name) for name in ("time", "log_event", "redis_x", "a_x", "frame_x")]
BAD += [("common/feed/bad.c", name) for name in ("time", "log_event", "redis_x", "a_x")]
BAD += [("common/base/bad.c", name) for name in ("day_x", "frame_x", "redis_x", "a_x")]
BAD += [("common/io/bad.c", "a_x"), ("services/b/io/bad.c", "a_x"), ("services/b/main.c", "a_io")]


def compile_into(folder, path, text):
    target = os.path.join(folder, os.path.splitext(path)[0] + ".o")
    os.makedirs(os.path.dirname(target), exist_ok=True)
    subprocess.run([os.environ.get("CC", "cc"), "-w", "-fno-builtin", "-x", "c", "-c", "-o", target, "-"],
                   input=text, text=True, check=True)
    return target


def self_test():
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        for path, text in GOOD.items():
            compile_into(folder, path, text)
        good = symbols(folder)
        wrong += ["a good tree is refused: " + m for m in check(good)]
        for path, name in BAD:
            target = compile_into(folder, path, calls(name))
            said = check({**good, os.path.relpath(target, folder): read_symbols(target)})
            if len(said) != 1 or name not in said[0]:
                wrong.append("%s calling %s gave %s" % (path, name, said))
        if not check(symbols(os.path.join(folder, "common/base"))):
            wrong.append("a folder without objects passes")
    return wrong


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    said = self_test() if sys.argv[1] == "--self-test" else check(symbols(sys.argv[1]))
    print("\n".join(said), end="\n" if said else "")
    sys.exit(1 if said else 0)


if __name__ == "__main__":
    main()

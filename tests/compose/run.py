#!/usr/bin/env python3
"""`make test-compose`: the demo profile of deploy/docker-compose.yml, really run.

Builds the images, starts them under a project name of its own, waits until all are healthy, asks REST, WebSocket
and dashboard through the published ports, kills every container's program once and waits until everything is well
again, then ends all with SIGTERM and takes it down, volumes included.

Needs a Docker engine (DOCKER_HOST as usual) on this machine, `docker compose` or docker-compose, and the base
images; tests/compose/base-images.sh makes stand-ins of those where no image registry is reachable. BUILD=0 takes the
images that are there (IMAGE_TAG says which); KEEP=1 leaves everything running at the end.
"""
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(ROOT, "tests", "integration"))
from wsclient import WsClient  # noqa: E402

DOCKER = os.environ.get("DOCKER", "docker")
PATIENCE = 240
PROGRAMS = ["exchange-sim", "demo-redis", "demo-collector", "demo-backfill", "demo-context", "demo-strategy", "demo-api",
            "demo-frontend"]
passed, failed = [], []


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


API, PAGE = free_port(), free_port()
PROJECT = "bc4test%d" % os.getpid()
ENV = dict(os.environ, PROJECT=PROJECT, BACKEND_PORT=str(API), FRONTEND_PORT=str(PAGE), PUBLISH_ADDRESS="127.0.0.1",
           PUBLIC_API_URL="http://127.0.0.1:%d" % API, CORS_ALLOW_ORIGINS="http://127.0.0.1:%d" % PAGE)


def run(*args, check=True, timeout=1800):
    done = subprocess.run(args, cwd=ROOT, env=ENV, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise RuntimeError("%s: %d\n%s" % (" ".join(args), done.returncode, (done.stdout + done.stderr)[-3000:]))
    return done.stdout


def compose(*args, **kw):
    return run("deploy/docker/compose.sh", "demo", *args, **kw)


def inspect(name):
    ids = run(DOCKER, "ps", "-aq", "--filter", "label=com.docker.compose.project=" + PROJECT,
              "--filter", "label=com.docker.compose.service=" + name).split()
    assert len(ids) == 1, "%s: %d containers" % (name, len(ids))
    return json.loads(run(DOCKER, "inspect", ids[0]))[0]


def wait(what, ask, seconds=PATIENCE):
    """The first true answer; an exception counts as not yet."""
    said, end = None, time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            said = ask()
            if said:
                return said
        except (OSError, ValueError, AssertionError, KeyError) as e:
            said = repr(e)
        time.sleep(0.25)
    raise AssertionError("%s: not within %d s; last: %.300s" % (what, seconds, said))


def get(path, port=None):
    with urllib.request.urlopen("http://127.0.0.1:%d%s" % (port or API, path), timeout=5) as r:
        return r.headers, r.read().decode()


def ask(path):
    return json.loads(get(path)[1])


def healthy(name):
    state = inspect(name)["State"]
    return state["Running"] and state["Health"]["Status"] == "healthy"


def newest():
    """Exchange time of the newest trade that was counted."""
    return ask("/debug/vwap")["last_trade"]["ts_ms"]


# ---- what is claimed ----------------------------------------------------------------------------

def all_are_healthy():
    for name in PROGRAMS:
        wait(name + " is healthy", lambda: healthy(name))


def containers_are_locked_down():
    published = []
    for name in PROGRAMS:
        i = inspect(name)
        host = i["HostConfig"]
        assert i["Config"]["User"] not in ("", "0", "root"), "%s runs as root" % name
        assert host["ReadonlyRootfs"] and host["CapDrop"] == ["ALL"], name
        assert any(o.startswith("no-new-privileges") for o in host["SecurityOpt"]), name
        assert host["Memory"] > 0 and host["RestartPolicy"]["Name"] == "unless-stopped", name
        for inner, outer in (i["NetworkSettings"]["Ports"] or {}).items():
            for o in outer or []:
                assert o["HostIp"] == "127.0.0.1", "%s %s is published on %s" % (name, inner, o["HostIp"])
                published.append((name, inner))
        secret = open(os.path.join(ROOT, "deploy/secrets/redis_password"), encoding="utf-8").read().strip()
        assert secret not in json.dumps([i["Config"], i["Args"]]), "%s shows the password" % name
    assert sorted(published) == [("demo-api", "8000/tcp"), ("demo-frontend", "3000/tcp")], published


def images_carry_version_and_no_more_than_they_need():
    for name in PROGRAMS:
        if name == "demo-redis":
            continue
        image = inspect(name)["Config"]["Image"]
        labels = json.loads(run(DOCKER, "image", "inspect", image))[0]["Config"]["Labels"]
        assert labels["org.opencontainers.image.version"] == image.rsplit(":", 1)[1], labels
        found = run(DOCKER, "run", "--rm", "--entrypoint", "sh", image, "-c",
                    "ls /usr/local/lib/libduckdb.so /usr/share/doc/duckdb/copyright 2>/dev/null; "
                    "command -v gcc make curl; true").split()
        want = ["/usr/local/lib/libduckdb.so", "/usr/share/doc/duckdb/copyright"] if name == "demo-backfill" else []
        assert found == want or os.uname().machine != "x86_64", "%s: %s" % (name, found)


def rest_answers_and_says_simulated():
    wait("a price", lambda: ask("/price")["price"])
    head, body = get("/price")
    assert head["X-Simulated"] == "true" and json.loads(body)["simulated"] is True, body
    assert ask("/symbols")


def market_catches_up_and_history_is_whole():
    def whole():
        health = ask("/health")
        return health.get("metrics_precision") == "PRECISE" and health
    wait("PRECISE", whole)


def websocket_pushes():
    ws = WsClient(API, "/ws", headers={"Origin": "http://127.0.0.1:%d" % PAGE})
    ws.send_json({"op": "subscribe", "channels": ["price", "trades"]})
    want = {("price", "snapshot"), ("price", "update"), ("trades", "snapshot"), ("trades", "update")}
    end = time.monotonic() + 60
    while want and time.monotonic() < end:
        m = ws.json()
        want.discard((m.get("ch"), m.get("type")))
        if m.get("ch") == "price":
            assert m["data"]["simulated"] is True, m
    assert not want, "did not come: %s" % want


def dashboard_shows_the_market():
    page = wait("the page", lambda: get("/", PAGE)[1])
    assert "simulated" in page.lower() and "BTCUSDT" in page, page[:500]
    assert json.loads(get("/healthz", PAGE)[1])["status"] == "ok"


def demo_cannot_reach_the_outside():
    """Its network is internal: nothing of the demo can ask a real venue."""
    i = inspect("demo-collector")
    for network in i["NetworkSettings"]["Networks"]:
        assert json.loads(run(DOCKER, "network", "inspect", network))[0]["Internal"], network


def bc_says_all_is_well():
    """The operator's command line in a container of its own: 0, and every service in its table."""
    network = next(iter(inspect("demo-collector")["NetworkSettings"]["Networks"]))
    image = inspect("demo-context")["Config"]["Image"].replace("/context:", "/bc:")
    secret = os.path.join(ROOT, "deploy/secrets/redis_url")
    out = run(DOCKER, "run", "--rm", "--read-only", "--network", network, "-v", secret + ":/run/secrets/redis_url:ro",
              "-e", "REDIS_URL_FILE=/run/secrets/redis_url", image, "status")
    for name in ("collector:binance", "backfill:0", "context:0", "strategy:0", "api:0", "SIMULATED"):
        assert name in out, out


def a_killed_one_comes_back(name):
    before, held = inspect(name)["State"], wait("a trade", newest)
    # Not `docker kill`, which the engine takes for the wish to end it: the program dies by itself.
    run(DOCKER, "run", "--rm", "--pid=host", "debian:bookworm-slim", "sh", "-c",
        "kill -9 %d" % before["Pid"])
    wait(name + " is started again", lambda: inspect(name)["State"]["StartedAt"] != before["StartedAt"])
    wait(name + " is healthy again", lambda: healthy(name))
    wait("trades go on", lambda: newest() > held)
    begin = time.monotonic()
    wait("PRECISE again", lambda: ask("/health")["metrics_precision"] == "PRECISE")
    if time.monotonic() - begin > 30 and os.environ.get("V"):
        print(subprocess.run([DOCKER, "logs", "--since", "4m", inspect("demo-collector")["Id"]], capture_output=True,
                             text=True).stderr[-6000:])
    wait("ready", lambda: ask("/ready"))


def sigterm_ends_all_with_0():
    compose("stop")
    codes = {name: inspect(name)["State"]["ExitCode"] for name in PROGRAMS if name != "demo-frontend"}
    assert set(codes.values()) == {0}, codes


def claim(what, *args):
    name, begin = what.__name__.replace("_", " ") + "".join(": " + a for a in args), time.monotonic()
    try:
        what(*args)
        passed.append(name)
        print("  ok      %-64s %4d s" % (name, time.monotonic() - begin), flush=True)
        return True
    except Exception as e:  # noqa: BLE001 - whatever it is, the claim does not hold
        failed.append(name)
        print("  FAILED  %s\n    %s" % (name, str(e).replace("\n", "\n    ")), flush=True)
        return False


def sizes():
    for name in PROGRAMS:
        image = inspect(name)["Config"]["Image"]
        print("  %-40s %6.1f MB" % (image, json.loads(run(DOCKER, "image", "inspect", image))[0]["Size"] / 1e6))


def main():
    if subprocess.run([DOCKER, "info"], capture_output=True).returncode:
        sys.exit("test-compose: no Docker engine answers (DOCKER_HOST)")
    begin = time.monotonic()
    try:
        if os.environ.get("BUILD") != "0":
            compose("build")
            run("deploy/docker/compose.sh", "tools", "build", "bc")
            print("  built in %d s" % (time.monotonic() - begin), flush=True)
        compose("up", "-d", "--no-build")
        up = claim(all_are_healthy)
        sizes()
        for what in (containers_are_locked_down, images_carry_version_and_no_more_than_they_need,
                     demo_cannot_reach_the_outside) + (() if not up else (
                         rest_answers_and_says_simulated, websocket_pushes, bc_says_all_is_well, dashboard_shows_the_market,
                         market_catches_up_and_history_is_whole)):
            claim(what)
        for name in PROGRAMS if up else ():
            claim(a_killed_one_comes_back, name)
        claim(sigterm_ends_all_with_0)
        if failed:
            for name in PROGRAMS:
                said = subprocess.run([DOCKER, "logs", "--tail", "8", inspect(name)["Id"]], capture_output=True, text=True)
                print("---- %s\n%s" % (name, said.stdout + said.stderr))
    finally:
        if os.environ.get("KEEP") != "1":
            compose("down", "-v", "--remove-orphans", check=False)
    print("  all in %d s" % (time.monotonic() - begin))
    print("%d passed, %d failed" % (len(passed), len(failed)))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

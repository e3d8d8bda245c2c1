#!/usr/bin/env python3
"""What watches the services, checked without them (`make prometheus-check`, part of `make lint`).

  check.py [--write]

1. Every bc4_ metric that an alert rule or the dashboard names is one that some service exports.
2. The rules of the Kubernetes component are those of deploy/prometheus (--write makes them so).
3. Each dashboard panel has a place of its own, a query and the datasource that is provisioned.
4. promtool, where it is installed, accepts the configuration, and every alert fires when it should
   (tests/prometheus/rules.test.yml) and has a test.
"""
import glob
import json
import os
import re
import shutil
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RULES = "deploy/prometheus/rules.yml"
K8S_RULES = "deploy/k8s/components/monitoring/rules.yaml"
DASHBOARD = "deploy/grafana/dashboards/botcrypto4.json"
K8S_HEAD = """\
# deploy/prometheus/rules.yml for the Prometheus operator; written by `make docs`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: bc4
  labels:
    app.kubernetes.io/component: monitoring
spec:
"""


def read(path):
    try:
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            return f.read()
    except FileNotFoundError:
        return ""


def exported():
    names = set()
    for path in glob.glob(os.path.join(ROOT, "services/*/**/*.c"), recursive=True) + \
            glob.glob(os.path.join(ROOT, "services/*/*.c")) + glob.glob(os.path.join(ROOT, "common/io/*.c")):
        text = read(os.path.relpath(path, ROOT))
        names.update(re.findall(r'"(bc4_\w+)"', text))
    return names


def named(text):
    return {re.sub(r"_(bucket|sum|count)$", "", n) for n in re.findall(r"\bbc4_\w+", text)}


def check_dashboard(board):
    bad, taken = [], {}
    for p in board["panels"]:
        g = p["gridPos"]
        for x in range(g["x"], g["x"] + g["w"]):
            for y in range(g["y"], g["y"] + g["h"]):
                other = taken.setdefault((x, y), p["title"])
                if other != p["title"]:
                    bad.append("%s: %s lies over %s" % (DASHBOARD, p["title"], other))
        if p["type"] != "row" and not (p["targets"] and all(t["expr"] for t in p["targets"])):
            bad.append("%s: %s asks nothing" % (DASHBOARD, p["title"]))
    uids = set(re.findall(r'"uid": "([^"]+)"', json.dumps(board["panels"])))
    source = read("deploy/grafana/provisioning/datasources/prometheus.yml")
    bad += ["%s: no datasource %s" % (DASHBOARD, u) for u in uids if "uid: %s\n" % u not in source]
    return sorted(set(bad))


def promtool(*args):
    run = subprocess.run(["promtool", *args], cwd=ROOT, capture_output=True, text=True)
    return ["promtool %s\n%s" % (" ".join(args), run.stdout + run.stderr)] if run.returncode else []


def main():
    want = K8S_HEAD + "".join("  " + line if line.strip() else line for line in read(RULES).splitlines(True))
    if sys.argv[1:] == ["--write"]:
        if read(K8S_RULES) != want:
            with open(os.path.join(ROOT, K8S_RULES), "w", encoding="utf-8") as f:
                f.write(want)
            print("wrote " + K8S_RULES)
        return
    bad = [] if read(K8S_RULES) == want else [K8S_RULES + ": differs from %s; `make docs` writes it anew" % RULES]
    board, have = read(DASHBOARD), exported()
    for path, text in ((RULES, read(RULES)), (DASHBOARD, board)):
        bad += ["%s: no service exports %s" % (path, n) for n in sorted(named(text) - have)]
    bad += check_dashboard(json.loads(board))
    tested = set(re.findall(r"alertname: (\w+)", read("tests/prometheus/rules.test.yml")))
    bad += ["%s: %s has no test" % (RULES, a) for a in re.findall(r"alert: (\w+)", read(RULES)) if a not in tested]
    if shutil.which("promtool"):
        bad += promtool("check", "config", "deploy/prometheus/prometheus.yml")
        bad += promtool("test", "rules", "tests/prometheus/rules.test.yml")
    else:
        print("promtool is not installed: the rules were not run (package prometheus)")
    print("\n".join(bad), end="\n" if bad else "")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()

#!/usr/bin/env bash
# dagster 1.13.27
# dagster gives SIGTERM the handler that SIGINT has. A shell starts what is put into the background with SIGINT ignored, and a process keeps that: then
# SIGTERM is ignored as well, and a daemon or a run that was started from a script with `&` outlives `kill`.
# Seen: `SIGTERM ends it: in the foreground True, with SIGINT ignored False`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "dagster==1.13.27"
cat > "$work/sleeper.py" <<'PY'
import time

from dagster._utils.interrupts import setup_interrupt_handlers

setup_interrupt_handlers()
print("ready", flush=True)
time.sleep(60)
PY
cat > "$work/check.py" <<'PY'
import signal
import subprocess
import sys


def ends(ignored):
    start = (lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)) if ignored else None
    process = subprocess.Popen([sys.executable, sys.argv[1]], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, preexec_fn=start)
    process.stdout.readline()
    process.terminate()
    try:
        process.wait(timeout=5)
        return True
    except subprocess.TimeoutExpired:
        return False
    finally:
        process.kill()
        process.wait()


foreground, background = ends(ignored=False), ends(ignored=True)
print("SIGTERM ends it: in the foreground", foreground, "with SIGINT ignored", background)
assert foreground and not background
PY
"$work/venv/bin/python" "$work/check.py" "$work/sleeper.py"

#!/usr/bin/env bash
# feast 0.67.0, prometheus-client 0.24.1
# Importing feast names a temporary folder for prometheus_client's multi-process mode, if nobody has named one. prometheus_client chooses how it keeps
# values when it is first imported: an application that imports feast before it keeps every counter of its own in files of that folder, one whose
# imports stand the other way round keeps them in memory. Nothing is said. Whoever wants either names the folder, or imports prometheus_client, first.
# Seen: `feast first: folder named True, values MmapedValue; prometheus_client first: folder named True, values MutexValue`
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet "feast==0.67.0" "prometheus-client==0.24.1"
cat > "$work/check.py" <<'PY'
import os
import sys
import warnings

warnings.simplefilter("ignore")
for name in sys.argv[1:]:
    __import__(name)
import prometheus_client.values

print("PROMETHEUS_MULTIPROC_DIR" in os.environ, prometheus_client.values.ValueClass.__name__)
PY
unset PROMETHEUS_MULTIPROC_DIR PROMETHEUS_MULTIPROCESS_DIR prometheus_multiproc_dir
feast_first=$("$work/venv/bin/python" "$work/check.py" feast prometheus_client | tail -1)
client_first=$("$work/venv/bin/python" "$work/check.py" prometheus_client feast | tail -1)
echo "feast first: folder named ${feast_first/ /, values }; prometheus_client first: folder named ${client_first/ /, values }"
test "$feast_first" = "True MmapedValue"
test "$client_first" = "True MutexValue"

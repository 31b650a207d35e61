#!/usr/bin/env bash
# Make a base image for machines that reach no image registry: Debian from a mirror, with the Python 3.11 of this machine.
# Where there is a registry, name the official Python image by its digest instead: BASE=registry.example/python@sha256:... build.sh
#
#   deploy/images/base.sh           makes localhost/platform-assets/base:bookworm, or says that it is there
#   FRESH=1 deploy/images/base.sh   makes it anew: today's packages
#
# Not Debian's own Python: 3.11.2 lacks tarfile's filters, and redis needs another library below 3.11.3, which no release lists.
set -euo pipefail

SUITE=${SUITE:-bookworm}
MIRROR=${MIRROR:-} # debootstrap's own when it is not given
NAME=${NAME:-localhost/platform-assets/base:$SUITE}
PYTHON=${PYTHON:-python3.11}
PACKAGES=ca-certificates,libbz2-1.0,libffi8,libgomp1,liblzma5,libncursesw6,libreadline8,libsqlite3-0,libssl3,libuuid1,tzdata,zlib1g

for tool in debootstrap buildah; do
  command -v "$tool" >/dev/null || { echo "base.sh: $tool is not installed: apt-get install $tool" >&2; exit 1; }
done
if [ -z "${FRESH:-}" ] && buildah inspect --type image "$NAME" >/dev/null 2>&1; then
  echo "$NAME is there; FRESH=1 makes it anew" >&2
  exit 0
fi

prefix=$("$PYTHON" -c 'import sys; assert (3, 11, 4) <= sys.version_info < (3, 12), sys.version; print(sys.base_prefix)') ||
  { echo "base.sh: $PYTHON is no Python 3.11 from 3.11.4 on; name one: PYTHON=/path/to/python3.11" >&2; exit 1; }

scratch=$(mktemp -d "${TMPDIR:-/var/tmp}/base-image-XXXXXX")
container=
clean() {
  [ -z "$container" ] || buildah rm "$container" >/dev/null
  rm -rf "$scratch"
}
trap clean EXIT
root=$scratch/root

# Read by dpkg while it installs: neither documentation nor an fsync for each file; the image is committed at the end or not at all.
mkdir -p "$root/etc/dpkg/dpkg.cfg.d"
printf '%s\n' force-unsafe-io 'path-exclude=/usr/share/doc/*' 'path-exclude=/usr/share/man/*' 'path-exclude=/usr/share/info/*' \
  'path-exclude=/usr/share/locale/*' >"$root/etc/dpkg/dpkg.cfg.d/image"
echo "debootstrap $SUITE ..." >&2
debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" ${MIRROR:+"$MIRROR"} >"$scratch/log" 2>&1 ||
  { tail -20 "$scratch/log" >&2; echo "base.sh: debootstrap failed; the lines above say why" >&2; exit 1; }
tar -C "$prefix" -c --exclude=__pycache__ --exclude='lib/python3.11/site-packages/*' --exclude=lib/python3.11/test --exclude=lib2to3/tests --exclude=idlelib \
  --exclude=tkinter --exclude=turtledemo --exclude='lib/python3.11/config-*' bin/python3.11 lib/python3.11 $(cd "$prefix" && ls -d lib/libpython3.11* 2>/dev/null) |
  tar -C "$root/usr/local" -x --no-same-owner
ln -s python3.11 "$root/usr/local/bin/python3"
ln -s python3 "$root/usr/local/bin/python"
ldconfig -r "$root"
chroot "$root" /usr/local/bin/python3 -c 'import bz2, ctypes, hashlib, lzma, readline, sqlite3, ssl, uuid, venv, zlib' ||
  { echo "base.sh: $prefix does not run on Debian $SUITE: name a Python that was built on it, PYTHON=/path/to/python3.11" >&2; exit 1; }
chroot "$root" /usr/local/bin/python3 -m compileall -q /usr/local/lib/python3.11 >/dev/null 2>&1 || true
rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/* "$root"/var/log/* "$root"/tmp/* "$root"/etc/dpkg/dpkg.cfg.d/image
: >"$root/etc/machine-id"
rm -f "$root/etc/resolv.conf" "$root/etc/hostname"

container=$(buildah from scratch)
buildah add --quiet "$container" "$root" / >/dev/null
buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin --env LANG=C.UTF-8 --cmd python3 \
  --label org.opencontainers.image.title="Debian $SUITE with Python 3.11" "$container"
buildah commit --quiet --format oci "$container" "$NAME" >/dev/null
echo "$NAME made" >&2

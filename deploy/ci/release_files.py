"""The files of a release beside wheel and sdist: chart, documents, provenance, checksums.

Belongs here: writing and checking them, so that the same commit gives the same bytes. Does not belong here: the order of a release
(`release.sh`), the changelog (`changelog.py`), or images (`deploy/images/`).

    release_files.py version|chart|docs|provenance|sums OUT      # writes into OUT what its name says; `version` prints
    release_files.py verify OUT [--key public.pem]               # exit code 1, and each file that is not as it was released
    release_files.py public-key private.pem                      # what `verify` wants, of the key that signs

Times are SOURCE_DATE_EPOCH's; archives are sorted and belong to nobody. The provenance is an in-toto statement with SLSA's predicate. With
a key (RELEASE_SIGNING_KEY, a PEM file) it is a signed DSSE envelope; without, the bare statement, which proves nothing about who made it
and says `unsigned` in its name.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterable
from fnmatch import fnmatch
from importlib import metadata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from changelog import version_of

ROOT = Path(__file__).resolve().parents[2]
SUMS = "SHA256SUMS"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BESIDE_DOCUMENTS = ("README.md", "CHANGELOG.md", "AGENTS.md", "llms.txt", "mkdocs.yml")
TOOLS = ("build", "hatchling", "cyclonedx-bom", "securesystemslib")


def chart_version(version: str) -> str:
    """A version as Helm wants it: `1.2.0.dev3` is `1.2.0-dev.3`."""
    return re.sub(r"\.dev(\d+)$", r"-dev.\1", version)


def tracked(folder: str) -> list[Path]:
    """The files of a folder that git knows, sorted: what lies about beside them is no part of a release."""
    listed = subprocess.run(["git", "ls-files", "-z", folder], cwd=ROOT, capture_output=True, text=True, check=True)
    return sorted(ROOT / name for name in listed.stdout.split("\0") if name)


def write_archive(target: Path, files: Iterable[tuple[str, Path]], seconds: int) -> None:
    """Write a `.tgz` that is the same for the same content.

    Args:
        target: the archive.
        files: name within it, and the file.
        seconds: since 1970, the time of every member.
    """
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in files:
            content = path.read_bytes()
            member = tarfile.TarInfo(name)
            member.size, member.mtime = len(content), seconds
            member.mode = 0o755 if os.access(path, os.X_OK) else 0o644
            archive.addfile(member, io.BytesIO(content))
    with target.open("wb") as file, gzip.GzipFile(filename="", fileobj=file, mode="wb", mtime=seconds) as zipped:
        zipped.write(packed.getvalue())


def write_chart(out: Path, version: str, seconds: int) -> Path:
    """The chart as `helm package` names it.

    Raises:
        SystemExit: Chart.yaml has another version.
    """
    source = ROOT / "deploy" / "helm" / "platform-assets"
    found = re.search(r"^version: (\S+)", (source / "Chart.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    wanted = chart_version(version)
    if found is None or found[1] != wanted:
        raise SystemExit(
            f"{source / 'Chart.yaml'}: version is {found[1] if found else 'missing'}; {version} is {wanted} there"
        )
    ignored = [*(source / ".helmignore").read_text(encoding="utf-8").split(), ".helmignore"]
    files = [
        path
        for path in tracked("deploy/helm/platform-assets")
        if not any(fnmatch(part, one.rstrip("/")) for part in path.relative_to(source).parts for one in ignored)
    ]
    target = out / f"platform-assets-{wanted}.tgz"
    write_archive(target, [(f"platform-assets/{path.relative_to(source)}", path) for path in files], seconds)
    return target


def write_documents(out: Path, version: str, seconds: int) -> Path:
    """Every document, with what links to them: README, changelog, the pages for assistants, and what a site is built from."""
    target, name = out / f"platform_assets-{version}-docs.tar.gz", f"platform_assets-{version}-docs"
    files = [*(ROOT / one for one in BESIDE_DOCUMENTS), *tracked("docs"), *tracked("deploy/site")]
    write_archive(target, [(f"{name}/{path.relative_to(ROOT)}", path) for path in files], seconds)
    return target


def digest_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def released_files(out: Path) -> list[Path]:
    """What is released, without what speaks about it."""
    return sorted(
        path for path in out.iterdir() if path.is_file() and path.name != SUMS and ".intoto." not in path.name
    )


def statement(out: Path, version: str, seconds: int) -> dict[str, Any]:
    """What was made from what, by what: in-toto's statement with SLSA's predicate."""
    commit = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    source = os.environ.get("RELEASE_SOURCE") or "https://example.invalid/platform-assets"
    resolved = [{"uri": f"git+{source}", "digest": {"gitCommit": commit}}]
    for name in ("requirements.lock", "pyproject.toml", "deploy/ci/release-tools.txt"):
        resolved.append({"uri": f"file:{name}", "digest": {"sha256": digest_of(ROOT / name)}})
    return {
        "_type": STATEMENT,
        "subject": [{"name": path.name, "digest": {"sha256": digest_of(path)}} for path in released_files(out)],
        "predicateType": PREDICATE,
        "predicate": {
            "buildDefinition": {
                "buildType": "https://example.invalid/platform-assets/release.sh/v1",
                "externalParameters": {"version": version, "source": source, "commit": commit},
                "internalParameters": {"SOURCE_DATE_EPOCH": seconds, "python": platform.python_version()},
                "resolvedDependencies": resolved,
            },
            "runDetails": {
                "builder": {
                    "id": os.environ.get("RELEASE_BUILDER") or "https://example.invalid/platform-assets/by-hand",
                    "version": {name: metadata.version(name) for name in TOOLS},
                }
            },
        },
    }


def write_provenance(out: Path, version: str, seconds: int, key: Path | None) -> Path:
    """The statement, signed where there is a key."""
    for stale in out.glob("*.intoto.*"):
        stale.unlink()
    said = json.dumps(statement(out, version, seconds), sort_keys=True).encode()
    if key is None:
        target = out / f"platform_assets-{version}.unsigned.intoto.json"
        target.write_bytes(said + b"\n")
        return target
    from securesystemslib.dsse import Envelope

    envelope = Envelope(said, PAYLOAD_TYPE, {})
    envelope.sign(signer_of(key))
    target = out / f"platform_assets-{version}.intoto.jsonl"
    target.write_text(json.dumps(envelope.to_dict(), sort_keys=True) + "\n", encoding="utf-8")
    return target


def signer_of(key: Path) -> Any:
    """What signs with a private key; an ed25519 key gives the same signature each time."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from securesystemslib.signer import CryptoSigner

    return CryptoSigner(load_pem_private_key(key.read_bytes(), password=None))


def write_sums(out: Path) -> Path:
    """The digest of every file, as `sha256sum --check` reads them."""
    names = sorted(path.name for path in out.iterdir() if path.is_file() and path.name != SUMS)
    target = out / SUMS
    target.write_text("".join(f"{digest_of(out / name)}  {name}\n" for name in names), encoding="utf-8")
    return target


def problems_of(out: Path, key: Path | None) -> list[str]:
    """Each file that is not as it was released.

    Args:
        out: the folder.
        key: the public key that the provenance has to be signed with; None where nobody signed.
    """
    listed = dict(reversed(line.split("  ", 1)) for line in (out / SUMS).read_text(encoding="utf-8").splitlines())
    there = {name: digest_of(out / name) for name in listed if (out / name).is_file()}
    problems = [f"{name} is missing" for name in listed if name not in there]
    problems += [f"{name} is not what was released" for name, found in there.items() if found != listed[name]]
    problems += [
        f"{path.name} is not listed in {SUMS}"
        for path in out.iterdir()
        if path.is_file() and path.name not in {*listed, SUMS}
    ]
    said, found = said_by(out, key)
    problems += found
    subjects = {one["name"]: one["digest"]["sha256"] for one in json.loads(said)["subject"]} if said else {}
    for path in released_files(out) if said else ():
        if subjects.get(path.name) != digest_of(path):
            problems.append(f"{path.name} is not what the provenance speaks of")
    return problems


def said_by(out: Path, key: Path | None) -> tuple[bytes, list[str]]:
    """The statement, empty where it may not be believed, and why."""
    found = sorted(out.glob("*.intoto.*"))
    if len(found) != 1:
        return b"", [f"{len(found)} statements of provenance in {out}; expected one"]
    text = found[0].read_bytes()
    if key is None:
        return (
            (text, [])
            if found[0].suffix == ".json"
            else (b"", [f"{found[0].name} is signed: say with which key, --key public.pem"])
        )
    if found[0].suffix == ".json":
        return b"", [f"{found[0].name} is not signed"]
    from securesystemslib.dsse import Envelope
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey

    try:
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        envelope = Envelope.from_dict(json.loads(text))
        envelope.verify([SSlibKey.from_crypto(load_pem_public_key(key.read_bytes()))], 1)
    except (VerificationError, ValueError, KeyError, TypeError) as error:
        return b"", [f"{found[0].name} is not signed by {key.name}: {error}"]
    return envelope.payload, []


def print_public_key(private: Path) -> None:
    """The public half of a key, as PEM."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    public = load_pem_private_key(private.read_bytes(), password=None).public_key()
    sys.stdout.write(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description="The files of a release beside wheel and sdist.")
    parser.add_argument("what", choices=("version", "chart", "docs", "provenance", "sums", "verify", "public-key"))
    parser.add_argument("path", type=Path, nargs="?", default=ROOT / "dist")
    parser.add_argument("--key", type=Path)
    asked = parser.parse_args()
    version = version_of(ROOT)
    if asked.what == "version":
        sys.stdout.write(version + "\n")
        return 0
    if asked.what == "public-key":
        print_public_key(asked.path)
        return 0
    if asked.what == "verify":
        problems = problems_of(asked.path, asked.key)
        sys.stderr.writelines(f"{problem}\n" for problem in problems)
        return 1 if problems else 0
    seconds = int(os.environ["SOURCE_DATE_EPOCH"])
    signing = os.environ.get("RELEASE_SIGNING_KEY")
    written = {
        "chart": lambda: write_chart(asked.path, version, seconds),
        "docs": lambda: write_documents(asked.path, version, seconds),
        "provenance": lambda: write_provenance(asked.path, version, seconds, Path(signing) if signing else None),
        "sums": lambda: write_sums(asked.path),
    }[asked.what]()
    sys.stdout.write(f"{written.name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())

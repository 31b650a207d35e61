"""Certificates for a test, made by `openssl`: an authority, and what it signs."""

import subprocess
from pathlib import Path


def authority(folder: Path, name: str) -> Path:
    """A self-signed authority; returns its certificate."""
    key, certificate = folder / f"{name}.key", folder / f"{name}.pem"
    subject = ["-subj", f"/CN={name}"]
    _openssl(
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        *subject,
        "-days",
        "2",
        "-keyout",
        key,
        "-out",
        certificate,
    )
    return certificate


def signed(by: Path, name: str, alternative: str = "") -> tuple[Path, Path]:
    """Certificate and key of a name, signed by an authority."""
    folder = by.parent
    key, request, certificate = (folder / f"{by.stem}-{name}.{end}" for end in ("key", "csr", "pem"))
    _openssl(
        "req",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
        "-subj",
        f"/CN={name}",
        "-keyout",
        key,
        "-out",
        request,
    )
    extensions = folder / f"{name}.ext"
    extensions.write_text(f"subjectAltName={alternative or f'DNS:{name}'}\n")
    _openssl(
        "x509",
        "-req",
        "-in",
        request,
        "-CA",
        by,
        "-CAkey",
        by.with_suffix(".key"),
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        extensions,
        "-out",
        certificate,
    )
    return certificate, key


def _openssl(*arguments: object) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

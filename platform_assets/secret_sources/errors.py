"""Errors of sources of secrets. None of them shows a value.

    SecretError
    ├── SourceMisconfigured   the setting itself cannot be used
    ├── LibraryMissing        the source needs a package that is not installed
    ├── SecretsMissing        there is nothing under the name
    ├── SecretsDenied         the login or the read was refused
    ├── SecretsExpired        the lease has ended and nothing newer can be had
    ├── SecretsUnreachable    the source does not answer, or is sealed
    └── SecretsMisshapen      what is there is no set of named texts

Belongs here: the errors. Does not belong here: raising them.
"""


class SecretError(RuntimeError):
    """Secrets cannot be had; the message says from where, why, and what to do."""


class SourceMisconfigured(SecretError):
    """The setting that names the source cannot be used."""


class LibraryMissing(SecretError):
    """The source needs a package that is not installed."""


class SecretsMissing(SecretError):
    """The source answers and has nothing under the name."""


class SecretsDenied(SecretError):
    """The source refuses the login or the read."""


class SecretsExpired(SecretError):
    """What was read has expired, and nothing newer can be had."""


class SecretsUnreachable(SecretError):
    """The source does not answer, or is sealed; trying again later may help."""


class SecretsMisshapen(SecretError):
    """What the source holds is no set of texts by name."""

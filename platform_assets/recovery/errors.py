"""What can go wrong with backups, each as a type a caller can tell apart.

    RecoveryError
    ├── BackupMissing        there is no such backup, or no target was set
    ├── BackupDamaged        a file of a backup is not what was written; the message names it
    ├── BackupInconsistent   the stores kept changing while they were copied; no backup was written
    └── RestoreRefused       something stands where the backup would go; nothing was changed

Belongs here: exception types. Does not belong here: the decision to raise one.
"""


class RecoveryError(RuntimeError):
    """Anything that keeps a backup from being made or put back."""


class BackupMissing(RecoveryError):
    """There is no such backup, or no target of backups was set."""


class BackupDamaged(RecoveryError):
    """A file of a backup is gone or is not what was written."""


class BackupInconsistent(RecoveryError):
    """The stores kept changing while they were copied, or a file that a table needs is gone."""


class RestoreRefused(RecoveryError):
    """Something stands where the backup would go."""

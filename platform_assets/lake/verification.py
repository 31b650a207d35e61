"""Reading all of a table's files, and holding each against the digest that was recorded when it was written.

Belongs here: which file of one table is the first that is wrong. Does not belong here: recording digests (`known_versions.py`), tables of a
use case (`pipelines/verify_lake.py`), printing.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from platform_assets.lake import storage
from platform_assets.lake.errors import LakeDamaged, LakeTableMissing
from platform_assets.lake.folders import StoredFolder
from platform_assets.lake.known_versions import KNOWN, LOG, digest, entry_digest, recorded_digests
from platform_assets.lake.maintenance import folder_names

LAST_CHECKPOINT = f"{LOG}/_last_checkpoint"


@dataclass(frozen=True)
class VerifiedTable:
    """What became of reading a table.

    Attributes:
        version: its version; None where it cannot be opened.
        files: data files of the version that were read.
        bytes_read: their bytes.
        without_digest: data files that were written before digests were recorded: their size was compared.
        wrong: the first thing that is wrong; None where nothing is.
    """

    version: int | None
    files: int = 0
    bytes_read: int = 0
    without_digest: int = 0
    wrong: str | None = None


def known_tables(root: str, use_case: str, options: Mapping[str, str] | None) -> list[str]:
    """Tables of a use case that something is known of, there or not, as `layer/table`, in order."""
    below = f"{root.rstrip('/')}/{use_case}/{KNOWN}"
    if "://" not in root:
        return sorted("/".join(path.parts[-2:]) for path in Path(below).glob("*/*") if path.is_dir())
    layers = folder_names(below, options)
    return sorted(f"{layer}/{table}" for layer in layers for table in folder_names(f"{below}/{layer}", options))


def verify_table(uri: str, known_at: str, options: Mapping[str, str] | None) -> VerifiedTable:
    """Read every file of a table: its log, the data files of its version, and recorded files of earlier ones that are still there.

    Args:
        uri: Address of the table.
        known_at: Where its last known version and digests are recorded.
        options: Options of the object store.
    """
    known, stored = StoredFolder(known_at, options), StoredFolder(uri, options)
    wrong: str | None = None
    try:
        entries, digests = recorded_digests(known)
        wrong = next(_wrong_log(stored, entries), None)
        table = storage.open_table(uri, options, known=known_at)
    except (LakeDamaged, LakeTableMissing) as error:
        return VerifiedTable(None, wrong=wrong or str(error))
    except (ValueError, KeyError, TypeError) as error:
        return VerifiedTable(None, wrong=f"the records in {known_at} cannot be read: {error}")
    version, files, read, without = table.version(), 0, 0, 0
    if wrong is not None:
        return VerifiedTable(version, wrong=wrong)
    current = {
        unquote(path): size for path, size in storage.file_listing(table).select("path", "size_bytes").iter_rows()
    }
    for path in sorted({*current, *digests}):
        try:
            content = stored.read(path)
        except FileNotFoundError:
            if path not in current:
                continue  # of an earlier version: maintenance removed it
            return VerifiedTable(version, files, read, without, f"data file {uri}/{path} is gone")
        files, read = files + 1, read + len(content)
        if path in current and len(content) != current[path]:
            wrong = f"data file {uri}/{path} has {len(content):,} of its {current[path]:,} bytes"
        elif path in digests and digest(content) != digests[path]:
            wrong = f"data file {uri}/{path} is not what was written: its digest is another"
        if wrong is not None:
            return VerifiedTable(version, files, read, without, wrong)
        without += path not in digests
    return VerifiedTable(version, files, read, without)


def _wrong_log(stored: StoredFolder, entries: Mapping[int, str]) -> Iterator[str]:
    """Log entries that are not what was written, and a checkpoint that is named and not there."""
    last = newest_entry(stored)
    for version, written in sorted(entries.items()):
        found = entry_digest(stored, version)
        name = f"{stored.uri}/{LOG}/{version:020d}.json"
        if found is None:
            yield f"log entry {name} is gone" + ("" if version <= last else ", and with it what it wrote")
        elif found != written:
            yield f"log entry {name} is not what was written: its digest is another"
    try:
        checkpoint = json.loads(stored.read(LAST_CHECKPOINT))
        name = f"{LOG}/{int(checkpoint['version']):020d}.checkpoint.parquet"
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError):
        yield f"{stored.uri}/{LAST_CHECKPOINT} cannot be read; remove it, the log entries are all kept"
        return
    if "parts" not in checkpoint and not stored.size(name):
        yield (
            f"checkpoint {stored.uri}/{name} is gone or empty; where every log entry is there, remove {LAST_CHECKPOINT} as well, and "
            "the table opens from its entries"
        )


def newest_entry(stored: StoredFolder) -> int:
    """The highest number of a log entry; -1 where there is none."""
    names = [name.removesuffix(".json") for name in stored.names(LOG) if name.endswith(".json")]
    return max((int(name) for name in names if name.isdigit()), default=-1)

"""One of the processes that torchrun starts to fit a network.

Belongs here: joining the others, fitting, and leaving rank 0's result. Does not belong here: starting or watching processes (`launch`).
"""

from __future__ import annotations

import os
import socket
import sys
from datetime import timedelta
from pathlib import Path

from platform_assets.training.network.job import Job, write_layers
from platform_assets.training.network.launch import end_with_parent

PEER_TIMEOUT_SECONDS = 600
"""How long a worker waits for the others in one exchange before it gives up."""


def main(arguments: list[str]) -> int:
    """`folder`: fit the job in `folder` together with the other workers."""
    end_with_parent(lambda: os._exit(1))
    import torch.distributed as dist
    from torch.distributed.elastic.multiprocessing.errors import record

    from platform_assets.training.network.group import ProcessGroup
    from platform_assets.training.network.loop import train

    @record  # type: ignore[untyped-decorator]
    def work(folder: Path) -> None:
        os.environ["GLOO_SOCKET_IFNAME"] = _loopback()
        dist.init_process_group("gloo", timeout=timedelta(seconds=PEER_TIMEOUT_SECONDS))
        try:
            group = ProcessGroup()
            layers = train(Job.read(folder), group)
            if group.rank == 0:
                write_layers(layers, folder)
        finally:
            dist.destroy_process_group()

    work(Path(arguments[0]))
    return 0


def _loopback() -> str:
    """The name of the loopback interface: the workers of one machine need no other."""
    return next(name for _, name in socket.if_nameindex() if name.startswith("lo"))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

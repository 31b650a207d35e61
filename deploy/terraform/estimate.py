"""What a size costs a month, by cloud: the module's sizes.yaml, priced by deploy/prices.

Usage: python deploy/terraform/estimate.py [--cloud aws] [--size small] [--gpu-hours 100] [--spot-share 0.5] [--prices FOLDER]
[--format table|markdown|json]

Belongs here: quantities of a month, and their sum. Does not belong here: prices (deploy/prices), what a size is (modules/*/sizes.yaml).
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

HERE = Path(__file__).parent
PRICES = HERE.parent / "prices"
HOURS = 730
"""Of a month."""

Sheet = Mapping[str, Any]


class PriceError(ValueError):
    """A price or a size that is missing or makes no sense, with the file that has to be mended."""


@dataclass(frozen=True)
class Line:
    """One line of a bill."""

    what: str
    quantity: float
    unit: str
    price: float

    @property
    def cost(self) -> float:
        """Of the month."""
        return self.quantity * self.price


@dataclass(frozen=True)
class Use:
    """What a month is taken to use, where the size alone does not say it.

    Args:
        gpu_hours: machine hours with GPUs; None: as the size says.
        spot_share: of the hours of spot groups, those that really found a spot machine; the others cost the full price.
    """

    gpu_hours: float | None = None
    spot_share: float = 1.0


def machines(size: Sheet, prices: Sheet, use: Use) -> Iterator[Line]:
    """Nodes and their disks, by group."""
    groups: Mapping[str, Sheet] = size["nodes"]
    declared = sum(group["hours"] for group in groups.values() if group.get("gpus"))
    for name, group in groups.items():
        hours = group["hours"]
        if group.get("gpus") and use.gpu_hours is not None:
            hours = use.gpu_hours * (hours / declared if declared else 1)
        price = looked_up(prices, "machines", group["machine"])
        if group.get("spot"):
            yield Line(f"nodes {name}: {group['machine']} on spot", hours * use.spot_share, "hour", price["spot"])
            hours *= 1 - use.spot_share
        if hours:
            yield Line(f"nodes {name}: {group['machine']}", hours, "hour", price["hour"])
    disks = sum(group["disk_gb"] * group["hours"] / HOURS for group in groups.values())
    yield Line("disks of nodes", disks, "GB", looked_up(prices, "units", "node_disk_gb_month"))


def looked_up(prices: Sheet, table: str, name: str) -> Any:
    """A price.

    Raises:
        PriceError: the sheet does not have it.
    """
    try:
        return prices[table][name]
    except KeyError:
        raise PriceError(f"{prices['file']}: {table} has no {name!r}; add it with its price") from None


def aws(size: Sheet, prices: Sheet, use: Use) -> Iterator[Line]:
    """A month on AWS."""
    unit = Units(prices)
    copies = 2 if size["database"]["standby"] else 1
    used, database, cache, kafka = size["use"], size["database"], size["cache"], size["kafka"]
    yield unit("EKS", HOURS, "hour", "cluster_hour")
    yield from machines(size, prices, use)
    yield unit("NAT gateways", size["nat_gateways"] * HOURS, "hour", "nat_hour")
    yield unit("through NAT", used["traffic_gb"], "GB", "nat_gb")
    yield unit("addresses", size["nat_gateways"] * HOURS, "hour", "address_hour")
    yield unit("load balancer", HOURS, "hour", "balancer_hour")
    yield Line("PostgreSQL", copies * HOURS, "hour", looked_up(prices, "databases", database["machine"]))
    yield unit("disk of PostgreSQL", copies * database["disk_gb"], "GB", "database_disk_gb_month")
    yield Line("Valkey", cache["nodes"] * HOURS, "hour", looked_up(prices, "caches", cache["machine"]))
    if kafka["enabled"]:
        yield Line("Kafka", kafka["brokers"] * HOURS, "hour", looked_up(prices, "brokers", kafka["machine"]))
        yield unit("disks of Kafka", kafka["brokers"] * kafka["disk_gb"], "GB", "broker_disk_gb_month")
    yield unit("S3", used["object_gb"], "GB", "object_gb_month")
    yield unit("EFS", used["files_gb"], "GB", "files_gb_month")
    yield unit("images", used["images_gb"], "GB", "images_gb_month")
    yield unit("logs", used["logs_gb"], "GB", "logs_gb")
    yield unit("to the internet", used["traffic_gb"], "GB", "traffic_gb")
    yield unit("key", 1, "key", "key_month")
    yield unit("secrets", 2 + bool(kafka["enabled"]), "secret", "secret_month")


def azure(size: Sheet, prices: Sheet, use: Use) -> Iterator[Line]:
    """A month on Azure."""
    unit = Units(prices)
    used, database, cache, kafka = size["use"], size["database"], size["cache"], size["kafka"]
    yield unit("AKS", HOURS if size["cluster_tier"] == "Standard" else 0, "hour", "cluster_hour")
    yield from machines(size, prices, use)
    yield unit("NAT gateway", HOURS, "hour", "nat_hour")
    yield unit("through NAT", used["traffic_gb"], "GB", "nat_gb")
    yield unit("addresses", 2 * HOURS, "hour", "address_hour")
    yield unit("load balancer", HOURS, "hour", "balancer_hour")
    copies = 2 if database["standby"] else 1
    yield Line("PostgreSQL", copies * HOURS, "hour", looked_up(prices, "databases", database["machine"]))
    yield unit("disk of PostgreSQL", copies * database["disk_gb"], "GB", "database_disk_gb_month")
    copies = 2 if cache["standby"] else 1
    yield Line("Managed Redis", copies * HOURS, "hour", looked_up(prices, "caches", cache["machine"]))
    yield unit("endpoint of Redis", HOURS, "hour", "endpoint_hour")
    if kafka["enabled"]:
        yield unit("Event Hubs", kafka["units"] * HOURS, "hour", "broker_unit_hour")
    yield unit("Blob storage", used["object_gb"], "GB", "object_gb_month")
    yield unit("Azure Files", used["files_gb"], "GB", "files_gb_month")
    yield Line("registry", 1, "month", looked_up(prices, "registries", size["registry"]))
    yield unit("logs", used["logs_gb"], "GB", "logs_gb")
    yield unit("to the internet", used["traffic_gb"], "GB", "traffic_gb")


def gcp(size: Sheet, prices: Sheet, use: Use) -> Iterator[Line]:
    """A month on Google Cloud."""
    unit = Units(prices)
    used, database, cache, kafka = size["use"], size["database"], size["cache"], size["kafka"]
    hours = sum(group["hours"] for group in size["nodes"].values())
    yield unit("GKE", HOURS if size["protected"] else 0, "hour", "cluster_hour")
    yield from machines(size, prices, use)
    yield unit("NAT", hours, "hour", "nat_machine_hour")
    yield unit("through NAT", used["traffic_gb"], "GB", "nat_gb")
    yield unit("load balancer", HOURS, "hour", "balancer_hour")
    copies = 2 if database["standby"] else 1
    yield Line("Cloud SQL", copies * HOURS, "hour", looked_up(prices, "databases", database["machine"]))
    yield unit("disk of Cloud SQL", copies * database["disk_gb"], "GB", "database_disk_gb_month")
    memory = "cache_standby_gb_hour" if cache["tier"] == "STANDARD_HA" else "cache_gb_hour"
    yield unit("Memorystore", cache["memory_gb"] * HOURS, "GB hour", memory)
    if kafka["enabled"]:
        yield unit("Kafka: CPUs", kafka["cpus"] * HOURS, "hour", "broker_cpu_hour")
        yield unit("Kafka: memory", 4 * kafka["cpus"] * HOURS, "GB hour", "broker_memory_gb_hour")
    yield unit("Cloud Storage", used["object_gb"], "GB", "object_gb_month")
    yield unit("Filestore", size["files_gb"], "GB", "files_gb_month")
    yield unit("images", used["images_gb"], "GB", "images_gb_month")
    yield unit("logs", used["logs_gb"], "GB", "logs_gb")
    yield unit("to the internet", used["traffic_gb"], "GB", "traffic_gb")
    yield unit("secrets", 2, "secret", "secret_month")


def own(size: Sheet, prices: Sheet, use: Use) -> Iterator[Line]:
    """A month on machines of one's own: written off, fed and housed."""
    unit = Units(prices)
    factors = prices["units"]
    for name, count in size.items():
        machine = looked_up(prices, "machines", name)
        if count:
            yield Line(f"{name}, written off", count * HOURS, "hour", machine["bought"] / prices["hours_of_life"])
            power = count * HOURS * machine["watts"] / 1000 * factors["cooling_factor"]
            yield unit(f"power of {name}", power, "kWh", "kilowatt_hour")
            yield Line(
                f"spare parts of {name}", count, "server", machine["bought"] * factors["support_year_share"] / 12
            )
            yield unit(f"room for {name}", 2 * count, "rack unit", "rack_unit_month")


@dataclass(frozen=True)
class Units:
    """Lines at the price of one unit."""

    prices: Sheet

    def __call__(self, what: str, quantity: float, unit: str, name: str) -> Line:
        """A line of a bill."""
        return Line(what, quantity, unit, looked_up(self.prices, "units", name))


CLOUDS: Mapping[str, Callable[[Sheet, Sheet, Use], Iterator[Line]]] = {
    "aws": aws,
    "azure": azure,
    "gcp": gcp,
    "own": own,
}


def read(path: Path) -> dict[str, Any]:
    """A YAML file.

    Raises:
        PriceError: it is missing, or no mapping.
    """
    try:
        content = yaml.safe_load(path.read_text())
    except (OSError, yaml.YAMLError) as error:
        raise PriceError(f"{path} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise PriceError(f"{path} holds no mapping of names to prices")
    return content | {"file": str(path)}


def estimate(cloud: str, size: str, use: Use, prices_in: Path = PRICES) -> tuple[dict[str, Any], list[Line]]:
    """The price sheet, and the lines of a month's bill.

    Raises:
        PriceError: a price is missing or no number, or there is no such size.
    """
    prices = read(prices_in / f"{cloud}.yaml")
    sizes = prices["sizes"] if "sizes" in prices else read(HERE / "modules" / cloud / "sizes.yaml")
    if size not in sizes:
        raise PriceError(f"{size!r} is no size: {', '.join(name for name in sizes if name != 'file')}")
    lines = [line for line in CLOUDS[cloud](sizes[size], prices, use) if line.quantity]
    for line in lines:
        if not isinstance(line.price, int | float) or line.price < 0:
            raise PriceError(
                f"{prices['file']}: the price of {line.what!r} is {line.price!r}; give a number of at least 0"
            )
    return prices, lines


def written(cloud: str, size: str, prices: Sheet, lines: list[Line], form: str) -> str:
    """A bill as text."""
    total = sum(line.cost for line in lines)
    if form == "json":
        shown = [{"what": one.what, "quantity": one.quantity, "unit": one.unit, "price": one.price} for one in lines]
        head = {key: str(prices[key]) for key in ("as_of", "region", "currency", "source")}
        return json.dumps({"cloud": cloud, "size": size, **head, "lines": shown, "total": round(total, 2)})
    title = f"{cloud}, {size}: {total:,.0f} {prices['currency']} a month ({prices['region']}, {prices['as_of']}; {prices['source']})"
    if form == "markdown":
        rows = [f"| {one.what} | {one.quantity:,.0f} {one.unit} | {one.cost:,.0f} |" for one in lines]
        return "\n".join([title, "", "| What | Quantity | Cost |", "|---|---|---|", *rows])
    rows = [f"  {one.cost:9,.2f}  {one.what}: {one.quantity:,.0f} {one.unit} at {one.price:.4f}" for one in lines]
    return "\n".join([title, *rows])


def main(arguments: list[str]) -> int:
    """Print the bills that were asked for."""
    parser = argparse.ArgumentParser(description="What a size costs a month, by cloud.")
    parser.add_argument("--cloud", choices=sorted(CLOUDS), help="all by default")
    parser.add_argument("--size", choices=["small", "production"], help="both by default")
    parser.add_argument("--gpu-hours", type=float, help="machine hours with GPUs; default: as sizes.yaml says")
    parser.add_argument("--spot-share", type=float, default=1.0, help="of spot groups' hours that find a spot machine")
    parser.add_argument("--prices", type=Path, default=PRICES, help="folder of price sheets of your own")
    parser.add_argument("--format", choices=["table", "markdown", "json"], default="table")
    given = parser.parse_args(arguments)
    if not 0 <= given.spot_share <= 1:
        parser.error("--spot-share: from 0 to 1")
    if given.gpu_hours is not None and given.gpu_hours < 0:
        parser.error("--gpu-hours: at least 0")
    for cloud in [given.cloud] if given.cloud else CLOUDS:
        for size in [given.size] if given.size else ("small", "production"):
            try:
                prices, lines = estimate(cloud, size, Use(given.gpu_hours, given.spot_share), given.prices)
            except PriceError as error:
                sys.stderr.write(f"{error}\n")
                return 1
            sys.stdout.write(written(cloud, size, prices, lines, given.format) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

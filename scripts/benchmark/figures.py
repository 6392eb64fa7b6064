"""From samples to figures: percentiles, costs, ratios, and the report as text. Nothing here runs or times anything.

A cost is CPU time of all nodes together, per transaction or claim, because on a machine that other work shares it is
steadier than a rate. A ratio compares it with the bare cost: what the cryptography, the encoding and the hashing of
the same work cost in a loop on this machine, in this run. The ratio is what is worth comparing over time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from math import ceil

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Percentiles:
    """Of durations, in milliseconds."""

    count: int
    p50: float
    p95: float
    p99: float
    worst: float


@dataclass(frozen=True, slots=True)
class Limits:
    """What this machine does in a loop on one core, operations a second."""

    verify: float
    """Ed25519, PyNaCl, 128 bytes."""
    sign: float
    sha256: float
    """Of 1 KB."""
    encode: float
    """A transaction with 1 KB of arguments."""
    decode: float
    seal: float
    """HPKE, ML-KEM-768 with X25519, 1 KB."""
    open: float
    commit: float
    """A Pedersen commitment."""
    encrypt_chunk: float
    """AES-256-GCM, 64 KiB."""
    synced_write: float
    """4 KB and fdatasync, in the folder where the network ran."""


@dataclass(frozen=True, slots=True)
class Work:
    """What one unit of a load asks of all nodes together, as far as it can be counted."""

    verify: float = 0
    hashes: float = 0
    encode: float = 0
    decode: float = 0
    seal: float = 0
    open: float = 0
    commit: float = 0
    encrypt_chunk: float = 0

    def bare_us(self, limits: Limits) -> float:
        """Return the microseconds of CPU that it costs in a loop."""
        counts = (
            (self.verify, limits.verify),
            (self.hashes, limits.sha256),
            (self.encode, limits.encode),
            (self.decode, limits.decode),
            (self.seal, limits.seal),
            (self.open, limits.open),
            (self.commit, limits.commit),
            (self.encrypt_chunk, limits.encrypt_chunk),
        )
        return sum(count * 1e6 / rate for count, rate in counts)


@dataclass(frozen=True, slots=True)
class Load:
    """One measured load."""

    name: str
    unit: str
    """`transaction` or `claim`."""
    units: int
    """Done, failures left out."""
    failures: int
    seconds: float
    latency: Percentiles
    cpu_seconds: Mapping[str, float]
    """Node process -> user and system time meanwhile."""
    disk_bytes: int
    """By how much the folders of all nodes grew together."""
    blocks: int
    transactions: int
    """On the chain meanwhile, whoever sent them."""
    submissions: int
    work: Work
    """Of one unit."""
    fetches: Percentiles
    """Of the records that were handed over meanwhile: from a share to the recipient's confirmation."""
    failure_codes: tuple[str, ...] = field(default=())

    @property
    def rate(self) -> float:
        """Units a second."""
        return self.units / self.seconds if self.seconds else 0.0

    @property
    def cpu_us(self) -> float:
        """Microseconds of CPU of all nodes per unit."""
        return sum(self.cpu_seconds.values()) * 1e6 / self.units if self.units else 0.0


@dataclass(frozen=True, slots=True)
class Handovers:
    """One measured load of attached documents, and its two halves."""

    load: Load
    megabytes: float
    """Of one document."""
    shared: float
    """Shares a second, from the first piece at a desk to the last share."""
    confirmed: float
    """Documents a second that were fetched, opened and confirmed, from the first share on."""
    share: Percentiles
    """From the last piece at the desk to the block with its share; what follows is `load.fetches`."""


def percentiles(seconds: Sequence[float]) -> Percentiles:
    """Return the percentiles of durations, by nearest rank: every figure was measured, none is interpolated."""
    if not seconds:
        return Percentiles(0, 0.0, 0.0, 0.0, 0.0)
    ordered = sorted(item * 1000 for item in seconds)
    p50, p95, p99 = (ordered[ceil(len(ordered) * share / 100) - 1] for share in (50, 95, 99))
    return Percentiles(len(ordered), p50, p95, p99, ordered[-1])


def count_transaction_work(validators: int, batch: int) -> Work:
    """Return what one transaction in a submission of `batch` costs at the least.

    Every validator verifies the submission's signature once, hashes the transaction for its id and for the root under
    the signature, decodes it once, and encodes it twice: for the block that it stores, and for the comparison by which
    the decoder refuses a second encoding.
    """
    return Work(verify=validators / batch, hashes=2 * validators, encode=2 * validators, decode=validators)


def count_claim_work(validators: int, transactions: float, submissions: float, records: int) -> Work:
    """Return what one claim costs at the least.

    Args:
        validators: How many there are.
        transactions: On the chain for it.
        submissions: That carried them.
        records: Handed over: sealed to the insurer by the hospital, opened by the insurer.
    """
    return Work(
        verify=validators * submissions,
        hashes=2 * validators * transactions,
        encode=2 * validators * transactions,
        decode=validators * transactions,
        seal=records + 2,  # the opening to the customer, the order to the rail
        open=records + 1,
        commit=8.0 * validators,
    )


def count_handover_work(validators: int, transactions: float, submissions: float, megabytes: float) -> Work:
    """Return what one attached document costs at the least, from the desk's last piece to its confirmation.

    Its keys are sealed and opened once, in a signed envelope; custodian and recipient each run the cipher over it, and
    each hash it twice, as it is and as it is sealed.

    Args:
        validators: How many there are.
        transactions: On the chain for it.
        submissions: That carried them.
        megabytes: Its size.
    """
    return Work(
        verify=validators * submissions + 1,
        hashes=2 * validators * transactions + 4 * 1024 * megabytes,
        encode=2 * validators * transactions,
        decode=validators * transactions,
        seal=1,
        open=1,
        encrypt_chunk=2 * 16 * megabytes,
    )


def describe(load: Load, limits: Limits, cores: int) -> dict[str, object]:
    """Return a load's figures with what follows from them, for `--json`."""
    bare_us = load.work.bare_us(limits)
    return asdict(load) | {
        "rate": load.rate,
        "cpu_us": load.cpu_us,
        "bare_us": bare_us,
        "bare_rate": cores * 1e6 / bare_us if bare_us else 0.0,
        "cost_over_bare": load.cpu_us / bare_us if bare_us else 0.0,
        "disk_bytes_per_unit_and_node": _per(load.disk_bytes, load.units * len(load.cpu_seconds)),
    }


def render(
    machine: Mapping[str, str], limits: Limits, loads: Sequence[Load], idle: Percentiles, cores: int
) -> list[str]:
    """Return the report's lines.

    Args:
        machine: What it ran on: label -> value.
        limits: The machine's own.
        loads: What was measured.
        idle: Finality on the idle network.
        cores: How many the nodes and the load shared.
    """
    lines = [f"{label:<14}{value}" for label, value in machine.items()]
    lines += ["", "one core, operations a second"]
    lines += [f"  {name.replace('_', ' '):<14}{rate:>12,.0f}" for name, rate in asdict(limits).items()]
    lines += ["", f"finality, idle network   {_render_latency(idle)}"]
    for load in loads:
        lines += ["", *_render_load(load, limits, cores)]
        if load.fetches.count:
            rate = _per(load.fetches.count, load.seconds)
            lines.append(f"  records      {rate:,.1f}/s shared, fetched and opened; {_render_latency(load.fetches)}")
    return lines


def describe_handovers(handovers: Handovers, limits: Limits, cores: int) -> dict[str, object]:
    """Return the figures of hand-overs with what follows from them, for `--json`."""
    return asdict(handovers) | {
        "load": describe(handovers.load, limits, cores),
        "shared_megabytes": handovers.shared * handovers.megabytes,
        "confirmed_megabytes": handovers.confirmed * handovers.megabytes,
    }


def render_handovers(handovers: Handovers, limits: Limits, cores: int) -> list[str]:
    """Return the rows of hand-overs: as of any load, and then each half, by documents and by megabytes a second."""
    halves = (
        ("share", handovers.shared, handovers.share),
        ("fetch, open", handovers.confirmed, handovers.load.fetches),
    )
    return _render_load(handovers.load, limits, cores) + [
        f"  {name:<13}{rate:,.1f}/s, {rate * handovers.megabytes:,.2f} MB/s; {_render_latency(latency)}"
        for name, rate, latency in halves
    ]


def _render_load(load: Load, limits: Limits, cores: int) -> list[str]:
    bare_us = load.work.bare_us(limits)
    bare_rate = _per(cores * 1e6, bare_us)
    unit = load.unit
    nodes = ", ".join(f"{name} {seconds:.1f}" for name, seconds in sorted(load.cpu_seconds.items()))
    cost = (
        f"{load.cpu_us:,.0f} us a {unit} at all nodes, {_per(load.cpu_us, bare_us):.1f} times the bare {bare_us:,.0f}"
    )
    share = f"{_per(load.rate, bare_rate):.1%} of the bare {bare_rate:,.0f} {unit}s/s on {cores} cores"
    blocks = f"{load.blocks} blocks of {_per(load.transactions, load.blocks):.1f} transactions"
    each = (
        f"{_per(load.submissions, load.units):.2f} submissions, {_per(load.transactions, load.units):.2f} transactions"
    )
    lines = [
        f"{load.name}",
        f"  rate         {load.rate:,.1f} {unit}s/s, {share}",
        f"  done         {load.units} in {load.seconds:.1f} s, {load.failures} failed",
        f"  latency      {_render_latency(load.latency)}",
        f"  CPU          {cost}",
        f"  CPU seconds  {nodes}",
        f"  chain        {blocks}; {each} a {unit}",
        f"  disk         {_per(load.disk_bytes, load.units * len(load.cpu_seconds)):,.0f} bytes a {unit} and node",
    ]
    if load.failure_codes:
        lines.append(f"  failures     {', '.join(load.failure_codes)}")
    return lines


def _render_latency(latency: Percentiles) -> str:
    return (
        f"p50 {latency.p50:,.0f} ms, p95 {latency.p95:,.0f} ms, p99 {latency.p99:,.0f} ms, "
        f"worst {latency.worst:,.0f} ms of {latency.count}"
    )


def _per(value: float, count: float) -> float:
    return value / count if count else 0.0

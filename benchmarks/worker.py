"""The process of one contestant: ``python -m benchmarks.worker BENCHMARK CONTESTANT URL CPUS``.

CPUS are those it may use, as in ``0,1``; where that cannot be chosen, an empty string.
Its last line on stdout is what it measured, as JSON.
"""

import json
import os
import sys

from .meter import Meter
from .suite import BENCHMARKS


def main() -> None:
    benchmark, contestant, url, cpus = sys.argv[1:]
    if cpus:
        os.sched_setaffinity(0, {int(cpu) for cpu in cpus.split(",")})
    meter = Meter()
    BENCHMARKS[benchmark].contestant(contestant).run(meter, url)
    print(json.dumps(meter.figures()))


if __name__ == "__main__":
    main()

"""scikit-learn on the data of benches/vmload.rs: seconds and inertia of each row, on one thread.

    INTERBANK_BENCH_DATA=/tmp/vmload cargo bench --manifest-path benches/Cargo.toml --bench vmload
    OMP_NUM_THREADS=1 python3 benches/peers/vmload_sklearn.py /tmp/vmload

Needs numpy and scikit-learn; OMP_NUM_THREADS=2 for two threads. The least of three times is printed.
"""

import sys
import time
import warnings
from pathlib import Path

import numpy
import sklearn
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning

MACHINES, SAMPLES, METRICS = 2_000, 2_016, 6


def main():
    folder = Path(sys.argv[1])
    read = lambda name, shape: numpy.fromfile(folder / name, "<f8").reshape(shape)
    fleet = read("fleet.f64le", (MACHINES, SAMPLES, METRICS))
    big = read("big.f64le", (1_000_000, 8))
    seeds = read("big_seeds.f64le", (16, 8))
    lines = [machine[:, [metric]].copy() for machine in fleet[:16] for metric in range(METRICS)]
    # the cap of 25 rounds is meant
    warnings.simplefilter("ignore", ConvergenceWarning)
    print(f"scikit-learn {sklearn.__version__}")
    for groups in (4, 6):
        row(f"fleet_k{groups}", fleet, lambda n: KMeans(groups, n_init=1, max_iter=100, random_state=n))
    row("big", [big], lambda n: KMeans(16, init=seeds, n_init=1, max_iter=25, tol=0))
    row("line", lines, lambda n: KMeans(4, n_init=10, random_state=n))


def row(name, sets, plan):
    """The inertia is computed anew from the centres, as the bench does for everyone."""
    least = float("inf")
    for _ in range(3):
        start = time.perf_counter()
        centres = [plan(n).fit(points).cluster_centers_ for n, points in enumerate(sets)]
        least = min(least, time.perf_counter() - start)
    total = sum(inertia(points, found) for points, found in zip(sets, centres))
    print(f"{name}: {least:.3f} s, inertia {total:.3f}")


def inertia(points, centres):
    nearest = numpy.full(len(points), numpy.inf)
    for centre in centres:
        nearest = numpy.minimum(nearest, ((points - centre) ** 2).sum(axis=1))
    return nearest.sum()


if __name__ == "__main__":
    main()

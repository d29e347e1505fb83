"""scikit-learn and faiss on the data of benches/vmload.rs.

`cargo xtask bench vmload` runs it on one thread: the threads of these libraries share one fit, and a machine's week is too
little for that. It prints a line of JSON for each median time and for each inertia; the ids are those of benches/table.toml.
Each library reads its rows as it likes them best: scikit-learn as 64-bit floats, faiss as 32-bit floats.
"""

import argparse
import json
import statistics
import time
import warnings
from pathlib import Path

import faiss
import numpy
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

MACHINES, SAMPLES, METRICS = 2_000, 2_016, 6
# all starts go on for at most so many rounds, as in the bench
ROUNDS = 100
BIG_ROUNDS = 25
SCIKIT, FAISS = "scikit_learn", "faiss"


def main():
    parser = argparse.ArgumentParser(description="Measures scikit-learn and faiss on the data of the vmload bench.")
    parser.add_argument("data", type=Path, help="the folder that the bench wrote its data to")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=5, help="of how many times the median is taken")
    options = parser.parse_args()
    read = lambda name, shape: numpy.fromfile(options.data / name, "<f8").reshape(shape)
    fleet = read("fleet.f64le", (MACHINES, SAMPLES, METRICS))
    big = read("big.f64le", (1, 1_000_000, 8))
    seeds = read("big_seeds.f64le", (16, 8))
    lines = numpy.ascontiguousarray(fleet[:16].transpose(0, 2, 1)).reshape(16 * METRICS, SAMPLES, 1)
    # the caps of rounds are meant
    warnings.simplefilter("ignore", ConvergenceWarning)
    faiss.omp_set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        for groups in (4, 6):
            row(options, f"fleet_k{groups}", SCIKIT, fleet, scikit(groups, n_init=1, max_iter=ROUNDS))
            row(options, f"fleet_k{groups}", FAISS, fleet, by_faiss(groups, ROUNDS))
        row(options, "big", SCIKIT, big, scikit(16, init=seeds, n_init=1, max_iter=BIG_ROUNDS, tol=0), elements=1)
        row(options, "big", FAISS, big, by_faiss(16, BIG_ROUNDS, seeds), elements=1)
        row(options, "line", f"{SCIKIT}_10", lines, scikit(4, n_init=10))


def scikit(groups, **settings):
    return lambda n, points: KMeans(groups, random_state=n, **settings).fit(points).cluster_centers_


def by_faiss(groups, rounds, seeds=None):
    def fit(n, points):
        points = points.astype("float32")
        plan = faiss.Kmeans(
            points.shape[1],
            groups,
            niter=rounds,
            seed=n + 1,
            min_points_per_centroid=1,
            max_points_per_centroid=len(points),
        )
        plan.train(points, init_centroids=None if seeds is None else seeds.astype("float32"))
        return plan.centroids

    return fit


def row(options, name, library, sets, fit, elements=None):
    times = []
    for _ in range(options.repeats):
        start = time.perf_counter()
        centres = [fit(n, points) for n, points in enumerate(sets)]
        times.append(time.perf_counter() - start)
    median = statistics.median(times)
    say(
        id=f"vmload/{name}/{library}/{options.threads}",
        median_ns=round(median * 1e9),
        elements=elements or len(sets),
    )
    # of all machines, and anew from the centres, as the bench does for everyone
    total = sum(inertia(points, found) for points, found in zip(sets, centres))
    say(id=f"vmload/inertia/{name}/{library}", value=float(total), unit="load²")


def inertia(points, centres):
    nearest = numpy.full(len(points), numpy.inf)
    for centre in centres.astype("float64"):
        nearest = numpy.minimum(nearest, ((points - centre) ** 2).sum(axis=1))
    return nearest.sum()


def say(**line):
    print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()

"""Times Python's process pools; prints a line "name, milliseconds for a call" for each.

Where loky is not installed, the copy that joblib brings stands in for it (Debian has joblib as
python3-joblib). Each of its processes imports joblib first, so that it starts more slowly.
"""
import importlib.util
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor


def noop():
    pass


def echo(value):
    return value


def half(n):
    return n / 2


def open_process_pool(workers):
    return ProcessPoolExecutor(workers)


def open_loky(workers):
    from loky import ProcessPoolExecutor as LokyExecutor

    return LokyExecutor(workers)


def open_loky_of_joblib(workers):
    from joblib.externals.loky import ProcessPoolExecutor as LokyExecutor

    return LokyExecutor(workers)


def is_installed(module):
    return importlib.util.find_spec(module) is not None


POOLS = {"Python, ProcessPoolExecutor": open_process_pool}
if is_installed("joblib") and not is_installed("loky"):
    POOLS["Python, loky of joblib"] = open_loky_of_joblib
else:
    POOLS["Python, loky"] = open_loky


def clock(calls, run):
    begun = time.perf_counter()
    run()
    return (time.perf_counter() - begun) * 1000 / calls


def time_start(open_pool):
    def start():
        with open_pool(1) as pool:
            pool.submit(noop).result()

    return [clock(1, start) for _ in range(7)]


def time_calls(workers, calls, run):
    def times(open_pool):
        with open_pool(workers) as pool:
            run(pool)
            return [clock(calls, lambda: run(pool)) for _ in range(7)]

    return times


def one_by_one(pool):
    for _ in range(300):
        pool.submit(noop).result()


def all_at_once(pool):
    for future in [pool.submit(noop) for _ in range(2000)]:
        future.result()


def one_array(pool):
    pool.submit(echo, bytes(8 << 20)).result()


def map_all(pool):
    for _ in pool.map(half, range(200_000), chunksize=4096):
        pass


QUESTIONS = {
    "start": time_start,
    "round_trip": time_calls(1, 300, one_by_one),
    "throughput": time_calls(2, 2000, all_at_once),
    "payload": time_calls(1, 1, one_array),
    "map": time_calls(2, 200_000, map_all),
}


def time_trio_parallel(question):
    import trio
    import trio_parallel

    async def calls():
        if question in ("start", "round_trip"):
            for _ in range(300 if question == "round_trip" else 1):
                await trio_parallel.run_sync(noop)
        elif question == "payload":
            await trio_parallel.run_sync(echo, bytes(8 << 20))
        else:
            limit = trio.CapacityLimiter(2)
            async with trio.open_nursery() as nursery:
                for _ in range(2000):
                    nursery.start_soon(lambda: trio_parallel.run_sync(noop, limiter=limit))

    async def times():
        count = {"start": 1, "round_trip": 300, "payload": 1}.get(question, 2000)
        results = []
        if question != "start":
            await calls()
        for _ in range(1 if question == "start" else 7):
            begun = time.perf_counter()
            await calls()
            results.append((time.perf_counter() - begun) * 1000 / count)
        return results

    return trio.run(times)


def main():
    question = sys.argv[1]
    for name, open_pool in POOLS.items():
        try:
            print(f"{name},{statistics.median(QUESTIONS[question](open_pool))}")
        except ImportError:
            print(f"{name},")
    if question == "map":
        return
    try:
        print(f"Python, trio-parallel,{statistics.median(time_trio_parallel(question))}")
    except ImportError:
        print("Python, trio-parallel,")


if __name__ == "__main__":
    main()

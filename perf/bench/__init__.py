"""The parts of perf/bench.py: suites, engines, answers, numbers, the run itself and its report."""

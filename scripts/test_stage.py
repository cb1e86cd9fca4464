#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""One stage of scripts/test.sh: runs tests, adds a line for each to a results file.

    test_stage.py RESULTS STAGE gtest DIR [FILTER]            every case of the programs in DIR
    test_stage.py RESULTS STAGE python DIR [FILTER [SKIP...]]  every case of DIR/test_*.py
    test_stage.py RESULTS STAGE fuzz DIR CORPORA SECONDS      every *_fuzz in DIR
    test_stage.py RESULTS STAGE lines COMMAND...              PASS/FAIL/SKIP name why, as printed
    test_stage.py RESULTS STAGE fail NAME                     a stage that could not be run
    test_stage.py RESULTS summary                             what failed, what was skipped, totals

A line is "pass", "fail" or "skip", stage, name, reason, with tabs between. The output of a failed
test is printed at once.
"""
import json
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest


class Results:
    def __init__(self, path, stage):
        self.path, self.stage = pathlib.Path(path), stage
        self.counts = {"pass": 0, "fail": 0, "skip": 0}

    def add(self, kind, name, reason="", output=""):
        self.counts[kind] += 1
        reason = " ".join(reason.split())
        with self.path.open("a") as results:
            results.write("\t".join((kind, self.stage, name, reason)) + "\n")
        if kind == "fail":
            print("\nFAILED %s: %s %s\n%s" % (self.stage, name, reason, output), flush=True)
        elif kind == "skip":
            print("skipped %s: %s: %s" % (self.stage, name, reason), flush=True)

    def told(self, start):
        print("%s: %d passed, %d failed, %d skipped (%d s)" % (
            self.stage, self.counts["pass"], self.counts["fail"], self.counts["skip"],
            time.monotonic() - start), flush=True)


def run_gtest(results, directory, pattern=""):
    programs = sorted(p for p in pathlib.Path(directory).glob("test_*")
                      if p.is_file() and p.stat().st_mode & 0o111)
    if not programs:
        results.add("fail", "unit", "no test programs in %s" % directory)
    for program in programs:
        _run_gtest_program(results, program, pattern)


def _run_gtest_program(results, program, pattern):
    words = [program] + (["--gtest_filter=*%s*" % pattern] if pattern else [])
    with tempfile.TemporaryDirectory() as work:
        report = pathlib.Path(work) / "report.json"
        try:
            done = subprocess.run([*words, "--gtest_output=json:%s" % report], text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600,
                                  errors="replace", check=False)
            code, output = done.returncode, done.stdout
        except subprocess.TimeoutExpired as late:
            code, output = "none", (late.stdout or b"").decode(errors="replace")
        if not report.exists():  # it crashed: what it had passed by then counts
            for line in output.splitlines():
                if line.startswith("[       OK ]"):
                    results.add("pass", line[13:].split(" (")[0])
            results.add("fail", program.name, "ended without a report, exit code %s" % code,
                        output[-8000:])
            return
        failed = False
        for suite in json.loads(report.read_text())["testsuites"]:
            for case in suite["testsuite"]:
                name = suite["name"] + "." + case["name"]
                if case.get("failures"):
                    failed = True
                    results.add("fail", name, "", "\n".join(f["failure"]
                                                           for f in case["failures"]))
                elif case.get("result") in ("SKIPPED", "SUPPRESSED"):
                    skips = [s["message"] for s in case.get("skipped", [])]
                    results.add("skip", name, skips[0] if skips else _why(output, name))
                elif case.get("status") == "RUN":
                    results.add("pass", name)
        if code != 0 and not failed:  # a sanitizer's word, at exit
            results.add("fail", program.name, "exit code %s" % code, output[-8000:])


def _why(output, name):
    lines = output.splitlines()
    for number, line in enumerate(lines):
        if line.startswith("[  SKIPPED ]") and name in line:
            return lines[number - 1]
    return "the test says no reason"


class PythonResult(unittest.TestResult):
    """Each test method counts once, with all its subtests."""

    def __init__(self, results):
        super().__init__()
        self.results, self.bad, self.skip = results, [], None

    def startTest(self, test):
        super().startTest(test)
        self.bad, self.skip, self.begun = [], None, time.monotonic()

    def addError(self, test, err):
        super().addError(test, err)
        self._note(test, err)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self._note(test, err)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            self._note(subtest, err)

    def addUnexpectedSuccess(self, test):
        super().addUnexpectedSuccess(test)
        self.bad.append("passed, and should not have")

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.skip = reason
        if not hasattr(test, "_testMethodName"):  # a whole class or module
            self.results.add("skip", str(test), reason)

    def _note(self, test, err):
        text = self._exc_info_to_string(err, test)
        if isinstance(test, unittest.TestCase):
            self.bad.append("%s\n%s" % (test, text))
        else:  # setUpClass, an import
            self.results.add("fail", str(test), "", text)

    def stopTest(self, test):
        super().stopTest(test)
        name = ".".join(test.id().split(".")[-3:])
        seconds = time.monotonic() - self.begun
        if self.bad:
            self.results.add("fail", name, "", "\n".join(self.bad))
        elif self.skip is not None:
            self.results.add("skip", name, self.skip)
        else:
            self.results.add("pass", name)
            if seconds > 10:
                print("  %s: %d s" % (name, seconds), flush=True)


def run_python(results, directory, pattern="", *without):
    sys.path.insert(0, directory)
    loader = unittest.TestLoader()
    if pattern:
        loader.testNamePatterns = ["*%s*" % pattern]
    for path in sorted(pathlib.Path(directory).glob("test_*.py")):
        if path.stem not in without:
            loader.loadTestsFromName(path.stem).run(PythonResult(results))


def run_fuzz(results, directory, corpora, seconds):
    for program in sorted(pathlib.Path(directory).glob("*_fuzz")):
        with tempfile.TemporaryDirectory() as found:
            corpus = pathlib.Path(corpora) / program.name
            words = [program, "-max_total_time=" + seconds, "-timeout=10", "-print_final_stats=1",
                     "-artifact_prefix=%s/" % found, found]
            if corpus.is_dir():
                words.append(corpus)
            done = subprocess.run(words, text=True, stdout=subprocess.PIPE, errors="replace",
                                  stderr=subprocess.STDOUT, timeout=300 + int(seconds),
                                  check=False)
        runs = [line.split()[-1] for line in done.stdout.splitlines()
                if line.startswith("stat::number_of_executed_units")]
        if done.returncode == 0 and runs:
            results.add("pass", program.name)
            print("  %s: %s inputs" % (program.name, runs[0]), flush=True)
        else:
            results.add("fail", program.name, "exit code %d" % done.returncode,
                        done.stdout[-8000:])


def run_lines(results, *command):
    """The command's errors go through; what it printed before FAIL is that test's output."""
    words = {"PASS": "pass", "FAIL": "fail", "SKIP": "skip"}
    output = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, errors="replace") as process:
        for line in process.stdout:
            first, _, rest = line.rstrip().partition(" ")
            if first in words:
                name, _, reason = rest.partition(" ")
                results.add(words[first], name, reason, "".join(output))
                output = []
            else:
                output.append(line)
    if process.returncode != 0 and results.counts["fail"] == 0:
        results.add("fail", command[0], "exit code %d" % process.returncode, "".join(output))
    elif not any(results.counts.values()):
        results.add("fail", command[0], "ran no test", "".join(output))


def summary(path):
    lines = [line.rstrip("\n").split("\t") for line in pathlib.Path(path).read_text().splitlines()]
    total = {kind: [line for line in lines if line[0] == kind] for kind in ("pass", "fail", "skip")}
    for kind, title in (("skip", "Skipped:"), ("fail", "Failed:")):
        if total[kind]:
            print("\n" + title)
        for _, stage, name, reason in total[kind]:
            print("  %s: %s%s" % (stage, name, ": " + reason if reason else ""))
    skipped = ", %d skipped" % len(total["skip"]) if total["skip"] else ""
    print("%d passed, %d failed%s" % (len(total["pass"]), len(total["fail"]), skipped))
    return 1 if total["fail"] or not total["pass"] else 0


def main():
    if len(sys.argv) == 3 and sys.argv[2] == "summary":
        return summary(sys.argv[1])
    if len(sys.argv) < 5:
        print(__doc__, file=sys.stderr)
        return 2
    # test.sh starts this in the background, which ignores SIGINT, and ends it with SIGTERM.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    results = Results(sys.argv[1], sys.argv[2])
    kind, rest = sys.argv[3], sys.argv[4:]
    start = time.monotonic()
    if kind == "fail":
        results.add("fail", *rest)
        return 1
    {"gtest": run_gtest, "python": run_python, "fuzz": run_fuzz, "lines": run_lines}[kind](
        results, *rest)
    results.told(start)
    return 1 if results.counts["fail"] else 0


if __name__ == "__main__":
    sys.exit(main())

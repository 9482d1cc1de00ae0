import subprocess
import sys

from tests.graph import ROOT

CODE = """
from stages.runtime.console import progress, say
for i in progress(range(3), total=3, unit="note", label="reading"): pass
say("3 notes")
"""


def test_progress_goes_to_stderr_with_rate_and_estimate_and_results_to_stdout():
    done = subprocess.run([sys.executable, "-c", CODE], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout == "3 notes\n"
    assert "reading" in done.stderr
    assert "note/s" in done.stderr

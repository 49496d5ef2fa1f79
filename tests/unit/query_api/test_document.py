"""The merged OpenAPI document is what the services say now."""

import subprocess
import sys
from pathlib import Path


def test_the_document_is_current() -> None:
    tool = Path(__file__).parents[3] / "deploy/openapi.py"
    made = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr

"""Headless Chromium: a page with a script appended, which acts on it and leaves what it saw."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

PROGRAM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)

#: Waits for the page, runs the steps, and writes what they return as JSON where --dump-dom finds it.
_PROBE = """
<script>
window.addEventListener("load", async () => {
  const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
  const text = (id) => document.getElementById(id).textContent;
  const out = document.createElement("pre");
  out.id = "probe";
  try {
    const ready = () => document.getElementById("film").dataset.ready || text("loading").includes("cannot");
    for (let i = 0; i < 400 && !ready(); i++) await sleep(25);
    out.textContent = JSON.stringify(await (async () => { @steps@ })());
  } catch (error) {
    out.textContent = JSON.stringify({ error: String(error.stack) });
  }
  document.body.append(out);
});
</script>
</body>
"""


def visit(page, folder, steps, size=(1200, 900)):
    """Open a page, run JavaScript in it (`sleep` and `text` are there), and return what that returns."""
    acted = folder / "acted.html"
    acted.write_text(page.read_text(encoding="utf-8").replace("</body>", _PROBE.replace("@steps@", steps)), "utf-8")
    command = [PROGRAM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}"]
    command += [f"--window-size={size[0]},{size[1]}", "--virtual-time-budget=20000", "--dump-dom", acted.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="probe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert found, done.stderr[-2000:]
    answer = json.loads(html.unescape(found[1]))
    assert "error" not in answer, answer
    return answer

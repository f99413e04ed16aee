"""The page of a run: what it shows, what it escapes, and its slider in a browser."""

import base64
import contextlib
import hashlib
import html
import json
import os
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser

import numpy as np
import pytest

import gan_jax
from gan_jax import cli, pictures, report
from gan_jax.metrics.protocol import Measurement, Protocol, append
from gan_jax.pages import latents

SCRIPT = '<script>alert(1)</script>"onload=x $title &lt;'
BROWSER = next(
    filter(shutil.which, ("chromium", "chromium-browser", "google-chrome")), None
)


class Page(HTMLParser):
    """What an HTML file has: its tags with their attributes, and its text by tags."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.open, self.said = [], [], {}
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        while self.open.pop() != tag:
            pass

    def handle_data(self, data):
        for tag in self.open:
            self.said[tag] = self.said.get(tag, "") + data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def workdir(digits_run, tmp_path):
    """A copy of the run of digits, to be changed; its name is no plain one."""
    return shutil.copytree(digits_run, tmp_path / "my <b>run</b>")


def written(workdir):
    report.write(workdir)
    return Page((workdir / "report.html").read_text())


def test_the_page_is_one_file_that_runs_our_script_alone(workdir):
    page = written(workdir)
    sources = [x[name] for _, x in page.tags for name in ("src", "href") if name in x]
    assert len(sources) >= 5  # four pictures of samples and the curves
    assert all(source.startswith("data:image/png;base64,") for source in sources)
    for source in sources:
        assert base64.b64decode(source.partition(",")[2]).startswith(b"\x89PNG")
    (policy,) = [x["content"] for x in page.all("meta") if "http-equiv" in x]
    digest = hashlib.sha256(page.said["script"].encode()).digest()
    assert f"script-src 'sha256-{base64.b64encode(digest).decode()}'" in policy
    assert policy.startswith("default-src 'none'")
    assert page.open == []  # every tag is closed
    assert not list(workdir.glob("*.tmp"))


def test_samples_are_those_of_the_run_by_their_steps(workdir):
    page = written(workdir)
    frames = [x for x in page.all("img") if "data-step" in x]
    assert [frame["data-step"] for frame in frames] == ["0", "20", "40", "60"]
    assert frames[2]["alt"] == "samples at step 40"
    (slider,) = page.all("input")
    assert (slider["min"], slider["max"], slider["value"]) == ("0", "3", "3")


def test_what_lies_between_four_latents_is_shown(workdir, tmp_path):
    """Of the newest checkpoint, its corners the samples of these latents."""
    step, picture = latents.sheet(workdir)
    assert step == 60
    images = pictures.cells(picture, latents.SIDE, latents.SIDE)
    first = pictures.cells(pictures.grid(gan_jax.load(workdir).sample(4), 2, 2), 2, 2)
    corners = images[[0, latents.SIDE - 1, -latents.SIDE, -1]]
    for corner, sample in zip(corners, first, strict=True):
        small = [x[:: len(x) // 8, :: len(x) // 8][:8, :8] for x in (corner, sample)]
        assert np.abs(np.subtract(*small, dtype=int)).max() <= 1
    assert len(np.unique(images.reshape(len(images), -1), axis=0)) > 40
    alts = [x["alt"] for x in written(workdir).all("img")]
    assert alts.count("between four latents at step 60") == 1
    shutil.rmtree(workdir / "checkpoints")
    assert latents.sheet(workdir) is None
    assert not any("latents" in x["alt"] for x in written(workdir).all("img"))


def test_the_config_is_told_as_it_differs_from_its_experiment(workdir):
    written(workdir)
    text = (workdir / "report.html").read_text()
    differences = text.split("<h2>Config</h2>")[1].split("<details>")[0]
    rows = re.findall(
        r"<tr><td>(.*?)</td><td>(.*?)</td><td>(.*?)</td></tr>", differences
    )
    changed = {name: (there, here) for name, there, here in rows}
    assert changed["steps"] == ("12000", "60")
    assert changed["batch_size"] == ("64", "16")
    assert changed["generator.widths"] == ("(256, 256)", "(16,)")
    assert "loss.name" not in changed
    assert "experiments/digits.<wbr>py" in differences
    everything = text.split("<details>")[1]
    assert "<td>loss.name</td><td>non_saturating</td>" in everything


def test_metrics_stand_under_their_protocols(workdir):
    few = Protocol(metric="frechet", samples=500, seed=0, reference="digits train")
    many = Protocol(metric="frechet", samples=1000, seed=0, reference="digits train")
    for protocol, step, value in ((few, 40, 3.25), (few, 60, 2.5), (many, 60, 2.125)):
        found = {"frechet_distance": value}
        errors = {"frechet_distance": 0.5} if step == 40 else {}
        append(workdir, Measurement(
            protocol=protocol, values=found, standard_errors=errors, step=step
        ))  # fmt: skip
    written(workdir)
    text = (workdir / "report.html").read_text().split("<h2>Metrics</h2>")[1]
    first, second = re.findall(r"<p>(frechet: .*?)</p>(.*?)</table>", text, re.DOTALL)
    assert (html.unescape(first[0]), html.unescape(second[0])) == (str(few), str(many))
    assert "<td>40</td><td>0</td><td>3.25 \N{PLUS-MINUS SIGN} 0.5</td>" in first[1]
    assert "<td>60</td><td>0</td><td>2.5</td>" in first[1]
    assert "2.125" in second[1]
    assert "2.125" not in first[1]


def test_how_to_load_it_is_what_loads_it(workdir):
    code = written(workdir).said["code"]
    assert f"gan_jax.load({str(workdir)!r})" in code
    assert f"python -m gan_jax.sample --workdir='{workdir}'" in code  # quoted


def test_the_page_has_the_diagnosis(workdir):
    rows = [
        {"step": step, "d_real": 0.99, "d_fake": 0.01, "d_loss": 0.02, "g_loss": 4.6,
         "d_real_accuracy": 1.0, "d_fake_accuracy": 1.0}
        for step in range(1, 61)
    ]  # fmt: skip
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (workdir / "metrics.jsonl").write_text(text)
    page = written(workdir)
    assert {"class": "finding alarm"} in page.all("div")
    assert "D has won" in page.said["b"]
    assert "since step 1 D tells nearly all examples apart" in page.said["p"]
    assert "--config.penalty.name=r1" in page.said["code"]


def test_nothing_that_users_typed_becomes_markup_or_script(workdir):
    record = json.loads((workdir / "config.json").read_text())
    record["experiment"] = SCRIPT
    record["versions"] = {SCRIPT: SCRIPT}
    record["devices"] = [SCRIPT]
    record["divergences"] = [{"what": SCRIPT, "back_to": 3}]
    record["config"]["data"]["split"] = f"{SCRIPT} \udcff"
    (workdir / "config.json").write_text(json.dumps(record))
    protocol = Protocol(metric=SCRIPT, samples=5, seed=0, reference=SCRIPT)
    append(workdir, Measurement(protocol=protocol, values={SCRIPT: 1.0}, model=SCRIPT))
    pictures.write_image(workdir / "<script>.png", np.zeros((4, 4, 3), np.uint8))
    page = written(workdir)
    assert len(page.all("script")) == 1
    assert "alert" not in page.said["script"]
    assert not any("onload" in x for _, x in page.tags)
    for tag in ("h1", "dd", "td", "p", "th"):
        assert SCRIPT.replace("&lt;", "<")[:20] in page.said[tag].replace("&lt;", "<")
    assert "my <b>run</b>" in page.said["dd"]


def test_no_experiment_of_the_users_is_run_for_a_page(workdir, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evil.py").write_text("open('ran', 'w').close()\n")
    shutil.copy("evil.py", "digits.py")
    for name in ("digits", "../evil", str(tmp_path / "evil")):
        record = json.loads((workdir / "config.json").read_text())
        (workdir / "config.json").write_text(json.dumps(record | {"experiment": name}))
        written(workdir)
        text = (workdir / "report.html").read_text()
        base = "digits" if name == "digits" else "default"
        assert f"experiments/{base}.<wbr>py" in text
    assert not (tmp_path / "ran").exists()


def test_a_run_with_little_in_it_has_a_page(workdir):
    for name in ("metrics.jsonl", "losses.png"):
        (workdir / name).unlink()
    for step in (0, 20, 40):
        (workdir / "samples" / f"{step:08d}.png").unlink()
    page = written(workdir)
    assert "Nothing was logged yet." in page.said["p"]
    assert "Nothing was evaluated" in page.said["p"]
    assert page.said.get("script", "") == ""  # one picture needs no slider
    (workdir / "samples" / "00000060.png").write_bytes(b"\x89PNG")
    shutil.rmtree(workdir / "checkpoints")
    page = written(workdir)
    assert "There are no pictures yet." in page.said["p"]
    assert page.all("img") == []


def test_the_same_files_give_the_same_page(workdir):
    written(workdir)
    first = (workdir / "report.html").read_bytes()
    written(workdir)
    assert (workdir / "report.html").read_bytes() == first


def test_the_command_says_what_it_wrote_or_one_line(workdir, tmp_path, capsys):
    assert cli.run(report.main, [f"--workdir={workdir}"]) == 0
    assert capsys.readouterr().err == f"wrote {workdir}/report.html\n"
    assert cli.run(report.main, [f"--workdir={tmp_path}"]) == 2
    assert "no run in" in capsys.readouterr().err
    (workdir / "report.html").unlink()
    (workdir / "report.html").mkdir()
    assert cli.run(report.main, [f"--workdir={workdir}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "report.html cannot be written: " in line


# --- in a browser -----------------------------------------------------------------


class Browser:
    """Chromium without a screen, driven through its pipe (Chrome DevTools Protocol)."""

    def __init__(self, to, back):
        self._to, self._back, self._calls, self.errors = to, back, 0, []

    def call(self, method, session=None, **parameters):
        self._calls += 1
        message = {"id": self._calls, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        self._to.write(json.dumps(message).encode() + b"\0")
        self._to.flush()
        while True:
            said = b""
            while (byte := self._back.read(1)) not in (b"\0", b""):
                said += byte
            assert said, "the browser has ended"
            answer = json.loads(said)
            if answer.get("method") in ("Log.entryAdded", "Runtime.exceptionThrown"):
                self.errors.append(answer["params"])
            if answer.get("id") == self._calls:
                assert "error" not in answer, answer
                return answer["result"]


@pytest.fixture
def browser(tmp_path):
    if BROWSER is None:
        pytest.skip("no Chromium on this machine, which the slider is tried in")
    commands, to = os.pipe()
    back, answers = os.pipe()
    home = tmp_path / "browser"
    flags = "--headless --no-sandbox --disable-gpu --remote-debugging-pipe"
    # the browser reads from descriptor 3 and writes to 4
    shell = f'exec 3<&{commands} 4>&{answers}; exec "$@"'
    process = subprocess.Popen(
        [
            "bash",
            "-c",
            shell,
            "bash",
            BROWSER,
            *flags.split(),
            f"--user-data-dir={home}",
        ],
        pass_fds=(commands, answers),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(commands)
    os.close(answers)
    too_long = threading.Timer(120, process.kill)
    too_long.start()
    with os.fdopen(to, "wb") as to, os.fdopen(back, "rb") as back:
        browser = Browser(to, back)
        yield browser
        with contextlib.suppress(OSError, AssertionError):
            browser.call("Browser.close")
    too_long.cancel()
    process.kill()
    process.wait()


SHOWN = """(() => {
  const seen = [...document.querySelectorAll("#samples img")].filter(
    image => image.offsetHeight > 0 && image.naturalWidth > 0);
  return [seen.map(image => image.dataset.step),
          document.querySelector("#samples output").textContent,
          document.querySelector("#samples label").offsetHeight > 0];
})()"""


def test_the_slider_shows_the_samples_of_its_step(browser, workdir):
    written(workdir)
    target = browser.call("Target.createTarget", url="about:blank")["targetId"]
    attached = browser.call("Target.attachToTarget", targetId=target, flatten=True)
    session = attached["sessionId"]

    def call(method, **parameters):
        return browser.call(method, session, **parameters)

    def shown():
        found = call("Runtime.evaluate", expression=SHOWN, returnByValue=True)
        return found["result"]["value"]

    def press(key, code):
        about = {"key": key, "code": key, "windowsVirtualKeyCode": code}
        for kind in ("rawKeyDown", "keyUp"):
            call("Input.dispatchKeyEvent", type=kind, **about)

    for domain in ("Log", "Runtime", "Page"):
        call(f"{domain}.enable")
    address = (workdir / "report.html").as_uri()
    call("Page.navigate", url=address)
    ready = "new Promise(done => document.readyState == 'complete' ? done(document.URL)"
    ready += " : addEventListener('load', () => done(document.URL)))"
    loaded = {"result": {"value": "about:blank"}}
    while loaded["result"].get("value") == "about:blank":
        loaded = call(
            "Runtime.evaluate", expression=ready, awaitPromise=True, returnByValue=True
        )
    assert shown() == [["60"], "60", True]
    focus = "document.querySelector('#samples input').focus()"
    call("Runtime.evaluate", expression=focus)
    press("ArrowLeft", 37)
    assert shown() == [["40"], "40", True]
    press("Home", 36)
    assert shown() == [["0"], "0", True]
    press("ArrowRight", 39)
    assert shown() == [["20"], "20", True]
    assert browser.errors == []  # of the script, or of the page's policy

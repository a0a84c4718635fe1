"""The live page of `perennial serve` in headless Chromium: a person labels, learns, keeps, takes back, undoes and forgets.

    pip install playwright==1.65.2        (and Chromium: apt-get install chromium)
    python tests/serve/browser.py target/release/perennial [--screenshot docs/serve.jpg]

Exits with 1 where the page does something else, or writes an error to the console.
"""
import argparse
import itertools
import json
import pathlib
import subprocess
import tempfile
import threading
import time
import urllib.request

from playwright.sync_api import expect, sync_playwright

THEME = "tools"
HELD_BACK = 12


class Service:
    """A running service, and a camera in front of it."""

    def __init__(self, program, folder):
        pictures = folder / "pictures"
        subprocess.run([program, "--json", "draw", str(pictures), "--pictures", "40"], check=True, stdout=subprocess.DEVNULL)
        self.classes = sorted(p.name for p in (pictures / THEME).iterdir())
        self.pictures = {c: [(pictures / THEME / c / f"{i}.png").read_bytes() for i in range(40)] for c in self.classes}
        command = [program, "serve", "--backbone", "default", "--state", str(folder / "state"), "--http", "127.0.0.1:0"]
        command += ["--blocks", "2", "--random-features", "500", "--threads", "1", "--json"]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        self.page = json.loads(self.process.stdout.readline())["page"]
        self.address, self.token = self.page.split("#")
        self.stop = threading.Event()

    def post(self, path, body, kind="application/octet-stream"):
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        with urllib.request.urlopen(urllib.request.Request(self.address + path, body, headers)) as response:
            text = response.read()
            return json.loads(text) if text else None

    def examples(self, classes, count):
        for name, i in itertools.product(classes, range(count)):
            self.post("v1/examples?label=" + urllib.request.quote(name), self.pictures[name][i])

    def camera(self):
        """Six frames a second, of pictures that are never labelled."""
        for i in itertools.cycle(range(40 - HELD_BACK, 40)):
            for name in self.classes:
                if self.stop.wait(1 / 6):
                    return
                self.post("v1/frames", self.pictures[name][i])

    def end(self):
        self.stop.set()
        self.process.terminate()
        assert self.process.wait(timeout=20) == 0


def learn(page, task):
    page.fill("#task", task)
    page.click("#learn")
    expect(page.locator("#stage")).to_contain_text(task)
    expect(page.locator("#commit")).to_be_visible(timeout=120_000)


def person(page, service):
    one, two, *others = service.classes
    expect(page.locator("#name")).to_have_text("nothing known yet", timeout=10_000)
    expect(page.locator("#learn")).to_be_disabled()

    # A frame is chosen, labelled by hand, and the label taken back.
    page.locator("#recent button").nth(2).click()
    expect(page.locator("#follow")).to_be_visible()
    page.fill("#label", "<b id=markup>cup</b>")
    page.locator("#label-form button", has_text="Label").click()
    expect(page.locator("#waiting")).to_contain_text("<b id=markup>cup</b> 1")
    expect(page.locator("#label")).to_have_value("")
    expect(page.locator("#recent .tag", has_text="<b id=markup>cup</b>")).to_have_count(1)
    assert page.locator("#markup").count() == 0, "a label became markup"
    page.click("#undo")
    expect(page.locator("#waiting")).to_contain_text("Nothing waits.")
    page.click("#follow")

    # Two classes are learned and kept.
    service.examples([one, two], 20)
    expect(page.locator("#waiting")).to_contain_text(f"{one} 20")
    learn(page, "first day")
    expect(page.locator("#tasks .empty")).to_be_visible()
    page.click("#commit")
    expect(page.locator("#tasks")).to_contain_text("first day")
    expect(page.locator("#waiting")).to_contain_text("Nothing waits.")
    expect(page.locator("#best .bar")).to_have_count(2)

    # Two more are learned and taken back: they wait again, and are kept then.
    service.examples(others, 20)
    expect(page.locator("#waiting")).to_contain_text(f"{others[0]} 20")
    learn(page, "second day")
    page.click("#rollback")
    expect(page.locator("#events")).to_contain_text("taken back: second day")
    expect(page.locator("#waiting")).to_contain_text(f"{others[0]} 20")
    expect(page.locator("#tasks")).not_to_contain_text("second day")
    learn(page, "second day")
    page.click("#commit")
    expect(page.locator("#tasks")).to_contain_text("second day")
    page.wait_for_timeout(8_000)
    named = [text for text in page.locator("#recent .what").all_inner_texts() if text in service.classes]
    assert len(set(named)) >= 5, f"{len(service.classes)} kinds of pictures are shown, and these are named: {named}"

    # What is plotted is a line of many seconds.
    lines = page.locator("#plots .line")
    expect(lines).to_have_count(4)
    for i in range(4):
        path = lines.nth(i).get_attribute("d")
        assert path.count("L") > 3 and "NaN" not in path, path
    assert page.locator("#plots .learning").count() > 0
    # A label that is a click.
    page.locator("#recent button").nth(0).click()
    page.locator("#quick button", has_text=two).click()
    expect(page.locator("#waiting")).to_contain_text(f"{two} 1")
    page.click("#follow")


def forget(page, service):
    page.on("dialog", lambda dialog: dialog.accept())
    name = service.classes[0]
    page.click(f"#tasks button[aria-label='Forget {name}']")
    expect(page.locator("#events")).to_contain_text("forgotten")
    expect(page.locator("#tasks")).not_to_contain_text(name)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--chromium", default="/usr/bin/chromium")
    parser.add_argument("--screenshot", type=pathlib.Path)
    args = parser.parse_args()
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    program = str(pathlib.Path(args.program).resolve())
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        service = Service(program, pathlib.Path(folder))
        threading.Thread(target=service.camera, daemon=True).start()
        browser = playwright.chromium.launch(executable_path=args.chromium, args=flags)
        try:
            stranger = browser.new_page()
            stranger.goto(service.address)
            expect(stranger.locator("#trouble")).to_contain_text("Bearer")
            stranger.close()

            said = []
            page = browser.new_page(viewport={"width": 1240, "height": 1180}, device_scale_factor=1)
            page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
            page.on("pageerror", lambda error: said.append(str(error)))
            page.goto(service.page)
            assert service.token not in page.evaluate("location.href"), "the token stays in the address"
            person(page, service)
            if args.screenshot:
                page.wait_for_timeout(20_000)
                page.screenshot(path=args.screenshot, full_page=True, type="jpeg", quality=80)
            forget(page, service)
            page.set_viewport_size({"width": 390, "height": 800})
            wide = page.evaluate("document.documentElement.scrollWidth")
            assert wide <= 390, f"on a telephone the page is {wide} pixels wide"
            # A frame that is let go of between two requests is no fault.
            wrong = [text for text in said if "404" not in text]
            assert not wrong, wrong
        finally:
            browser.close()
            service.end()
    print("ok")


if __name__ == "__main__":
    main()

"""The page at /graphql in a real browser: a machine's whole life, and what a careful person looks for."""

from __future__ import annotations

import base64
import html
import json
import os
import re
import subprocess
from collections.abc import AsyncIterator

import pytest
from playwright.async_api import Browser, expect

from tests.support.browser import NARROW, Visit, chromium, visiting
from tests.support.product import EMAIL, PASSWORD, ROOT, Product
from tests.system.life import serving

TOKEN = "infinibay:token"
PICTURE = ROOT / "docs" / "pictures" / "graphiql.png"
# Of the full range from black to white, on average: other ids and fonts drawn a little otherwise stay far below it.
LIKE = 0.01


@pytest.fixture(scope="module")
async def product() -> AsyncIterator[Product]:
    async with serving() as made:
        made.departments = {one["id"] for one in (await made.ask("{ departments { id } }"))["departments"]}
        yield made


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture
async def visit(browser: Browser, product: Product) -> AsyncIterator[Visit]:
    """The page, open, in a fresh profile. It must have asked nobody else and complained about nothing."""
    async with visiting(browser, product.url) as opened:
        await opened.open()
        yield opened
        assert opened.elsewhere() == []
        assert opened.complaints == []


async def logged_in(visit: Visit) -> None:
    await visit.log_in(EMAIL, PASSWORD)
    await expect(visit.page.get_by_label("Logged in as")).to_have_text(f"{EMAIL} SUPER_ADMIN")


async def test_a_machine_from_its_plan_to_its_end(visit: Visit, product: Product) -> None:
    await logged_in(visit)
    await visit.open_example("Plan a machine")
    await visit.run()
    await visit.sees('"valid"')
    await visit.open_example("Create a machine")
    await visit.run()
    await visit.sees('"building"')
    (machine,) = (await product.ask("{ machines { id name } }"))["machines"]
    assert machine["name"] == "first"
    await visit.open_example("Watch status")
    await visit.run()
    await visit.sees('"running"')
    await visit.sees(machine["id"].split("-")[0])
    await visit.open_example("Destroy")
    await visit.run()
    await visit.sees('"destroyMachine"')
    assert (await product.ask("{ machines { id } }"))["machines"] == []
    assert product.leftovers(machine["id"]) == []
    kept = await visit.stored()
    assert list(kept["session"]) == [TOKEN]
    assert {**kept, "session": {}} == {"local": {}, "session": {}, "databases": [], "cookies": 0}


async def test_the_picture_in_the_readme_shows_the_page(visit: Visit, product: Product, browser: Browser) -> None:
    """`REGENERATE_PICTURES=1` takes it anew; the difference is then for a person to judge."""
    await logged_in(visit)
    await visit.open_example("Create a machine")
    await visit.run()
    await visit.sees('"building"')
    await visit.open_example("Watch status")
    await visit.run()
    await visit.sees('"running"')
    await visit.open_example("List machines")
    await visit.run()
    await visit.sees('"running"')
    await visit.page.mouse.move(0, 0)
    await visit.page.evaluate("document.activeElement.blur()")
    seen = await visit.page.screenshot(animations="disabled", caret="hide")
    (machine,) = (await product.ask("{ machines { id } }"))["machines"]
    assert (await product.verb("destroyMachine", machine["id"]))["success"]
    if os.environ.get("REGENERATE_PICTURES") == "1":
        PICTURE.write_bytes(seen)
    assert len(PICTURE.read_bytes()) < 300_000
    assert f"({PICTURE.relative_to(ROOT)})" in (ROOT / "README.md").read_text()
    assert await _difference(browser, PICTURE.read_bytes(), seen) < LIKE


async def _difference(browser: Browser, *pictures: bytes) -> float:
    """How far two pictures of the same size differ on average, from 0 to 1."""
    page = await browser.new_page()
    try:
        difference: float = await page.evaluate(
            """async (pictures) => {
              const [one, other] = await Promise.all(pictures.map(async (picture) => {
                const bytes = Uint8Array.from(atob(picture), (letter) => letter.charCodeAt(0));
                const bitmap = await createImageBitmap(new Blob([bytes]));
                const context = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d");
                context.drawImage(bitmap, 0, 0);
                return context.getImageData(0, 0, bitmap.width, bitmap.height);
              }));
              if (one.width !== other.width || one.height !== other.height) return 1;
              let sum = 0;
              for (let place = 0; place < one.data.length; place += 1) {
                sum += Math.abs(one.data[place] - other.data[place]);
              }
              return sum / one.data.length / 255;
            }""",
            [base64.b64encode(picture).decode() for picture in pictures],
        )
        return difference
    finally:
        await page.close()


async def test_the_documentation_explorer_and_history(visit: Visit) -> None:
    await visit.open_example("List machines")
    await visit.run()
    await visit.sees('"UNAUTHENTICATED"')
    for name, text in (
        ("Documentation Explorer", "Query"),
        ("GraphiQL Explorer", "planMachine"),
        ("History", "ListMachines"),
    ):
        await visit.page.get_by_role("button", name=f"Show {name}").click()
        await expect(visit.page.locator(".graphiql-plugin")).to_contain_text(text)


async def test_a_wrong_password_is_told_and_leaves_nothing(visit: Visit) -> None:
    await visit.log_in(EMAIL, "wrong password")
    await expect(visit.note).to_have_text("Invalid credentials")
    await expect(visit.page.get_by_label("Password")).to_be_focused()
    assert (await visit.stored())["session"] == {}
    await logged_in(visit)
    await expect(visit.note).to_be_empty()


async def test_a_session_lasts_over_a_reload_and_ends_with_the_logout(visit: Visit, product: Product) -> None:
    await logged_in(visit)
    await visit.page.reload()
    await expect(visit.page.get_by_label("Logged in as")).to_have_text(f"{EMAIL} SUPER_ADMIN")
    token = (await visit.stored())["session"][TOKEN]
    await visit.open_example("Create a machine")
    await visit.page.get_by_role("button", name="Log out").click()
    await expect(visit.page.get_by_label("Password")).to_be_empty()
    refused = await product.post("{ machines { id } }", token=token)
    assert refused["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
    # The page has started anew.
    await expect(visit.page.get_by_role("tab")).to_have_text(["ListMachines"])
    assert (await visit.stored())["session"] == {}


async def test_a_session_that_ended_elsewhere_is_noticed(visit: Visit, product: Product) -> None:
    await logged_in(visit)
    await product.ask("mutation { logout }", token=(await visit.stored())["session"][TOKEN])
    await visit.run()
    await expect(visit.note).to_have_text("Your session has ended. Log in again.")
    await expect(visit.page.get_by_label("E-mail")).to_be_visible()
    assert (await visit.stored())["session"] == {}


async def test_only_the_theme_is_kept(visit: Visit) -> None:
    await visit.page.get_by_role("button", name="Open settings dialog").click()
    await visit.page.get_by_role("button", name="Dark").click()
    await visit.page.reload()
    await expect(visit.page.locator("body.graphiql-dark")).to_be_visible()
    assert (await visit.stored())["local"] == {"graphiql:theme": "dark"}


async def test_everything_is_reached_by_keyboard(visit: Visit) -> None:
    keyboard = visit.page.keyboard
    await keyboard.press("Tab")
    await expect(visit.page.get_by_label("E-mail")).to_be_focused()
    await keyboard.type(EMAIL)
    await keyboard.press("Tab")
    await keyboard.type(PASSWORD)
    await keyboard.press("Enter")
    await expect(visit.page.get_by_label("Logged in as")).to_be_visible()
    met: list[str] = []
    while not met or met[-1] not in met[:-1]:
        await keyboard.press("Tab")
        met.append(
            await visit.page.evaluate(
                "document.activeElement.ariaLabel || document.activeElement.innerText.split('\\n')[0] || 'none'"
            )
        )
    wanted = {"Log out", "Show History", "Create a machine", "ListMachines", "Execute query (Ctrl-Enter)", "Variables"}
    assert wanted - set(met) == set(), met
    await visit.page.locator(".graphiql-query-editor .monaco-editor textarea").focus()
    await keyboard.press("Tab")
    await expect(visit.page.locator(".graphiql-query-editor .monaco-editor textarea")).not_to_be_focused()


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_overflows_on_a_narrow_screen(browser: Browser, product: Product, scheme: str) -> None:
    async with visiting(browser, product.url, viewport=NARROW, color_scheme=scheme) as visit:
        await visit.open()
        await _fits(visit)
        await visit.log_in(EMAIL, "wrong password")
        await expect(visit.note).not_to_be_empty()
        await _fits(visit)
        await logged_in(visit)
        await visit.open_example("Plan a machine")
        await visit.run()
        await visit.sees('"valid"')
        await _fits(visit)
        for name in ("Examples", "GraphiQL Explorer", "Documentation Explorer", "History"):
            await visit.page.get_by_role("button", name=f"Show {name}").click()
            await _fits(visit)
        await visit.page.get_by_role("button", name="Open settings dialog").click()
        await _fits(visit)
        assert (visit.elsewhere(), visit.complaints) == ([], [])


async def _fits(visit: Visit) -> None:
    """The page is as wide as the screen, and every button, tab and field lies within it."""
    width, outside = await visit.page.evaluate(
        """() => [document.documentElement.scrollWidth, [...document.querySelectorAll("button, input")]
          .filter((one) => one.checkVisibility({ opacityProperty: true }) && !one.closest("[style*='-1000px']"))
          .filter((one) => one.getBoundingClientRect().left < 0 || one.getBoundingClientRect().right > innerWidth)
          .map((one) => one.ariaLabel || one.innerText)]"""
    )
    assert (width, outside) == (NARROW["width"], [])


async def test_without_javascript_it_says_what_it_is_and_how_to_use_it(browser: Browser, product: Product) -> None:
    async with visiting(browser, product.url, java_script_enabled=False, viewport=NARROW) as visit:
        await visit.page.goto(f"{product.url}/graphql")
        await expect(visit.page.get_by_text("This is the GraphQL interface")).to_be_visible()
        box = await visit.page.locator("main").bounding_box()
        commands = [html.unescape(text) for text in await visit.page.locator("pre").all_inner_texts()]
    assert box is not None
    assert box["width"] <= NARROW["width"]
    token = _answer(commands[0], product, YOU=EMAIL, PASSWORD=PASSWORD)["login"]["token"]
    assert list(_answer(commands[1], product, TOKEN=token)) == ["machines"]


def _answer(command: str, product: Product, **known: str) -> dict[str, dict[str, str]]:
    """The data that a command of the page gets, with what a person puts in."""
    for word, value in {"http://127.0.0.1:4000": product.url, **known}.items():
        command = re.sub(rf"{word}\b", value, command, count=1)
    done = subprocess.run(["bash", "-euc", command], capture_output=True, text=True, check=True)
    answer: dict[str, dict[str, str]] = json.loads(done.stdout)["data"]
    return answer

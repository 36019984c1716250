"""A real browser on the page at /graphql, used as a person uses it, and watched for what it must not do."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from playwright.async_api import Browser, BrowserContext, Locator, Page, WebSocket, async_playwright, expect

_PROGRAM = "/usr/bin/chromium"
_FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--font-render-hinting=none"),
]
WIDE = {"width": 1280, "height": 800}
NARROW = {"width": 360, "height": 740}
# A busy machine takes its time to start the editors.
_MILLISECONDS = 30_000


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """The distribution's Chromium without a window."""
    async with async_playwright() as driver:
        browser = await driver.chromium.launch(executable_path=_PROGRAM, args=_FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


class Visit:
    """An open page. `asked` has the addresses of all its requests, `complaints` what its console said."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.context.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", self._note_socket)
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def _note_socket(self, socket: WebSocket) -> None:
        self.asked.append(socket.url)

    @property
    def note(self) -> Locator:
        """The sentence for the person in the header."""
        return self.page.get_by_role("banner").get_by_role("alert")

    def elsewhere(self) -> list[str]:
        """The requests that left the server, whose pictures and fonts inside of files are none."""
        own = (f"{self.url}/", f"{self.url.replace('http', 'ws', 1)}/graphql", "data:")
        return [address for address in self.asked if not address.startswith(own)]

    async def open(self) -> None:
        await self.page.goto(f"{self.url}/graphql")
        await expect(self.page.locator(".graphiql-query-editor .monaco-editor").first).to_be_visible()

    async def log_in(self, email: str, password: str) -> None:
        await self.page.get_by_label("E-mail").fill(email)
        await self.page.get_by_label("Password").fill(password)
        await self.page.get_by_role("button", name="Log in", exact=True).click()

    async def open_example(self, title: str) -> None:
        """Opens a saved query, by way of its panel, and returns when the page has taken it up."""
        panel = self.page.get_by_role("region", name="Examples")
        if not await panel.is_visible():
            await self.page.get_by_role("button", name="Show Examples").click()
        button = panel.get_by_role("button").filter(has=self.page.get_by_text(title, exact=True))
        await expect(button).to_be_enabled()
        await button.click()
        name = "".join(word.capitalize() for word in title.split() if word != "a")
        await expect(self.page.get_by_role("tab", selected=True)).to_contain_text(name)

    async def run(self) -> None:
        """Runs the query of the open tab."""
        await self.page.get_by_role("button", name="Execute query").click()

    async def sees(self, text: str) -> None:
        """Waits until the answer shows the text; it is one word of JSON, as the editor draws blanks in its own way."""
        await expect(self.page.locator(".graphiql-response")).to_contain_text(text)

    async def stored(self) -> dict[str, Any]:
        """Everything that the browser keeps for the page: storages by name, and the number of cookies."""
        kept: dict[str, Any] = await self.page.evaluate(
            """async () => ({
              local: { ...localStorage }, session: { ...sessionStorage }, databases: await indexedDB.databases() })"""
        )
        return {**kept, "cookies": len(await self.page.context.cookies())}


@asynccontextmanager
async def visiting(browser: Browser, url: str, **how: Any) -> AsyncIterator[Visit]:
    """A fresh profile with one page on the server; `how` goes to the profile, which is wide unless told otherwise."""
    context: BrowserContext = await browser.new_context(**{"viewport": WIDE, **how})
    context.set_default_timeout(_MILLISECONDS)
    expect.set_options(timeout=_MILLISECONDS)
    try:
        yield Visit(await context.new_page(), url)
    finally:
        await context.close()

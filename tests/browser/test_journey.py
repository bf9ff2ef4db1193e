"""What a household does from the first visit to a renewed number, by looking, clicking and typing only."""

import datetime
import io
import re
from zoneinfo import ZoneInfo

import pytest
from babel.dates import format_date
from PIL import Image
from playwright.sync_api import expect

from tests.app import wait_until
from tests.smtp import SmtpServer

pytestmark = pytest.mark.browser

HAVANA = ZoneInfo("America/Havana")
EMAIL, PASSWORD = "lucia@example.org", "a sentence that nobody guesses"
STEPS = ["balance", "validity", "documents", "visit", "sign_in", "choose", "pay", "confirm"]


class Visitor:
    """Somebody at a page, who finds the one main button and the fields by their names, in whatever language."""

    def __init__(self, page, language="en"):
        self.page, self.language = page, language
        self.locale = {"en": "en", "zh-Hans": "zh_Hans_CN"}[language]
        self.today = datetime.datetime.now(HAVANA).date()

    def open(self, url):
        self.page.goto(url)
        self.look()

    def look(self):
        """What must hold on every page of the journey."""
        expect(self.page.locator("html")).to_have_attribute("lang", self.language)
        assert "{{" not in self.page.content()
        assert not scrolls_sideways(self.page), self.page.url
        assert self.page.locator("main .main:visible").count() <= 1, f"{self.page.url} has two main buttons"

    def arrive(self, path):
        expect(self.page).to_have_url(re.compile(path + "$"))
        self.look()

    def click(self, selector):
        self.page.locator(selector).click()

    def fill(self, **fields):
        for name, value in fields.items():
            field = self.page.locator(f"main [name={name}]")
            if field.evaluate("field => field.tagName") == "SELECT":
                field.select_option(value)
            else:
                field.fill(str(value))

    def send(self):
        self.click("main form button.main")

    def day(self, date):
        return format_date(date, "full", locale=self.locale)


def scrolls_sideways(page):
    return page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")


def found_household(visitor, url):
    visitor.open(url)
    visitor.arrive("/setup/")
    codes = {"en": "en", "zh-Hans": "zh-hans"}
    expect(visitor.page.locator("main [name=language]")).to_have_value(codes[visitor.language])
    visitor.fill(household="Chen family", name="Lucía", email=EMAIL, password=PASSWORD, time_zone="America/Havana")
    visitor.send()
    visitor.arrive(r"\d/")


def add_card(visitor, number, name, valid_until):
    """From the dashboard: the number, the form with the operator guessed, the one thing that makes it live."""
    visitor.click("main a[href='/cards/new/']")
    visitor.arrive("/cards/new/")
    visitor.fill(number=number)
    visitor.send()
    visitor.look()
    chosen = visitor.page.locator("[name=plan] option:checked")
    expect(chosen).to_have_text(re.compile("Permanent prepaid line"))
    assert "Cubacel" in chosen.evaluate("option => option.parentElement.label")
    visitor.fill(name=name, new_person=f"Rosa {name}", location="blue phone")
    visitor.send()
    visitor.arrive(r"/cards/\d+/start/")
    visitor.fill(valid_until=valid_until)
    visitor.send()
    visitor.arrive(r"/cards/\d+/")
    expect(visitor.page.locator("main svg.life")).to_have_attribute("aria-label", re.compile(visitor.day(valid_until)))


def renew(visitor, receipt, valid_until):
    """From the card's page through all eight steps to the record."""
    page = visitor.page
    visitor.send()
    for position, key in enumerate(STEPS, 1):
        visitor.arrive(rf"/renewals/\d+/{key}/")
        expect(page.locator(".steps .done")).to_have_count(position - 1)
        expect(page.locator(".steps .now span").first).to_have_text(str(position))
        if key == "balance":
            expect(page.locator("main a[href='tel:*222%23']")).to_be_visible()
            visitor.fill(balance="320")
        elif key == "validity":
            expect(page.locator("[name=valid_until]")).not_to_have_value("")
        elif key == "documents":
            add_paper(visitor)
        elif key == "visit":
            expect(page.locator("main")).to_contain_text("blue phone")
        elif key == "choose":
            page.locator("[name=option]").first.check()
        elif key == "pay":
            expect(page.locator("[name=amount]")).to_have_value(re.compile("^100"))
            visitor.fill(method="e_wallet", reference="88231")
            page.locator("[name=receipt]").set_input_files(receipt)
        elif key == "confirm":
            visitor.fill(valid_until=valid_until)
        visitor.send()
    visitor.arrive(r"/renewals/\d+/")


def add_paper(visitor):
    """No paper is there yet: write one down and come back to the step."""
    visitor.send()
    expect(visitor.page.locator(".errorlist").first).to_be_visible()
    visitor.look()
    visitor.click("main a[href^='/documents/new/']")
    visitor.arrive("documents/")
    visitor.fill(kind="identity_card", issued_by="Cuba", expires_on=visitor.today + datetime.timedelta(days=2000))
    visitor.send()
    visitor.arrive(r"/renewals/\d+/documents/")
    expect(visitor.page.locator("[name=identity_card]")).not_to_have_value("")


def check_record(visitor, before, after):
    record = visitor.page.locator("main")
    for text in (visitor.day(before), visitor.day(after), "Lucía", "320 CUP", "100 CUP", "88231", "Cubacel"):
        expect(record).to_contain_text(text)
    expect(record.locator("ol.hist li")).to_have_count(len(STEPS))
    expect(record.locator("ol.hist li time", has_text=re.compile(r"\d\d"))).to_have_count(len(STEPS))
    expect(record.locator("a[href$='/receipt/']")).to_be_visible()
    expect(record.locator(".chip.renewed")).to_be_visible()


@pytest.fixture
def receipt(tmp_path):
    picture = io.BytesIO()
    Image.new("RGB", (8, 8), "white").save(picture, "PNG")
    path = tmp_path / "receipt.png"
    path.write_bytes(picture.getvalue())
    return path


@pytest.mark.parametrize(
    ("width", "javascript", "locale", "language"),
    [(1280, True, "en-GB", "en"), (320, False, "en", "en"), (320, True, "zh-CN", "zh-Hans")],
    ids=["javascript", "no-javascript", "chinese-phone"],
)
def test_journey_leads_from_nothing_to_a_renewed_number(
    start_server, page_at, receipt, width, javascript, locale, language
):
    server = start_server()
    visitor = Visitor(page_at(width, javascript=javascript, locale=locale), language)
    page = visitor.page
    before, after = (visitor.today + datetime.timedelta(days=days) for days in (3, 330))
    found_household(visitor, server.url)
    add_card(visitor, "+53 5 234 5678", "Mamá", before)
    renew(visitor, receipt, after)
    check_record(visitor, before, after)

    visitor.click("nav a[href='/']")
    visitor.arrive(r"\d/")
    row = page.locator(".row")
    expect(row).to_contain_text("Mamá")
    expect(row.locator("svg.life")).to_have_attribute("aria-label", re.compile(visitor.day(after)))
    expect(row.locator(".left")).to_have_class("left active")
    expect(page.locator(".next .days")).to_contain_text("330")
    with page.expect_download() as download:
        page.go_back()
        page.locator("a[href$='/receipt/']").click()
    assert download.value.path().read_bytes() == receipt.read_bytes()


def test_journey_goes_on_from_the_link_of_a_reminder(start_server, page_at):
    mail = SmtpServer()
    mail.start()
    try:
        server = start_server(EMAIL_URL=mail.url)
        visitor = Visitor(page_at(320))
        found_household(visitor, server.url)
        add_card(visitor, "+53 5 234 5678", "Mamá", visitor.today + datetime.timedelta(days=300))
        visitor.click("nav a[href='/']")
        add_card(visitor, "+53 5 987 1122", "Abuela", visitor.today + datetime.timedelta(days=3))
        card = visitor.page.url
        # Mail goes out from midnight on, so that it is due at whatever hour the tests run.
        visitor.click("nav a[href='/settings/']")
        visitor.arrive("/settings/")
        visitor.fill(remind_at="00:00")
        visitor.click("main form:has([name=remind_at]) button.main")
        expect(visitor.page.locator(".messages .success")).to_be_visible()

        assert "1 due, 1 sent, 0 failed" in server.manage("send_reminders")
        [message] = wait_until(lambda: mail.messages, "the mail")
    finally:
        mail.stop()
    assert message.recipients == [EMAIL]
    assert "Abuela" in message["Subject"]
    text = message.get_body("plain").get_content()
    assert "Mamá" not in text.split("\n-- ")[0].split("The next mail")[0]
    link = re.findall(r"http\S+/cards/\d+/", text)[0]

    reader = Visitor(page_at(320))
    reader.open(link)
    reader.arrive(r"/accounts/login/\?next=.*")
    reader.fill(login=EMAIL, password=PASSWORD)
    reader.send()
    expect(reader.page).to_have_url(card)
    reader.look()
    expect(reader.page.locator("h1")).to_contain_text("Abuela")
    reader.send()
    reader.arrive(r"/renewals/\d+/balance/")


def test_journey_takes_an_operator_that_nobody_listed(start_server, page_at):
    server = start_server()
    visitor = Visitor(page_at(320))
    found_household(visitor, server.url)
    visitor.click("main a[href='/cards/new/']")
    visitor.fill(number="+355 67 212 3456")
    visitor.send()
    visitor.fill(name="Tirana")
    visitor.send()
    expect(visitor.page.locator(".field:has([name=plan]) .errorlist")).to_be_visible()
    expect(visitor.page.locator("[name=name]")).to_have_value("Tirana")
    visitor.click("main summary")
    visitor.fill(**{"own-operator": "One Albania", "own-kind": "top_up", "own-value": 6, "own-unit": "months"})
    visitor.look()
    visitor.send()
    visitor.arrive(r"/cards/\d+/start/")
    expect(visitor.page.locator("main")).to_contain_text("6 months")
    visitor.fill(valid_until=visitor.today + datetime.timedelta(days=100))
    visitor.send()
    visitor.arrive(r"/cards/\d+/")
    expect(visitor.page.locator("main")).to_contain_text("One Albania")

"""Random operators and plans, as the catalogue's files would have them."""

import datetime
import string

from hypothesis import strategies as st

from cards.catalogue.forms import DOCUMENT_KINDS, SOURCE_KINDS
from cards.models import Act, Feature, KeepRule, PaidFrom, Plan, TopUpChannel, Unit

CURRENCIES = ["CUP", "USD", "CNY", "EUR"]


def texts(longest=40):
    """Text with everything that a page, YAML or a spreadsheet could trip over; never blank."""
    awkward = st.sampled_from("\n\t'\"=+-@;,:#{}[]&*!|>%?\\\x07\x85\u2028\ufeffñ保😀")
    anything = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    filled = st.lists(awkward | st.sampled_from(string.ascii_letters) | anything, min_size=1, max_size=longest)
    return filled.map("".join).filter(str.strip)


def or_unknown(values):
    return st.none() | values


def numbers(least=0, most=3000):
    return st.integers(least, most)


def amounts(least=0):
    return st.integers(least, 10**12 - 1).map(lambda cents: cents / 100)


def listed(names):
    return st.lists(st.sampled_from(list(names)), unique=True)


slugs = st.text(string.ascii_lowercase + string.digits + "-_", min_size=1, max_size=40)
# Facts are checked on a day that has come; none comes back from a table that was checked on a later one.
days = st.dates(datetime.date(1990, 1, 1), datetime.date(2026, 11, 1)).map(datetime.date.isoformat)
units = st.sampled_from(Unit.values)
yes_or_no = st.none() | st.booleans()
addresses = st.sampled_from(["https://acme.example/a?b=1", "http://acme.example"])
sources = st.fixed_dictionaries(
    {
        "url": texts(),
        "kind": st.sampled_from(SOURCE_KINDS),
        "date": or_unknown(st.sampled_from(["2026", "2026-09", "2026-09-16"])),
        "read": st.booleans(),
    }
)
steps = st.fixed_dictionaries(
    {
        "minimum_amount": or_unknown(amounts(1)),
        "currency": st.sampled_from(CURRENCIES),
        "channel": st.sampled_from(PaidFrom.values),
        "value": numbers(1),
        "unit": units,
    }
)
ladders = st.lists(
    steps, max_size=4, unique_by=lambda step: (step["minimum_amount"], step["currency"], step["channel"])
)


@st.composite
def rules(draw):
    buffer = draw(numbers(0, 60))
    return {
        "kind": draw(st.sampled_from(KeepRule.Kind.values)),
        "value": draw(numbers(1)),
        "unit": draw(units),
        "counts_from": draw(st.sampled_from(KeepRule.CountsFrom.values)),
        "stack_limit_days": draw(or_unknown(numbers(1))),
        "qualifying_acts": draw(listed(Act.values).filter(bool)),
        "grace_value": draw(or_unknown(numbers())),
        "grace_unit": draw(units),
        "grace_acts": draw(listed(Act.values)),
        "grace_receives": draw(yes_or_no),
        "recovery_value": draw(or_unknown(numbers())),
        "recovery_unit": draw(units),
        "life_limit_days": draw(or_unknown(numbers(1))),
        "lead_days": buffer + draw(numbers(0, 60)),
        "buffer_days": buffer,
        "steps": draw(ladders),
    }


@st.composite
def plans(draw, operator="acme"):
    fee, period = draw(or_unknown(amounts())), draw(or_unknown(numbers(1)))
    return {
        "operator": operator,
        "slug": draw(slugs),
        "name": draw(texts()),
        "type": draw(st.sampled_from(Plan.Type.values)),
        "fee": fee,
        "currency": draw(st.sampled_from(CURRENCIES)) if fee is not None else None,
        "period_value": period,
        "period_unit": draw(units) if period else None,
        "data_mb": draw(or_unknown(numbers(0, 10**6))),
        "voice_minutes": draw(or_unknown(numbers())),
        "sms_count": draw(or_unknown(numbers())),
        "features": draw(listed(Feature.values)),
        "extras": draw(or_unknown(texts(200))),
        "receives_abroad": draw(yes_or_no),
        "port_out_days": draw(or_unknown(numbers())),
        "refund_days": draw(or_unknown(numbers())),
        "confidence": draw(st.sampled_from(["high", "medium", "low"])),
        "confidence_reason": draw(or_unknown(texts())),
        "source": draw(or_unknown(texts())),
        "checked": draw(or_unknown(days)),
        "sources": draw(st.lists(sources, max_size=3)),
        "rules": draw(st.lists(rules(), min_size=1, max_size=3)),
    }


@st.composite
def operators(draw):
    channels = st.fixed_dictionaries(
        {"kind": st.sampled_from(TopUpChannel.Kind.values), "name": texts(), "url": or_unknown(addresses)}
    )
    return {
        "slug": draw(slugs),
        "name": draw(texts()),
        "belongs_to": None,
        "country": draw(st.sampled_from([None, "CU", "NO"])),
        "website": draw(or_unknown(addresses)),
        "account_url": draw(or_unknown(addresses)),
        "password_reset_url": None,
        "app_url": None,
        "app_name": draw(or_unknown(texts())),
        "balance_code": draw(st.sampled_from([None, "*222#", "=1"])),
        "validity_code": None,
        "support": draw(or_unknown(texts())),
        "requires_document": draw(yes_or_no),
        "document_kinds": draw(listed(DOCUMENT_KINDS)),
        "review_hours": draw(or_unknown(numbers())),
        "service_rating": draw(or_unknown(numbers(1, 5))),
        "source_url": draw(or_unknown(texts())),
        "checked_on": draw(or_unknown(days)),
        "channels": draw(st.lists(channels, max_size=3, unique_by=lambda channel: channel["name"].strip())),
    }

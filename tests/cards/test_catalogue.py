import datetime
from decimal import Decimal
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from cards.catalogue import CATALOGUE, CatalogueError, Loaded, load_catalogue
from cards.models import Card, Household, KeepRule, Operator, Plan, StepGuide, TopUpChannel

from .acme import GOOD, change, contents

pytestmark = pytest.mark.django_db

SHARED = [
    "cu-cubacel-permanent", "cu-cubacel-tur-plus", "gb-giffgaff-payg", "gb-lebara-payg",
    "gb-three-payg", "gb-ee-payg", "gb-o2-classic-payg", "gb-voxi", "gb-1pmobile-payg",
    "gb-cmlink-duck", "gb-ctexcel", "hk-clubsim", "hk-cmhk-mysim", "hk-sosim", "hk-3hk-diy",
    "hk-luckysim", "us-tello-payg", "us-ultra-paygo", "us-redpocket-annual", "us-redpocket-ebay",
    "us-tmobile-connect", "us-google-voice", "cn-chinamobile-8", "cn-unicom-8", "cn-telecom-5",
    "cn-chinamobile-suspend", "cn-unicom-suspend", "ee-telia-super", "ee-esimgg", "de-aldi-talk",
    "de-callya-classic", "es-movistar-prepago", "es-vodafone-prepago", "it-tim-prepagata", "it-iliad",
    "fr-free-2eur", "nl-kpn-prepaid", "ca-speakout", "ca-publicmobile", "au-aldimobile-payg",
    "au-telstra-casual", "au-vodafone-prepaid", "nz-skinny-prepaid", "jp-povo2", "jp-his-mobile",
    "tw-fareastone", "tw-cht-ruyi", "sg-starhub-prepaid", "th-ais-one2call", "th-truemove-h",
    "ph-smart-prepaid", "ph-globe-prepaid", "mo-ct-easypass", "mo-ctm-prepaid", "my-hotlink-pantas",
]  # fmt: skip


def only_rule(slug: str) -> KeepRule:
    return KeepRule.objects.get(plan__slug=slug)


# The packaged files


def test_load_catalogue_loads_every_shared_plan() -> None:
    assert len(set(SHARED)) == 55
    loaded = load_catalogue()
    assert set(SHARED) - set(Plan.objects.values_list("slug", flat=True)) == set()
    assert loaded.created == Operator.objects.count() + Plan.objects.count()
    assert set(loaded.plans_changed) == set(Plan.objects.values_list("pk", flat=True))
    assert (loaded.updated, loaded.unchanged, loaded.kept_edited, loaded.retired, loaded.offered) == (0, 0, 0, 0, 0)
    assert loaded.guides == StepGuide.objects.count()


@pytest.mark.parametrize("slug", ["etecsa", "cubacel", "gsm-service"])
def test_the_three_operators_have_basic_package_and_special_plans(slug: str) -> None:
    load_catalogue()
    assert set(Plan.objects.filter(operator__slug=slug).values_list("type", flat=True)) == {
        "basic",
        "package",
        "special",
    }


def test_cubacel_belongs_to_etecsa_and_the_generic_operator_to_no_country() -> None:
    load_catalogue()
    assert Operator.objects.get(slug="cubacel").belongs_to == Operator.objects.get(slug="etecsa")
    assert Operator.objects.get(slug="gsm-service").country == ""
    assert not Plan.objects.filter(operator__slug="gsm-service").exclude(fee=None).exists()


def test_every_packaged_plan_says_where_it_is_from_and_how_far_to_trust_it() -> None:
    load_catalogue()
    for plan in Plan.objects.prefetch_related("rules"):
        assert plan.source_url, plan.slug
        assert plan.sources, plan.slug
        assert plan.checked_on, plan.slug
        assert plan.confidence in {"high", "medium", "low"}, plan.slug
        assert plan.confidence_reason, plan.slug
        assert plan.rules.all(), plan.slug


def test_the_shared_plans_keep_their_confidence() -> None:
    load_catalogue()
    shared = list(Plan.objects.filter(slug__in=SHARED).values_list("confidence", flat=True))
    assert {name: shared.count(name) for name in set(shared)} == {"high": 5, "medium": 41, "low": 9}


def test_a_paid_fee_always_accepts_the_fee() -> None:
    load_catalogue()
    for rule in KeepRule.objects.filter(kind="fee_paid"):
        assert "fee" in rule.qualifying_acts
        assert not rule.grace_acts or "fee" in rule.grace_acts


def test_unconfirmed_addresses_are_not_shipped() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in CATALOGUE.glob("*.yaml"))
    assert "etecsa.cu" in text
    assert "mi.etecsa.cu" not in text
    assert "mi cubacel" not in text.lower()


def test_the_cubacel_rule_is_the_cautious_one() -> None:
    load_catalogue()
    rule = only_rule("cu-cubacel-permanent")
    assert (rule.kind, rule.value, rule.unit, rule.counts_from) == ("top_up", 330, "days", "event")
    assert (rule.grace_value, rule.grace_unit, rule.grace_acts, rule.recovery_value) == (
        30,
        "days",
        ["top_up"],
        None,
    )
    assert {(step.minimum_amount, step.currency, step.channel, step.value) for step in rule.steps.all()} == {
        (Decimal(100), "CUP", "inside", 330),
        (Decimal(250), "CUP", "abroad", 330),
    }


@pytest.mark.parametrize(
    ("slug", "grace", "recovery"),
    [
        ("gb-giffgaff-payg", (0, "days"), (30, "days")),
        ("gb-ee-payg", (0, "days"), (90, "days")),
        ("gb-three-payg", (0, "days"), (None, "days")),
        ("it-tim-prepagata", (1, "months"), (11, "months")),
        ("it-iliad", (0, "days"), (12, "months")),
        ("au-vodafone-prepaid", (0, "days"), (6, "months")),
        ("gb-voxi", (None, "days"), (None, "days")),
        ("ph-smart-prepaid", (180, "days"), (None, "days")),
    ],
)
def test_grace_is_what_saves_and_recovery_what_can_be_asked_back(slug, grace, recovery) -> None:
    load_catalogue()
    rule = only_rule(slug)
    assert (rule.grace_value, rule.grace_unit) == grace
    assert (rule.recovery_value, rule.recovery_unit) == recovery


def test_a_tourist_line_ends_whatever_is_paid() -> None:
    load_catalogue()
    rule = only_rule("cu-cubacel-tur-plus")
    assert (rule.counts_from, rule.life_limit_days, rule.steps.count()) == ("expiry", 90, 0)


def test_a_chinese_fee_is_taken_from_the_balance_on_the_first_of_the_month() -> None:
    load_catalogue()
    for slug, fee in [
        ("cn-chinamobile-8", 8),
        ("cn-unicom-8", 8),
        ("cn-telecom-5", 5),
        ("cn-unicom-suspend", 5),
    ]:
        plan = Plan.objects.get(slug=slug)
        rule = plan.rules.order_by("pk")[0]
        assert (plan.fee, plan.currency, rule.kind, rule.counts_from) == (
            fee,
            "CNY",
            "fee_from_balance",
            "month_start",
        )
        assert rule.qualifying_acts == ["top_up"]


def test_a_suspended_line_receives_nothing_and_has_to_be_resumed_in_time() -> None:
    load_catalogue()
    plan = Plan.objects.get(slug="cn-chinamobile-suspend")
    assert plan.receives_abroad is False
    assert "codes do not arrive" in plan.extras
    assert [(rule.kind, rule.value, rule.unit) for rule in plan.rules.order_by("pk")] == [
        ("fee_from_balance", 1, "months"),
        ("activity", 6, "months"),
    ]


def test_an_unknown_amount_is_unknown_and_not_zero() -> None:
    load_catalogue()
    steps = only_rule("hk-cmhk-mysim").steps
    assert {(step.minimum_amount, step.value) for step in steps.all()} == {(Decimal(50), 180), (None, 30)}
    assert Plan.objects.get(slug="ca-publicmobile").fee is None
    assert not Plan.objects.filter(fee=0).exists()


def test_windows_and_features_are_known_only_where_a_source_names_them() -> None:
    load_catalogue()
    assert dict(Plan.objects.exclude(port_out_days=None).values_list("slug", "port_out_days")) == {
        "gb-giffgaff-payg": 30
    }
    assert dict(Plan.objects.exclude(refund_days=None).values_list("slug", "refund_days")) == {
        "ca-speakout": 0,
        "mo-ctm-prepaid": 0,
    }
    assert {plan.slug: plan.features for plan in Plan.objects.all() if plan.features} == {
        "gb-giffgaff-payg": ["wifi_calling"],
        "gb-o2-classic-payg": ["wifi_calling"],
        "gb-ee-payg": ["voicemail"],
        "us-tello-payg": ["wifi_calling"],
        "us-redpocket-annual": ["wifi_calling"],
        "us-redpocket-ebay": ["wifi_calling"],
    }


# A second load


def test_a_second_load_writes_nothing() -> None:
    first = load_catalogue()
    before = contents()
    with CaptureQueriesContext(connection) as queries:
        second = load_catalogue()
    assert [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))] == []
    assert second == Loaded(unchanged=first.created)
    assert contents() == before


def test_the_number_of_queries_does_not_grow_with_the_files(folder: Path) -> None:
    def reads(where: Path) -> int:
        load_catalogue(where)
        with CaptureQueriesContext(connection) as queries:
            load_catalogue(where)
        return len(queries)

    assert reads(folder) == reads(CATALOGUE)


@pytest.mark.parametrize(
    ("old", "new", "field", "value"),
    [
        ("name: Line", "name: Long line", "name", "Long line"),
        ("receives_abroad: null", "receives_abroad: false", "receives_abroad", False),
        ("fee: 2", "fee: 2.50", "fee", Decimal("2.50")),
        ("    checked: 2026-11-22", "    checked: 2026-11-30", "checked_on", datetime.date(2026, 11, 30)),
    ],
)
def test_a_changed_plan_is_updated_in_place(folder: Path, old: str, new: str, field: str, value: object) -> None:
    load_catalogue(folder)
    plan = Plan.objects.get()
    change(folder, old, new)
    loaded = load_catalogue(folder)
    assert (loaded.created, loaded.updated, loaded.unchanged) == (0, 1, 1)
    assert loaded.plans_changed == ([plan.pk] if field == "fee" else [])
    assert getattr(Plan.objects.get(pk=plan.pk), field) == value


def test_a_changed_rule_keeps_its_row(folder: Path) -> None:
    load_catalogue(folder)
    rule = KeepRule.objects.get()
    change(folder, "grace_value: 30", "grace_value: 60")
    loaded = load_catalogue(folder)
    assert loaded.plans_changed == [rule.plan_id]
    assert KeepRule.objects.get().pk == rule.pk
    assert KeepRule.objects.get().grace_value == 60


def test_a_changed_ladder_is_replaced(folder: Path) -> None:
    load_catalogue(folder)
    rule = KeepRule.objects.get()
    change(folder, "minimum_amount: 250", "minimum_amount: 300")
    assert load_catalogue(folder).plans_changed == [rule.plan_id]
    assert set(rule.steps.values_list("minimum_amount", flat=True)) == {100, 300}


def test_the_order_of_a_ladder_is_no_change(folder: Path) -> None:
    load_catalogue(folder)
    before = contents()
    lines = GOOD.splitlines(keepends=True)
    (folder / "cu.yaml").write_text("".join([*lines[:-2], lines[-1], lines[-2]]), encoding="utf-8")
    assert load_catalogue(folder).updated == 0
    assert contents() == before


def test_rules_are_added_and_taken_away(folder: Path) -> None:
    load_catalogue(folder)
    first = KeepRule.objects.get()
    second = (
        "    - {kind: activity, value: 90, unit: days, counts_from: event, qualifying_acts: [sms],"
        " grace_value: null, steps: []}\n"
    )
    (folder / "cu.yaml").write_text(GOOD + second, encoding="utf-8")
    assert load_catalogue(folder).plans_changed == [first.plan_id]
    assert set(KeepRule.objects.values_list("kind", flat=True)) == {"top_up", "activity"}
    (folder / "cu.yaml").write_text(GOOD, encoding="utf-8")
    assert load_catalogue(folder).plans_changed == [first.plan_id]
    assert KeepRule.objects.get() == first


def test_channels_become_those_of_the_file(folder: Path) -> None:
    load_catalogue(folder)
    kept = TopUpChannel.objects.get()
    change(
        folder,
        "{kind: app, name: Acme app}",
        "{kind: website, name: Acme app}\n  - {kind: outlet, name: Shop}",
    )
    loaded = load_catalogue(folder)
    assert (loaded.updated, loaded.plans_changed) == (1, [])
    assert set(TopUpChannel.objects.values_list("kind", "name")) == {
        ("website", "Acme app"),
        ("outlet", "Shop"),
    }
    assert TopUpChannel.objects.get(name="Acme app").pk == kept.pk
    change(folder, "\n  - {kind: outlet, name: Shop}", "")
    load_catalogue(folder)
    assert TopUpChannel.objects.get() == kept


def test_a_plan_is_loaded_although_its_operator_was_edited(folder: Path) -> None:
    load_catalogue(folder)
    Operator.objects.update(name="Mine", edited_at=timezone.now())
    change(folder, "name: Line", "name: Long line")
    loaded = load_catalogue(folder)
    assert (loaded.kept_edited, loaded.updated) == (1, 1)
    assert (Operator.objects.get().name, Plan.objects.get().name) == ("Mine", "Long line")


def test_a_household_s_own_rows_of_the_same_name_are_not_touched(folder: Path) -> None:
    household = Household.objects.create(name="Ours")
    operator = Operator.objects.create(household=household, slug="acme", name="Our Acme")
    plan = Plan.objects.create(household=household, operator=operator, slug="acme-line", name="Our line")
    load_catalogue(folder)
    operator.refresh_from_db()
    plan.refresh_from_db()
    assert (operator.name, plan.name, plan.operator) == ("Our Acme", "Our line", operator)
    assert Plan.objects.get(household=None).operator == Operator.objects.get(household=None)


def test_a_parent_may_stand_after_its_brand(folder: Path) -> None:
    change(folder, "  name: Acme\n", "  name: Acme\n  belongs_to: zeta\n")
    (folder / "zz.yaml").write_text(
        "version: 1\noperators:\n"
        "- {slug: zeta, name: Zeta, source_url: https://zeta.example, checked_on: 2026-11-22}\n",
        encoding="utf-8",
    )
    load_catalogue(folder)
    assert Operator.objects.get(slug="acme").belongs_to == Operator.objects.get(slug="zeta")
    assert load_catalogue(folder).unchanged == 3


# Bad files

BAD = [
    ("fee: 2\n", "fee: cheap\n", "line 18, fee: Write an amount in digits, such as 100 or 0.10."),
    ("fee: 2\n", "fee: .nan\n", "line 18, fee: Write an amount in digits, such as 100 or 0.10."),
    ("fee: 2\n", "fee: {}\n", "line 18, fee: Write one value here."),
    ("fee: 2\n", "fee: -1\n", "line 18, fee: Ensure this value is greater than or equal to 0."),
    ("fee: 2\n", "fee: 2\n    colour: red\n", "line 19, colour: There is no such field."),
    ("fee: 2\n", "fee: 2\n    fee: 3\n", "line 19, fee: This field is given twice."),
    ("    currency: CUP\n", "    currency: XXY\n", "line 19, currency: “XXY” is not a currency."),
    ("    currency: CUP\n", "    currency: cup\n", "line 19, currency: “cup” is not a currency."),
    ("    currency: CUP\n", "", "line 15, currency: A fee needs its currency."),
    ("period_value: 1\n", "period_value: 0\n", "line 20, period_value: A period is at least one day"),
    ("    period_unit: months\n", "", "line 15, period_unit: A period is a number and a unit"),
    ("period_unit: months", "period_unit: fortnights", "line 21, period_unit: Select a valid choice."),
    ("type: basic", "type: deluxe", "line 17, type: Select a valid choice."),
    ("slug: acme-line", "slug: acme line", "line 15, slug: Enter a valid “slug”"),
    ("name: Line", "name: 42", "line 16, name: Write this text in quotes."),
    ("    name: Line\n", "", "line 15, name: This field is required."),
    ("receives_abroad: null", "receives_abroad: perhaps", "line 23, receives_abroad: Write true, false"),
    ("confidence: medium", "confidence: sure", "line 24, confidence: Select a valid choice."),
    ("confidence: medium", "confidence: own", "line 24, confidence: Select a valid choice."),
    ("    source: https://acme.example/terms\n", "", "line 15, source: This field is required."),
    ("    checked: 2026-11-22", "    checked: null", "line 27, checked: This field is required."),
    (
        "    checked: 2026-11-22",
        "    checked: 2026-13-22",
        "line 27, checked: Write the day as year-month-day",
    ),
    (
        "    checked: 2026-11-22",
        "    checked: 11/22/2026",
        "line 27, checked: Write the day as year-month-day",
    ),
    ("    checked: 2026-11-22", "    checked: 20261122", "line 27, checked: Write the day as year-month-day"),
    ("    checked: 2026-11-22", "    checked: 2926-11-22", "line 27, checked: This year cannot be right."),
    ("kind: carrier", "kind: hearsay", "line 29, kind: Select a valid choice."),
    ("date: '2026-09'", "date: autumn", "line 29, date: Write a year, a month or a day"),
    ("date: '2026-09'", "date: '2026-02-30'", "line 29, date: There is no such day."),
    ("read: true", "read: null", "line 29, read: This field is required."),
    ("kind: top_up", "kind: prayer", "line 31, kind: Select a valid choice."),
    (
        "value: 330\n      unit",
        "value: 0\n      unit",
        "line 32, value: A rule keeps a number for at least one day.",
    ),
    ("value: 330\n      unit", "value: 1.5\n      unit", "line 32, value: Enter a whole number."),
    ("[top_up, plan_purchase]", "[]", "line 35, qualifying_acts: Say which acts count."),
    ("[top_up, plan_purchase]", "null", "line 35, qualifying_acts: Say which acts count."),
    ("[top_up, plan_purchase]", "[top_up, dance]", "line 35, qualifying_acts: Not known: dance."),
    ("[top_up, plan_purchase]", "top_up", "line 35, qualifying_acts: Write a list"),
    ("grace_value: 30", "grace_value: []", "line 36, grace_value: Write one value here."),
    ("grace_value: 30", "grace_value: 1:30", "line 36, grace_value: Enter a whole number."),
    ("grace_value: 30", "grace_value: -1", "line 36, grace_value: Grace cannot end before the deadline."),
    ("grace_unit: days", "grace_acts: [dance]", "line 37, grace_acts: Not known: dance."),
    ("grace_unit: days", "lead_days: 3", "line 37, lead_days: The lead cannot be shorter than the buffer."),
    ("grace_unit: days", "life_limit_days: 0", "line 37, life_limit_days: A limit is at least one day"),
    ("minimum_amount: 250", "minimum_amount: 0", "line 40, minimum_amount: Ensure this value"),
    (
        "250, currency: CUP, channel: abroad",
        "100.00, currency: CUP, channel: inside",
        "line 40, minimum_amount: The ladder",
    ),
    ("channel: abroad", "channel: moon", "line 40, channel: Select a valid choice."),
    ("inside, value: 330", "inside, value: 0", "line 39, value: A step keeps a number for at least one day."),
    ("website: https://acme.example\n", "website: acme\n", "line 6, website: Enter a valid URL."),
    (
        "website: https://acme.example\n",
        "website: 'javascript:alert(1)'\n",
        "line 6, website: Enter a valid URL.",
    ),
    ("country: CU", "country: cuba", "line 5, country: Ensure this value has at most 2"),
    ("country: CU", "country: cu", "line 5, country: Write the country's ISO code"),
    ("country: CU", "country: 53", "line 5, country: Write this text in quotes."),
    ("requires_document: true", "requires_document: 'true'", "line 8, requires_document: Write true, false"),
    ("[passport]", "[library_card]", "line 9, document_kinds: Not known: library_card."),
    ("kind: app", "kind: pigeon", "line 11, kind: Select a valid choice."),
    ("  - {kind: app, name: Acme app}", "  - Acme app", "line 10, channels: Each entry of this list"),
    (
        "  - {kind: app, name: Acme app}\n",
        "  - {kind: app, name: A}\n  - {kind: code, name: A}\n",
        "line 12, name: “A” is already in cu.yaml line 11.",
    ),
    (
        "  name: Acme\n",
        "  name: Acme\n  belongs_to: nobody\n",
        "line 5, belongs_to: There is no such operator",
    ),
    (
        "  name: Acme\n",
        "  name: Acme\n  belongs_to: acme\n",
        "line 5, belongs_to: An operator cannot belong to itself.",
    ),
    ("  checked_on: 2026-11-22\n", "", "line 3, checked_on: This field is required."),
    ("version: 1", "version: 2", "line 1, version: This must be 1."),
    ("version: 1", "version: 1\nauthor: me", "line 2, author: There is no such field."),
    ("balance_code: '*222#'", "balance_code: *222#", "line 7: This is not YAML"),
    ("fee: 2\n", "fee: !!python/object/apply:os.getcwd []\n", "line 18: This is not YAML"),
]


@pytest.mark.parametrize(("old", "new", "message"), BAD)
def test_a_bad_file_names_file_line_and_field_and_loads_nothing(folder, old, new, message) -> None:
    change(folder, old, new)
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    assert [text for text in caught.value.messages if text.startswith(f"cu.yaml {message}")], caught.value.messages
    assert len(caught.value.messages) == 1, caught.value.messages
    assert contents() == [[], [], [], [], []]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cu.yaml line 1: A catalogue file holds “version” and “operators”."),
        ("- a list", "cu.yaml line 1: A catalogue file holds “version” and “operators”."),
        ("version: 1\n", "cu.yaml line 1, operators: A catalogue file names an operator or more."),
        ("version: 1\noperators: all of them\n", "cu.yaml line 2, operators: This must be a list of rows."),
        ("version: 1\noperators: [\n", "cu.yaml line 3: This is not YAML"),
        ("a: 1\n---\nb: 2\n", "cu.yaml line 2: This is not YAML"),
    ],
)
def test_a_file_of_another_shape_is_refused(folder: Path, text: str, message: str) -> None:
    (folder / "cu.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    assert [line for line in caught.value.messages if line.startswith(message)], caught.value.messages


def test_a_text_stays_what_was_written(folder: Path) -> None:
    change(folder, "country: CU", "country: NO")
    change(folder, "grace_value: 30", "grace_value: 010")
    load_catalogue(folder)
    assert Operator.objects.get().country == "NO"
    assert KeepRule.objects.get().grace_value == 10


def test_a_file_that_is_not_text_is_refused(folder: Path) -> None:
    (folder / "cu.yaml").write_bytes(b"name: \xff\xfe")
    with pytest.raises(CatalogueError, match=r"^cu\.yaml: This file cannot be read"):
        load_catalogue(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogueError, match="There are no catalogue files in"):
        load_catalogue(tmp_path)


def test_a_plan_without_a_keep_rule_is_refused(folder: Path) -> None:
    (folder / "cu.yaml").write_text(GOOD.split("    rules:")[0] + "    rules: []\n", encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    assert caught.value.messages == ["cu.yaml line 30, rules: A plan needs a keep rule."]


def test_a_name_used_twice_is_refused_across_files(folder: Path) -> None:
    (folder / "zz.yaml").write_text(GOOD, encoding="utf-8")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    assert caught.value.messages == [
        "zz.yaml line 3, slug: “acme” is already in cu.yaml line 3.",
        "zz.yaml line 15, slug: “acme-line” is already in cu.yaml line 15.",
    ]


def test_operators_cannot_belong_to_each_other(folder: Path) -> None:
    change(folder, "  name: Acme\n", "  name: Acme\n  belongs_to: zeta\n")
    (folder / "zz.yaml").write_text(
        "version: 1\noperators:\n- slug: zeta\n  name: Zeta\n  belongs_to: acme\n"
        "  source_url: https://zeta.example\n  checked_on: 2026-11-22\n",
        encoding="utf-8",
    )
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    assert caught.value.messages == [
        "cu.yaml line 5, belongs_to: An operator cannot belong to itself.",
        "zz.yaml line 5, belongs_to: An operator cannot belong to itself.",
    ]


def test_all_mistakes_are_told_at_once_and_what_was_loaded_stays(folder: Path) -> None:
    load_catalogue(folder)
    before = contents()
    (folder / "aa.yaml").write_text("version: 1\noperators:\n- {slug: a b, name: ''}\n", encoding="utf-8")
    change(folder, "name: Line", "name: Long line")
    change(folder, "fee: 2\n", "fee: cheap\n")
    change(folder, "grace_value: 30", "grace_value: long")
    change(folder, "minimum_amount: 250", "minimum_amount: much")
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(folder)
    assert [message.split(": ")[0] for message in caught.value.messages] == [
        "aa.yaml line 3, name",
        "aa.yaml line 3, source_url",
        "aa.yaml line 3, checked_on",
        "aa.yaml line 3, slug",
        "cu.yaml line 18, fee",
        "cu.yaml line 36, grace_value",
        "cu.yaml line 40, minimum_amount",
    ]
    assert contents() == before


# The command


def test_load_catalogue_command_says_what_it_did(folder: Path) -> None:
    out = StringIO()
    call_command("load_catalogue", folder=folder, stdout=out)
    assert out.getvalue() == (
        "Catalogue: 2 created, 0 updated, 0 unchanged, 0 kept as edited, 0 to decide, 0 retired, "
        "0 guides changed; 0 cards have new dates.\n"
    )


def test_load_catalogue_command_computes_the_cards_of_a_changed_plan_anew(folder: Path) -> None:
    call_command("load_catalogue", folder=folder, stdout=StringIO())
    household = Household.objects.create(name="Ours")
    card = Card.objects.create(household=household, name="Red phone", number="+5352345678", plan=Plan.objects.get())
    card.payments.create(
        household=household,
        amount=100,
        currency="CUP",
        paid_on=datetime.date(2026, 1, 31),
        confirmed_on=datetime.date(2026, 1, 31),
    )
    change(folder, "grace_value: 30", "grace_value: 60")
    out = StringIO()
    call_command("load_catalogue", folder=folder, stdout=out)
    card.refresh_from_db()
    assert (card.deadline, card.grace_ends_on) == (datetime.date(2026, 12, 27), datetime.date(2027, 2, 25))
    assert "1 cards have new dates" in out.getvalue()


def test_load_catalogue_command_computes_what_an_interrupted_run_left_behind(folder: Path) -> None:
    call_command("load_catalogue", folder=folder, stdout=StringIO())
    household = Household.objects.create(name="Ours")
    card = Card.objects.create(household=household, name="Red phone", number="+5352345678", plan=Plan.objects.get())
    day = datetime.date(2026, 1, 31)
    card.payments.create(household=household, amount=100, currency="CUP", paid_on=day, confirmed_on=day)
    change(folder, "grace_value: 30", "grace_value: 60")
    assert load_catalogue(folder).updated == 1
    out = StringIO()
    call_command("load_catalogue", folder=folder, stdout=out)
    card.refresh_from_db()
    assert card.grace_ends_on == datetime.date(2027, 2, 25)
    assert Plan.objects.get().recount_since is None
    assert "2 unchanged" in out.getvalue()
    assert "1 cards have new dates" in out.getvalue()


def test_load_catalogue_command_tells_every_mistake_and_fails(folder: Path) -> None:
    change(folder, "fee: 2\n", "fee: cheap\n")
    change(folder, "grace_value: 30", "grace_value: long")
    errors = StringIO()
    with pytest.raises(CommandError):
        call_command("load_catalogue", folder=folder, stderr=errors)
    assert errors.getvalue() == (
        "cu.yaml line 18, fee: Write an amount in digits, such as 100 or 0.10.\n"
        "cu.yaml line 36, grace_value: Enter a whole number.\n"
    )

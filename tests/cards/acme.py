"""A catalogue of one operator and one plan, and what the tests do with its file."""

from pathlib import Path

from cards.models import KeepRule, Operator, Plan, TopUpChannel, TopUpStep

GOOD = """\
version: 1
operators:
- slug: acme
  name: Acme
  country: CU
  website: https://acme.example
  balance_code: '*222#'
  requires_document: true
  document_kinds: [passport]
  channels:
  - {kind: app, name: Acme app}
  source_url: https://acme.example/terms
  checked_on: 2026-11-22
  plans:
  - slug: acme-line
    name: Line
    type: basic
    fee: 2
    currency: CUP
    period_value: 1
    period_unit: months
    extras: Nothing more.
    receives_abroad: null
    confidence: medium
    confidence_reason: One page.
    source: https://acme.example/terms
    checked: 2026-11-22
    sources:
    - {url: https://acme.example/terms, kind: carrier, date: '2026-09', read: true}
    rules:
    - kind: top_up
      value: 330
      unit: days
      counts_from: event
      qualifying_acts: [top_up, plan_purchase]
      grace_value: 30
      grace_unit: days
      steps:
      - {minimum_amount: 100, currency: CUP, channel: inside, value: 330, unit: days}
      - {minimum_amount: 250, currency: CUP, channel: abroad, value: 330, unit: days}
"""


def change(folder: Path, old: str, new: str) -> None:
    """Replace a piece of the file that stands in it once."""
    text = (folder / "cu.yaml").read_text(encoding="utf-8")
    assert text.count(old) == 1
    (folder / "cu.yaml").write_text(text.replace(old, new), encoding="utf-8")


def contents() -> list[list[tuple[object, ...]]]:
    models = (Operator, TopUpChannel, Plan, KeepRule, TopUpStep)
    return [list(model.objects.order_by("pk").values_list()) for model in models]

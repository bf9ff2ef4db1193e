"""The administration as a browser has it: its forms are read, filled in and sent."""

from html.parser import HTMLParser


class Fields(HTMLParser):
    """The fields of a page's main form, as a browser would send them untouched. A new inline row is `__prefix__`."""

    def __init__(self, html):
        super().__init__()
        self.sent, self.offered, self.buttons = {}, {}, []
        self.select = self.textarea = None
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        name = attrs.get("name", "")
        if tag == "input" and name:
            if attrs["type"] == "submit":
                self.buttons.append(name)
            elif attrs["type"] in {"checkbox", "radio"}:
                self.offered.setdefault(name, []).append(attrs.get("value", "on"))
                if "checked" in attrs:
                    self.sent.setdefault(name, []).append(attrs.get("value", "on"))
            elif attrs["type"] == "hidden" and name in self.sent:
                known, value = self.sent[name], attrs.get("value", "")
                self.sent[name] = [*(known if isinstance(known, list) else [known]), value]
            else:
                self.sent[name] = attrs.get("value", "")
        elif tag == "select":
            self.select = name
        elif tag == "option" and self.select:
            self.offered.setdefault(self.select, []).append(attrs.get("value", ""))
            if "selected" in attrs or self.select not in self.sent:
                self.sent[self.select] = attrs.get("value", "")
        elif tag == "textarea":
            self.textarea, self.sent[name] = name, ""

    def handle_endtag(self, tag):
        if tag == "select":
            self.select = None
        elif tag == "textarea":
            self.textarea = None

    def handle_data(self, data):
        if self.textarea:
            self.sent[self.textarea] += data.removeprefix("\n")


def fields_of(page):
    assert page.status_code == 200
    return Fields(page.text)


def save(client, address, **typed):
    """Open the page, type, press Save, and return what comes. None for a value takes the field out."""
    sent = fields_of(client.get(address)).sent | typed
    sent = {name: value for name, value in sent.items() if "__prefix__" not in name and value is not None}
    return client.post(address, sent, follow=True)


def press(client, page, button="_confirmed", **typed):
    """Press one of the buttons under a preview; all that is hidden in it goes along."""
    sent = fields_of(page)
    assert button in sent.buttons
    return client.post(page.request["PATH_INFO"], sent.sent | {button: "x"} | typed, follow=True)


def agree(client, address, **typed):
    """Save as `save` does, and agree to the preview that comes."""
    page = save(client, address, **typed)
    assert "moves" in page.context, "no preview came"
    return press(client, page)


def add_row(client, address, prefix, **typed):
    """Do what “Add another” does, and save."""
    sent = fields_of(client.get(address)).sent
    number = int(sent[f"{prefix}-TOTAL_FORMS"])
    blank = {name: value for name, value in sent.items() if name.startswith(f"{prefix}-__prefix__")}
    row = {name.replace("__prefix__", str(number)): value for name, value in blank.items()}
    row |= {f"{prefix}-{number}-{name}": value for name, value in typed.items()}
    return save(client, address, **{f"{prefix}-TOTAL_FORMS": number + 1}, **row)


def beside(page, name):
    """Return the errors that stand with one field."""
    context = page.context
    forms = [context["adminform"].form]
    forms += [form for formset in context["inline_admin_formsets"] for form in formset.formset.forms]
    return [str(error) for form in forms if name in form.fields for error in form.errors.get(name, [])]


def unplaced(page):
    """Return the errors that stand with no field."""
    context = page.context
    formsets = [each.formset for each in context["inline_admin_formsets"]]
    forms = [context["adminform"].form, *(form for formset in formsets for form in formset.forms)]
    found = [error for form in forms for error in form.non_field_errors()]
    return found + [error for formset in formsets for error in formset.non_form_errors()]


def at(row, page="change"):
    return f"/admin/cards/{row._meta.model_name}/{row.pk}/{page}/"


def listed(client, model, **query):
    page = client.get(f"/admin/cards/{model}/", query)
    assert page.status_code == 200
    return set(page.context["cl"].result_list)


def ladder(rule):
    return [(step.minimum_amount, step.channel, step.value) for step in rule.steps.all()]

from django.forms.renderers import TemplatesSetting


class Renderer(TemplatesSetting):
    """Forms look the same on every page: label, help, errors in words, input."""

    form_template_name = "forms/_form.html"
    field_template_name = "forms/_field.html"

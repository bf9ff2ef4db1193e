from django.urls import path

from . import views

urlpatterns = [
    path("setup/", views.setup, name="setup"),
    path("household/", views.household, name="household"),
    path("household/edit/", views.edit_household, name="household_edit"),
    path("household/people/", views.add_person, name="person_add"),
    path("household/members/", views.add_member_view, name="member_add"),
]

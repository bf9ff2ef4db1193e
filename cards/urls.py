from django.urls import path

from .views import household, invitations, members, security, setup

urlpatterns = [
    path("settings/security/", security.security, name="security"),
    path("settings/security/sessions/<int:pk>/end/", security.end_place, name="session_end"),
    path("settings/security/sessions/end/", security.end_other_places, name="sessions_end"),
    path("settings/security/email/", security.new_email, name="email_new"),
    path("settings/security/email/confirm/<str:token>/", security.confirm_email, name="email_confirm"),
    path("household/security/", security.household_security, name="household_security"),
    path("setup/", setup.setup, name="setup"),
    path("household/", household.household, name="household"),
    path("household/edit/", household.edit_household, name="household_edit"),
    path("household/new/", setup.found, name="household_new"),
    path("household/switch/", household.switch, name="household_switch"),
    path("household/leave/", members.leave, name="household_leave"),
    path("household/people/", household.add_person, name="person_add"),
    path("household/members/<int:pk>/role/", members.change_role, name="member_role"),
    path("household/members/<int:pk>/hand-over/", members.hand_over, name="member_hand_over"),
    path("household/members/<int:pk>/remove/", members.remove, name="member_remove"),
    path("household/invitations/", invitations.invite, name="member_invite"),
    path("household/invitations/<int:pk>/again/", invitations.send_again, name="invitation_again"),
    path("household/invitations/<int:pk>/revoke/", invitations.revoke, name="invitation_revoke"),
    path("invitations/<str:token>/", invitations.invitation, name="invitation"),
]

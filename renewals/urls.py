from django.urls import path

from .views import card, dashboard, documents, mails, records, step, walk

urlpatterns = [
    path("", dashboard.dashboard, name="dashboard"),
    path("healthz", dashboard.healthz, name="healthz"),
    path("cards/new/", card.add_card, name="card_new"),
    path("cards/<int:pk>/", card.card_page, name="card"),
    path("cards/<int:pk>/edit/", card.edit_card, name="card_edit"),
    path("cards/<int:pk>/start/", card.start_card, name="card_start"),
    path("cards/<int:pk>/close/", card.close_card, name="card_close"),
    path("cards/<int:pk>/accounts/", card.add_account, name="account_add"),
    path("linked-accounts/<int:pk>/moved/", card.move_account, name="account_move"),
    path("cards/<int:pk>/log/", records.log, name="log"),
    path("log/<slug:kind>/<int:pk>/correct/", records.correct, name="correct"),
    path("log/<slug:kind>/<int:pk>/delete/", records.delete_record, name="delete_record"),
    path("payments/<int:pk>/receipt/", records.receipt, name="receipt"),
    path("renewals/start/<int:pk>/", walk.start, name="renewal_start"),
    path("renewals/<int:pk>/", walk.renewal_page, name="renewal"),
    path("renewals/<int:pk>/take/", walk.take, name="renewal_take"),
    path("renewals/<int:pk>/abandon/", walk.abandon, name="renewal_abandon"),
    path("renewals/<int:pk>/<slug:key>/", step.step, name="renewal_step"),
    path("documents/", documents.documents, name="documents"),
    path("documents/new/", documents.add_document, name="document_new"),
    path("documents/<int:pk>/edit/", documents.edit_document, name="document_edit"),
    path("documents/<int:pk>/delete/", documents.delete_document, name="document_delete"),
    path("settings/test/", mails.send_test, name="send_test"),
]

from .changes import LetGo, RuleChange, Task
from .events import Activity, Payment, Reading, Record, SignalCheck
from .reminder import Delivery, Reminder, ReminderRun, new_message_id
from .renewal import Document, DocumentCheck, Renewal, RenewalStep, plan_terms

__all__ = [
    "Activity",
    "Delivery",
    "Document",
    "DocumentCheck",
    "LetGo",
    "Payment",
    "Reading",
    "Record",
    "Reminder",
    "ReminderRun",
    "Renewal",
    "RenewalStep",
    "RuleChange",
    "SignalCheck",
    "Task",
    "new_message_id",
    "plan_terms",
]

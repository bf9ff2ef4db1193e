from .calendar import CalendarFeed, Trip
from .changes import LetGo, RuleChange, Task
from .events import Activity, Payment, Reading, Record, SignalCheck
from .reach import Channel, LinkUse, Snooze
from .reminder import Delivery, Reminder, ReminderRun, new_message_id
from .renewal import Document, DocumentCheck, Renewal, RenewalStep, plan_terms

__all__ = [
    "Activity",
    "CalendarFeed",
    "Channel",
    "Delivery",
    "Document",
    "DocumentCheck",
    "LetGo",
    "LinkUse",
    "Payment",
    "Reading",
    "Record",
    "Reminder",
    "ReminderRun",
    "Renewal",
    "RenewalStep",
    "RuleChange",
    "SignalCheck",
    "Snooze",
    "Task",
    "Trip",
    "new_message_id",
    "plan_terms",
]

"""What `demo_household` puts into an empty installation: a made-up family, its story, and crowds of random cards."""

from .crowd import MOST_CARDS, add_random_cards
from .family import Family, found_chens, found_others
from .story import STORY_PLANS, attach_receipt, tell_story

__all__ = [
    "MOST_CARDS",
    "STORY_PLANS",
    "Family",
    "add_random_cards",
    "attach_receipt",
    "found_chens",
    "found_others",
    "tell_story",
]

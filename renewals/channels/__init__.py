from .addresses import service_of
from .errors import ChannelError
from .sending import is_available, send
from .services import SERVICES

__all__ = ["SERVICES", "ChannelError", "is_available", "send", "service_of"]

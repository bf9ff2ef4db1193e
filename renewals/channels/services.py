"""The services that messages can be sent to, each with the strict form of its addresses."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

_LETTER = r"[A-Za-z0-9._~!$&'()*+=-]|%[0-9A-Fa-f]{2}"
_WORD = rf"(?:{_LETTER})+"
_LOGIN = rf"(?:(?P<user>{_WORD})(?::(?P<password>{_WORD}))?@)?"
_SERVER = r"(?P<host>[A-Za-z0-9.-]+)(?::(?P<port>[0-9]{1,5}))?"


@dataclass(frozen=True)
class Service:
    """A service that messages can be sent to.

    `forms` are regular expressions of what follows `://`; their groups are arguments of `plugin`, a class in Apprise's
    `module`, and so are `fixed`. `options` may follow a question mark. `takes` says of a JSON answer whether the
    message was taken. A text may have the `size` of `room` at most, None for more than is ever sent. `blank_line` is
    what an empty line is filled with, where it would be lost otherwise.
    """

    name: str
    schemes: tuple[str, ...]
    example: str
    about: str | Promise
    module: str
    plugin: str
    forms: tuple[str, ...]
    takes: Callable[[dict[str, Any]], bool]
    fixed: dict[str, Any] = field(default_factory=dict)
    options: tuple[str, ...] = ()
    room: int | None = None
    size: Callable[[str], int] = lambda text: len(text.encode())
    title_characters: int = 80
    is_markdown: bool = False
    blank_line: str = ""
    is_webhook: bool = False


SERVICES = [
    Service(
        name="ntfy",
        schemes=("ntfy", "ntfys"),
        example="ntfys://topic",
        about=_("The app ntfy. Choose a topic that nobody guesses; with your own server: ntfys://server/topic."),
        module="ntfy",
        plugin="NotifyNtfy",
        forms=(
            r"(?P<targets>[A-Za-z0-9_-]{1,64})/?",
            rf"(?P<token>tk_[A-Za-z0-9]+)@{_SERVER}/(?P<targets>[A-Za-z0-9_-]{{1,64}})/?",
            rf"{_LOGIN}{_SERVER}/(?P<targets>[A-Za-z0-9_-]{{1,64}})/?",
        ),
        # https://docs.ntfy.sh/publish/: {"id": …, "event": "message"}; a message of more than 4096 bytes, or 8192 as
        # JSON, where each Chinese letter takes six, would become a file.
        takes=lambda answer: bool(answer.get("id")),
        fixed={"include_image": False},
        options=("priority",),
        room=6900,
        size=lambda text: max(2 * len(text.encode()), len(json.dumps(text))),
    ),
    Service(
        name="Telegram",
        schemes=("tgram",),
        example="tgram://bot-token/chat-id",
        about=_(
            "A bot made with @BotFather, who gives you its token. @userinfobot tells you your chat-id. "
            "Write to your bot once, so that it may write to you."
        ),
        module="telegram",
        plugin="NotifyTelegram",
        forms=(
            r"(?:bot)?(?P<bot_token>[0-9]+:[A-Za-z0-9_-]+)"
            r"/(?P<targets>(?:-?[0-9]{1,32}|@?[A-Za-z][A-Za-z0-9_]+)(?::[0-9]+)?)/?",
        ),
        # https://core.telegram.org/bots/api#making-requests
        takes=lambda answer: answer.get("ok") is True,
        fixed={"detect_owner": False},
        # A space without width: of several line ends in a row Apprise leaves one.
        blank_line="\u200b",
    ),
    Service(
        name="WeCom",
        schemes=("wecombot",),
        example="wecombot://key",
        about=_("A robot of a WeCom group. The key is what follows key= in its webhook address."),
        module="wecombot",
        plugin="NotifyWeComBot",
        forms=(r"(?P<key>[A-Za-z0-9_-]+)/?",),
        # https://developer.work.weixin.qq.com/document/path/91770: {"errcode": 0, "errmsg": "ok"}, 2048 bytes of text.
        takes=lambda answer: answer.get("errcode") == 0,
        room=1700,
    ),
    Service(
        name="Bark",
        schemes=("bark", "barks"),
        example="barks://api.day.app/device-key",
        about=_("The app Bark on an iPhone. It shows the key."),
        module="bark",
        plugin="NotifyBark",
        forms=(rf"{_LOGIN}{_SERVER}/(?P<targets>[A-Za-z0-9_-]+)/?",),
        # https://github.com/Finb/bark-server/blob/master/docs/API_V2.md; Apple takes 4096 bytes in all.
        takes=lambda answer: answer.get("code") == 200,
        fixed={"include_image": False},
        options=("sound", "level", "group"),
        room=2800,
    ),
    Service(
        name="ServerChan",
        schemes=("schan",),
        example="schan://SendKey",
        about=_("Server酱, which writes to you in WeChat. The site of the service shows the SendKey."),
        module="serverchan",
        plugin="NotifyServerChan",
        forms=(r"(?P<token>[A-Za-z0-9]+)/?",),
        # https://sct.ftqq.com/: {"code": 0, …}; a title of 32 characters, a text in Markdown of 32 KB.
        takes=lambda answer: answer.get("code") == 0,
        title_characters=32,
        is_markdown=True,
    ),
    Service(
        name="Gotify",
        schemes=("gotify", "gotifys"),
        example="gotifys://server/token",
        about=_("Your own Gotify server, with the token of an application."),
        module="gotify",
        plugin="NotifyGotify",
        forms=(rf"{_SERVER}(?P<fullpath>(?:/[A-Za-z0-9._~-]+)*/)(?P<token>[A-Za-z0-9._-]+)/?",),
        # https://gotify.net/api-docs#/message/createMessage
        takes=lambda answer: bool(answer.get("id")),
        options=("priority",),
    ),
    Service(
        name="Matrix",
        schemes=("matrix", "matrixs"),
        example="matrixs://access-token@server/!room:server",
        about=_("A room without encryption. The server is the one your app is signed in to."),
        module="matrix",
        plugin="NotifyMatrix",
        # No user and password: each message would then sign in as one more device, and sign up where that fails.
        forms=(
            rf"(?P<password>{_WORD})@{_SERVER}/"
            r"(?:%23)?(?P<targets>!?[A-Za-z0-9._=-]+(?::[A-Za-z0-9.-]+)?)/?",
        ),
        # https://spec.matrix.org/latest/client-server-api/: who am I, join the room, send into it.
        takes=lambda answer: any(isinstance(answer.get(key), str) for key in ("user_id", "room_id", "event_id")),
        fixed={"discovery": False, "hsreq": False, "e2ee": False, "include_image": False},
    ),
    Service(
        name="webhook",
        schemes=("json", "jsons"),
        example="jsons://server/path",
        about=_("Your own program: it gets the title and the message as JSON."),
        module="custom_json",
        plugin="NotifyJSON",
        forms=(rf"{_LOGIN}{_SERVER}(?P<fullpath>(?:/(?:[/:@]|{_LETTER})*)?)",),
        takes=lambda answer: True,
        is_webhook=True,
    ),
]

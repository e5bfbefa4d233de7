"""Passwords and tokens in what is shown or stored: `redact` replaces them, whatever text they are in."""

from __future__ import annotations

import base64
import html
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

#: What stands in place of a secret.
REDACTED = "***"
#: Name of an environment variable whose value is a secret.
SECRET_NAME = re.compile(
    r"TOKEN(?!IZ)|PASSWORD|PASSWD|PASSPHRASE|PWD_|_PWD|SECRET|CREDENTIAL|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY|ACCOUNT_?KEY"
    r"|SAS_KEY|AUTH_?KEY|_PAT$|CONNECTION_STRING|DSN$",
    re.IGNORECASE,
)
#: Of these, names that have no other meaning.
PASSWORD_NAME = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|API_?KEY|SECRET_?(?:ACCESS_?)?KEY|SECRET$|ACCESS_?KEY|PRIVATE_?KEY|ACCOUNT_?KEY"
    r"|AUTH_?TOKEN|ACCESS_?TOKEN|CONNECTION_STRING",
    re.IGNORECASE,
)
#: A value as generators of tokens make them.
_RANDOM = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w.+/=~-]+")
#: Such a name whose value is none: a file, an address, a switch.
NO_SECRET_NAME = re.compile(r"_(FILE|PATH|DIR|URI|URL|HOST|TYPE|EXPIR\w*|TTL|PROVIDER)$|^OLDPWD$", re.IGNORECASE)
#: Parameter of an address whose value is a secret: ?password=...
SECRET_PARAMETER = re.compile(
    r"(?P<key>[?&;](?:[\w.-]*(?:token|passw(?:or)?d|passphrase|pwd|secret|credential|api_?key|access_?key|signature)"
    r"[\w.-]*|sig|auth|pass|key)=)[^&;#\s'\"<>]+",
    re.IGNORECASE,
)
#: User and password of an address, or a token in their place. The last @ before the host counts: passwords may hold @.
_USER_INFO = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/?#'\"<>]+@", re.IGNORECASE)
#: A password with a slash, which should have been written %2F: user:pass/word@host.
_SLASHED = re.compile(r"(?P<scheme>\b[a-z][a-z0-9+.-]*://)[^\s/?#@:'\"<>]+:(?!\d+(?:/|$))[^\s'\"<>@]*@", re.IGNORECASE)
#: What stands before the host of an address, a password with slashes included.
_CREDENTIALS = re.compile(r"://(?P<info>[^\s/?#]+|[^\s/?#@:]+:(?!\d+/)\S+)@")
#: Value of a header that identifies a user.
_HEADER = re.compile(r"(?P<key>\b(?:Basic|Bearer)\s+)[\w.~+/=-]{8,}")
#: Values shorter than this, such as "test" or "true", are words of ordinary text too.
MIN_LENGTH = 5
#: No ordinary word is as long: a user without a password is a token from this length on, if it has digits.
TOKEN_LENGTH = 16
#: Secrets that the environment does not hold, such as those of a tracking server in conf/local.
_known: set[str] = set()


def redact(text: str) -> str:
    """The text without passwords and tokens.

    Replaced are user and password of every address (`http://bob:secret@host` becomes `http://***@host`), parameters
    such as `?token=`, and the values of environment variables named like a secret, also where they stand alone or
    encoded.

    Args:
        text: a message, a page, the content of a log.
    """
    text = _USER_INFO.sub(rf"\g<scheme>{REDACTED}@", text)
    text = _SLASHED.sub(rf"\g<scheme>{REDACTED}@", text)
    text = SECRET_PARAMETER.sub(rf"\g<key>{REDACTED}", text)
    text = _HEADER.sub(rf"\g<key>{REDACTED}", text)
    for secret in sorted(_secrets(), key=len, reverse=True):  # a secret may be a part of another one
        if len(secret) >= TOKEN_LENGTH:
            text = text.replace(secret, REDACTED)
        elif secret in text:  # short ones may be a part of an ordinary word
            text = re.sub(rf"(?<![A-Za-z0-9]){re.escape(secret)}(?![A-Za-z0-9])", REDACTED, text)
    return text


def remember_secrets(address: str) -> None:
    """Redact the password of an address from now on, also where it stands alone."""
    _known.update(_of_address(address))


def remember(secret: str) -> None:
    """Redact a secret from now on."""
    _known.add(secret)


def names_secret(name: str, value: str) -> bool:
    """Whether a setting is a password or a token, by its name and its value.

    Some names, such as token, have other meanings too: `pad_token: <pad>` of a text model. Of these, only a value that
    is long and has digits counts.
    """
    if len(value.strip()) < MIN_LENGTH or not SECRET_NAME.search(name) or NO_SECRET_NAME.search(name):
        return False
    return bool(PASSWORD_NAME.search(name)) or (len(value) >= TOKEN_LENGTH and bool(_RANDOM.fullmatch(value)))


def passwords_of_address(text: str) -> set[str]:
    """The passwords and tokens in an address; none in any other text."""
    return {secret for secret in _of_address(text) if len(secret) >= MIN_LENGTH} if "://" in text else set()


def _secrets() -> set[str]:
    """Every secret of the environment, and those remembered, in all spellings."""
    found = set(_known)
    for name, value in os.environ.items():
        if "://" in value:
            found.update(_of_address(value))
        elif SECRET_NAME.search(name) and not NO_SECRET_NAME.search(name) and not Path(value).is_file():
            found.add(value)
    long_enough = {secret.strip() for secret in found if len(secret.strip()) >= MIN_LENGTH}
    user = os.environ.get("MLFLOW_TRACKING_USERNAME")
    pairs = {f"{user}:{secret}" for secret in long_enough} if user else set()
    return {spelt for secret in long_enough | pairs for spelt in _spellings(secret)}


def _of_address(address: str) -> Iterator[str]:
    """Passwords in an address; a long user without a password is a token."""
    for found in _CREDENTIALS.finditer(address):
        user, colon, password = found["info"].partition(":")
        if colon and password != user:  # what is also the user's name is no secret, and may be a word of every message
            yield password
        elif not colon and len(user) >= TOKEN_LENGTH and re.search(r"\d", user):
            yield user
    try:
        query = parse_qsl(urlsplit(address).query)
    except ValueError:  # no address after all
        return
    yield from (value for key, value in query if SECRET_PARAMETER.match(f"?{key}=x") and value)


def _spellings(secret: str) -> set[str]:
    """A secret as it may stand in addresses, pages, JSON and headers."""
    plain = {secret, unquote(secret)}
    encoded = {
        way(one) for one in plain for way in (quote, quote_plus, _strictly_quoted, html.escape, _escaped, _in_json)
    }
    return plain | encoded | {base64.b64encode(one.encode()).decode() for one in plain}


def _strictly_quoted(text: str) -> str:
    return quote(text, safe="")


def _escaped(text: str) -> str:
    return repr(text)[1:-1]


def _in_json(text: str) -> str:
    return json.dumps(text)[1:-1]

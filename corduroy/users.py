"""Who uses a server: logging in and out, the users in ``_users``, and the administrators."""

from __future__ import annotations

from collections.abc import Iterable
from time import monotonic
from typing import Any

from . import shapes
from .asking import JSON, ask, ask_json, current_rev, doc_path
from .calls import pause
from .errors import Conflict, NotFound, Unauthorized
from .node import LOCAL, configure
from .options import check_keys
from .server import Served, Server
from .styles import S, operation
from .transport.auth import CookieAuth, check_texts
from .transport.encoding import encode_json
from .veil import Veiled, discreet, veiled

_PREFIX = "org.couchdb.user:"
_USERS = "/_users"

# What the server makes of a password; it makes them anew of a new one.
_HASHED = ("derived_key", "iterations", "password_scheme", "password_sha", "pbkdf2_prf", "salt")

# What CouchDB says to nobody who asks with "basic".
_NOBODY = "Please login."

# Seconds between two looks at whether a password is hashed.
_LOOKS = (0.05, 0.1, 0.2, *[0.4] * 20)

# How often somebody else may be quicker to save the same user.
_ATTEMPTS = 20


class Users(Served[S]):
    """The operations of `Couch` on sessions, users and administrators."""

    # -- sessions -----------------------------------------------------------------------------

    @operation
    async def login(self, name: str, password: str) -> dict[str, Any]:
        """Log in: a cookie session proves from now on who is asking, and renews itself.

        That goes for all that shares this server's connections: its databases, and itself in other
        styles. What has proved it before is forgotten, but for headers given as ``headers=``.

        Args:
            name (str): the user's or administrator's name.
            password (str): the password.

        Returns:
            dict: ``{"ok", "name", "roles"}``.

        Raises:
            Unauthorized: they are wrong; nothing has changed then.

        Endpoint: ``POST /_session``.
        """
        password = veiled(password)
        check_texts(name=name, password=password)
        auth = CookieAuth(name, password)
        since = monotonic()
        answer = await auth.login()
        self._session.authenticate(auth, auth.granted(answer), since)
        return dict(answer.json())

    @operation
    async def logout(self) -> None:
        """Log out: requests say no more who is asking, until `login` is called.

        Name and password, or whatever else was given as ``auth``, are forgotten, too.

        Endpoint: ``DELETE /_session``.
        """
        try:
            await ask("DELETE", "/_session", headers=JSON, anonymous=True)
        finally:
            self._session.authenticate(None)

    @operation
    async def session(self) -> dict[str, Any]:
        """Ask the server who it takes us for.

        Returns:
            dict: ``{"ok", "userCtx": {"name", "roles"}, "info"}``; the name is None for nobody known.

        Raises:
            Unauthorized: name and password are wrong.

        Endpoint: ``GET /_session``.
        """
        return dict(await ask_json("GET", "/_session"))

    @operation
    async def check_credentials(self) -> None:
        """Make sure that the server knows who is asking.

        Raises:
            Unauthorized: the credentials are wrong, or not good any more; or there are none, on a
                server that does not let everybody do everything.

        Endpoint: ``GET /_session``.
        """
        given = self._session.names_somebody
        # A cookie that is good no more is nobody's, and no error; "basic" makes it one.
        query = {"basic": "true"} if given else None
        try:
            user = (await ask_json("GET", "/_session", query, shape=shapes.Session))["userCtx"]
        except Unauthorized as error:
            if error.reason != _NOBODY:
                raise
            user = {"name": None, "roles": []}
        if user["name"] is None and (given or "_admin" not in user["roles"]):
            reason = (
                "the server does not know who is asking: the credentials are none of its, or expired"
                if given
                else "nobody says who is asking: give Couch auth=, or call login()"
            )
            url = self._session.url + "/_session"
            raise Unauthorized(None, "unauthorized", reason, method="GET", url=url)

    # -- users --------------------------------------------------------------------------------

    @operation
    async def save_user(
        self,
        /,
        name: str,
        password: str | None = None,
        roles: Iterable[str] | None = None,
        *,
        rev: str | None = None,
        **fields: Any,
    ) -> dict[str, Any]:
        """Create a user, or change one that exists: what is not given stays as it is.

        If somebody else saves the user at the same time, the revision that it has then is taken, and
        the change is made to that.

        Args:
            name (str): the user's name, with or without ``org.couchdb.user:`` in front.
            password (str): a new password, which CouchDB's cache knows a moment later; a user without
                one cannot log in.
            roles (list of str): the user's roles, instead of those there are.
            rev (str): the revision of a user that is known to exist, which spares the attempt to
                create it.
            **fields: other fields of the user's document.

        Returns:
            dict: ``{"ok", "id", "rev"}``.

        Raises:
            ValueError: no user can have such a name or role, or a field is CouchDB's own.

        Endpoints: ``PUT /{db}/{docid}``, ``GET /{db}/{docid}``.
        """
        password, fields = veiled(password), Veiled(fields)
        id = _user_id(name)
        given = _fields_of(id, password, roles, fields)
        if rev is not None:
            check_texts(rev=rev)
        path = _USERS + doc_path(id)
        if rev is None:
            fresh = Veiled({"roles": [], **given})
            answer = await ask("PUT", path, json=fresh, name="fields", accept=(409,))
            if answer.code != 409:
                return dict(answer.json())
        for attempt in range(_ATTEMPTS):
            there = Veiled(await ask_json("GET", path))
            if password is not None:
                there = Veiled({field: there[field] for field in there if field not in _HASHED})
            last = attempt == _ATTEMPTS - 1
            doc = Veiled({**there, **given})
            answer = await ask("PUT", path, json=doc, name="fields", accept=() if last else (409,))
            if answer.code != 409:
                break
        return dict(answer.json())

    @operation
    async def check_user(self, name: str, password: str) -> bool:
        """Ask whether somebody could log in; who is asking stays as it is.

        Args:
            name (str): the user's or administrator's name.
            password (str): the password.

        Returns:
            bool: True if name and password are right.

        Raises:
            Forbidden: the server looks at no more passwords for a while, after too many wrong ones.

        Endpoint: ``POST /_session``.
        """
        password = veiled(password)
        check_texts(name=name, password=password)
        request = CookieAuth(name, password).login()
        request.accept = (401,)
        return (await request).code != 401

    @operation
    async def delete_user(self, name: str) -> None:
        """Delete a user.

        Args:
            name (str): the user's name, with or without ``org.couchdb.user:`` in front.

        Raises:
            NotFound: there is none.

        Endpoints: ``HEAD /{db}/{docid}``, ``DELETE /{db}/{docid}``.
        """
        id = _user_id(name)
        for attempt in range(_ATTEMPTS):
            rev = await current_rev(_USERS, id)
            if rev is None:
                raise NotFound(None, "not_found", f"there is no user {id.removeprefix(_PREFIX)!r}")
            try:
                await ask("DELETE", _USERS + doc_path(id), {"rev": rev})
                return
            except Conflict:
                if attempt == _ATTEMPTS - 1:
                    raise

    # -- administrators -----------------------------------------------------------------------

    @operation
    async def admins(self) -> list[str]:
        """List the administrators that the node's configuration has.

        Returns:
            list of str: their names.

        Endpoint: ``GET /_node/{node-name}/_config/{section}``.
        Endpoint of CouchDB 1.x: ``GET /_config/{section}``.
        """
        return sorted(await configure(self._server, LOCAL, "admins", None, False))

    @operation
    async def add_admin(self, name: str, password: str) -> None:
        """Create an administrator, or change the password of one, in the node's configuration.

        A cluster's other nodes have to be told as well, or to have had the same hash before it was
        joined. The first one ends the "admin party" of CouchDB 1.x, in which everybody is one.

        Args:
            name (str): the administrator's name.
            password (str): the password; the server keeps a hash of it.

        Raises:
            ValueError: nobody can have such a name, or the password is empty.

        Endpoints: ``PUT /_node/{node-name}/_config/{section}/{key}``,
        ``GET /_node/{node-name}/_config/{section}/{key}``.
        Endpoint of CouchDB 1.x: ``PUT /_config/{section}/{key}``.
        """
        password = veiled(password)
        key = _admin_key(name)
        check_texts(password=password)
        if not password:
            raise ValueError("password must not be empty")
        if await self._server.is_pouchdb():
            # Else "123" would be a number.
            password = veiled(encode_json(password, "password").decode())
        await configure(self._server, LOCAL, key, password, False)
        if not await self._server.is_classic():
            await _hashed(self._server, key, password)

    @operation
    async def remove_admin(self, name: str) -> None:
        """Remove an administrator from the node's configuration.

        Args:
            name (str): the administrator's name.

        Raises:
            NotFound: there is none.

        Endpoint: ``DELETE /_node/{node-name}/_config/{section}/{key}``.
        Endpoint of CouchDB 1.x: ``DELETE /_config/{section}/{key}``.
        """
        try:
            await configure(self._server, LOCAL, _admin_key(name), None, True)
        except NotFound as error:
            if error.reason != "unknown_config_value":
                raise
            reason = f"the node's configuration has no administrator {name!r}"
            raise NotFound(404, "not_found", reason, method=error.method, url=error.url) from None


def _check_name(name: Any) -> str:
    """A name that somebody can have; CouchDB would refuse others, or never find them."""
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {name!r:.80}")
    if not name or name.startswith("_") or ":" in name:
        raise ValueError(
            f"name {name!r:.80} is none that a user can have: it must not be empty, start with '_' or "
            f"hold a ':' (the document's id is '{_PREFIX}' and the name)"
        )
    check_texts(name=name)
    return name


def _user_id(name: Any) -> str:
    return _PREFIX + _check_name(name.removeprefix(_PREFIX) if isinstance(name, str) else name)


def _admin_key(name: Any) -> str:
    if _check_name(name).endswith("/"):
        raise ValueError(f"name {name!r:.80} must not end with a '/'")
    return "admins/" + str.__str__(name)


async def _hashed(server: Server, key: str, password: str) -> None:
    """Wait until CouchDB has made a hash of an administrator's password, which it does after it has
    answered. Until then nobody can log in with it, and who is removed comes back with the hash.

    Endpoint: ``GET /_node/{node-name}/_config/{section}/{key}``.
    """
    if password.startswith(("-pbkdf2", "-hashed-")):  # it is one already
        return
    for seconds in _LOOKS:
        try:
            if await configure(server, LOCAL, key, None, False) != password:
                return
        except Unauthorized:  # the first administrator is there, and we are nobody
            return
        await pause(seconds)


@discreet
def _fields_of(
    id: str, password: Any, roles: Iterable[str] | None, fields: dict[str, Any]
) -> dict[str, Any]:
    """The fields of a user's document that are given."""
    own = {"_id": id, "name": id.removeprefix(_PREFIX), "type": "user"}
    for field, value in own.items():
        if fields.get(field, value) != value:
            raise ValueError(f"{field} of this user is {value!r}, and cannot be another")
    given = Veiled({**fields, **own})
    if password is not None:
        check_texts(password=password)
        given["password"] = password
    if roles is not None:
        given["roles"] = check_keys(roles, "roles")
        for role in given["roles"]:
            if not isinstance(role, str):
                raise TypeError(f"roles must be a list of str, not of {type(role).__name__}")
            if role.startswith("_"):
                raise ValueError(
                    f"roles: {role!r:.80} is CouchDB's own; use add_admin for administrators"
                )
    return given

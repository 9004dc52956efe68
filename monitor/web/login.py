"""Logging in and out: a page of its own that needs no script."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitor import clock
from monitor.auth import LOGIN_LASTS, Door
from monitor.errors import Busy
from monitor.web.gate import COOKIE

if TYPE_CHECKING:
    from flask import Blueprint
    from werkzeug.wrappers import Response

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Log in - LLMOps monitor</title>
<style>
:root { color-scheme: light dark; --page: #f8f9fa; --card: #fff; --text: #212529; --line: #868e96; --accent: #1864ab;
  --wrong: #c92a2a; }
@media (prefers-color-scheme: dark) {
  :root { --page: #1a1b1e; --card: #25262b; --text: #e9ecef; --line: #909296; --accent: #74c0fc; --wrong: #ff8787; } }
* { box-sizing: border-box; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, sans-serif; }
main { width: min(22rem, calc(100vw - 2rem)); padding: 2rem; background: var(--card); border-radius: 8px;
  box-shadow: 0 1px 4px #0003; }
h1 { margin: 0 0 1rem; font-size: 1.25rem; }
label { display: block; margin-top: 1rem; }
input { width: 100%; padding: .5rem .75rem; font: inherit; color: inherit; background: transparent;
  border: 1px solid var(--line); border-radius: 4px; }
button { width: 100%; margin-top: 1.5rem; padding: .6rem; font: inherit; font-weight: 600; color: var(--card);
  background: var(--accent); border: 0; border-radius: 4px; cursor: pointer; }
input:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.wrong { margin: 0; color: var(--wrong); }
</style>
</head>
<body>
<main>
<h1>LLMOps monitor</h1>
{% if problem %}<p class="wrong" role="alert">{{ problem }}</p>{% endif %}
<form method="post" action="/login">
<input type="hidden" name="next" value="{{ target }}">
<label>Name <input name="name" autocomplete="username" value="{{ name }}" required autofocus></label>
<label>Password <input name="password" type="password" autocomplete="current-password" required></label>
<button>Log in</button>
</form>
</main>
</body>
</html>
"""


def blueprint(door: Door, *, secure: bool) -> Blueprint:
    """`/login` and `/logout`. `secure` keeps the cookie off unencrypted connections."""
    from flask import Blueprint, make_response, redirect, render_template_string, request

    routes = Blueprint("login", __name__)

    def page(status: int, problem: str = "", name: str = "") -> Response:
        target = own_path(request.values.get("next", ""))
        html = render_template_string(_PAGE, problem=problem, name=name, target=target)
        response = make_response(html, status)
        response.headers["Cache-Control"] = "no-store"
        return response

    @routes.get("/login")
    def show() -> Response:
        return page(200)

    @routes.post("/login")
    def log_in() -> Response:
        name = request.form.get("name", "")
        try:
            token = door.log_in(name, request.form.get("password", ""), request.remote_addr or "", clock.now())
        except Busy as busy:
            response = page(429, str(busy), name)
            response.headers["Retry-After"] = str(busy.retry_after)
            return response
        if token is None:
            return page(401, "The name or the password is wrong.", name)
        response = redirect(own_path(request.form.get("next", "")), 303)
        response.set_cookie(
            COOKIE,
            token,
            max_age=int(LOGIN_LASTS.total_seconds()),
            httponly=True,
            samesite="Lax",
            secure=secure or request.is_secure,
        )
        return response

    @routes.post("/logout")
    def log_out() -> Response:
        door.log_out(request.cookies.get(COOKIE, ""))
        response = redirect("/login", 303)
        response.delete_cookie(COOKIE, httponly=True, samesite="Lax", secure=secure or request.is_secure)
        return response

    return routes


def own_path(target: str) -> str:
    """The path to go to after the login: one of this server, else the first page."""
    if target.startswith("/") and not target.startswith(("//", "/\\")) and target.isprintable():
        return target
    return "/"

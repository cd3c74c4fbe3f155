"""Credentials, asked for by the library and given by the application."""

from __future__ import annotations

import asyncio
import inspect
import logging
import threading

from . import _ffi
from ._options import Credentials, CredentialsProvider
from ._pulling import block

_logger = logging.getLogger("outpour.credentials")


async def provide(questions: _ffi.CredentialsQuestions, provider: CredentialsProvider) -> None:
    """Answers in a task, until the session is over."""
    while not questions.is_over():
        await questions.ready()
        question = questions.take()
        if question is not None:
            try:
                _answer(questions, question, await _asked(provider, question.expired))
            except Exception as error:
                _refuse(questions, question, error)


def provide_in_thread(questions: _ffi.CredentialsQuestions, provider: CredentialsProvider) -> threading.Thread:
    """Answers in a thread, until the session is over."""

    def serve() -> None:
        while not questions.is_over():
            block(questions)
            question = questions.take()
            if question is not None:
                try:
                    given = provider(question.expired)
                    _answer(questions, question, asyncio.run(_settled(given)) if inspect.isawaitable(given) else given)
                except Exception as error:
                    _refuse(questions, question, error)

    thread = threading.Thread(target=serve, name="outpour-credentials", daemon=True)
    thread.start()
    return thread


async def _asked(provider: CredentialsProvider, expired: bool) -> Credentials:
    given = provider(expired) if inspect.iscoroutinefunction(provider) else await asyncio.to_thread(provider, expired)
    return await given if inspect.isawaitable(given) else given


async def _settled(given: object) -> Credentials:
    return await given  # type: ignore[misc, no-any-return]


def _answer(questions: _ffi.CredentialsQuestions, question: _ffi.CredentialsQuestion, given: Credentials) -> None:
    if isinstance(given, str):
        given = given.encode()
    if not isinstance(given, bytes):
        raise TypeError(f"credentials are a str or bytes, not {type(given).__name__}")
    questions.provide(question.id, given)


def _refuse(questions: _ffi.CredentialsQuestions, question: _ffi.CredentialsQuestion, error: Exception) -> None:
    _logger.warning("the provider of credentials failed", exc_info=error)
    questions.refuse(question.id, f"{type(error).__name__}: {error}")

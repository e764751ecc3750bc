"""The endpoints beside the two APIs: plain completions, tokens, judgements, stored chats, files, batches. A list."""

from __future__ import annotations

from typing import Any

from system2.server import (
    batches,
    chats,
    completions,
    decisions,
    files,
    moderations,
    tokens,
)
from system2.server.app import Spot
from system2.server.wire import other_shapes as own
from system2.server.wire import shapes
from system2.server.wire.batch_lines import BatchRequest
from system2.server.wire.completion_request import CompletionRequest
from system2.server.wire.decision_request import DecisionRequest

EVENTS = ("text/event-stream",)
CHAT, FILE, BATCH = "/v1/chat/completions/{id}", "/v1/files/{id}", "/v1/batches/{id}"
PLAIN: dict[str, Any] = {"prompt": "17*23=", "max_tokens": 4}
FLAGGED: dict[str, Any] = {"model": "system2-words", "input": "Two and two are four."}
STATED: dict[str, Any] = {
    "input": "Two and two are four.",
    "questions": [{"type": "predicate", "instructions": "2+2=4"}],
}

SPOTS: tuple[Spot, ...] = (
    Spot(
        "GET", "/v1/chat/completions", chats.listed, "chat", "Stored completions",
        None, own.CompletionList, own.Chats,
    ),
    Spot(
        "POST", "/v1/chat/completions/control", chats.control, "chat", "Answer now",
        chats.Control, own.Told, example={"id": "chatcmpl-0", "action": "reasoning_end"},
    ),
    Spot("GET", CHAT, chats.get, "chat", "A stored completion", None, shapes.Completion),
    Spot(
        "POST", CHAT, chats.change, "chat", "Give it other metadata", chats.ChatUpdate, shapes.Completion,
    ),
    Spot("DELETE", CHAT, chats.delete, "chat", "Forget a completion", None, shapes.Deleted),
    Spot(
        "GET", f"{CHAT}/messages", chats.messages, "chat", "What it was asked with",
        None, shapes.Page, shapes.Some,
    ),
    Spot(
        "POST", "/v1/completions", completions.create, "chat", "Continue or score a text, without thinking",
        CompletionRequest, own.TextCompletion, example=PLAIN, kinds=EVENTS,
    ),
    Spot(
        "GET", "/tokenizer_info", tokens.info, "", "What the tokenizer is",
        None, own.TokenizerInfo, own.Which,
    ),
    Spot(
        "POST", "/tokenize", tokens.tokenize, "", "A text as tokens",
        tokens.TokenizeRequest, own.Tokenized, example={"prompt": "17*23="},
    ),
    Spot(
        "POST", "/detokenize", tokens.detokenize, "", "Tokens as a text",
        tokens.DetokenizeRequest, own.Detokenized, example={"tokens": [1, 2]},
    ),
    Spot(
        "POST", "/v1/moderations", moderations.create, "chat", "Judge texts by category",
        moderations.ModerationRequest, own.Moderations, example=FLAGGED,
    ),
    Spot(
        "POST", "/v1/decisions", decisions.create, "chat", "How likely statements about a text are",
        DecisionRequest, own.Decision, example=STATED,
    ),
    Spot(
        "POST", "/v1/files", files.upload, "batch", "Keep a file, sent as a form with `file` and `purpose`",
        None, own.FileObject,
    ),
    Spot("GET", "/v1/files", files.listed, "batch", "Files", None, shapes.Page, own.Files),
    Spot("GET", FILE, files.get, "batch", "A file, without its content", None, own.FileObject),
    Spot("DELETE", FILE, files.delete, "batch", "Forget a file", None, shapes.Deleted),
    Spot(
        "GET", f"{FILE}/content", files.content, "batch", "What stands in a file",
        kinds=("application/octet-stream",),
    ),
    Spot(
        "POST", "/v1/batches", batches.create, "batch", "Begin a batch", BatchRequest, own.BatchObject,
    ),
    Spot(
        "GET", "/v1/batches", batches.listed, "batch", "Batches, the newest first",
        None, shapes.Page, shapes.Some,
    ),
    Spot("GET", BATCH, batches.get, "batch", "A batch as it stands", None, own.BatchObject),
    Spot("POST", f"{BATCH}/cancel", batches.cancel, "batch", "End a batch", None, own.BatchObject),
)  # fmt: skip

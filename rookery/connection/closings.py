"""Why sessions are closed, where a limit is the reason."""

TOO_MANY_FRAMES = "too many messages"
TOO_MANY_USER_FRAMES = "too many messages of this user"
TOO_MANY_ERRORS = "too many wrong messages"
TOO_MANY_SESSIONS = "too many sessions"
TOO_SLOW = "too slow"
LIMITS = {
    TOO_MANY_FRAMES: "frames_per_s",
    TOO_MANY_USER_FRAMES: "frames_per_user",
    TOO_MANY_ERRORS: "wrong_messages",
    TOO_MANY_SESSIONS: "sessions_per_user",
    TOO_SLOW: "unsent_bytes",
}
"""Reasons of closing that tell of a limit, and how the log calls it."""

"""Why a resource of a stack is not what its template wants."""


class ResourceError(Exception):
    """A resource cannot be what the template wants; the message is the event's reason."""


def handler_message(text: str, code: str) -> str:
    """Return a reason as the handler of a resource type gives it."""
    return f'Resource handler returned message: "{text}" (HandlerErrorCode: {code})'

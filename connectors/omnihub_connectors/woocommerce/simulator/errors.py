"""The errors of the WordPress REST API, with the codes and words that WooCommerce uses."""

from typing import Any


class RestError(Exception):
    """What WordPress calls a WP_Error: a code, a sentence, and data that holds the status."""

    def __init__(self, code: str, message: str, status: int, **data: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.status = status
        self.data = {"status": status, **data}

    def body(self) -> dict[str, Any]:
        """Return the JSON body; batch answers embed the same three fields."""
        return {"code": self.code, "message": self.message, "data": self.data}


def authentication_error(message: str) -> RestError:
    """Return the 401 of a key that is known but not good for this request."""
    return RestError("woocommerce_rest_authentication_error", message, 401)


def invalid_id(post_type: str, status: int) -> RestError:
    """Return the error for an id that does not exist: 404 on read and delete, 400 on update."""
    return RestError(f"woocommerce_rest_{post_type}_invalid_id", "Invalid ID.", status)


def invalid_param(name: str, reason: str, code: str = "rest_invalid_param") -> RestError:
    """Return the 400 of WordPress' argument validation."""
    detail = {"code": code, "message": reason, "data": None}
    return RestError(
        "rest_invalid_param",
        f"Invalid parameter(s): {name}",
        400,
        params={name: reason},
        details={name: detail},
    )


def missing_param(name: str) -> RestError:
    """Return the 400 for a required argument that is absent."""
    return RestError(
        "rest_missing_callback_param", f"Missing parameter(s): {name}", 400, params=[name]
    )


def no_route() -> RestError:
    """Return the 404 for a path or method that WordPress does not know."""
    message = "No route was found matching the URL and request method."
    return RestError("rest_no_route", message, 404)


def invalid_json() -> RestError:
    """Return the 400 for a body that is not JSON."""
    return RestError(
        "rest_invalid_json",
        "Invalid JSON body passed.",
        400,
        json_error_code=4,
        json_error_message="Syntax error",
    )

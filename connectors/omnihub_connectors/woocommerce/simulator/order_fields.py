"""The fields that REST v3 shows of an order, in its order, empty."""

from omnihub_connectors.woocommerce.simulator.products import Payload, Site

ADDRESS = (
    *("first_name", "last_name", "company", "address_1", "address_2", "city", "state"),
    *("postcode", "country"),
)


def blank_address(*more: str) -> Payload:
    """Return an empty address; billing has an e-mail address and a phone number, too."""
    return dict.fromkeys((*ADDRESS, *more), "")


def blank_order(order_id: int, order_key: str, site: Site) -> Payload:
    """Return a new order without lines."""
    local, gmt = site.stamp()
    api = f"{site.url}/wp-json/wc/v3/orders"
    zero = dict.fromkeys(
        (
            *("discount_total", "discount_tax", "shipping_total", "shipping_tax", "cart_tax"),
            *("total", "total_tax"),
        ),
        "0.00",
    )
    return {
        "id": order_id,
        "parent_id": 0,
        "status": "pending",
        "currency": "USD",
        "version": "11.2.0",
        "prices_include_tax": False,
        "date_created": local,
        "date_modified": local,
        **zero,
        "customer_id": 0,
        "order_key": order_key,
        "billing": blank_address("email", "phone"),
        "shipping": blank_address("phone"),
        "payment_method": "",
        "payment_method_title": "",
        "transaction_id": "",
        "customer_ip_address": "",
        "customer_user_agent": "",
        "created_via": "rest-api",
        "customer_note": "",
        "date_completed": None,
        "date_paid": None,
        "cart_hash": "",
        "number": str(order_id),
        "meta_data": [],
        "line_items": [],
        "tax_lines": [],
        "shipping_lines": [],
        "fee_lines": [],
        "coupon_lines": [],
        "refunds": [],
        "payment_url": f"{site.url}/checkout/order-pay/{order_id}/?pay_for_order=true",
        "is_editable": True,
        "needs_payment": True,
        "needs_processing": True,
        "date_created_gmt": gmt,
        "date_modified_gmt": gmt,
        "date_completed_gmt": None,
        "date_paid_gmt": None,
        "currency_symbol": "$",
        "_links": {"self": [{"href": f"{api}/{order_id}"}], "collection": [{"href": api}]},
    }

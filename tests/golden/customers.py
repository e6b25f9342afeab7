"""The lines about customers and the codes that invite them."""

from domain import activation_code, claim_code, customer, product
from domain.model import Event
from domain.recorded import Provenance

CUSTOMER = "5f1e0c0000000000000000da"
ACTIVATION = "5f1e0c0000000000000000db"
HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
SEALED = "v1.dGhpcyBpcyBub2JvZHkncyBidXNpbmVzcw=="
HERSELF = Provenance(f"customer:{CUSTOMER}", "http 127.0.0.1", "request-1", 41, "command-1")
NOBODY = Provenance()

CUSTOMERS: list[tuple[Event, Provenance]] = [
    (
        customer.CustomerCreated(
            customer_id=CUSTOMER, product_id=7000, username=SEALED, password=SEALED
        ),
        HERSELF,
    ),
    (
        customer.CustomerCreated(customer_id=CUSTOMER, product_id=7000, username=SEALED),
        NOBODY,
    ),
    (
        customer.CustomerPasswordChanged(customer_id=CUSTOMER, product_id=7000, password=SEALED),
        HERSELF,
    ),
    (customer.CustomerErased(customer_id=CUSTOMER, product_id=7000), HERSELF),
    (
        activation_code.ActivationCodeIssued(
            activation_id=ACTIVATION, product_id=7000, email=SEALED, code=SEALED
        ),
        HERSELF,
    ),
    (
        activation_code.ActivationCodeResent(activation_id=ACTIVATION, product_id=7000),
        HERSELF,
    ),
    (
        activation_code.ActivationCodeUsed(
            activation_id=ACTIVATION, product_id=7000, customer_id=CUSTOMER
        ),
        HERSELF,
    ),
    (
        activation_code.ActivationCodeRemoved(activation_id=ACTIVATION, product_id=7000),
        NOBODY,
    ),
    (
        claim_code.ClaimCodeRevoked(
            code_hash=HASH, user_id=f"customer:{CUSTOMER}", product_id=7000
        ),
        HERSELF,
    ),
    (product.ActivationCodesRequired(product_id=7000), HERSELF),
    (product.ActivationCodesWaived(product_id=7000), HERSELF),
]

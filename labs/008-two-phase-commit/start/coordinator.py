"""Pay an order: the shop writes it down, the bank takes the money. Two servers, and nothing that holds them together."""

from sqlalchemy import create_engine, text

INSERT = text("INSERT INTO orders VALUES (:order_id, :customer_id, :amount)")
TAKE = text("UPDATE accounts SET balance = balance - :amount WHERE customer_id = :customer_id AND balance >= :amount")


def pay(sales, bank, log, order_id, customer_id, amount):
    """Book the order and take the money, both or neither: True, or False if that is not possible."""
    values = {"order_id": order_id, "customer_id": customer_id, "amount": amount}
    with create_engine(sales).begin() as shop:
        shop.execute(INSERT, values)
    with create_engine(bank).begin() as accounts:
        return accounts.execute(TAKE, values).rowcount == 1


def recover(sales, bank, log):
    """After a crash: decide every transaction of ours that is in doubt."""

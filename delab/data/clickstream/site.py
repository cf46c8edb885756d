"""The shop's pages, and what its visitors are like: fixed lists."""

from dataclasses import dataclass
from functools import cache

import numpy as np

from delab.data.rng import Ints, Weights

HOME, LIST, SEARCH, PRODUCT, CART, CHECKOUT, BUY = range(7)  # kinds of clicks
ACTIONS = ("view", "view", "search", "view", "cart", "checkout", "buy")
HOME_PAGE, SEARCH_PAGE, CHECKOUT_PAGE, THANKS_PAGE, FIRST_LIST = 1, 2, 3, 4, 5  # numbers of pages
CATEGORIES = (
    ("coffee", "Café"),
    ("tea", "Grüner Tee"),
    ("cheese", "Käse"),
    ("bread", "Brød"),
    ("sweets", "Crème brûlée"),
    ("spices", "Ñora"),
    ("honey", "Мёд"),
    ("olives", "Ελιές"),
    ("noodles", "ラーメン"),
    ("rice", "बासमती"),
    ("knives", "Messer"),
    ("pots", "Töpfe"),
)
EACH = 50  # products of a category
PRODUCTS = len(CATEGORIES) * EACH
FIRST_PRODUCT = FIRST_LIST + len(CATEGORIES)
PAGES = FIRST_PRODUCT + PRODUCTS - 1
QUERIES = (
    "coffee",
    "käse",
    "crème",
    "thé vert",
    "мёд",
    "ραδίκι",
    "抹茶",
    "rice 5 kg",
    "gift",
    "brød",
    "chef's knife",
    "piñata",
    "ελιές",
    "cheap",
    "noodles",
    "açaí",
)
COUNTRIES = ("DE", "FR", "GB", "ES", "PL", "GR", "JP", "IN", "US", "BR")
LANGUAGES = ("de", "fr", "en", "es", "pl", "el", "ja", "hi", "en", "pt")
COUNTRY_WEIGHTS = Weights.of((24, 16, 14, 10, 8, 5, 5, 6, 8, 4))
DEVICES = ("phone", "desktop", "tablet")
AGENTS = (  # browsers, four a device
    "Mozilla/5.0 (iPhone) Safari/18.3",
    "Mozilla/5.0 (Pixel 9) Chrome/133",
    "Mozilla/5.0 (Galaxy S24) Chrome/132",
    "Mozilla/5.0 (Android) Firefox/135",
    "Mozilla/5.0 (Windows) Chrome/133",
    "Mozilla/5.0 (Windows) Firefox/135",
    "Mozilla/5.0 (Macintosh) Safari/18.3",
    "Mozilla/5.0 (Linux) Firefox/135",
    "Mozilla/5.0 (iPad) Safari/18.3",
    "Mozilla/5.0 (Galaxy Tab) Chrome/133",
    "Mozilla/5.0 (Tablet) Firefox/135",
    "Mozilla/5.0 (Tab M11) Chrome/131",
    "ShopCrawler/2.1 (+bot@example.com)",  # declared bots from here on
    "PriceBot/1.0 (+example.net/bot)",
)
BROWSERS = 12
AGENT_WEIGHTS = Weights.of((18, 20, 14, 4, 18, 6, 8, 3, 5, 2, 1, 1))
CAMPAIGNS = (None, "newsletter", "search-ad", "social", "spring-sale")
CAMPAIGN_WEIGHTS = Weights.of((64, 12, 12, 7, 5))


@dataclass(frozen=True)
class Page:
    """A page of the shop. `price` in cents, for products."""

    path: str
    kind: str
    title: str
    category: str | None = None
    price: int | None = None


@cache
def pages() -> tuple[Page, ...]:
    """All pages in the order of their numbers, which begin at 1."""
    plain = (
        Page("/", "home", "Délices"),
        Page("/search", "search", "Search"),
        Page("/checkout", "checkout", "Checkout"),
        Page("/thanks", "thanks", "Merci à vous"),
    )
    lists = tuple(Page(f"/{slug}", "list", title, slug) for slug, title in CATEGORIES)
    cents = prices().tolist()
    products = tuple(
        Page(f"/{slug}/{number + 1}", "product", f"{title} {number + 1}", slug, cents[place * EACH + number])
        for place, (slug, title) in enumerate(CATEGORIES)
        for number in range(EACH)
    )
    return (*plain, *lists, *products)


@cache
def prices() -> Ints:
    """Euro cents of each product: 1.49 to 60.89, the same for every seed."""
    number = np.arange(PRODUCTS, dtype=np.int64)
    cents: Ints = 149 + number * 7919 % 595 * 10
    return cents

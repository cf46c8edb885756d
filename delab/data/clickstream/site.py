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
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_3 like Mac OS X) AppleWebKit/605.1.15 Version/18.3 Mobile/15E148 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 Chrome/133.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Linux; Android 14; SM-S921B) AppleWebKit/537.36 Chrome/132.0 Mobile Safari/537.36",
    "Mozilla/5.0 (Android 15; Mobile; rv:135.0) Gecko/135.0 Firefox/135.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/133.0 Safari/537.36",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 Version/18.3 Safari/605.1.15",
    "Mozilla/5.0 (X11; Linux x86_64; rv:135.0) Gecko/20100101 Firefox/135.0",
    "Mozilla/5.0 (iPad; CPU OS 18_3 like Mac OS X) AppleWebKit/605.1.15 Version/18.3 Safari/604.1",
    "Mozilla/5.0 (Linux; Android 14; SM-X710) AppleWebKit/537.36 Chrome/133.0 Safari/537.36",
    "Mozilla/5.0 (Android 14; Tablet; rv:135.0) Gecko/135.0 Firefox/135.0",
    "Mozilla/5.0 (Linux; Android 13; Lenovo TB-J606F) AppleWebKit/537.36 Chrome/131.0 Safari/537.36",
    "ShopCrawler/2.1 (+https://crawler.example.com/bot)",  # declared bots from here on
    "PriceBot/1.0 (+https://prices.example.net/bot.html)",
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

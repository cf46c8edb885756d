"""Where the retailer sells: countries with currency and time zone, a ragged hierarchy of areas, stores. The same at every seed."""

import datetime as dt
from dataclasses import dataclass
from functools import cache

from delab.data.retail.names import NAMES


@dataclass(frozen=True)
class Country:
    """`pairs` of 25 is its share of the customers; `list_rate` turns a price in euro into the local list price."""

    code: str
    name: str
    region: str
    currency: str
    zone: str
    offset: int  # of its standard time to UTC, in hours, rounded
    pairs: int
    list_rate: float  # units of local currency a euro, in price lists
    digits: int  # of its postal codes
    places: tuple[tuple[str, str], ...]  # (district or "", city)


def places(text: str) -> tuple[tuple[str, str], ...]:
    """`District/City, City`: a city without a district hangs directly below its country."""
    parts = [part.strip().split("/") for part in text.split(",")]
    return tuple((part[0] if len(part) == 2 else "", part[-1]) for part in parts)


COUNTRIES = (
    Country("US", "United States", "Americas", "USD", "America/New_York", -5, 4, 1.125, 5,
            places("East/New York, East/Boston, South/Atlanta, South/Miami, East/Philadelphia")),
    Country("DE", "Deutschland", "Europe", "EUR", "Europe/Berlin", 1, 4, 1.0, 5,
            places("Nord/Hamburg, Nord/Berlin, Süd/München, Süd/Nürnberg, West/Köln")),
    Country("GB", "United Kingdom", "Europe", "GBP", "Europe/London", 0, 3, 0.875, 5,
            places("England/London, England/Leeds, Scotland/Edinburgh, Cymru/Caerdydd, England/Bristol")),
    Country("FR", "France", "Europe", "EUR", "Europe/Paris", 1, 2, 1.0, 5, places("Paris, Lyon, Besançon, Nîmes, Orléans")),
    Country("IN", "भारत", "Asia", "INR", "Asia/Kolkata", 6, 3, 90.0, 6,
            places("उत्तर/दिल्ली, उत्तर/जयपुर, पश्चिम/मुंबई, पश्चिम/पुणे, दक्षिण/चेन्नई")),
    Country("JP", "日本", "Asia", "JPY", "Asia/Tokyo", 9, 2, 160.0, 7, places("東京, 大阪, 札幌, 福岡, 名古屋")),
    Country("BR", "Brasil", "Americas", "BRL", "America/Sao_Paulo", -3, 2, 6.0, 8,
            places("São Paulo, Rio de Janeiro, Brasília, Fortaleza, Belém")),
    Country("PL", "Polska", "Europe", "PLN", "Europe/Warsaw", 1, 1, 4.25, 5, places("Warszawa, Kraków, Łódź, Gdańsk, Wrocław")),
    Country("GR", "Ελλάδα", "Europe", "EUR", "Europe/Athens", 2, 1, 1.0, 5, places("Αθήνα, Θεσσαλονίκη, Πάτρα, Ηράκλειο, Βόλος")),
    Country("EG", "مصر", "Africa", "EGP", "Africa/Cairo", 2, 1, 50.0, 5, places("القاهرة, الإسكندرية, الجيزة, أسوان, طنطا")),
    Country("KR", "대한민국", "Asia", "KRW", "Asia/Seoul", 9, 1, 1500.0, 5, places("서울, 부산, 대구, 인천, 광주")),
    Country("UA", "Україна", "Europe", "UAH", "Europe/Kyiv", 2, 1, 45.0, 5, places("Київ, Львів, Одеса, Харків, Дніпро")),
)  # fmt: skip
assert [country.code for country in COUNTRIES] == list(NAMES)
CITIES = 5  # a country
WHOLE = {"JPY", "KRW"}  # currencies without small coins


@dataclass(frozen=True)
class Area:
    """A node of the hierarchy. Levels: world, region, country, district (only in some countries), city."""

    area_id: int
    parent_id: int | None
    level: str
    name: str


@dataclass(frozen=True)
class Store:
    """A shop in a city, or the web shop of a country (its area is the country)."""

    store_id: int
    name: str
    area_id: int
    channel: str
    country: Country
    city: str | None
    opened_on: dt.date
    floor_m2: int | None


class Hierarchy:
    """Numbers areas as they are first met."""

    def __init__(self) -> None:
        self.areas: list[Area] = []
        self.known: dict[tuple[int | None, str], int] = {}

    def area(self, parent: int | None, level: str, name: str) -> int:
        """The number of the area of that name below `parent`."""
        if (parent, name) not in self.known:
            self.known[parent, name] = len(self.areas) + 1
            self.areas.append(Area(len(self.areas) + 1, parent, level, name))
        return self.known[parent, name]

    def country(self, country: Country) -> int:
        """The number of a country."""
        region = self.area(self.area(None, "world", "World"), "region", country.region)
        return self.area(region, "country", country.name)

    def city(self, country: Country, district: str, city: str) -> int:
        """The number of a city."""
        above = self.country(country)
        if district:
            above = self.area(above, "district", district)
        return self.area(above, "city", city)


@cache
def geography() -> tuple[tuple[Area, ...], tuple[Store, ...]]:
    """All areas and stores. Store 6 c + 1 is the web shop of country number c, the next five are its shops."""
    hierarchy = Hierarchy()
    stores: list[Store] = []
    for country in COUNTRIES:
        number = len(stores) + 1
        stores.append(
            Store(number, f"{country.code} web", hierarchy.country(country), "web", country, None, dt.date(2020, 3, 1), None)
        )
        for place, (district, city) in enumerate(country.places):
            area = hierarchy.city(country, district, city)
            stores.append(shop(number + 1 + place, place, area, country, city))
    return tuple(hierarchy.areas), tuple(stores)


def shop(number: int, place: int, area: int, country: Country, city: str) -> Store:
    """A shop; the fourth of each country opens during 2024, the fifth during 2025."""
    opened = dt.date(2012 + number % 9, 1 + number % 12, 1 + number % 28)
    if place >= 3:
        opened = opened.replace(year=2021 + place)
    return Store(number, f"{country.code} {city}", area, "shop", country, city, opened, 180 + number * 37 % 900)

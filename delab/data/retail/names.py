"""Names of people, in the scripts of the twelve countries; invented combinations of common names."""

from functools import cache

from delab.data.arrow import Array, pa

# ruff: noqa: E501 - a list of names is easier to check on one line
# country: (given names, family names); the family name comes first where FAMILY_FIRST says so
NAMES = {
    "US": (
        "James Mary Robert Patricia John Jennifer Michael Linda David Elizabeth William Barbara Aaliyah Mateo Mei Siobhán",
        "Smith Johnson Williams Brown Jones García Miller Davis Rodríguez Martínez O'Brien Nguyen Kowalski Washington Lee Begay",
    ),
    "DE": (
        "Jürgen Käthe Lukas Anna Leon Mia Björn Zoë Thomas Ursula Wolfgang Heike Götz Änne Jörg Mareike",
        "Müller Schmidt Schneider Fischer Weber Meyer Wagner Becker Schulz Hoffmann Schäfer Köhler Weiß Größer Böhm Yılmaz",
    ),
    "GB": (
        "Oliver Amelia George Isla Arthur Olivia Noah Ava Muhammad Eilidh Rhys Siân Harry Freya Callum Niamh",
        "Smith Jones Taylor Brown Williams Wilson Johnson Davies Patel Wright Walker Evans Khan MacDonald O'Neill Llewellyn",
    ),
    "FR": (
        "Gabriel Léa Raphaël Chloé Théo Zoé Loïc Hélène François Noémie Benoît Agnès Jérôme Anaïs Rémi Maëlys",
        "Martin Bernard Dubois Thomas Robert Richard Petit Durand Leroy Moreau Lefèvre Gauthier Besançon Benoît Muñoz Traoré",
    ),
    "IN": (
        "आरव अदिति विवान अनन्या अर्जुन दिया रोहन ईशा करण मीरा सूर्या प्रिया राहुल नेहा विक्रम सीता",
        "शर्मा वर्मा गुप्ता सिंह कुमार पटेल रेड्डी मेहता जोशी चोपड़ा नायर अय्यर बनर्जी घोष यादव मिश्रा",
    ),
    "JP": (
        "翔太 さくら 健 美咲 大輔 陽菜 拓也 結衣 直樹 葵 誠 ひかり 蓮 凛 悠斗 楓",
        "佐藤 鈴木 高橋 田中 渡辺 伊藤 山本 中村 小林 加藤 吉田 山田 佐々木 松本 井上 木村",
    ),
    "BR": (
        "João Maria José Ana Antônio Luíza Lucas Júlia Caetano Beatriz Thiago Conceição Vinícius Letícia Otávio Inês",
        "Silva Santos Oliveira Souza Rodrigues Ferreira Alves Pereira Lima Gonçalves Araújo Conceição Magalhães Assunção Nakamura Brandão",
    ),
    "PL": (
        "Jan Zofia Stanisław Hanna Łukasz Małgorzata Paweł Agnieszka Michał Zuzanna Grażyna Wojciech Żaneta Bogusław Ewa Jędrzej",
        "Nowak Kowalska Wiśniewski Wójcik Kowalczyk Kamińska Lewandowski Zielińska Szymański Woźniak Dąbrowska Kozłowski Łaska Źrebiec Żak Świątek",
    ),
    "GR": (
        "Γιώργος Μαρία Γιάννης Ελένη Κώστας Κατερίνα Δημήτρης Βασιλική Νίκος Σοφία Παναγιώτης Ιωάννα Βαγγέλης Αγγελική Χρήστος Δέσποινα",
        "Παπαδόπουλος Βλάχου Αγγελόπουλος Νικολαΐδου Παπαδάκης Γεωργίου Καραγιάννης Οικονόμου Μακρής Δημητρίου Σταύρου Λάμπρου Ζαφειρίου Κυριάκου Ρήγας Θεοδώρου",
    ),
    "EG": (
        "محمد فاطمة أحمد مريم محمود نور علي سارة يوسف هدى عمر ليلى خالد سلمى طارق ياسمين",
        "حسن إبراهيم السيد عبد_الله منصور خليل مصطفى سليمان عثمان فاروق ناصر حداد المصري رمضان زكي شريف",
    ),
    "KR": (
        "민준 서연 서준 지우 도윤 하은 예준 지민 시우 수빈 하준 유진 지호 은지 준서 다은",
        "김 이 박 최 정 강 조 윤 장 임 한 오 서 신 권 황",
    ),
    "UA": (
        "Олександр Софія Андрій Анна Дмитро Марія Тарас Оксана Ярослав Юлія Богдан Їванна Сергій Ганна Василь Ґалина",
        "Мельник Шевченко Коваленко Бондаренко Бойко Ткаченко Кравченко Ковальчук Коваль Олійник Шевчук Поліщук Лисенко Руденко Мороз Під'їзний",
    ),
}
FAMILY_FIRST = {"JP", "KR"}
EACH = 16 * 16  # full names a country


def combined(country: str) -> list[str]:
    """All full names of a country: given name number g and family name number f stand at 16 g + f."""
    given, family = (words.replace("_", "\0").split() for words in NAMES[country])
    assert len(given) == len(family) == 16, country
    gap = "" if country == "KR" else " "
    pairs = ((f, g) if country in FAMILY_FIRST else (g, f) for g in given for f in family)
    return [gap.join(pair).replace("\0", " ") for pair in pairs]


@cache
def full_names() -> Array:
    """The full names of all countries, in the order of NAMES, EACH a country."""
    return pa.array([name for country in NAMES for name in combined(country)], pa.string())

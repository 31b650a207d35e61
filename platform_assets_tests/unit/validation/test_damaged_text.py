"""Text that was read in a wrong encoding is told from honest text of many languages."""

import polars as pl
import pytest

from platform_assets.connectors.conforming import conform
from platform_assets.declaration.delivered_columns import DELIVERED_DAY, SOURCE_POSITION, SOURCE_PROBLEM
from platform_assets.testing.declare import declare, row
from platform_assets.validation.damaged_text import DAMAGED_TEXT
from platform_assets.validation.row_rules import find_violations


def words(text: str) -> list[str]:
    """Words that stand between bars."""
    return text.split("|")


HONEST = words(
    "Straße|Österreich|Škoda|škoda|Žižkov|Kříž|KŘÍŽ|MNÍŠEK|DÉŠŤ|Úžasné|TÝŽ|CAFÉ’S|“CAFÉ”|CAFÉ…|déjà !|« déjà »|é»|NÃO…|"
    "JOÃO’|“NÃO”|AMANHÃ…|IRMÃ”|SÃO PAULO|Curaçao|Ångström|ÅRHUS|PÅ…|“PÅ”|MÄ…|„MOTÄ“|SKÅ®|L’Oréal®|Nestlé™|20 °C|n° 5|ª|"
    "Mª José|3.º|½ l|2×½|Ø½ inch|Ø²|5×²|€5|5 €|£5|Київ|Москва|Αθήνα|שלום|مرحبا|東京|서울|ประเทศไทย|हिन्दी|Việt Nam|ơ ư|Đà Nẵng|"
    "Reykjavík|ÞÓR|Þór|Færøerne|ÆØÅ|Łódź|ŁÓDŹ|ŻÓŁĆ|Ñandú|NIÑ…|“ESPAÑOL”|¿Qué?|¡Olé!|Perú|PERÚ®|MENÜ|Spaß’|Groß“|„Groß“|"
    "groß–klein|naïve|NAÏVE|Noël|Ça va|ÇA|L·L|PARAL·LEL|à la carte|voilà|É|à|Ã|Â|Å|ÎLE|Île-de-France|“Île”|Σ|Ω|π|“déjà…”|"
    "où ?|Là–bas|più»|«più»|città’|PERCHÈ?|PERCHÈ…|LUNEDÌ|LUNEDÌ…|Così®|El Niño™|Ā ē ī|şÇöĞı|İstanbul|GÜNEŞ|ÖĞRETMEN|"
    "Ă ă ș ț|Ș|Ț|𝒳 🎉|👍🏽|naïve – really|co‑op|São Tomé e Príncipe|Côte d’Ivoire|CÔTE D’IVOIRE|HÔTEL|Â propos|Ð|Ñ|fjör ð|það|"
    "ðað|maðurinn|Ævar|õun|Õunapuu|jõhvi|Põltsamaa|šaš|“Ä”|SMÅ–STORE|ÅÄÖ|DÃO-LAFÕES|20Â|Ô|NÃO – SIM|d’été|«Été»|« Été »|"
    "ÉTÉ »|“Él”|él…|tú…|così…|là…|Zoë’s|Renée’s|café–bar|café®|É®|½|5′|5″|100 µm|10 ‰|ﬁ|…|―|x²|m³|a¹|Größe²|Ö²|Höhe³|ü©|Ü©|"
    "é©|é°|è²|Žluťoučký kůň úpěl ďábelské ódy|příliš|ŽLUŤOUČKÝ KŮŇ|ÚŽASNÝ|ÍŽ|ÝŽ|Íž|Rīga|Šiauliai|Õš"
)
DAMAGED = words(
    "Straße|Österreich|škoda|Škoda|Žižkov|Příbram|Ångström|Århus|Łódź|żółć|ąę|Győr|őű|İstanbul|şeker|ğ|Ağrı|Kōbe|Rīga|"
    "Šiauliai|ēna|Timișoara|Constanța|Perú|García|José|São Paulo|João|Curaçao|Côte|HÔTEL|CÔTE|CAFÉ|ÉTÉ|à la carte|déjà vu|"
    "naïve|Noël|ß|é|ñandú|¿Qué|¡Olé|20°C|£5|5 €|½ l|“quoted”|it’s|a – b|a — b|wait…|Київ|Москва|я|Αθήνα|π|Ω|μm|שלום|مرحبا|"
    "東京|北京|서울|ไทย|हिन्दी|Việt Nam|ơi|Đà Nẵng|Azərbaycan|Hawaiʻi|🎉|👍🏽|™|®|©|Reykjavík|Þór|Færøerne|Ævar|Œuvre|cœur|Ÿ|MÜLLER|"
    "Müller|KÖLN|Köln|Ö|Übung|ÅL|ÄPFEL|Äpfel|José.|né le 5|Né le 5|él|más|«oui»|Նարեկ|ქართული|Ø|Øl|Tromsø|café|Skåne|på|ý|"
    "Kraków|Wrocław|Čapek|čaj|ďas|ťuk|ňouma|ů|Ř|Ľ|ľ|ţ|ż|ć|Ć|Ą|ł|ı|Ğ|Ş|Mariánské Lázně|Paweł Wąs|ŻABKA|Źródło|tuž|Příští|"
    "łódź"
)


def as_latin_1(text: str) -> str:
    """UTF-8 that is read as ISO 8859-1."""
    return text.encode().decode("latin-1")


def as_windows_1252(text: str) -> str:
    """UTF-8 that is read as Windows-1252; its five unused bytes stay controls, as browsers and Java have them."""
    return "".join(
        chr(byte) if byte in b"\x81\x8d\x8f\x90\x9d" else bytes([byte]).decode("cp1252") for byte in text.encode()
    )


def found(texts: list[str]) -> list[str]:
    """Those of the texts that count as damaged."""
    return pl.Series(texts).to_frame("text").filter(pl.col("text").str.contains(DAMAGED_TEXT))["text"].to_list()


def test_honest_text_of_many_languages_is_not_damaged() -> None:
    assert found(HONEST) == []
    assert found(DAMAGED) == [], "before they are damaged"


@pytest.mark.parametrize("read_as", [as_latin_1, as_windows_1252])
def test_a_word_in_a_wrong_encoding_is_damaged_whatever_its_letters(read_as: object) -> None:
    damaged = [read_as(word) for word in DAMAGED]  # type: ignore[operator]
    changed = [after for before, after in zip(DAMAGED, damaged, strict=True) if before != after]
    assert len(changed) > 100
    assert sorted(set(changed) - set(found(changed))) == []


@pytest.mark.parametrize("read_as", [as_latin_1, as_windows_1252])
def test_it_is_found_inside_a_sentence_and_when_it_happened_twice(read_as: object) -> None:
    once = [f"Delivered to {read_as(word)}, today" for word in ("Straße", "škoda", "Київ", "东京 market", "Győr")]  # type: ignore[operator]
    assert found(once) == once
    twice = [read_as(text) for text in once]  # type: ignore[operator]
    assert found(twice) == twice


@pytest.mark.parametrize("text", ["Stra\ufffde", "M\x81nchen", "StraÃŸe", "Ã–sterreich", "Å¡koda"])
def test_the_rule_sends_the_row_to_quarantine(text: str) -> None:
    case = declare(
        events={"visit": "int64", "at": "datetime", "city": "string"},
        label="unpaid",
        features=[{"name": "numbers", "rows": [row("next_visit", "1 + visit")]}],
    )
    rows = pl.DataFrame(
        {"visit": ["1", "2"], "at": ["2024-01-02"] * 2, "city": ["Łódź", text], SOURCE_POSITION: ["a"] * 2}
    ).with_columns(
        pl.lit("2024-01-02").str.to_date().alias(DELIVERED_DAY), pl.lit(None, dtype=pl.String).alias(SOURCE_PROBLEM)
    )
    source = case.event_source
    violations = find_violations(conform(rows, source).frame, source, {})
    assert violations.select("rule", "column", "value").rows() == [("encoding", "city", text)]

"""Spellings of countries as data sets write them, and names that must not become a country."""

import csv
import re

import pytest

from acculturate.survey import country_name, find_name
from acculturate.survey.country_names import DATA, name_key

# GlobalOpinionQA (Anthropic/llm_global_opinions), all names of its answers, less "(... sample)"; as listed
# in public code that reads it. Most are our own name; the others are given as "theirs: ours".
GLOBAL_OPINIONS = """
Albania, Andorra, Angola, Argentina, Armenia, Australia, Austria, Azerbaijan, Bangladesh, Belarus,
Belgium, Bolivia, Bosnia Herzegovina: Bosnia and Herzegovina, Brazil, Britain: United Kingdom,
Bulgaria, Burkina Faso, Canada, Chile, China, Colombia, Croatia, Cyprus, Czech Rep.: Czech Republic,
Czechia: Czech Republic, Denmark, Ecuador, Egypt, El Salvador, Estonia, Ethiopia, Finland, France,
Georgia, Germany, Ghana, Great Britain: United Kingdom, Greece, Guatemala, Honduras,
Hong Kong SAR: Hong Kong, Hungary, Iceland, India, Indonesia, Iran, Iraq, Israel, Italy,
Ivory Coast, Japan, Jordan, Kazakhstan, Kenya, Kuwait, Kyrgyzstan, Latvia, Lebanon, Libya,
Lithuania, Macau SAR: Macao, Malaysia, Maldives, Mali, Mexico, Mongolia, Montenegro, Morocco,
Myanmar, Netherlands, New Zealand, Nicaragua, Nigeria, North Macedonia, Northern Ireland, Norway,
Pakistan, Palest. ter.: Palestine, Peru, Philippines, Poland, Portugal, Puerto Rico, Romania,
Russia, S. Africa: South Africa, S. Korea: South Korea, Senegal, Serbia, Singapore, Slovakia,
Slovenia, South Korea, Spain, Sweden, Switzerland, Taiwan, Taiwan ROC: Taiwan, Tajikistan, Tanzania,
Thailand, Tunisia, Turkey, Uganda, Ukraine, United States, Uruguay, Uzbekistan, Venezuela, Vietnam,
Zimbabwe
"""
# World Values Survey and EVS, as in the places of the cultural map (Tao et al. 2024, OSF), and older waves.
WORLD_VALUES = """
Bosnia Herzegovina: Bosnia and Herzegovina, Taiwan ROC: Taiwan, Northern Cyprus,
North Ireland: Northern Ireland, Hong Kong SAR: Hong Kong, Macau SAR: Macao, Viet Nam: Vietnam,
Great Britain: United Kingdom, Russian Federation: Russia, Republic of Korea: South Korea,
Dominican Rep.: Dominican Republic, Trinidad and Tobago, Bosnia: Bosnia and Herzegovina,
Slovak Republic: Slovakia, Iran (Islamic Republic of): Iran, Moldova (Republic of): Moldova,
Tanzania (United Republic of): Tanzania, Kyrgyz Republic: Kyrgyzstan,
Palestinian Territory: Palestine, USA: United States, UK: United Kingdom, Macedonia: North Macedonia
"""
# Geert Hofstede's file of 2015-08-16 ("6-dimensions-for-website"), names that are not ours, and regions.
HOFSTEDE = """
Bosnia: Bosnia and Herzegovina, Czech Rep: Czech Republic, Dominican Rep: Dominican Republic,
Great Britain: United Kingdom, Korea South: South Korea, Kyrgyz Rep: Kyrgyzstan,
Macedonia Rep: North Macedonia, Slovak Rep: Slovakia, U.S.A.: United States, Africa East,
Africa West, Arab countries, Belgium French, Belgium Netherl, Canada French, Germany East,
South Africa white, Switzerland French, Switzerland German
"""
# World Bank, names of economies (data.worldbank.org), with two of older releases.
WORLD_BANK = """
"Bahamas, The": Bahamas, Brunei Darussalam: Brunei, Cabo Verde: Cape Verde,
"Congo, Dem. Rep.": DR Congo, "Congo, Rep.": Congo, Cote d'Ivoire: Ivory Coast, Curacao: Curaçao,
Czechia: Czech Republic, "Egypt, Arab Rep.": Egypt, Eswatini, "Gambia, The": Gambia,
"Hong Kong SAR, China": Hong Kong, "Iran, Islamic Rep.": Iran,
"Korea, Dem. People's Rep.": North Korea, "Korea, Dem. Rep.": North Korea,
"Korea, Rep.": South Korea, Kyrgyz Republic: Kyrgyzstan, Lao PDR: Laos, "Macao SAR, China": Macao,
"Macedonia, FYR": North Macedonia, "Micronesia, Fed. Sts.": Micronesia,
Puerto Rico (US): Puerto Rico, Russian Federation: Russia, Sao Tome and Principe,
Sint Maarten (Dutch part): Sint Maarten, Slovak Republic: Slovakia, "Somalia, Fed. Rep.": Somalia,
St. Kitts and Nevis: Saint Kitts and Nevis, St. Lucia: Saint Lucia,
St. Martin (French part): Saint Martin,
St. Vincent and the Grenadines: Saint Vincent and the Grenadines, Syrian Arab Republic: Syria,
"Taiwan, China": Taiwan, Turkiye: Turkey, Türkiye: Turkey, "Venezuela, RB": Venezuela,
Viet Nam: Vietnam, Virgin Islands (U.S.): US Virgin Islands, West Bank and Gaza: Palestine,
"Yemen, Rep.": Yemen
"""
# United Nations, names of M49 (unstats.un.org).
UNITED_NATIONS = """
Bolivia (Plurinational State of): Bolivia, "Bonaire, Sint Eustatius and Saba",
"China, Hong Kong Special Administrative Region": Hong Kong, "China, Macao SAR": Macao,
Cocos (Keeling) Islands: Cocos Islands, Côte d’Ivoire: Ivory Coast,
Democratic People's Republic of Korea: North Korea, Democratic Republic of the Congo: DR Congo,
Falkland Islands (Malvinas): Falkland Islands, Holy See: Vatican City,
Iran (Islamic Republic of): Iran, Lao People's Democratic Republic: Laos,
Micronesia (Federated States of): Micronesia, Netherlands (Kingdom of the): Netherlands,
Republic of Korea: South Korea, Republic of Moldova: Moldova, State of Palestine: Palestine,
Svalbard and Jan Mayen Islands: Svalbard and Jan Mayen,
United Kingdom of Great Britain and Northern Ireland: United Kingdom,
United Republic of Tanzania: Tanzania, United States Virgin Islands: US Virgin Islands,
United States of America: United States, Venezuela (Bolivarian Republic of): Venezuela,
Wallis and Futuna Islands: Wallis and Futuna,
The former Yugoslav Republic of Macedonia: North Macedonia, "China, Taiwan Province of": Taiwan,
Libyan Arab Jamahiriya: Libya, Czech Republic
"""
# ISO 3166-1, short and official names where they differ from ours.
ISO_3166 = """
"Bolivia, Plurinational State of": Bolivia, "Congo, The Democratic Republic of the": DR Congo,
Holy See (Vatican City State): Vatican City, "Iran, Islamic Republic of": Iran,
"Korea, Democratic People's Republic of": North Korea, "Korea, Republic of": South Korea,
"Micronesia, Federated States of": Micronesia, "Moldova, Republic of": Moldova,
"Palestine, State of": Palestine, "Saint Helena, Ascension and Tristan da Cunha": Saint Helena,
"Taiwan, Province of China": Taiwan, "Tanzania, United Republic of": Tanzania,
"Venezuela, Bolivarian Republic of": Venezuela, "Virgin Islands, British": British Virgin Islands,
"Virgin Islands, U.S.": US Virgin Islands, Argentine Republic: Argentina,
Commonwealth of Dominica: Dominica, Commonwealth of the Bahamas: Bahamas,
Democratic Socialist Republic of Sri Lanka: Sri Lanka, Eastern Republic of Uruguay: Uruguay,
Federal Democratic Republic of Ethiopia: Ethiopia, Federal Republic of Germany: Germany,
Federal Republic of Nigeria: Nigeria, Federative Republic of Brazil: Brazil,
French Republic: France, Grand Duchy of Luxembourg: Luxembourg, Hashemite Kingdom of Jordan: Jordan,
Hellenic Republic: Greece, Independent State of Papua New Guinea: Papua New Guinea,
Islamic Republic of Mauritania: Mauritania, Italian Republic: Italy, Lebanese Republic: Lebanon,
People's Democratic Republic of Algeria: Algeria, People's Republic of China: China,
Portuguese Republic: Portugal, Republic of Equatorial Guinea: Equatorial Guinea,
Republic of Guinea: Guinea, Republic of Guinea-Bissau: Guinea-Bissau,
Republic of South Africa: South Africa, Republic of South Sudan: South Sudan,
Republic of the Congo: Congo, Republic of the Niger: Niger, Republic of the Sudan: Sudan,
Rwandese Republic: Rwanda, Socialist Republic of Viet Nam: Vietnam, Sultanate of Oman: Oman,
Swiss Confederation: Switzerland, Union of the Comoros: Comoros, United Mexican States: Mexico,
Republic of Türkiye: Turkey
"""
# Natural Earth (geopandas' maps), World Happiness Report, CIA World Factbook, IMF, Our World in Data.
OTHERS = """
Hong Kong SAR PRC: Hong Kong, "Iran, Islam. Rep.": Iran, "Tanzania, Un. Rep.": Tanzania, ROM: Romania,
Bosnia-Hercegovina: Bosnia and Herzegovina, Trinidad & Tob.: Trinidad and Tobago, Moldavia: Moldova,
GB-GBN: United Kingdom, GB-NIR: Northern Ireland, NIR: Northern Ireland, ZAR: DR Congo, Belorussia: Belarus,
Falkland Islands (the) [Malvinas]: Falkland Islands, Cent. Afr. Rep.: Central African Republic,
Dem. Rep. Congo: DR Congo, Eq. Guinea: Equatorial Guinea,
Central African Rep.: Central African Republic, Bosnia and Herz.: Bosnia and Herzegovina,
Fr. Polynesia: French Polynesia, S. Sudan: South Sudan, W. Sahara: Western Sahara,
Solomon Is.: Solomon Islands, Falkland Is.: Falkland Islands, N. Cyprus: Northern Cyprus,
U.S. Virgin Is.: US Virgin Islands, British Virgin Is.: British Virgin Islands, eSwatini: Eswatini,
N. Mariana Is.: Northern Mariana Islands, Faeroe Is.: Faroe Islands,
Antigua and Barb.: Antigua and Barbuda, St. Vin. and Gren.: Saint Vincent and the Grenadines,
Turks and Caicos Is.: Turks and Caicos Islands, Congo (Brazzaville): Congo,
Congo (Kinshasa): DR Congo, Hong Kong S.A.R. of China: Hong Kong, Taiwan Province of China: Taiwan,
State of Palestine: Palestine, "Korea, South": South Korea, "Korea, North": North Korea,
Burma: Myanmar, Turkey (Turkiye): Turkey, The Gambia: Gambia, The Bahamas: Bahamas,
Lao P.D.R.: Laos, Democratic Republic of Congo: DR Congo, Timor: Timor-Leste,
Micronesia (country): Micronesia, Russian Fed.: Russia, Trinidad & Tobago: Trinidad and Tobago,
S.Korea: South Korea, Korea (South): South Korea, Korea (Rep.): South Korea,
U. S. A.: United States, U S A: United States, U.K.: United Kingdom, D.R. Congo: DR Congo, DRC: DR Congo,
Eswatini (formerly Swaziland): Eswatini, Myanmar/Burma: Myanmar,
Czech Republic/Czechia: Czech Republic, United_States: United States, SouthKorea: South Korea,
Hongkong: Hong Kong, VIETNAM: Vietnam, Republic of China (Taiwan): Taiwan,
Republic of China: Taiwan, the Netherlands: Netherlands, Türkıye: Turkey,
Republic of Ireland: Ireland, Congo DR: DR Congo, Guinea Conakry: Guinea, IS: Iceland,
ST: Sao Tome and Principe, AND: Andorra, gbr: United Kingdom, East Africa: Africa East,
Switzerland (German): Switzerland German, East Germany: Germany East,
White South Africa: South Africa white, Belgium Dutch: Belgium Netherl
"""


LIKE = """
Niger, Nigeria, Dominica, Dominican Republic, Guinea, Guinea-Bissau, Equatorial Guinea,
Papua New Guinea, Congo, DR Congo, North Korea, South Korea, Sudan, South Sudan, Samoa,
American Samoa, Austria, Australia, Mauritius, Mauritania, China, Taiwan, Hong Kong, Macao, Ireland,
Northern Ireland, Cyprus, Northern Cyprus, Serbia, Montenegro, Slovakia, Slovenia, Mali, Malawi,
Malta, Georgia, Jersey, South Georgia and the South Sandwich Islands, Netherlands, Germany,
Germany East, US Virgin Islands, British Virgin Islands, Iran, Iraq, India, Indonesia, Zambia,
Gambia, Latvia, Lithuania, Timor-Leste, Saint Martin, Sint Maarten, Martinique, French Guiana,
Guyana, South Africa, South Africa white
"""


def listed(text: str) -> list[tuple[str, str]]:
    pairs = re.findall(r'(?:"([^"]+)"|([^,:"]+))(?::([^,]+))?(?:,|$)', " ".join(text.split()))
    names = [((quoted or bare).strip(), ours.strip()) for quoted, bare, ours in pairs]
    return [(name, ours or name) for name, ours in names]


@pytest.mark.parametrize(
    "spellings",
    [GLOBAL_OPINIONS, WORLD_VALUES, HOFSTEDE, WORLD_BANK, UNITED_NATIONS, ISO_3166, OTHERS],
)
def test_spellings_of_a_set(spellings: str):
    pairs = listed(spellings)
    assert len(pairs) > 15
    assert {theirs: country_name(theirs) for theirs, _ in pairs} == dict(pairs)
    assert all(find_name(ours) for _, ours in pairs)


@pytest.mark.parametrize(
    "name",
    [
        *("Serbia and Montenegro", "Czechoslovakia", "Yugoslavia", "USSR", "Soviet Union"),
        *("German Democratic Republic", "Germany West", "West Germany", "Netherlands Antilles"),
        *("Latin America", "South America", "North America", "Americas", "Africa", "Arab States"),
        *("European Union", "Central Asia", "East Asia", "Southern Africa", "England"),
        *(
            "Scotland",
            "Channel Islands",
            "Somaliland region",
            "United Arab Republic",
            "Federal Republic of Yugoslavia",
        ),
        *("Guinea and Niger", "China (Shanghai)", "Congo (Zaire)", "Georgia, USA", "Republic", ""),
        *("Atlantis", "United", "Kingdom", "States", "-", "N/A", "南非"),
    ],
)
def test_what_is_no_country_stays_what_it_is(name: str):
    assert find_name(name) is None
    assert country_name(name) == name


def test_countries_of_like_names_stay_apart():
    names = [ours for _, ours in listed(LIKE)]
    assert len({country_name(name) for name in names}) == len(names)
    assert all(find_name(name) for name in names)


def test_every_spelling_in_the_file_leads_to_its_country():
    with (DATA / "names.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sum(row["iso2"] != "" for row in rows) == 250
    for row in rows:
        for spelling in (row["name"], row["iso2"], row["iso3"], *row["aliases"].split("|")):
            for variant in (spelling, spelling.upper(), f" {spelling}. "):
                known = find_name(variant)
                assert not spelling or (known and known.name == row["name"]), variant


def test_an_unknown_name_is_one_however_it_is_written():
    assert name_key("Atlantis, North") == name_key("N. ATLANTIS") != name_key("Atlantis, South")

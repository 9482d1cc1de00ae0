"""Swedish words: names, places, formats of values, and the medical vocabulary of notes and public text."""

from datetime import date
from random import Random

from stages.demo.language import listed

MALE = listed(
    """
    Björn; Sten; Stig; Frej; Ulf; Varg; Sven; Bo; Love; Vide; Ask; Alv; Hjalmar; Torsten; Holger; Ragnar; Leo; Dag;
    Loke; Folke; Vigg; Frank; Noel; Sixten; Bror; Ernst; Mark; Jarl; Tor; Sol
    """
)
FEMALE = listed(
    """
    Ros; Lilja; Viola; Linnea; Ängla; Saga; Vår; Stina; My; Tuva; Iris; Stjärna; Sol; Lykke; Siv; Tora; Rut; Ruth;
    Dagny; Solveig; Bodil; Dagmar; Tindra; Tyra; Ebba; Pärla; Gull; Ylva; Maj; Juni; Hedda; Sommar; Alma; Stella;
    Vilja; Svea; Freja; Sif
    """
)
LAST = listed(
    """
    Ek; Lind; Berg; Alm; Dahl; Sten; Björn; Stark; Frisk; Rask; Modig; Glad; Lång; Hjort; Falk; Örn; Svan; Lax; Ros;
    Blom; Gren; Kvist; Löv; Rot; Ström; Å; Fors; Holm; Strand; Sand; Hammar; Spjut; Sköld; Hjelm; Svärd; Dolk; Trygg;
    Rolig; Rapp; Stål; Silver; Brand; Frost; Snö; Vinter; Sommar; Höst; Dag; Morgon; Natt; Kraft; Munk; Präst; Kung;
    Lans; Flink; Quick; Orre; Trast; Duva; Höök; Varg; Räv; Bäck; Sjö; Ö; Malm; Koppar; Flod; Tall; Gran; Asp; Rönn;
    Hägg; Hassel; Lönn; Bok; Sälg; Järn; Tapper; Ståhl; Vass; Kall; Kruse; Hård; Mild
    """
)

STREET_NAMES = listed(
    """
    Aspvägen; Björkvägen; Lindgatan; Ekgatan; Granstigen; Tallbacken; Rönnvägen; Häggvägen; Hasselgatan; Lönngatan;
    Kastanjevägen; Syrenvägen; Rosenstigen; Liljegatan; Violvägen; Tulpangränd; Nejlikevägen; Klövervägen;
    Hallonstigen; Smultronvägen; Blåbärsvägen; Lingonstigen; Körsbärsvägen; Äppelgatan; Päronvägen; Plommonstigen;
    Kungsgatan; Drottninggatan; Storgatan; Lillgatan; Nygatan; Gamla vägen; Skolgatan; Kyrkogatan; Prästgatan;
    Klostergatan; Torggatan; Hamngatan; Sjögatan; Strandvägen; Åvägen; Bäckvägen; Forsgatan; Brogatan; Kvarngatan;
    Sågvägen; Smedjegatan; Bruksvägen; Fabriksgatan; Järnvägsgatan; Stationsgatan; Banvägen; Postgatan; Rådhusgatan;
    Tullgatan; Södra vägen; Norra gatan; Östra gatan; Västra vägen; Parkgatan; Trädgårdsgatan; Ängsvägen; Åkervägen;
    Hagvägen; Lundvägen; Skogsvägen; Mossvägen; Bergsgatan; Kullgatan; Backvägen; Dalvägen; Solvägen; Månstigen;
    Stjärngatan; Norrskensvägen; Vintergatan; Sommarvägen; Vårgatan; Höststigen; Midsommarvägen; Lärkvägen;
    Trastvägen; Svalgatan; Falkvägen; Örnstigen; Ugglevägen; Orrvägen; Tjädervägen; Hjortvägen; Älgstigen; Rävgatan;
    Björnvägen; Vargstigen; Lovägen; Harvägen; Ekorrvägen; Gäddvägen; Laxgatan; Abborrgränd; Seglarvägen; Fiskargatan;
    Skepparegatan; Lotsvägen; Fyrvägen; Garvaregatan; Skomakargatan; Bagaregatan; Snickarvägen; Målargatan;
    Vävarvägen; Mjölnarvägen; Kolarstigen; Jägarvägen; Soldatgatan; Ryttarvägen; Hantverkargatan
    """
)
HOSPITAL_NAMES = listed(
    """
    Almhöjden; Björkliden; Ekdala; Furulund; Granhult; Hagaborg; Klockarbo; Lindhaga; Mossbacken; Norrgläntan; Åsbo;
    Rosendala; Solgläntan; Tallåsen; Västerglänta; Ängslunda; Östmarken; Kvarnforsen; Stenbacka; Sjöhaga; Holmsätra;
    Fridhäll; Karlsro; Kungsliden; Lillhamra; Marieborg; Nyhyttan; Parkliden; Ramslunda; Sandhaga; Torsbo; Ulvsunda;
    Vallhöjd; Ådala; Öbacka; Brunnsta; Dalhamra; Edslunda; Fagerhult; Gårdslätt; Hammarbo; Isberga; Källbo;
    Ljungliden; Myrhaga; Näsbrunn; Olofsdal; Prästlunda; Rönnhöjd; Skogslycka; Strandliden; Tomtelunda; Vikingsro;
    Vinterdala; Åkerslätt; Ärlebo; Örngläntan; Bergslätt; Lövhamra; Hjortliden
    """
)
HOSPITALS = (
    "{name}s sjukhus",
    "{name}s universitetssjukhus",
    "{name}s lasarett",
    "Länssjukhuset {name}",
    "Sjukhuset {name}",
    "{name}kliniken",
)
CENTRES = ("Vårdcentralen {name}", "{name}s vårdcentral", "VC {name}", "Hälsocentralen {name}", "{name}s äldreboende")
CITIES = (
    ("Alingsås", "44"),
    ("Arboga", "73"),
    ("Borlänge", "78"),
    ("Borås", "50"),
    ("Enköping", "74"),
    ("Eskilstuna", "63"),
    ("Falun", "79"),
    ("Gävle", "80"),
    ("Göteborg", "41"),
    ("Halmstad", "30"),
    ("Helsingborg", "25"),
    ("Hudiksvall", "82"),
    ("Jönköping", "55"),
    ("Kalmar", "39"),
    ("Karlstad", "65"),
    ("Kiruna", "98"),
    ("Kristianstad", "29"),
    ("Landskrona", "26"),
    ("Linköping", "58"),
    ("Luleå", "97"),
    ("Lund", "22"),
    ("Malmö", "21"),
    ("Mora", "79"),
    ("Norrköping", "60"),
    ("Nyköping", "61"),
    ("Piteå", "94"),
    ("Sala", "73"),
    ("Skellefteå", "93"),
    ("Skövde", "54"),
    ("Stockholm", "11"),
    ("Sundsvall", "85"),
    ("Södertälje", "15"),
    ("Trollhättan", "46"),
    ("Uddevalla", "45"),
    ("Umeå", "90"),
    ("Uppsala", "75"),
    ("Vara", "53"),
    ("Varberg", "43"),
    ("Visby", "62"),
    ("Västerås", "72"),
    ("Växjö", "35"),
    ("Örebro", "70"),
    ("Östersund", "83"),
    ("Östra Ljungby", "26"),
)
PROFESSIONS = listed(
    """
    arkitekt; bagare; barnskötare; bibliotekarie; biodlare; brandman; brevbärare; busschaufför; bonde; cellist;
    ekonom; elektriker; fiskare; florist; fotograf; frisör; förskollärare; glasblåsare; guldsmed; gruvarbetare;
    gymnasielärare; hovslagare; illustratör; ingenjör; journalist; jurist; jägmästare; kakelsättare; kassörska; kock;
    kranförare; lagerarbetare; lantbrukare; lokförare; lokalvårdare; mekaniker; murare; musiker; målare; mäklare;
    organist; personlig assistent; plåtslagare; polis; präst; receptionist; redovisningskonsult; rörmokare; servitris;
    sjöman; skogsarbetare; skräddare; smed; snickare; sotare; svetsare; systemutvecklare; säljare; taxichaufför;
    timmerman; trädgårdsmästare; truckförare; urmakare; vaktmästare; väktare; översättare
    """
)
KIN = (
    ("dotter", True),
    ("son", False),
    ("hustru", True),
    ("make", False),
    ("mor", True),
    ("far", False),
    ("syster", True),
    ("bror", False),
    ("sambo", True),
    ("systerdotter", True),
    ("barnbarn", False),
    ("granne", True),
)
MONTHS = tuple("januari februari mars april maj juni juli augusti september oktober november december".split())
WEEKDAYS = tuple("måndag tisdag onsdag torsdag fredag lördag söndag".split())
DATES = {
    "full": (
        "{y}-{mm}-{dd}",
        "{y}-{mm}-{dd}",
        "{d} {month} {y}",
        "{d} {month} {y}",
        "{d}/{m} {y}",
        "{d}/{m}-{yy}",
        "{y}{mm}{dd}",
        "{yy}{mm}{dd}",
        "{dd}.{mm}.{y}",
    ),
    "day": ("{d}/{m}", "{d}/{m}", "{d} {month}", "den {d} {month}", "{weekday} {d} {month}", "{weekday} {d}/{m}"),
    "month": ("{month} {y}", "{month} -{yy}", "{mon} {y}", "{y}-{mm}"),
    "year": ("{y}",),
}
AGES = ("{age} år", "{age} år", "{age} år", "{age} års ålder", "{age}å")
VALUES = {
    "id": "{resident}",
    "record": "[{digits 6}|{digits 7}|{digits 8}|{digits 8}|J-{digits 6}|20{10-24}/{digits 5}|{digits 5}{letter}]",
    "insurance": "[FK {digits 8}|{digits 4} {1000-9999} {10-99}|{digits 10}|{digits 8}|{digits 2}-{digits 8}]",
    "licence": "[{digits 6}|{digits 7}|{digits 7}|{digits 5}|{digits 9}]",
    "phone": "[07{0-9}-{100-999} {10-99} {10-99}|07{10-99}{digits 6}|0{10-99}-{100-999} {10-99}|08-{digits 6}|"
    "+46 7{0-9} {100-999} {10-99} {10-99}|08-{100-999} {10-99} {10-99}]",
    "street": "{name} {1-140}[||{letter}| {letter}, lgh 1{0-4}0{1-9}|, {1-5} tr]",
}
DOMAINS = ("post.example", "brev.example", "mail.example.org", "vard.example.net", "webb.example.com")
ABBREVIATIONS = {
    "patienten": "pat",
    "Patienten": "Pat",
    "behandling": "beh",
    "undersökning": "us",
    "vänster": "vä",
    "höger": "hö",
    "diagnos": "diagn",
    "misstänkt": "misst",
    "temperatur": "temp",
    "blodtryck": "BT",
    "tidigare": "tid",
    "återbesök": "ÅB",
    "utan anmärkning": "ua",
    "milligram": "mg",
    "avdelningen": "avd",
    "vårdcentralen": "VC",
    "besvär": "bsv",
    "tablett": "tabl",
    "kontroll": "ktr",
}


def resident_id(rng: Random, born: date) -> str:
    """A personal identity number with a wrong check digit, so that it is nobody's."""
    number = f"{born:%y%m%d}{rng.randrange(1000):03}"
    doubled = (int(digit) * (2 - place % 2) for place, digit in enumerate(number))
    check = -sum(part // 10 + part % 10 for part in doubled) % 10
    number += str((check + rng.randint(1, 9)) % 10)
    century = f"{born:%Y}"[:2]
    return rng.choice(
        [
            f"{century}{number[:6]}-{number[6:]}",
            f"{century}{number[:6]}-{number[6:]}",
            f"{number[:6]}-{number[6:]}",
            f"{century}{number}",
            f"{number}",
        ]
    )


MEDICAL = {
    "disease": listed(
        """
        hypertoni; diabetes typ 2; hyperlipidemi; förmaksflimmer; hjärtsvikt; astma; KOL; knäartros; hypotyreos;
        Parkinsons sjukdom; Crohns sjukdom; Sjögrens syndrom; Alzheimers sjukdom; kronisk njursvikt; migrän;
        magsår; glaukom; Raynauds fenomen; järnbristanemi; gikt; psoriasis; Ménières sjukdom; ulcerös kolit;
        reumatoid artrit
        """
    ),
    "diagnosis": listed(
        """
        pneumoni; urinvägsinfektion; njursten [höger|vänster]; Collesfraktur [höger|vänster]; akut kolecystit;
        pankreatit; gastroenterit; försämrad hjärtsvikt; astmaexacerbation; vasovagal synkope; djup ventrombos;
        erysipelas [höger|vänster] underben; godartad lägesyrsel; Bells pares; snabbt förmaksflimmer; lumbago;
        appendicit; divertikulit; akut bronkit; hälseneruptur
        """
    ),
    "symptom": listed(
        """
        buksmärta; bröstsmärta; andfåddhet; feber upp till 38,{1-9}; hosta med vita upphostningar; yrsel;
        huvudvärk; illamående och kräkningar; hjärtklappning; ryggsmärta; bensvullnad; viktnedgång; trötthet;
        rosafärgad urin; smärta i [höger|vänster] knä; förstoppning; diarré; frossa; svårt att tala; svaghet i
        [höger|vänster] arm
        """
    ),
    "drug": listed(
        """
        paracetamol; ibuprofen; enalapril; metformin; omeprazol; simvastatin; atorvastatin; furosemid; bisoprolol;
        Eliquis; amoxicillin; ciprofloxacin; Ventoline; prednisolon; tramadol; Alvedon; Waran; Trombyl; Kåvepenin;
        insulin glargin; oxazepam; Levaxin; Citodon; digoxin
        """
    ),
    "dose": (
        "{drug} {2-90}0 mg x {1-4}",
        "{drug} {1-40} mg dagligen",
        "{drug} {1-9}00 mg 1+0+1",
        "{drug} en tablett om dagen",
    ),
    "department": listed(
        """
        Medicinkliniken; Kirurgmottagningen; Hjärtmottagningen; Ortopedkliniken; Lungmottagningen; Urologen;
        Neurologen; Strokeenheten; Smärtmottagningen; Akutmottagningen; Dagkirurgin; Röntgenavdelningen;
        Geriatriken; Rehabkliniken; Ögonmottagningen
        """
    ),
    "sign": listed(
        """
        Murphys tecken negativt; Valsalvas manöver utan effekt; Lasègue negativ; Babinski negativ bilateralt;
        Rombergs prov positivt; Homans tecken tveksamt; GCS 15/15; VAS {3-9}/10; visus 20/{20-60}; Barthel
        {40-100}/100; hjärtljud utan blåsljud
        """
    ),
}

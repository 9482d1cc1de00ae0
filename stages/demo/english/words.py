"""English words: names, places, formats of values, and the medical vocabulary of notes and public text."""

from datetime import date
from random import Random

from stages.demo.language import listed

MALE = listed(
    """
    Will; Grant; Frank; Mark; Rich; Drew; Dean; Chase; Reed; Rob; Miles; Art; Pat; Cliff; Dale; Glen; Heath; Jack;
    Josh; Lance; Max; Norm; Penn; Pierce; Ray; Rusty; Sterling; Ward; Wade; Woody; Hunter; Carter; Mason; Forrest;
    Basil
    """
)
FEMALE = listed(
    """
    Joy; Grace; Hope; Faith; Dawn; Rose; Lily; Ivy; Iris; Violet; Daisy; Olive; Pearl; Ruby; Amber; Jade; Crystal;
    Summer; Autumn; April; May; June; Sky; Star; Melody; Harmony; Patience; Prudence; Constance; Mercy; Charity;
    Honor; Ginger; Rosemary; Sandy; Robin; Penny; Merry; Gale; Brook
    """
)
LAST = listed(
    """
    Long; Short; Young; Small; Little; Strong; Sharp; Swift; Wise; Noble; Rich; Good; Best; Love; Joy; Bliss; Grace;
    Cold; Frost; Snow; Rain; Day; Winter; Summer; Field; Wood; Hill; Lake; Brook; Stone; Rock; Wells; Banks; Rivers;
    Park; Green; Brown; White; Black; Gray; Rose; Bush; Branch; Root; Berry; Rice; Bean; Pepper; Ham; Bacon; Fish;
    Pike; Bass; Crane; Swan; Drake; Wolf; Fox; Lamb; Bull; Hand; Foot; Back; Head; Heart; Pain; Payne; Burns; Gross;
    Blunt; Ward; Bell; Price; Cook; Baker; Weaver; Mason; Carter; Fisher; Hunter; Page; Law; Power; Knight; King;
    Bishop; Pope; Abbott; Marsh; Moss; Reed; Blood; Cough; Savage; Moody; Gentle; Akers; Hardy; Early; Moon
    """
)

STREET_NAMES = listed(
    """
    Alder Street; Ash Lane; Birch Avenue; Cedar Drive; Chestnut Court; Cypress Road; Dogwood Drive; Elm Street;
    Hawthorn Lane; Hazel Court; Hickory Road; Holly Drive; Juniper Lane; Laurel Avenue; Linden Street; Magnolia
    Drive; Maple Avenue; Mulberry Lane; Oak Street; Peach Road; Pear Court; Pine Street; Poplar Avenue; Redwood
    Drive; Sequoia Court; Spruce Street; Sycamore Road; Walnut Avenue; Willow Lane; Yew Court; Aspen Way; Beech
    Road; First Street; Second Avenue; Third Street; Fourth Avenue; Fifth Street; Ninth Avenue; Tenth Street; Main
    Street; Church Street; School Road; College Avenue; Library Lane; Market Street; Mill Road; Station Road; Bridge
    Street; Ferry Road; Harbor Drive; Bay Street; Beach Avenue; Ocean Drive; River Road; Canal Street; Lake Avenue;
    Spring Street; Fountain Lane; Garden Street; Orchard Road; Meadow Lane; Prairie Avenue; Valley Road; Canyon
    Drive; Ridge Road; Summit Avenue; Mountain View; Highland Avenue; Sunset Boulevard; Sunrise Court; Park Avenue;
    Forest Drive; Grove Street; Quarry Road; Foundry Lane; Cooper Street; Tanner Lane; Potter Road; Sawyer Court;
    Weaver Lane; Chandler Street; Miller Road; Shepherd Lane; Falcon Drive; Eagle Road; Heron Court; Robin Lane;
    Sparrow Street; Swallow Drive; Deer Run; Elk Road; Bear Creek Road; Fox Hollow; Beaver Street; Otter Lane; Trout
    Brook Road; Salmon Street; Clover Lane; Daisy Court; Primrose Lane; Tulip Street; Heather Drive; Ivy Lane
    """
)
HOSPITAL_NAMES = listed(
    """
    Aldermoor; Ashcombe; Birchfield; Bluewater; Brackenridge; Briarwood; Cedarhurst; Claymont; Coldspring;
    Copperhill; Cranmere; Dunleaf; Eastbrook; Elmhaven; Fairmeadow; Fernhill; Foxglen; Glenarbor; Goldcrest; Granite
    Falls; Greyfield; Harborview; Hartwell; Hazelmere; Highgrove; Hollowbrook; Ironwood; Kingsmere; Lakemont;
    Larkspur; Lindenhall; Longacre; Maplecrest; Marshfield; Millbrook; Mossgate; Northgate; Oakhollow; Orchard Park;
    Pinecrest; Quailridge; Ravenscourt; Redstone; Ridgemont; Riverbend; Rosemead; Sagebrook; Silverlake; Southmoor;
    Springvale; Stonebridge; Summerfield; Swanmere; Thornbury; Timberline; Valleyview; Westbrook; Whitestone;
    Willowdale; Winterset
    """
)
HOSPITALS = (
    "{name} General Hospital",
    "{name} Medical Center",
    "{name} Memorial Hospital",
    "{name} University Hospital",
    "St. {name} Hospital",
    "{name} Clinic",
)
CENTRES = (
    "{name} Health Center",
    "{name} Family Practice",
    "{name} Primary Care",
    "{name} Nursing Home",
    "{name} Care Home",
)
CITIES = (
    ("Akron", "44"),
    ("Albany", "12"),
    ("Amarillo", "79"),
    ("Augusta", "30"),
    ("Baltimore", "21"),
    ("Bangor", "04"),
    ("Boise", "83"),
    ("Boulder", "80"),
    ("Buffalo", "14"),
    ("Cedar Rapids", "52"),
    ("Chattanooga", "37"),
    ("Columbus", "43"),
    ("Dayton", "45"),
    ("Des Moines", "50"),
    ("Duluth", "55"),
    ("El Paso", "79"),
    ("Erie", "16"),
    ("Eugene", "97"),
    ("Fargo", "58"),
    ("Flint", "48"),
    ("Fresno", "93"),
    ("Hartford", "06"),
    ("Knoxville", "37"),
    ("Lansing", "48"),
    ("Laredo", "78"),
    ("Lincoln", "68"),
    ("Little Rock", "72"),
    ("Madison", "53"),
    ("Mobile", "36"),
    ("Nashville", "37"),
    ("Newark", "07"),
    ("Omaha", "68"),
    ("Portland", "97"),
    ("Providence", "02"),
    ("Reading", "19"),
    ("Reno", "89"),
    ("Richmond", "23"),
    ("Salem", "97"),
    ("Savannah", "31"),
    ("Spokane", "99"),
    ("Tacoma", "98"),
    ("Topeka", "66"),
    ("Tulsa", "74"),
    ("Wichita", "67"),
)
PROFESSIONS = listed(
    """
    accountant; architect; baker; barber; beekeeper; bookkeeper; bricklayer; bus driver; butcher; carpenter;
    cashier; cellist; chef; civil engineer; cleaner; crane operator; dairy farmer; dressmaker; electrician;
    firefighter; fisherman; florist; forester; gardener; glassblower; goldsmith; graphic designer; insurance agent;
    interpreter; janitor; journalist; kindergarten teacher; landscaper; lawyer; librarian; locksmith; machinist;
    mail carrier; mechanic; miner; music teacher; optician; painter; paralegal; photographer; pilot; plumber; police
    officer; potter; printer; real estate agent; receptionist; roofer; school principal; security guard; shoemaker;
    surveyor; tailor; taxi driver; truck driver; upholsterer; waiter; warehouse worker; watchmaker; welder
    """
)
KIN = (
    ("daughter", True),
    ("son", False),
    ("wife", True),
    ("husband", False),
    ("mother", True),
    ("father", False),
    ("sister", True),
    ("brother", False),
    ("niece", True),
    ("nephew", False),
    ("neighbor", True),
    ("grandson", False),
)
MONTHS = tuple("January February March April May June July August September October November December".split())
WEEKDAYS = tuple("Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split())
DATES = {
    "full": (
        "{m}/{d}/{y}",
        "{mm}/{dd}/{y}",
        "{m}/{d}/{yy}",
        "{month} {d}, {y}",
        "{month} {d}, {y}",
        "{mon} {d}, {y}",
        "{d} {month} {y}",
        "{y}-{mm}-{dd}",
        "{dd}-{mon}-{y}",
        "{mm}-{dd}-{yy}",
    ),
    "day": ("{m}/{d}", "{mm}/{dd}", "{month} {d}", "{mon} {d}", "{weekday}, {month} {d}", "{weekday} {m}/{d}"),
    "month": ("{month} {y}", "{mon} {y}", "{m}/{y}", "{mm}/{y}"),
    "year": ("{y}",),
}
AGES = ("{age} years old", "{age} years", "{age}-year-old", "{age} y/o", "{age} yrs", "aged {age}")
VALUES = {
    "id": "{resident}",
    "record": "[{digits 6}|{digits 7}|{digits 8}|{digits 8}|M-{digits 6}|20{10-24}/{digits 5}|{digits 5}{letter}]",
    "insurance": "[{letter}{letter}{digits 8}|{digits 4} {1000-9999} {10-99}|{digits 10}|{digits 8}"
    "|{digits 2}-{digits 8}]",
    "licence": "[{digits 6}|{digits 7}|{letter}{digits 6}|{digits 5}|{digits 8}]",
    # 555-0100 to 555-0199 are kept for fiction.
    "phone": "[({201-989}) 555-01{10-99}|{201-989}-555-01{10-99}|{201-989}.555.01{10-99}|+1 {201-989} 555 01{10-99}"
    "|555-01{10-99}|{201-989} 555-01{10-99}]",
    "street": "{1-2400} {name}[||, Apt {1-40}{letter}| #{1-90}|, Unit {1-30}]",
}
DOMAINS = ("mail.example", "post.example", "inbox.example.org", "health.example.net", "web.example.com")
ABBREVIATIONS = {
    "patient": "pt",
    "Patient": "Pt",
    "history": "hx",
    "diagnosis": "dx",
    "treatment": "tx",
    "symptoms": "sx",
    "left": "L",
    "right": "R",
    "examination": "exam",
    "temperature": "temp",
    "without": "w/o",
    "with": "w/",
    "follow-up": "f/u",
    "appointment": "appt",
    "tablet": "tab",
    "department": "dept",
    "weeks": "wks",
    "bilateral": "bilat",
}


def resident_id(rng: Random, born: date) -> str:
    """A social security number that the authority never issues: area 666 or 000, or group 00."""
    area, group = rng.choice([("666", f"{rng.randint(1, 99):02}"), ("000", f"{rng.randint(1, 99):02}"), (None, "00")])
    area = area or f"{rng.randint(1, 899):03}"
    number = f"{rng.randint(1, 9999):04}"
    return rng.choice([f"{area}-{group}-{number}", f"{area}-{group}-{number}", f"{area} {group} {number}"])


MEDICAL = {
    "disease": listed(
        """
        hypertension; type 2 diabetes; hyperlipidemia; atrial fibrillation; heart failure; asthma; COPD;
        osteoarthritis of the knee; hypothyroidism; Parkinson's disease; Crohn's disease; Sjogren's syndrome;
        Alzheimer's disease; chronic kidney disease; migraine; peptic ulcer disease; glaucoma; Raynaud's phenomenon;
        iron deficiency anemia; gout; psoriasis; Meniere's disease; ulcerative colitis; rheumatoid arthritis
        """
    ),
    "diagnosis": listed(
        """
        pneumonia; urinary tract infection; [left|right] kidney stone; Colles fracture of the [left|right] wrist;
        acute cholecystitis; pancreatitis; gastroenteritis; decompensated heart failure; asthma exacerbation;
        vasovagal syncope; deep vein thrombosis; cellulitis of the [left|right] leg; benign positional vertigo;
        Bell's palsy; atrial fibrillation with rapid response; lumbar strain; appendicitis; diverticulitis; acute
        bronchitis; Achilles tendon rupture
        """
    ),
    "symptom": listed(
        """
        abdominal pain; chest pain; shortness of breath; fever up to 10{0-3}.{1-9}; cough with white sputum;
        dizziness; headache; nausea and vomiting; palpitations; back pain; leg swelling; weight loss; fatigue; pink
        urine; pain in the [left|right] knee; constipation; diarrhea; chills; slurred speech; weakness of the
        [left|right] arm
        """
    ),
    "drug": listed(
        """
        acetaminophen; ibuprofen; lisinopril; metformin; omeprazole; simvastatin; atorvastatin; furosemide;
        metoprolol; Eliquis; amoxicillin; ciprofloxacin; albuterol; prednisone; tramadol; Tylenol; warfarin;
        aspirin; Augmentin; insulin glargine; lorazepam; Synthroid; Norco; digoxin
        """
    ),
    "dose": (
        "{drug} {2-90}0 mg [twice|three times] daily",
        "{drug} {1-40} mg daily",
        "{drug} {1-9}00 mg every {4-12} hours",
        "{drug}, one tablet a day",
    ),
    "department": listed(
        """
        Internal Medicine; General Surgery; Cardiology; Orthopedics; Pulmonology; Urology; Neurology; the Stroke
        Unit; the Pain Clinic; the Emergency Department; Day Surgery; Radiology; Geriatrics; Rehabilitation;
        Ophthalmology
        """
    ),
    "sign": listed(
        """
        Murphy's sign negative; Valsalva maneuver without effect; Lasegue negative; Babinski negative bilaterally;
        Romberg's test positive; Homans' sign equivocal; GCS 15/15; pain {3-9}/10; visual acuity 20/{20-60}; Barthel
        {40-100}/100; heart sounds without murmur
        """
    ),
}

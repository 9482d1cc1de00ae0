"""Templates of the English public text: documents of other kinds than the notes, and textbook cases."""

from stages.demo.english import note_templates, words
from stages.demo.language import CLINICAL, listed

LEXICON = {
    **words.MEDICAL,
    **{name: note_templates.LEXICON[name] for name in (*CLINICAL, "letter.code")},
    "job": words.PROFESSIONS,
    "organ": ("heart", "liver", "lung", "kidney", "stomach", "brain", "thyroid", "bowel", "skeleton"),
    "season": ("spring", "summer", "fall", "winter"),
    "event": (
        "the book fair",
        "the harvest festival",
        "the charity concert",
        "the city run",
        "the art exhibition",
        "the farmers' market",
        "a first-aid course",
        "the blood drive",
    ),
    "thing": (
        "an oak table",
        "two white chairs",
        "a red bicycle",
        "a history book",
        "an old camera",
        "a green coat",
        "a floor lamp",
        "three boxes of books",
        "a black umbrella",
    ),
    "club": ("the public library", "the swimming club", "the historical society", "the hiking club", "the choir"),
    # Clinical prose outside a patient's file.
    "clinical": (
        "{^disease} mostly affects older people and shows as {symptom}.",
        "In {disease}, {symptom} is most common, followed by {symptom}.",
        "Many choose {drug}, while some prefer {drug}.",
        "{^drug} may cause {symptom} and {symptom} in one of {10-90} users.",
        "{^drug} should not be combined with {drug} in {disease}.",
        "The study included {40-900} people with {diagnosis} between {2005-2012} and {2013-2020}.",
        "Mortality of {diagnosis} was {1-15}% and the mean stay {3-14} days.",
        "When {diagnosis} is suspected, labs, X-ray and ultrasound are ordered.",
        "The doctor may find {sign}, which suggests {diagnosis}.",
        "{^diagnosis} is sometimes mistaken for {diagnosis}.",
        "When the {organ} fails, {symptom} and {symptom} follow.",
        "{^department} had {200-9000} visits last year.",
        "A healthy blood pressure is about 120/80, a resting pulse 60 to 100.",
        "Good sleep and good food prevent {disease}.",
    ),
    # Case reports of a journal.
    "case": (
        "A {age} {job} came with {symptom} and {symptom}.",
        "<He|She> had never been in a hospital before.",
        "At first {diagnosis} was suspected, but X-ray showed {diagnosis}.",
        "{^dose} was given, and <he|she> improved within {2-9} days.",
        "On {date.past} the {symptom} returned and <he|she> was operated on at {hospital}.",
        "Labs showed WBC {4-18}.{0-9} and CRP {2-150}.",
        "{someone.titled}, a specialist of {department}, made the diagnosis of {diagnosis}.",
        "According to <his|her> {kin} {someone.first}, <he|she> had stopped {drug}.",
        "A year later <he|she> was well, without {symptom}.",
    ),
    "news": (
        "Council member {someone} of {city} opened {event} on {date.recent.day}.",
        "People in {city.other} celebrated {event} despite the rain.",
        "{someone}, {job}, {age.other}, won first prize at {event}.",
        "The {someone.last} family opens a factory in {city.other} with {20-400} jobs.",
        "According to {someone}, the building will be finished in {date.next.month}.",
        "The train between {city.other} and {city.other} stopped with {40-300} passengers on board.",
        "{hospital} gets a new unit for {department} with {6-40} beds.",
        "{someone} and {someone} read from their new novel in {city.other}.",
        "The writer {someone}, born in {city.other} in {1930-1990}, was honored.",
        "The square in {city.other} is closed until {date.next.day}.",
        "A fire on {street} drove out {3-60} people.",
    ),
    "people": (
        "Present were {someone}, {someone}, {someone} and {someone}.",
        "Excused were {someone} and {someone}.",
        "Admitted are {someone.listed}; {someone.listed}; {someone.listed} and {someone.listed}.",
        "{someone} thanked {someone.first} and {someone.first}.",
        "The minutes were approved by {someone}, chair, and {someone}, secretary.",
        "Regards to {someone.first}, {someone.first} and the whole {someone.last} family.",
    ),
    "general": (
        "The water of the creek was clear and children played on the bank.",
        "The dough takes {2-9} cups of flour, {2-6} eggs and a little salt.",
        "In {season} the days are short and one should dress warmly.",
        "The stone by the bridge dates from {1700-1899}.",
        "A white rose grew beside the door.",
        "The train leaves at {10-22}:{10-59} and arrives half an hour later.",
        "The house has {2-6} rooms, a kitchen and a yard with apple trees.",
        "For sale: {thing} in good condition; call {phone}.",
        "In the attic lay {thing}.",
        "The museum is open Tuesday to Sunday, {9-11} to {4-6}.",
    ),
    # How records are kept, as in a course on clinical documentation.
    "manual": (
        "A chart holds the past history, the exam, an assessment, a diagnosis and a plan.",
        "A discharge summary says when the patient was admitted and discharged, and the hospital course.",
        "In the emergency department blood pressure, heart rate, SpO2 and temperature are taken: the vitals.",
        "The nurse of each shift, day or night, writes what was given and how the patient slept.",
        "A soft, non-tender abdomen and a regular rhythm are normal.",
        "Common abbreviations are {acronym}, {acronym}, {acronym} and {acronym}.",
        "A telephone encounter names the caller, the reason and what was advised.",
        "Known allergies, alcohol and cigarettes must not be left out.",
        "Consent is given by the patient or by a guardian; address and age are noted.",
        "Dear colleague, please see, sincerely: so a referral is written.",
        "First and last name, date of birth, sex and date come first, then the numbers.",
        "Follow-up, an appointment, repeat labs in a week: so a note ends.",
    ),
    "acronym": (
        "MRN (medical record number)",
        "BP (blood pressure)",
        "HR (heart rate)",
        "SSN (social security number)",
        "DOB (date of birth)",
        "ED (emergency department)",
        "pt (patient)",
        "hx (history)",
        "dx (diagnosis)",
        "f/u (follow-up)",
    ),
    "thanks": ("Best wishes", "Thanks for everything.", "Do write soon.", "Yours"),
    "term": listed(
        """
        record number; chart; license; insurance; member; policy; next of kin; contact; attending; physician; chief
        complaint; occupation; impression; assessment; course; plan; signature; vaccine; lot; guideline; leaflet; form
        """
    ),
}

DOCUMENTS = {
    "article": "[Health column|Ask the doctor]\n\n{clinical} {clinical} {clinical} {clinical}\n\n"
    "{clinical} {clinical} {clinical} {general}\n",
    "case": "Case report\n\n{case} {case} {case} {clinical}\n{case} {case} {clinical} {case}\n\n{clinical} {case}\n",
    "news": "{city.other}, {date.recent}. {news} {news} {news}\n\n{news} {general} {news}\n",
    "minutes": "Minutes, {club}\n\n{city.other}, {date.past}. {people} {people} {general}\n\n"
    "{news} {people} {people} Adjourned at {18-22}:{10-59}.\n",
    "membership": """Membership form, {club}

Member: [{patient}|{patient.listed}|{patient.caps}]
Birthday {date.birth} ({age}), {city.other}
Residence {street}, {city}, {zip}
Identification {id}
Card {record}
[We call you at|Calls to] {phone} [and write to {email}|]
Employed as: {profession}
Recommended by {someone}, member {digits 5}

{general} {general} {people}
""",
    "rental": """Lease

Between {someone}, identification {id}, and {patient}, {profession}, resident of {city}.
It covers the apartment {street} ({city} {zip}) from {date.recent} to {date.next}.
The rent is {700-2900} dollars a month. Messages: {phone} or {email}.
{general} {general}
Signed: {someone.short} and {patient.short}
""",
    "insurance": """Home insurance {insurance}
Holder {patient.listed}, identification {id}
Place {street}, {city}
The damage of {date.past} was reported by {someone} from {phone}. Surveyor: {someone}, number {digits 5}.
{general} Lost: {thing} and {thing}. {general}
{thanks} {someone}
""",
    "directory": """Telephone directory of {hospital}

{someone.titled}, {department}, extension {digits 4}, {someone.email}
{someone.titled}, {department}, extension {digits 4}, {someone.email}
{someone.titled}, {department}, switchboard {someone.phone}
{someone}, front desk, {someone.email}
{clinical} {clinical}
""",
    "letter": """{city.other}, {date.past}

Dear {someone.first}!
I write from {city.other}, where I have been a {job} since {date.past.month}. {general} My {kin} \
{someone.first} is better after the {diagnosis} and takes {drug} in the morning. {general}
{news} My new address is {street}, {city} {zip}. {general}
{thanks}
{someone.first}
""",
    "manual": "How to keep a chart\n\n{manual} {manual} {manual} {clinical}\n{manual} {manual} {manual}\n",
    "glossary": """GLOSSARY
{^term}, {term}, {term}, {term}; {acronym}.
{^term} and {term} ({department}): {term}, {term}. {acronym}.
DISCHARGE SUMMARY. NURSING NOTE. {manual} {manual}
EMERGENCY DEPARTMENT. IMAGING REQUEST. {manual} {manual}
""",
    "notice": "{someone} has left us, aged {age.other}, in {city.other} on {date.recent.day}. "
    "Survived by {someone.first}, {someone.first} and {someone.first}. Service on {street}. {general}\n{news}\n",
    "job_offer": """Job opening
{hospital} seeks a {job} in {city.other}. At least {2-9} years of experience. Start {date.next}.
Applications to {someone.email}, attention {someone}, or call {someone.phone}. {clinical}
{general} {news}
""",
}

CASES = {
    "ward": """Case {1-90}. {department}

{present} [{present}|]
{past} {past} [{social}|{social} {social}]

{exam} {exam}
{tests} {tests}
{course} {course}
{diagnoses}
{plan} {plan}
""",
    "exercise": """Exercise {1-40}: {symptom}
{present} {past} [{past}|]
{social}
{exam} [{exam}|]
{tests} {course}
What do you do? {plan} [{plan}|]
{diagnoses}
""",
}

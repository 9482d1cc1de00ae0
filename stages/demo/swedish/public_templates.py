"""Templates of the Swedish public text: documents of other kinds than the notes, and textbook cases."""

from stages.demo.language import CLINICAL, listed
from stages.demo.swedish import note_templates, words

LEXICON = {
    **words.MEDICAL,
    **{name: note_templates.LEXICON[name] for name in (*CLINICAL, "letter.code")},
    "job": words.PROFESSIONS,
    "organ": ("hjärtat", "levern", "lungan", "njuren", "magsäcken", "hjärnan", "sköldkörteln", "tarmen", "skelettet"),
    "season": ("våren", "sommaren", "hösten", "vintern"),
    "event": (
        "bokmässan",
        "skördefesten",
        "välgörenhetskonserten",
        "stadsloppet",
        "konstutställningen",
        "julmarknaden",
        "öppet hus",
        "en kurs i hjärt-lungräddning",
        "blodgivardagen",
    ),
    "thing": (
        "ett ekbord",
        "två vita stolar",
        "en röd cykel",
        "en historiebok",
        "en gammal kamera",
        "en grön rock",
        "en golvlampa",
        "tre lådor böcker",
        "ett svart paraply",
    ),
    "club": ("stadsbiblioteket", "simhallen", "hembygdsföreningen", "fjällklubben", "musikskolan", "cykelklubben"),
    # Clinical prose outside a patient's file.
    "clinical": (
        "{^disease} drabbar mest äldre och visar sig som {symptom}.",
        "Vid {disease} är {symptom} vanligast, följt av {symptom}.",
        "Man brukar välja {drug}, men en del föredrar {drug}.",
        "Rekommenderad dos är {dose} under läkarkontroll.",
        "{^drug} kan ge {symptom} samt {symptom} hos en av {10-90} sjuka.",
        "{^drug} ska inte tas ihop med {drug} av den som har {disease}.",
        "Studien omfattade {40-900} sjuka med {diagnosis} mellan {2005-2012} och {2013-2020}.",
        "Dödligheten i {diagnosis} var {1-15} % och vårdtiden i snitt {3-14} dygn.",
        "Misstänker man {diagnosis} tas prover, röntgen och ultraljud.",
        "Läkaren kan finna {sign}, vilket talar för {diagnosis}.",
        "{^diagnosis} förväxlas ibland med {diagnosis}, särskilt vid {disease}.",
        "När {organ} sviktar uppstår {symptom} samt {symptom}.",
        "{department} tog emot {200-9000} besök under det gångna året.",
        "Normalt Hb är 120 till 165 och normalt kreatinin 50 till 100.",
        "Feber är en temperatur över 38 grader.",
        "Ett bra blodtryck ligger kring 120/80 och vilopulsen mellan 60 och 100.",
        "God sömn och bra mat förebygger {disease}.",
        "Den som tar {drug} behöver gå på kontroller var {2-9}:e månad.",
    ),
    "case": (
        "Vi beskriver <en man|en kvinna> på {age} med {disease} samt {disease}.",
        "Efter {2-20} dygn med {symptom} gick <han|hon> till läkare, som fann {sign}.",
        "<Hans|Hennes> {kin} berättade att besvären, främst {symptom}, kom varje natt.",
        "<Han|Hon> hade varit {job} hela livet och aldrig legat på sjukhus.",
        "Först trodde man på {diagnosis}, men röntgen visade {diagnosis}.",
        "Man gav {dose} varpå <han|hon> blev bättre på {2-9} dygn.",
        "Den {date.past} kom {symptom} tillbaka och <han|hon> opererades på {hospital}.",
        "Proverna visade LPK {4-18},{0-9}, Hb {90-160} och CRP {2-150}.",
        "{someone.titled}, specialist på {department}, fastställde {diagnosis}.",
        "Enligt <hans|hennes> {kin} {someone.first} hade <han|hon> slutat med {drug} på egen hand.",
        "Ett år senare mådde <han|hon> bra, utan {symptom} samt {symptom}.",
        "<Han|Hon> fick åka hem med {dose} samt en tid på {department}.",
    ),
    "news": (
        "Kommunalrådet {someone} i {city} invigde {event} {date.recent.day}.",
        "Invånarna i {city.other} firade {event} trots regnet.",
        "{someone}, {job}, {age.other}, vann första pris på {event}.",
        "Familjen {someone.last} öppnar fabrik i {city.other} och anställer {20-400} personer.",
        "Enligt {someone}, talesperson för kommunen, är bygget klart i {date.next.month}.",
        "Tåget mellan {city.other} och {city.other} stannade med {40-300} resenärer ombord.",
        "Polisen i {city.other} grep en man på {age.other} som stulit {thing}.",
        "{hospital} får en ny enhet för {department} med {6-40} platser.",
        "{someone} och {someone} läste ur sin nya roman i {city.other}.",
        "Laget från {city.other} förlorade med {1-5}-0 inför {2-9}000 åskådare.",
        "Författaren {someone}, född i {city.other} {1930-1990}, hyllades på torget.",
        "Under {season} väntas varmare väder än vanligt i {city.other}.",
        "Kungen besöker {city.other} {date.next}.",
        "Torget i {city.other} är avstängt fram till {date.next.day}.",
        "En brand på {street} tvingade ut {3-60} personer.",
    ),
    "people": (
        "Närvarande var {someone}, {someone}, {someone} och {someone}.",
        "Anmält förhinder hade {someone} och {someone}.",
        "Antagna är {someone.listed}; {someone.listed}; {someone.listed} samt {someone.listed}.",
        "{someone} fick ordet och tackade {someone.first} och {someone.first}.",
        "Protokollet justerades av {someone}, ordförande, och {someone}, sekreterare.",
        "Till ledamöter valdes {someone.caps}, {someone.caps} och {someone.caps}.",
        "Hälsa {someone.first}, {someone.first} och hela familjen {someone.last}.",
    ),
    "general": (
        "Vattnet i ån var klart och barnen lekte på stranden.",
        "Till degen behövs {2-9} dl mjöl, {2-6} ägg och lite salt.",
        "Under {season} är dagarna korta och man bör klä sig varmt.",
        "Stenen vid bron är från {1200-1899}-talet.",
        "En vit ros växte intill dörren.",
        "Tåget går {10-22}:{10-59} och är framme en halvtimme senare.",
        "Grannarna har klagat på bullret i {2-9} veckor.",
        "Huset har {2-6} rum, kök, badrum och en gård med äppelträd.",
        "Priset på smör steg {2-30} % på {2-9} månader.",
        "Igår regnade det hela kvällen och idag skiner solen.",
        "Museet har öppet tisdag till söndag, {9-11} till {16-18}.",
        "Säljes: {thing} i gott skick; ring {phone}.",
        "På vinden hos mormor låg {thing}.",
        "En björn sover hela vintern i sitt ide.",
        "I förrgår stängde den sista butiken i byn.",
    ),
    # How records are kept, as in a course on clinical documentation.
    "manual": (
        "Journalen rymmer tidigare sjukdomar, status, bedömning, diagnos, behandling och planering.",
        "I epikrisen står när patienten är inskriven och utskriven, inläggningsorsak och vårdförlopp.",
        "På akuten tas blodtryck, puls, temperatur, saturation och AF; det kallas vitalparametrar.",
        "Sjuksköterskan på varje pass, natt eller dag, skriver vad patienten fått och hur det går.",
        "Mjuk och oöm buk, regelbunden rytm och pupiller som reagerar är normalt.",
        "Rassel över lungan hörs hos den som är vaken men andfådd.",
        "Blodprover mäter Na, K, TPK, LPK, CRP, ferritin, NT-proBNP och laktat, i mg eller ng.",
        "Blodgas ger pH och pCO2; EKG visar sinusrytm och elaxel i slag per min.",
        "Vanliga förkortningar är {acronym}, {acronym}, {acronym} och {acronym}.",
        "På röntgenremissen anges frågeställning och undersökning: ultraljud buk, DT, MR eller lungröntgen.",
        "Efter att ha opererat en patient informerar överläkaren och diskuterar fallet med kollegor.",
        "En anteckning om telefonkontakt säger vem som ringer, vad som är orsak och vad patienten ska veta.",
        "Den som inkommer med ambulans läggs in eller flyttas till en annan enhet.",
        "Den som bor med en anhörig eller kontaktperson klarar sig ofta bättre i hemmet.",
        "Kända allergier, alkohol och cigaretter får inte utelämnas; fråga hur mycket den sjuke rökt.",
        "Samtycke lämnas av den sjuke själv eller av en god man; adress och ålder noteras.",
        "Bästa kollega, tacksam för svar, vänlig hälsning: så skrivs en remiss.",
        "Vaccin antecknas med batchnr och lot; kompresser och förbandsmaterial med ref.",
        "Är hen feberfri och väl smärtlindrad, och ingen blödning tillkommer, skrivs hen ut.",
        "Efternamn och förnamn, födelsedatum, kön och datum står först, sedan nummer eller kod.",
        "Provet tas, remissen skickas och svaret granskas och godkänns av den som har mottagit det.",
        "Återbesök, uppföljning, kontroll om en vecka: så avslutas behandlingen.",
        "Pensionär, sjukskriven eller yrkesverksam: yrket och läget hör också dit.",
    ),
    "acronym": (
        "pnr (personnummer)",
        "BT (blodtryck)",
        "ÅB (återbesök)",
        "VC (vårdcentral)",
        "ua (utan anmärkning)",
        "FK (försäkring)",
        "PAL (patientansvarig läkare)",
        "leg.nr (legitimationsnummer)",
        "ssk (sjuksköterska)",
        "SNOMED och ICD (koder)",
        "sign (signerat)",
        "pat (patient)",
        "beh (behandling)",
        "us (undersökning)",
        "vä och hö (sidor)",
        "tel (telefon)",
        "tabl (tablett)",
        "avd (avdelning)",
        "ktr (kontroll)",
        "bsv (besvär)",
    ),
    # Single terms of clinical records.
    "term": listed(
        """
        journalnummer; patientnr; förskrivarkod; försäkringsnr; frikort; postnummer; postort; bostadsadress;
        närstående; anhörig; kontaktperson; ansvarig läkare; remitterande läkare; beställare; kontaktorsak; sökorsak;
        anamnes; aktuellt; förlopp; epikris; utskrivningsanteckning; akutjournal; omvårdnad; telefonrådgivning;
        inläggningsorsak; huvuddiagnos; läkemedel; mediciner; infiltrat; gallsten; sinusrytm; elaxel; blodstatus;
        urinodling; ländrygg; thorax; allmäntillstånd; röd reflex; hjärtljud; visus; blodgas; laktat; vaccin;
        influensavaccin; batchnr; provtagningskit; artikelnummer; sterila kompresser; vårdprogram; riktlinjer;
        profylax; studie; informationsblad; blankett; version; remissmall; kopia; arkiv; uppföljning; försämring;
        samtycke; ambulans; dagpass; kvällspass; nattpass; säng; sysselsättning; yrke; pensionär; sjukskriven;
        underskrift; legitimationsnr; mottaget; godkänt; granskat; bedömd; vårdad; opererad; allergisk; värk; klåda
        """
    ),
    "thanks": ("Med vänliga hälsningar", "Tack för allt.", "Hör gärna av dig.", "Kram"),
}

DOCUMENTS = {
    "article": "[Populärvetenskap|Må bra|Läsarfrågan]\n\n{clinical} {clinical} {clinical} {clinical}\n\n"
    "{clinical} {clinical} {clinical} {general}\n",
    "case": "Fallbeskrivning ur en tidskrift\n\n{case} {case} {case} {clinical}\n{case} {case} {clinical} {case}\n\n"
    "{clinical} {case} {clinical}\n",
    "case_short": "{case} {clinical} {case} {case}\n{case} {case} {case}\n",
    "news": "{city.other}, {date.recent}. {news} {news} {news}\n\n{news} {general} {news}\n",
    "news_brief": "{news} {general} {news} {news} {clinical}\n",
    "minutes": "Mötesprotokoll, {club}\n\n{city.other} {date.past}. {people} {people} {general}\n\n"
    "{news} {people} {people} Mötet avslutades {18-22}:{10-59}.\n",
    "membership": """Medlemsansökan, {club}

Medlem: [{patient}|{patient.listed}|{patient.caps}]
Född {date.birth} ({age}) i {city.other}
Boende: {street}, {zip} {city}
Legitimation: {id}
Lånekort {record}
[Vi ringer dig på|Samtal till] {phone} [och meddelanden till {email}|]
Sysselsättning: {profession}
Rekommenderas av {someone}, medlem {digits 5}

{general} {general} {people}
""",
    "rental": """Hyreskontrakt

Mellan {someone}, legitimation {id}, och {patient}, {profession}, boende i {city}.
Avtalet gäller lägenheten {street} ({zip} {city}) från {date.recent} till {date.next}.
Hyran är {3000-9000} kronor i månaden. Meddelanden tas emot på {phone} eller {email}.
{general} {general}
Undertecknat: {someone.short} och {patient.short}
""",
    "delivery": """Följesedel {digits 8}
Kund {patient.caps}
Levereras till {street}
{zip} {city}
Avisering på {phone}
Innehåller {thing} och {thing}. Order {digits 9} av {date.recent}.
Chaufför: {someone}. {general} {thanks}
""",
    "insurance": """Hemförsäkring {insurance}
Försäkringstagare {patient.listed}, legitimation {id}
Plats {street}, {city}
Skadan den {date.past} anmäldes av {someone} från {phone}. Besiktningsman: {someone}, nummer {digits 5}.
{general} Förstört gods: {thing} och {thing}. {general}
{thanks} {someone}
""",
    "dentist": """Tandläkare {someone.last}
Påminnelse till {patient}
Välkommen {date.next} kl {10-19}:{10-59} till {street}, {city}.
Ta med kallelsen {digits 8} och kortet {insurance}. Berätta om du tar {drug} eller har {disease}.
{clinical} {clinical}
Boka om på {phone}. {thanks}
{someone.titled}, legitimation {someone.licence}
""",
    "directory": """Telefonkatalog för {hospital}

{someone.titled}, {department}, anknytning {digits 4}, {someone.email}
{someone.titled}, {department}, anknytning {digits 4}, {someone.email}
{someone.titled}, {department}, växel {someone.phone}
{someone.titled}, {department}, växel {someone.phone}
{someone}, reception, {someone.email}
{clinical} {clinical}
""",
    "letter": """{city.other} {date.past}

Kära {someone.first}!
Jag skriver från {city.other}, där jag är {job} sedan {date.past.month}. {general} Min {kin} \
{someone.first} mår bättre efter sin \
{diagnosis} och äter {drug} på morgonen. {general}
{news} Min nya adress är {street}, {zip} {city}. {general}
{thanks}
{someone.first}
""",
    "veterinary": """Djurkliniken i {city.other}
Ägare: {patient}, nås på {phone}
Djur: hund, {2-12} månader, chip {digits 9}, pass {digits 6}
Kom {date.recent} för {symptom}. Får vaccin med lotnummer {digits 5} och {drug}.
{clinical} Nästa dos i {date.next.month}. {general}
Behandlande: {someone}.
""",
    "manual": "Så skrivs en journal\n\n{manual} {manual} {manual} {clinical}\n{manual} {manual} {manual}\n",
    "lesson": "{manual} {manual} {general} {manual} {manual}\n{clinical} {manual}\n",
    "glossary": """ORDLISTA
{^term}, {term}, {term}, {term}; {acronym}.
{^term}, {term}, {term}, {term}; {acronym}.
{^term} och {term} ({department}): {term}, {term}. {acronym}.
EPIKRIS. OMVÅRDNADSANTECKNING. {manual} {manual}
AKUTJOURNAL. RÖNTGENREMISS. {manual} {manual}
""",
    "leaflet": "Bipacksedel: information till användaren\n\n{^drug}, tabletter. {clinical} {clinical} {clinical}\n"
    "Ta inte läkemedlet om du har {disease}. {clinical} {clinical} Sats {digits 6}, utgår {2024-2030}.\n",
    "notice": "{someone} har lämnat oss, {age.other} gammal, i {city.other} {date.recent.day}. "
    "Barnen {someone.first}, {someone.first} och {someone.first}. Minnesstund på {street}. {general}\n{news}\n",
    "job_offer": """Ledig tjänst
{hospital} söker {job} till {city.other}. Erfarenhet krävs, minst {2-9} år. Tillträde {date.next}.
Ansökan till {someone.email}, märk den {someone}, eller ring {someone.phone}. {clinical}
{general} {news}
""",
    "school": """Skolan i {city.other}. Omdöme läsåret {2010-2022}
Elev: {someone.listed}. Elevnummer {record}. Mentor: {someone}.
{someone.first} arbetar bra och är aktiv. {general} Frånvaro {2-9} dagar: {symptom}. Familjen ({kin}: \
{someone}) bor på {street} \
och svarar på {someone.phone}.
{people} {general}
""",
}

CASES = {
    "ward": """Fall {1-90}. [Vårdavdelning|{department}]

{present} [{present}|]
{past} {past} [{social}|{social} {social}]

{exam} {exam}
{tests} {tests}
{course} {course} [{course}|]
{diagnoses}
{plan} {plan}
""",
    "exercise": """Övning {1-40}: {symptom}
{present} {past} [{past}|]
{social}
{exam} [{exam}|]
{tests} {course}
{course} {decoy}
Vad gör du? {plan} [{plan}|]
{diagnoses}
""",
    "session": """Fallseminarium på {department}, {date.recent}
{vitals} {patient.first} har sovit [gott|illa], {symptom} {ago}.
{course} {course}
Får {dose}. {decoy}
{social} {exam}
{past} Väntar på {department} {date.next.day}.
{diagnoses} {plan}
""",
}

"""Templates of the Swedish notes."""

from stages.demo.swedish import words

LEXICON = {
    **words.MEDICAL,
    # Numbers and names that look like PII.
    "code": ("(SNOMED {digits 8})", "(SNOMED {digits 9})", "(kod {digits 5})", "(ICD {letter.code}{10-99}.{0-9})"),
    "letter.code": ("I", "J", "K", "M"),
    "decoy": (
        "Vaccin ges, batchnr {digits 8}.",
        "Influensavaccin batch {digits 9} i överarmen.",
        "Förbandsmaterial ref {digits 9}, lot {digits 5}.",
        "Provtagningskit med artikelnummer {digits 7}.",
        "Sterila kompresser, lot {digits 8}, ref 08-{100-999} {10-99} {10-99}.",
        "Vårdprogrammet {2015-2024} följs.",
        "Enligt riktlinjer från {2015-2024} behövs ingen profylax.",
        "Studie ISRCTN {digits 8}.",
        "Informationsblad nr {digits 5} lämnas.",
        "Vid försämring ring 112 eller 1177.",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "{word}",
        "Uppföljning i {2-20} år utan anmärkning.",
        "Blankett {digits 6}, version {1-9}.",
        "Remissmall 07{0-9}-{100-999} {10-99} {10-99}, kopia till arkiv.",
    ),
    # Sentences that begin with a word that is also a name.
    "word": (
        "Frisk i övrigt.",
        "Stark värk nattetid.",
        "Rolig och pigg vid ronden.",
        "Lång anamnes på klåda.",
        "Kall hud perifert.",
        "Glad och nöjd idag.",
        "Rask promenad går bra.",
        "Mild smärta i leden.",
        "Hård buk vid palpation.",
        "Sten i njuren tidigare.",
        "Natt utan sömn.",
        "Kraft i benen normal.",
        "Sand i ögat, spolat.",
        "Vinter och kyla ger besvär.",
        "Vass kant på tanden.",
        "Sol ger utslag.",
    ),
    "ago": (
        "sedan igår",
        "sedan i förrgår",
        "sedan i natt",
        "sedan tre dagar",
        "sedan {2-9} dagar",
        "sedan en vecka",
        "sedan {2-6} veckor",
        "sedan {2-9} månader",
        "i morse",
        "förra måndagen",
    ),
    "vitals": (
        "BT {100-180}/{55-95}, puls {55-120}, saturation {89-99} %, temp 3{6-8},{0-9}.",
        "Blodtryck {100-180}/{55-95}. Puls {55-120}. AF {12-28}. Temperatur 3{6-8},{0-9}.",
        "Vitalparametrar: BT {100-180}/{55-95}, puls {55-120}, VAS {2-9}/10.",
    ),
    # Header lines.
    "h.name": (
        "Förnamn: {patient.first}\nEfternamn: {patient.last}",
        "Patient: {patient}",
        "Namn: {patient}",
        "Namn: {patient.listed}",
        "Patient: {patient.caps}",
        "Pat: {patient.listed}",
    ),
    "h.born": (
        "[Född|Födelsedatum]: {date.birth}",
        "Född: {date.birth} ({age})",
        "Ålder: {age}",
        "Ålder: {age.number}   Kön: <M|K>",
        "Kön: <man|kvinna>   Ålder: {age}",
    ),
    "h.id": ("[Personnummer|Pnr|Personnr]: {id}",),
    "h.job": ("[Yrke|Sysselsättning|Arbete]: {profession}",),
    "h.record": ("[Journalnr|Journalnummer|Patientnr]: {record}",),
    "h.insurance": ("[Försäkringsnr|Försäkring|Ärende FK|Frikort]: {insurance}",),
    "h.address": (
        "[Adress|Bostad]: {street}\nPostnr: {zip}   [Ort|Postort]: {city}",
        "[Adress|Bostadsadress]: {street}, {zip} {city}",
        "[Adress|Bor på]: {street}. {city} ({zip})",
        "Adress: {street}\nPostnummer: {zip}\nOrt: {city}",
    ),
    "h.contact": (
        "[Telefon|Tel|Mobil]: {phone}",
        "[Telefon|Tel]: {phone}   [E-post|Mejl]: {email}",
        "[Närstående|Kontakt]: {relative} ({kin}), tel {relative.phone}",
        "[Anhörig|Kontaktperson]: {relative} ({kin}) {relative.phone}",
        "E-post: {email}",
    ),
    "h.doctor": (
        "[Läkare|Ansvarig läkare]: {doctor}",
        "[Läkare|PAL]: {doctor.title} {doctor}   [Förskrivarkod|Kod]: {doctor.licence}",
        "Läkare: {doctor}\nLegitimationsnr: {doctor.licence}",
    ),
    "header": (
        "{h.name}\n{h.record}\n{h.id}\n{h.born}\n{h.address}\n[{h.contact}\n|{h.job}\n|]",
        "{h.name}\n{h.born}\n{h.insurance}\n[{h.record}\n|{h.id}\n]{h.address}\n{h.contact}\n",
        "{h.record}   {h.insurance}\n{h.name}\n{h.id}\n[{h.address}\n|{h.contact}\n]",
        "{patient.caps} | {age} | Journalnr {record} | [FK|Försäkring] {insurance}\n",
        "{patient}\n{street}\n{zip} {city}\n{id}\n[Tel |]{phone}\n",
        "{h.name}   {h.record}\n{h.born}\n{h.job}\n{h.contact}\n",
        "{h.name}\n{h.id}   {h.born}\n{h.record}\n{h.insurance}\n{h.contact}\n",
    ),
    # Sentences, by what they are about.
    "present": (
        "<Man|Kvinna>, {age}, som söker för {symptom} {ago}.",
        "Patient, {age}, {job}, söker på grund av {symptom} och {symptom} {ago}.",
        "Kommer med sin {kin} {relative} på grund av {symptom} {ago}.",
        "<Herr|Fru> {patient}, {age}, läggs in för {symptom}.",
        "{patient.first} berättar om {symptom} {ago}, därtill {symptom}.",
        "Patienten, {patient}, har haft {symptom} sedan {date.recent.day}.",
        "Inkommer med ambulans från {centre} på grund av {symptom}.",
        "Uppger {symptom} {ago} men ingen {symptom}.",
    ),
    "job": (
        "till yrket {profession}",
        "som arbetar som {profession}",
        "pensionerad {profession}",
        "yrkesverksam {profession}",
    ),
    "past": (
        "Tidigare sjukdomar: {disease} och {disease}.",
        "Känd {disease} sedan {date.past.year}, även {disease}.",
        "Fick diagnosen {disease} i {date.past.month}.",
        "Opererad för {diagnosis} {date.past} på {hospital}.",
        "Vårdad på {centre} {date.past.year} för {diagnosis}.",
        "Rökt {5-30} cigaretter dagligen i {10-40} år.",
        "Inga kända allergier. {^disease}, behandling med {dose}.",
        "Allergisk mot {drug}. Ingen alkohol.",
        "Mediciner: {dose}, {dose}.",
        "Far avled vid {age.other} av {disease}.",
        "Har {disease} sedan {2-20} år {code}.",
    ),
    "social": (
        "Bor med sin {kin} {relative} i {city}.",
        "Arbetar som {profession}. Bosatt i {city}.",
        "Uppvuxen i {city.other}, bor på {street}, {city}.",
        "<Hans|Hennes> {kin} {relative.first} sköter medicinerna.",
        "Närmast anhörig: {relative} ({kin}), telefon {relative.phone}.",
        "Pensionär, tidigare {profession}. Klarar sig själv i hemmet.",
        "Till yrket {profession}, sjukskriven sedan {date.recent}.",
    ),
    "exam": (
        "Status: gott allmäntillstånd, {sign}, {sign}.",
        "Vid undersökning {sign}. Buken mjuk och oöm.",
        "Vaken och orienterad. Rassel basalt [höger|vänster]. {^sign}.",
        "Regelbunden rytm. {^sign}; {sign}.",
        "{vitals}",
        "{vitals}",
        "Röd reflex normal, pupiller reagerar. {^sign}.",
    ),
    "tests": (
        "Prover {date.test}: Hb {90-160}, LPK {4-18},{0-9}, TPK {100-400}, CRP {1-200}, remissnr {digits 5}.",
        "Blodprover: kreatinin {50-210}, Na {130-146}, K {3.2-5.4}, NT-proBNP {digits 5} ng/l, ferritin {digits 4}.",
        "Lungröntgen ({date.test}): inga infiltrat.",
        "Ultraljud buk {date.recent.day}: gallsten, i övrigt normalt.",
        "EKG: sinusrytm {55-110}/min, elaxel {20-80}.",
        "DT hjärna utförd {date.test.day}: ingen blödning.",
        "Blodgas: pH 7,{30-48}, pCO2 {4.0-7.9}, laktat {0.6-4.0}.",
        "Granskat av {referrer.title} {referrer} ({department}) {date.test}.",
    ),
    "course": (
        "God effekt av {dose}.",
        "Bedömd av {department} ({referrer}), som råder till {dose}.",
        "Fallet diskuteras med {nurse} på {department}.",
        "Under vårdtiden är {patient.first} feberfri och väl smärtlindrad.",
        "Den {date.recent.day} tillkommer {symptom}, som släpper efter {drug}.",
        "{relative} ({kin}) är informerad om läget.",
        "{^kin.role} {relative} lämnar samtycke.",
        "{decoy}",
        "{decoy}",
        "Flyttas till {department} utan problem.",
    ),
    "kin.role": ("god man", "kontaktperson"),
    "plan": (
        "Skrivs ut till hemmet med {dose} och {dose}.",
        "Kontroll på {centre} {date.next}.",
        "Återbesök hos {doctor.title} {doctor.last} på {department} {date.next}.",
        "Tid {date.next.day} på {department}.",
        "Fortsätter med {dose}. Uppföljning hos {referrer.title} {referrer}.",
        "Vid frågor ring {doctor.phone} eller skriv till {doctor.email}.",
        "Ring <hans|hennes> {kin} på {relative.phone} med svaren.",
        "Nya prover om {2-8} veckor.",
        "Vila i {2-9} dagar. {decoy}",
        "Svar skickas till {email}.",
    ),
    "signature": (
        "Sign: {doctor.title} {doctor}. [Leg.nr {doctor.licence}|Förskrivarkod {doctor.licence}]",
        "{doctor.title} {doctor}\n{department}\n{hospital}",
        "Signerat {doctor}\nLegitimationsnr {doctor.licence}\n{hospital}, {date.visit}",
        "{city.other} {date.visit}. Underskrift: {doctor}",
        "{doctor.title} {doctor.short}, {department}\n{doctor.email}",
        "{doctor.caps}\nÖverläkare. {hospital}\nTel {doctor.phone}",
    ),
    "diagnoses": (
        "Diagnos: {diagnosis} {code}.",
        "Bedömning: {diagnosis}. {^disease}.",
        "[Huvuddiagnos|Diagnos]: {diagnosis}.",
        "Sammanfattning: {diagnosis} hos patient med {disease}.",
    ),
}

NOTES = {
    "discharge": """[EPIKRIS|Utskrivningsanteckning]
[{hospital}|{hospital} - {department}]
{header}[{h.doctor}
|]Inskriven: {date.admit}   Utskriven: {date.visit}

[ORSAK|Inläggningsorsak]: {symptom}.
{past} {past} {past} {social}

[Aktuellt|AKTUELLT]: {present} [{present}|]
{exam} {exam}
[Undersökningar|Lab och röntgen]: {tests} {tests} {tests}
[Förlopp|VÅRDFÖRLOPP]: {course} {course} [{course}|]
{diagnoses}
[Behandling|Planering]: {plan} {plan}
{signature}
""",
    "referral": """[{centre}|{centre}, {city.other}]
{date.visit}

[Remiss till|Till] [{doctor.title} {doctor}|{department}]
{hospital}

[Bästa kollega!|Bästa kollegor!]
[Tacksam för bedömning av|Remitterar] {patient}, {age}, med [journalnr|patientnr] {record} och \
[adress|bostad] {street}[, {zip}|,] {city}[, pnr {id}| (tel {phone})|].
{present} {past} {past}
{past} {social}
{exam} {exam} {tests} {tests}
{course} {course} {diagnoses}
[Tacksam för svar. |Önskar tid snarast. |]{plan}
Vänlig hälsning,
{referrer.title} {referrer}[, leg.nr {referrer.licence}|]
[{referrer.email}|Tel {referrer.phone}|{centre}]
""",
    "emergency": """[AKUTJOURNAL|Akutmottagningen] [- {hospital}|]
{header}[Ankomst|Inkom]: {date.visit} kl {10-23}:{10-59}. [Läkare|Bedömd av]: {doctor}

[Sökorsak|Kontaktorsak]: {symptom}.
{present} {present}
{past} {past} {past}
{social}
{exam} {exam}
{tests} {tests} {course}
{diagnoses}
{plan} {plan}
{signature}
""",
    "request": """[LABORATORIEREMISS|RÖNTGENREMISS|Beställning av undersökning]
[Enhet|Från]: [{centre}|{hospital}]
[Beställare|Remitterande läkare]: {doctor}   [Kod|Förskrivarkod]: {doctor.licence}
[Datum|Remissdatum]: {date.visit}
{header}
[Prov|Undersökning]: [blodstatus|ultraljud buk|DT thorax|MR ländrygg|urinodling] (kod {digits 5})
[Anamnes|Frågeställning]: {present} {past} {past}
{exam} {exam} {tests} {tests}
{diagnoses}
Övrigt: {course} {course} {decoy} [{social}|]
[Svar till {doctor.email}|Ring {doctor.phone}|Lämnas till {relative} ({kin})]. Provet taget av {nurse} \
{date.test}.
[Godkänt av|Mottaget av]: {referrer}
""",
    "nursing": """[OMVÅRDNADSANTECKNING|Omvårdnad|Sjuksköterskeanteckning]
{patient.caps}   [Journalnr|Patientnr]: {record}   Säng {10-48}
[{hospital}|{department}, {hospital}]
{date.visit.day}, [dagpass|kvällspass|nattpass]. {vitals} {patient.first} har sovit [bra|dåligt|lite], \
{symptom} {ago}.
{course} {course} {course}
Fått {dose}. {decoy}
{date.visit.day} kl {10-23}:{10-59}. <Hans|Hennes> {kin} {relative} ringer ([tel |]{relative.phone}) och \
undrar hur det går. {social}
{doctor.title} {doctor.last} kontaktas för {symptom}: {dose}. {exam}
{past} {past} Väntar på {department} {date.next.day}.
{course} {tests}
[Sjuksköterska|Leg ssk|Sign]: {nurse}[ (leg.nr {nurse.licence})|]
""",
    "telephone": """[TELEFONKONTAKT|Telefonrådgivning|Anteckning telefon]
[Datum|Dag]: {date.visit}   [Samtal med|Tar samtalet]: {doctor}
[Uppringd av|Kontakt från] {relative} ({kin} till {patient}), från [telefon |]{relative.phone}.
{h.record}   {h.insurance}
{h.id}
[{h.address}
|{h.born}
|{h.job}
]Orsak: {symptom} {ago}. {present}
{past} {past} {past}
[Läkemedel|Tar]: {dose}, {dose}. {decoy}
{course} {tests} {tests}
{relative.first} får veta att {patient.first} ska åka till {hospital} vid {symptom} eller {symptom}.
{diagnoses}
{plan} {plan} Kopia mejlas till {email}.
{signature}
""",
}
